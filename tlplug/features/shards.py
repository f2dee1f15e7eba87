"""Immutable Arrow shards in one folder: a shard's name is the hash of its bytes.

It is written under a temporary name, synced and renamed; whatever does not match its name is ignored, and what it held
is computed anew. So any number of processes can share a folder.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlplug.storage import file_digest, replace_file, warn_cache, write_json

SUFFIX = ".arrow"


class ShardFolder:
    """The tables in a folder, in an order that depends on their contents alone, and those added since.

    Args:
        folder: where they are; made when the first one is written.
        about: what they are, for people.
        columns: what a table must have to be read.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], columns: tuple[str, ...]) -> None:
        self.folder = folder
        self.tables: list[Any] = []
        self._about = about
        self._writable = True
        for path in sorted(folder.glob(f"[!.]*{SUFFIX}")):
            try:
                if file_digest(path) == path.name.removesuffix(SUFFIX):
                    table = _table(path)
                    if set(columns) <= set(table.column_names):
                        self.tables.append(table)
            except (OSError, ValueError):
                continue
        if self.tables:
            _touch(folder)

    def add(self, table: Any, *, keep: bool = False) -> bool:
        """Write a table and add it; a disk that is full or read-only means a warning and no more writing.

        Args:
            table: a ``pyarrow.Table``.
            keep: add it even where it cannot be written: then it stays in memory.

        Returns:
            Whether it was added.
        """
        if self._writable:
            data = _bytes_of(table)
            path = self.folder / f"{hashlib.sha256(data).hexdigest()}{SUFFIX}"
            try:
                if not self.folder.is_dir():
                    write_json(self.folder / "about.json", dict(self._about))
                with replace_file(path) as temporary:
                    temporary.write_bytes(data)
                table = _table(path)
            except OSError as error:
                self._writable = False
                warn_cache(f"Cannot keep features in {self.folder.parent}", error)
        if self._writable or keep:
            self.tables.append(table)
        return self._writable or keep


def _bytes_of(table: Any) -> bytes:
    import pyarrow as pa

    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def _table(path: Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def _touch(folder: Path) -> None:
    """Note that the shards were used, for `tlplug cache prune`."""
    try:
        os.utime(folder)
    except OSError:
        return
