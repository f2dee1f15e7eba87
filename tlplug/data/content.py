"""What tells one example from another: a digest of its content, wherever it lies and whatever it is called."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tlplug import progress

_BLOCK = 1024
"""Files that wait to be read at a time."""


def digest(source: Any) -> bytes:
    """Return the sha256 of a source's content: a file's bytes, bytes, a text, or an array with its type and shape.

    Raises:
        OSError: the file cannot be read.
        TypeError: the source is none of these.
    """
    if isinstance(source, Path):
        if source.exists() and not source.is_file():  # opening a pipe would wait for ever
            raise OSError(errno.EINVAL, "it is no regular file", str(source))
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    if isinstance(source, str):
        return hashlib.sha256(b"str\0" + source.encode("utf-8", "surrogatepass")).digest()
    if isinstance(source, np.ndarray) and not source.dtype.hasobject:
        header = f"{source.dtype.str}{source.shape}\0".encode()
        return hashlib.sha256(header + np.ascontiguousarray(source).tobytes()).digest()
    raise TypeError(f"A source is a path, bytes, a text or an array. Received: {type(source).__name__}.")


def digests(sources: Sequence[Any]) -> list[bytes | str]:
    """Return the digest of each source, or the reason why it has none."""
    found: list[bytes | str] = []
    with (
        progress.task("Reading examples", len(sources), "examples") as advance,
        ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool,
    ):
        for start in range(0, len(sources), _BLOCK):
            block = sources[start : start + _BLOCK]
            read = iter(pool.map(_digest_or_reason, [source for source in block if isinstance(source, Path)]))
            for source in block:
                found.append(next(read) if isinstance(source, Path) else digest(source))
                advance(1)
    return found


def _digest_or_reason(source: Any) -> bytes | str:
    try:
        return digest(source)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
