"""The store of embeddings: immutable Arrow shards, one folder per fingerprint.

A shard's name is the hash of its bytes. It is written under a temporary name, synced and renamed; whatever does not
match its name is ignored, and what it held is computed anew. So any number of processes can share a store.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.storage import cache_dir, file_digest, replace_file, warn_cache, write_json

SUFFIX = ".arrow"


def features_dir() -> Path:
    """The folder that holds all stores."""
    return cache_dir() / "features"


class FeatureStore:
    """The embeddings of one fingerprint.

    Args:
        fingerprint: names everything that an embedding depends on beside the example.
        size: of an embedding.
        about: what the fingerprint stands for, for people.
        folder: where the stores are; below the cache folder when left out.
    """

    def __init__(
        self, fingerprint: str, size: int, about: dict[str, Any] | None = None, folder: Path | None = None
    ) -> None:
        self.size = size
        self.folder = (folder or features_dir()) / fingerprint
        self._about = about or {}
        self._writable = True
        self._shards: list[Path] = []
        self._index: dict[bytes, tuple[int, int]] = {}
        for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}")):
            self._add_shard(path)
        if self._shards:
            _touch(self.folder)

    def reopened(self) -> FeatureStore:
        """The same store as it is on disk by now."""
        return FeatureStore(self.folder.name, self.size, self._about, self.folder.parent)

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._index

    def read(self, digests: Sequence[bytes]) -> tuple[NDArray[np.float32], dict[int, str]]:
        """Return the embeddings of examples that are all in the store, float32 ``[n, size]``, and remarks by row."""
        rows = np.empty((len(digests), self.size), np.float32)
        remarks: dict[int, str] = {}
        wanted: dict[int, list[tuple[int, int]]] = {}
        for position, digest in enumerate(digests):
            shard, row = self._index[digest]
            wanted.setdefault(shard, []).append((position, row))
        for shard, pairs in wanted.items():
            positions, places = zip(*pairs, strict=True)
            table = _table(self._shards[shard])
            rows[list(positions)] = _embeddings(table, self.size)[list(places)]
            said = table.column("remark")
            if said.null_count < len(said):
                values = said.to_pylist()
                remarks.update((position, values[row]) for position, row in pairs if values[row])
        return rows, remarks

    def write(
        self, digests: Sequence[bytes], embeddings: NDArray[np.float32], remarks: Mapping[int, str] | None = None
    ) -> None:
        """Add a shard; a disk that is full or read-only means a warning and no more writing, never a failure.

        Args:
            digests: one for each row; those in the store already are left out.
            embeddings: float32 ``[n, size]``.
            remarks: about some of them, by row.
        """
        fresh = {digest: row for row, digest in enumerate(digests) if digest not in self._index}
        if not fresh or not self._writable:
            return
        said = [(remarks or {}).get(row) for row in fresh.values()]
        data = _shard(list(fresh), embeddings[list(fresh.values())], said)
        path = self.folder / f"{hashlib.sha256(data).hexdigest()}{SUFFIX}"
        try:
            if not self.folder.is_dir():
                write_json(self.folder / "about.json", self._about)
            with replace_file(path) as temporary:
                temporary.write_bytes(data)
        except OSError as error:
            self._writable = False
            warn_cache(f"Cannot keep features in {self.folder.parent}", error)
            return
        self._shards.append(path)
        self._index.update((digest, (len(self._shards) - 1, row)) for row, digest in enumerate(fresh))

    def _add_shard(self, path: Path) -> None:
        try:
            if file_digest(path) != path.name.removesuffix(SUFFIX):
                return
            digests = _digests(path)
        except (OSError, ValueError, KeyError):
            return
        self._index.update((digest, (len(self._shards), row)) for row, digest in enumerate(digests))
        self._shards.append(path)


def _shard(digests: Sequence[bytes], embeddings: NDArray[np.float32], remarks: Sequence[str | None]) -> bytes:
    import pyarrow as pa

    size = embeddings.shape[1]
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(embeddings, np.float32).ravel()), size)
    table = pa.table(
        {
            "digest": pa.array(digests, pa.binary(32)),
            "embedding": values,
            "remark": pa.array(remarks, pa.string()),
        }
    )
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def _table(path: Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def _digests(path: Path) -> Iterable[bytes]:
    table = _table(path)
    if "remark" not in table.column_names:
        raise ValueError("a shard of an older tlplug")
    digests: list[bytes] = table.column("digest").to_pylist()
    return digests


def _embeddings(table: Any, size: int) -> NDArray[np.float32]:
    column = table.column("embedding").combine_chunks()
    values: NDArray[np.float32] = column.values.to_numpy(zero_copy_only=True)
    return values.reshape(-1, size)


def _touch(folder: Path) -> None:
    """Note that a store was used, for `tlplug cache prune`."""
    try:
        os.utime(folder)
    except OSError:
        return
