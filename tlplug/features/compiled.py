"""A network compiled for a runtime: opened and run without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import STRING, ArraySpec
from tlplug.errors import PluginError, UsageError
from tlplug.registry import registry
from tlplug.specs import load_reference
from tlplug.storage import read_json

BATCH = 4
"""Examples that go through a network at once: what one thread computes then stays in its cache."""

WORKERS = min(4, len(os.sched_getaffinity(0)))
"""Batches that are in a network at once, in a thread each."""

ABOUT = "network.json"
KERAS_FILE = "model.keras"
FILES = "files"


class RefusedError(Exception):
    """A runtime does not take a network; the message goes on from the runtime's name, such as "lacks operations"."""


@dataclass(frozen=True)
class CompiledBackbone:
    """A network in a folder, ready to run.

    Attributes:
        folder: where its files are.
        inputs: what it takes.
        embedding_size: of what it returns.
        digest: of architecture and weights.
        runtime: name of the runtime it is compiled for.
        invariant: whether an example's embedding is the same, bit for bit, whatever else is in the batch.
        difference: the largest from Keras that was measured, relative to the largest value.
        about: what it was made from, for people.
        files: sha256 of each file that the preprocess needs, by name; they are in the folder, see `file`.
    """

    folder: Path
    inputs: tuple[ArraySpec, ...]
    embedding_size: int
    digest: str
    runtime: str
    invariant: bool
    difference: float
    about: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> CompiledBackbone:
        """Read what a folder of compiled files says of itself.

        Raises:
            OSError, ValueError, KeyError, TypeError: it is damaged.
        """
        values = read_json(folder / ABOUT)
        inputs = tuple(ArraySpec(i["name"], tuple(i["shape"]), i["dtype"]) for i in values.pop("inputs"))
        return cls(folder=folder, inputs=inputs, **values)

    def file(self, name: str) -> Path:
        """Where the file of a name is."""
        return self.folder / FILES / name

    def open(self) -> Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]:
        """Return the network as a callable: a dict of arrays ``[n, ...]`` in, float32 ``[n, size]`` out.

        A batch is filled up to a fixed size where the runtime's results would otherwise depend on it.
        """
        entry = registry().get("runtime", self.runtime)
        if not load_reference(entry.record.available)():
            raise UsageError(f"The runtime {self.runtime!r} cannot run here: what it needs is not installed.")
        run = load_reference(entry.record.open)(self.folder)

        def embed(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
            count = len(next(iter(arrays.values())))
            if self.invariant or count == BATCH:
                return np.ascontiguousarray(run(arrays), np.float32)
            found = []
            for start in range(0, count, BATCH):
                batch = {name: array[start : start + BATCH] for name, array in arrays.items()}
                filled = {name: _filled(array, BATCH - len(array)) for name, array in batch.items()}
                found.append(run(filled)[: count - start])
            return np.ascontiguousarray(np.concatenate(found), np.float32)

        return embed

    def prepare(self, arrays: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Check what a preprocess gave for one example and cast it to what the network takes.

        Raises:
            PluginError: a missing array or another shape than the network's.
        """
        if len(self.inputs) == 1 and len(arrays) == 1:
            arrays = {self.inputs[0].name: next(iter(arrays.values()))}
        prepared = {}
        for spec in self.inputs:
            array = np.asarray(arrays.get(spec.name))
            fits = len(array.shape) == len(spec.shape) and all(
                wanted in (None, received) for wanted, received in zip(spec.shape, array.shape, strict=True)
            )
            if not fits:
                raise PluginError(
                    f"The network takes {spec.name!r} of shape {spec.shape}. Received from the preprocess: "
                    f"{', '.join(f'{name} {np.shape(value)}' for name, value in arrays.items())}."
                )
            prepared[spec.name] = array.astype(object if spec.dtype == STRING else spec.dtype, copy=False)
        return prepared


def _filled(array: NDArray[Any], count: int) -> NDArray[Any]:
    """Return an array with so many rows more."""
    filling = np.full((count, *array.shape[1:]), "" if array.dtype == object else 0, array.dtype)
    return np.concatenate([array, filling])
