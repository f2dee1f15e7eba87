"""The preprocess of texts for modules that take them as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MAX_CHARACTERS = 20_000
"""Characters of a text that count unless stated otherwise: some 3,000 words."""

MAX_BYTES = 16 << 20
"""Size of the largest text file that is read, in bytes."""

PREVIEW = 300
"""Characters that a preview has."""


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> Callable[[Any], dict[str, Any]]:  # noqa: ARG001 - modules bring their vocabulary inside
    """Make the function that turns a source into a text.

    Args:
        options: ``max_characters``, and ``encoding`` of files and bytes.
        files: none are used.

    Returns:
        A function of one source (a str, a Path or bytes) that returns ``{"text": str}`` as an array without axes, and
        a ``remark`` where the text was cut. It raises `ValueError` with one line for what it cannot read, and may be
        called from several threads.

    Raises:
        OptionError: an unknown encoding.
        ValueError: the network takes no texts.
    """
    import numpy as np

    if tuple(options.get("input_shape") or ()):
        raise ValueError(f"Texts as they are need a network that takes strings. Received: {options['input_shape']}.")
    encoding, most = options.get("encoding", "utf-8"), options.get("max_characters", MAX_CHARACTERS)
    try:
        "text".encode(encoding)
    except (LookupError, ValueError) as error:
        from tlplug import OptionError  # here and below, as the rest travels with exports and does without

        raise OptionError(f"Unknown text encoding {encoding!r}. Valid: utf-8, latin-1, cp1252, utf-16 ...") from error

    def preprocess(source: Any) -> dict[str, Any]:
        text = read(source, encoding)
        if not text.strip():
            raise ValueError("The text is empty." if not text else "The text has no words, only white space.")
        arrays = {"text": np.array(text[:most], object)}
        return {**arrays, "remark": f"cut after {most:,} characters"} if len(text) > most else arrays

    return preprocess


def read(source: Any, encoding: str = "utf-8") -> str:
    """Return the text of a source.

    Args:
        source: a text itself, the path of a file, or the bytes of one.
        encoding: of files and bytes; a byte order mark of UTF-8 is no part of the text.

    Raises:
        ValueError: there is no such file, it is too large, no text, or in another encoding; one line.

    >>> read(b"caf\\xc3\\xa9")
    'café'
    """
    if isinstance(source, Path):
        from tlplug import read_source

        source = read_source(source, MAX_BYTES)
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        if len(data) > MAX_BYTES:
            raise ValueError(f"The text has more than {MAX_BYTES:,} bytes.")
        try:
            source = data.decode(encoding)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise ValueError(
                f"The text is not {encoding}: byte 0x{data[error.start]:02x} at position {error.start:,}, line "
                f"{line:,}. Save it as UTF-8, or state its encoding when training: "
                "--set preprocess.encoding=NAME"
            ) from error
        except ValueError as error:
            raise ValueError(f"The text is not {encoding}: {str(error).partition(chr(10))[0]}.") from error
    if not isinstance(source, str):
        raise ValueError(f"A text is a str, a Path or bytes. Received: {type(source).__name__}.")  # noqa: TRY004 - the host takes ValueError for what cannot be read
    if (position := source.find("\0")) >= 0:
        raise ValueError(f"It is no text: character {position:,} is NUL.")
    try:
        source.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"It is no text: character {error.start:,} is half of a surrogate pair.") from error
    return source.removeprefix("\ufeff")


def preview(source: Any) -> tuple[str, bytes]:
    """Return the beginning of a text for a report: its media type, and the text in UTF-8.

    Raises:
        ValueError: the source cannot be read; one line.
    """
    start = " ".join(read(source)[: 4 * PREVIEW].split())
    return "text/plain", (start if len(start) <= PREVIEW else f"{start[: PREVIEW - 1]}…").encode()
