"""The preprocess of a run: which one, with which options, and how to say what is missing when it is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import ArraySpec, Selection
from tlplug.errors import PluginError, UnknownNameError
from tlplug.registry import Entry, registry
from tlplug.specs import load_reference
from tlplug.storage import file_digest


@dataclass(frozen=True)
class PreprocessSpec:
    """A preprocess and its options, as a run stores it.

    Attributes:
        name: of the record.
        distribution, version: what brings it.
        options: its options and ``input_shape``.
        file_sha256: of the plugin file that brings it; empty for a distribution.
    """

    name: str
    distribution: str
    version: str
    options: Mapping[str, Any]
    file_sha256: str = ""

    @classmethod
    def of(cls, selection: Selection, inputs: tuple[ArraySpec, ...]) -> PreprocessSpec:
        """The preprocess of a selection, for a model that takes `inputs`."""
        entry = selection.preprocess
        shape = inputs[0].shape if len(inputs) == 1 else selection.entry.record.input_shape
        source = getattr(entry.plugin.module, "__file__", None)
        return cls(
            name=entry.name,
            distribution=entry.plugin.distribution,
            version=entry.plugin.version,
            options={**selection.preprocess_options, "input_shape": list(shape) if shape else None},
            file_sha256="" if entry.plugin.version or not source else file_digest(Path(source)),
        )

    def entry(self) -> Entry:
        """Find the record again.

        Raises:
            PluginError: what brings it is not there; the message says what to install or pass.
        """
        try:
            return registry().get("preprocess", f"{self.distribution}/{self.name}")
        except UnknownNameError:
            if self.file_sha256:
                way = f"pass the plugin file that it was trained with: --plugin {self.distribution}"
            else:
                way = f"install what brings it: pip install {self.distribution}=={self.version}"
            raise PluginError(
                f"The preprocess {self.name!r} of {self.distribution} is needed and not there: {way}. "
                "(tlplug plugins list shows what is.)"
            ) from None

    def changed(self) -> str | None:
        """Say that the plugin file is not the one of the training; None when it is, or a distribution brings it."""
        source = getattr(self.entry().plugin.module, "__file__", None)
        if not self.file_sha256 or not source or file_digest(Path(source)) == self.file_sha256:
            return None
        return f"{self.distribution} is not as it was in training, so answers may differ (sha256 {self.file_sha256})."

    def make(self, files: Mapping[str, Path] = MappingProxyType({})) -> Callable[[Any], Any]:
        """Return the callable that turns a source into arrays, or into a list of its windows.

        Args:
            files: what the backbone brings along.
        """
        made: Callable[[Any], Any] = load_reference(self.entry().record.make)(self.given(), files)
        return made

    def pool(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Return the callable that makes one embedding out of those of the windows."""
        reference = self.entry().record.pool
        if reference is None:
            return _mean
        pool, options = load_reference(reference), self.given()
        return lambda embeddings: np.asarray(pool(embeddings, options), np.float32)

    def given(self) -> dict[str, Any]:
        """The options as its functions take them, with ``input_shape``."""
        options = dict(self.options)
        if options["input_shape"] is not None:
            options["input_shape"] = tuple(options["input_shape"])
        return options

    def to_json(self) -> dict[str, Any]:
        """The form that a run's model.json has."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "options": dict(self.options),
            "file_sha256": self.file_sha256,
        }


def _mean(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = embeddings[0] if len(embeddings) == 1 else embeddings.mean(axis=0, dtype=np.float64)
    return np.asarray(mean, np.float32)
