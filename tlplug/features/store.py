"""The store of embeddings: one folder of shards per fingerprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.features.shards import ShardFolder
from tlplug.storage import cache_dir


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
        self._shards = ShardFolder(self.folder, self._about, ("digest", "embedding", "remark"))
        self._index: dict[bytes, tuple[int, int]] = {}
        for number in range(len(self._shards.tables)):
            self._index_shard(number)

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
            table = self._shards.tables[shard]
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
        if not fresh:
            return
        said = [(remarks or {}).get(row) for row in fresh.values()]
        if self._shards.add(_shard(list(fresh), embeddings[list(fresh.values())], said)):
            self._index_shard(len(self._shards.tables) - 1)

    def _index_shard(self, number: int) -> None:
        digests = self._shards.tables[number].column("digest").to_pylist()
        self._index.update((digest, (number, row)) for row, digest in enumerate(digests))


def _shard(digests: Sequence[bytes], embeddings: NDArray[np.float32], remarks: Sequence[str | None]) -> Any:
    import pyarrow as pa

    size = embeddings.shape[1]
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(embeddings, np.float32).ravel()), size)
    return pa.table(
        {
            "digest": pa.array(digests, pa.binary(32)),
            "embedding": values,
            "remark": pa.array(remarks, pa.string()),
        }
    )


def _embeddings(table: Any, size: int) -> NDArray[np.float32]:
    column = table.column("embedding").combine_chunks()
    values: NDArray[np.float32] = column.values.to_numpy(zero_copy_only=True)
    return values.reshape(-1, size)
