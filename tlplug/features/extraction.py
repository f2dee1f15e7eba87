"""From sources to embeddings: what is kept is read, the rest goes through the pipeline and is kept."""

from __future__ import annotations

import hashlib
import json
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.backbones import Selection
from tlplug.errors import PluginError
from tlplug.features.compilation import compile_backbone
from tlplug.features.compiled import CompiledBackbone
from tlplug.features.pipeline import Decoded, Embedded, Span, run_pipeline
from tlplug.features.preprocessing import PreprocessSpec
from tlplug.features.store import FeatureStore
from tlplug.registry import registry

BLOCK = 1024
"""Examples between two writes to the store: what a killed process can lose."""


@dataclass(frozen=True)
class Features:
    """Embeddings of a run of examples.

    Attributes:
        start: position of the first of these examples among all.
        embeddings: float32 ``[n, size]``; NaN where there is a failure.
        failures: the reason by position among all, for examples that cannot be read.
        computed: how many were not in the store.
        remarks: what the preprocess remarked, by position among all.
    """

    start: int
    embeddings: NDArray[np.float32]
    failures: Mapping[int, str]
    computed: int
    remarks: Mapping[int, str] = field(default_factory=dict)


class Extractor:
    """A compiled backbone with its preprocess, and the store of what it has computed before.

    Args:
        compiled: the network.
        preprocess: what makes its arrays.
        store: None for embeddings that are not kept.
    """

    def __init__(
        self, compiled: CompiledBackbone, preprocess: PreprocessSpec, store: FeatureStore | None = None
    ) -> None:
        self.compiled = compiled
        self.preprocess = preprocess
        self.store = store
        self._pool = preprocess.pool()
        self._parts: tuple[Callable[..., Decoded], Callable[..., Any]] | None = None

    @cached_property
    def size(self) -> int:
        """Of an embedding: what pooling makes of one window."""
        return len(self._pool(np.zeros((1, self.compiled.embedding_size), np.float32)))

    def keeping(self) -> Extractor:
        """The same with a store of its embeddings, where they have a stable identity."""
        return Extractor(self.compiled, self.preprocess, _open_store(self.compiled, self.preprocess, self.size))

    def blocks(self, sources: Sequence[Any], digests: Sequence[bytes] | None = None) -> Iterator[Features]:
        """Yield the embeddings of all sources, in order, some hundred at a time.

        Args:
            sources: what the preprocess takes.
            digests: of their content; without them nothing is looked up or kept.
        """
        known = [self.store is not None and digests is not None and digest in self.store for digest in digests or []]
        missing = len(sources) - sum(known)
        with progress.task("Extracting features", missing, "examples") as advance:
            for start in range(0, len(sources), BLOCK):
                stop = min(start + BLOCK, len(sources))
                yield self._block(sources, digests, range(start, stop), advance)

    def all(self, sources: Sequence[Any], digests: Sequence[bytes] | None = None) -> Features:
        """Return the embeddings of all sources in one matrix."""
        embeddings = np.empty((len(sources), self.size), np.float32)
        failures: dict[int, str] = {}
        remarks: dict[int, str] = {}
        computed = 0
        for block in self.blocks(sources, digests):
            embeddings[block.start : block.start + len(block.embeddings)] = block.embeddings
            failures.update(block.failures)
            remarks.update(block.remarks)
            computed += block.computed
        return Features(0, embeddings, failures, computed, remarks)

    def windows(self, sources: Sequence[Any]) -> Iterator[Embedded]:
        """Yield the embeddings of each window on its own, pooled to the size of all; nothing is looked up or kept."""
        with progress.task("Extracting features", len(sources), "examples") as advance:
            for example in self._embedded(enumerate(sources)):
                advance(1)
                if example.rows is None:
                    yield example
                else:
                    yield replace(example, rows=[self._pool(row[None]) for row in example.rows])

    def _block(
        self, sources: Sequence[Any], digests: Sequence[bytes] | None, span: range, advance: progress.Advance
    ) -> Features:
        rows = np.full((len(span), self.size), np.nan, np.float32)
        missing, remarks = list(span), dict[int, str]()
        if self.store is not None and digests is not None:
            kept = [position for position in span if digests[position] in self.store]
            try:
                stored, said = self.store.read([digests[p] for p in kept])
            except (OSError, ValueError):  # another process has cleared the cache, or damaged it
                self.store = self.store.reopened()
            else:
                rows[[position - span.start for position in kept]] = stored
                remarks = {kept[row]: remark for row, remark in said.items()}
                missing = sorted(set(span) - set(kept))
        if not missing:
            return Features(span.start, rows, {}, 0, remarks)
        failures: dict[int, str] = {}
        for example in self._embedded((position, sources[position]) for position in missing):
            if example.rows is None:
                failures[example.position] = example.failure
            else:
                rows[example.position - span.start] = self._pool(np.stack(example.rows))
            if example.remark:
                remarks[example.position] = example.remark
            advance(1)
        if self.store is not None and digests is not None:
            fresh = [position for position in missing if position not in failures]
            said = {row: remarks[position] for row, position in enumerate(fresh) if position in remarks}
            self.store.write([digests[p] for p in fresh], rows[[p - span.start for p in fresh]], said)
        return Features(span.start, rows, dict(sorted(failures.items())), len(missing), remarks)

    def _embedded(self, sources: Iterable[tuple[int, Any]]) -> Iterator[Embedded]:
        """Yield what the network makes of sources; an embedding with what is no number is none."""
        decode, embed = self._open()
        for example in run_pipeline(sources, decode, embed):
            if example.rows is None or all(np.isfinite(row).all() for row in example.rows):
                yield example
            else:
                yield Embedded(example.position, None, failure="the network gives what is no number for it")

    def _open(self) -> tuple[Callable[..., Decoded], Callable[..., Any]]:
        if self._parts is None:
            try:
                make = self.preprocess.make({name: self.compiled.file(name) for name in self.compiled.files})
            except ValueError as error:
                raise PluginError(
                    f"The preprocess {self.preprocess.name!r} cannot serve the backbone "
                    f"{self.compiled.about['name']!r}: {error} A backbone states what it takes as input_shape."
                ) from error

            def decode(source: Any) -> Decoded:
                windows = windows_of(make(source))
                remarks = [str(window["remark"]) for window in windows if "remark" in window]
                arrays = [self.compiled.prepare(without_notes(window)) for window in windows]
                return Decoded(arrays, "; ".join(dict.fromkeys(remarks)), [_span(window) for window in windows])

            self._parts = decode, self.compiled.open()
        return self._parts


