"""What a network makes of examples up to a cut, computed once and read batch by batch.

The part under the cut, the trunk, is frozen and runs on the best runtime, so training what is above it never pays for
it again. Without a cut what is kept is what the preprocess makes. Arrays are kept window by window in shards that are
mapped, not read, so memory stays flat however many there are.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.errors import DataError
from tlplug.features.compiled import CompiledBackbone
from tlplug.features.extraction import fingerprint_of, windows_of, without_notes
from tlplug.features.pipeline import Arrays, Decoded, run_pipeline
from tlplug.features.preprocessing import PreprocessSpec
from tlplug.features.shards import ShardFolder
from tlplug.features.store import features_dir

CUT = "cut"
"""What the output of a trunk is called among the arrays of a window."""

BLOCK_BYTES = 64 << 20
"""Arrays that are written as one shard."""

_ARRAYS = b"arrays"
_Place = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """One window of one example, and the shapes of its arrays; windows of the same shapes can be in one batch."""

    example: int
    place: _Place
    shapes: tuple[tuple[int, ...], ...]


class ActivationStore:
    """Arrays of the windows of examples, by the example's key.

    Args:
        fingerprint: names everything that they depend on beside the example; None for a folder of this process alone.
        about: what they are, for people.
    """

    def __init__(self, fingerprint: str | None, about: Mapping[str, Any]) -> None:
        if fingerprint is None:
            folder = Path(tempfile.mkdtemp(prefix="tlplug-activations-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        else:
            folder = features_dir() / fingerprint
        self._shards = ShardFolder(folder, about, ("key", "windows"))
        self._places: dict[bytes, list[_Place]] = {}
        self._names: list[list[tuple[str, str]]] = []
        for number in range(len(self._shards.tables)):
            self._index(number)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def windows(self, key: bytes, example: int) -> list[Window]:
        """Return the windows of an example, which is called `example` in them."""
        return [Window(example, place, self._shapes(place)) for place in self._places[key]]

    def read(self, windows: Sequence[Window]) -> dict[str, NDArray[Any]]:
        """Return the arrays of windows of one shape, each ``[n, ...]``, in the order of what takes them."""
        names = [name for name, _ in self._names[windows[0].place[0]]]
        rows = [self._arrays(window.place) for window in windows]
        return {name: np.stack([row[name] for row in rows]) for name in names}

    def write(self, examples: Sequence[tuple[bytes, Sequence[Arrays]]]) -> None:
        """Keep the windows of examples; on a disk that takes nothing they stay in memory."""
        import pyarrow as pa

        windows = [(key, len(group), window) for key, group in examples for window in group]
        names = [(name, array.dtype.str) for name, array in windows[0][2].items()]
        columns: dict[str, Any] = {
            "key": pa.array([key for key, *_ in windows], pa.binary(32)),
            "windows": pa.array([count for _, count, _ in windows], pa.int32()),
        }
        for name, _ in names:
            arrays = [window[name] for *_, window in windows]
            columns[f"{name} values"] = pa.array([_bytes_of(array) for array in arrays], pa.large_binary())
            columns[f"{name} shape"] = pa.array([list(array.shape) for array in arrays], pa.list_(pa.int32()))
        table = pa.table(columns).replace_schema_metadata({_ARRAYS: json.dumps(names)})
        self._shards.add(table, keep=True)
        self._index(len(self._shards.tables) - 1)

    def _index(self, number: int) -> None:
        table = self._shards.tables[number]
        self._names.append([tuple(pair) for pair in json.loads(table.schema.metadata[_ARRAYS])])
        row, keys, counts = 0, table.column("key").to_pylist(), table.column("windows").to_pylist()
        while row < len(keys):
            self._places[keys[row]] = [(number, row + offset) for offset in range(counts[row])]
            row += counts[row]

    def _shapes(self, place: _Place) -> tuple[tuple[int, ...], ...]:
        table, row = self._shards.tables[place[0]], place[1]
        return tuple(tuple(table.column(f"{name} shape")[row].as_py()) for name, _ in self._names[place[0]])

    def _arrays(self, place: _Place) -> dict[str, NDArray[Any]]:
        table, row, arrays = self._shards.tables[place[0]], place[1], {}
        for (name, dtype), shape in zip(self._names[place[0]], self._shapes(place), strict=True):
            values = table.column(f"{name} values")[row].as_buffer()
            arrays[name] = _array_of(values, np.dtype(dtype)).reshape(shape)
        return arrays


def _bytes_of(array: NDArray[Any]) -> bytes:
    return json.dumps(array.tolist()).encode() if array.dtype == object else array.tobytes()  # objects are texts


def _array_of(values: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.array(json.loads(values.to_pybytes()), object) if dtype.hasobject else np.frombuffer(values, dtype)


class Trunk:
    """The frozen part of a network under a cut, with the preprocess in front.

    Args:
        network: compiled up to the cut, or the whole backbone where there is no cut.
        preprocess: what makes its arrays.
        cut: whether there is one; without it arrays are kept as the preprocess makes them.
        beside: the inputs of the network that what is above the cut needs as well.
        augmenter: makes views of an example's arrays; None where there is only the example itself.
    """

    def __init__(
        self,
        network: CompiledBackbone,
        preprocess: PreprocessSpec,
        *,
        cut: bool,
        beside: Sequence[str] = (),
        augmenter: Any = None,
    ) -> None:
        self.network, self.preprocess, self.cut, self.augmenter = network, preprocess, cut, augmenter
        self.beside = tuple(beside)
        # Views of augmentations without an identity are not found again by another process.
        self._views = (augmenter and augmenter.identity) or secrets.token_hex(16)
        fingerprint = fingerprint_of(network, preprocess)
        self.store = ActivationStore(
            None if fingerprint is None else hashlib.sha256(f"{fingerprint} {cut} {beside}".encode()).hexdigest()[:32],
            {**network.about, "preprocess": preprocess.to_json(), "kept": "at the cut" if cut else "as preprocessed"},
        )

    def windows(
        self, sources: Sequence[Any], digests: Sequence[bytes], views: Sequence[int] = (0,)
    ) -> dict[int, list[list[Window]]]:
        """Return the windows of each example in each view, computing those that are not kept.

        Args:
            sources: examples that can be read.
            digests: of their content.
            views: numbers of them; 0 is the example itself.

        Raises:
            DataError: an example cannot be read after all.
            PluginError: the preprocess gives what the network does not take.
        """
        wanted = [(position, view) for view in views for position in range(len(sources))]
        keys = {pair: self._key(digests[pair[0]], pair[1]) for pair in wanted}
        missing = list({keys[pair]: pair for pair in wanted if keys[pair] not in self.store}.values())
        if missing:
            waiting: list[tuple[bytes, Sequence[Arrays]]] = []
            size = 0
            with progress.task("Computing what stays frozen", len(missing), "examples") as advance:
                for pair, arrays in self._computed([(sources[p], digests[p], (p, v)) for p, v in missing]):
                    waiting.append((keys[pair], arrays))
                    size += sum(array.nbytes for window in arrays for array in window.values())
                    if size > BLOCK_BYTES:
                        self.store.write(waiting)
                        waiting, size = [], 0
                    advance(1)
            if waiting:
                self.store.write(waiting)
        return {view: [self.store.windows(keys[p, view], p) for p in range(len(sources))] for view in views}

    def _key(self, digest: bytes, view: int) -> bytes:
        if view == 0:
            return digest
        return hashlib.sha256(f"{self._views} {view} ".encode() + digest).digest()

    def _computed(
        self, examples: Sequence[tuple[Any, bytes, tuple[int, int]]]
    ) -> Iterator[tuple[tuple[int, int], list[Arrays]]]:
        """Yield the arrays of the windows of each example and view."""
        make = self.preprocess.make({name: self.network.file(name) for name in self.network.files})
        names = self.beside if self.cut else [spec.name for spec in self.network.inputs]
        kept: dict[int, list[Arrays]] = {}

        def decode(item: tuple[int, Any, bytes, int]) -> Decoded:
            number, source, digest, view = item
            windows = [
                self._prepared(without_notes(window), digest, index, view)
                for index, window in enumerate(windows_of(make(source)))
            ]
            kept[number] = [{name: window[name] for name in names} for window in windows]
            return Decoded(windows)

        # Without a cut there is nothing to compute: what was prepared is what is kept.
        embed = self.network.open() if self.cut else (lambda arrays: next(iter(arrays.values())))
        items = ((n, (n, source, digest, view)) for n, (source, digest, (_, view)) in enumerate(examples))
        for done in run_pipeline(items, decode, embed):
            source, _, pair = examples[done.position]
            if done.rows is None:
                raise DataError(f"{str(source)!r:.200} cannot be read any more: {done.failure}.")
            own = kept.pop(done.position)
            if self.cut:
                own = [{CUT: row, **arrays} for row, arrays in zip(done.rows, own, strict=True)]
            yield pair, own

    def _prepared(self, window: Arrays, digest: bytes, index: int, view: int) -> dict[str, NDArray[Any]]:
        arrays = self.network.prepare(window)
        if view == 0:
            return arrays
        augmented: dict[str, NDArray[Any]] = self.augmenter(arrays, digest + index.to_bytes(4, "big"), view)
        return augmented