def windows_of(made: Any) -> Sequence[Mapping[str, Any]]:
    """The windows that a preprocess made of a source: one or several."""
    return [made] if isinstance(made, Mapping) else made


def without_notes(window: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arrays among what a preprocess gave for a window."""
    return {name: array for name, array in window.items() if name not in ("remark", "span")}


def _span(window: Mapping[str, Any]) -> Span | None:
    if "span" not in window:
        return None
    start, end, unit = window["span"]
    return _place(start), _place(end), str(unit)


def _place(value: Any) -> float:
    """A count stays a whole number, such as of tokens; a time need not be one."""
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def extractor_for(selection: Selection, *, runtime: str | None = None, keep: bool = True) -> Extractor:
    """Compile a chosen backbone and open the store of its embeddings.

    Args:
        selection: the backbone, weights, options and preprocess.
        runtime: name of the runtime.
        keep: whether embeddings are kept; those without a stable identity never are.
    """
    compiled = compile_backbone(selection, runtime)
    extractor = Extractor(compiled, PreprocessSpec.of(selection, compiled.inputs))
    return extractor.keeping() if keep else extractor


def _open_store(compiled: CompiledBackbone, preprocess: PreprocessSpec, size: int) -> FeatureStore | None:
    """Open the store of a network's embeddings; None where they have no stable identity."""
    fingerprint = fingerprint_of(compiled, preprocess)
    if fingerprint is None:
        return None
    about = {**compiled.about, "runtime": compiled.runtime, "preprocess": preprocess.to_json()}
    return FeatureStore(fingerprint, size, about)


def fingerprint_of(compiled: CompiledBackbone, preprocess: PreprocessSpec) -> str | None:
    """Name everything that an embedding depends on beside the example; None where something has no identity."""
    code, runtime = preprocess.entry().identity, registry().get("runtime", compiled.runtime)
    if code is None or runtime.identity is None:
        return None
    depends = {
        "network": compiled.digest,
        "inputs": [[list(spec.shape), spec.dtype] for spec in compiled.inputs],
        "options": compiled.about.get("options", {}),
        "runtime": [runtime.qualified, runtime.identity, "float32"],
        "preprocess": [code, preprocess.name, dict(preprocess.options), dict(compiled.files)],
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:32]
