"""The record of a file format that other systems load."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tlplug.specs.option import Option
from tlplug.specs.reference import Reference, check_module, check_name, check_reference, freeze


@dataclass(frozen=True)
class Tolerance:
    """How far an export may be from the run it is made of.

    Args:
        difference: the largest one of a probability; None where only accuracy counts.
        accuracy: what may be lost of it, as a share of the examples, and one example in any case.
    """

    difference: float | None = 1e-4
    accuracy: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """A file format that other systems load.

    Args:
        name: how people choose it.
        suffix: of the file, with the dot; empty for a folder.
        export: ``export(model, path: Path, options: Mapping) -> Tolerance`` writes the file; the model is a
            `tlplug.export.Exportable`. It raises `UsageError` for a model that the format cannot hold.
        loader: name of the module whose file travels with the export as ``network.py``. It needs neither tlplug nor the
            plugin, holds what ``export.json`` beside it says as ``ABOUT``, and its ``load()`` returns a function of a
            dict of arrays ``[rows, ...]`` that returns probabilities ``[n, classes]``. Where the export takes raw
            input, its ``load_raw()`` returns such a function of one source, as ``preprocess.py`` reads it.
        raw: whether the export takes raw input.
        modalities: which it can serve; all when empty.
        options: its settings.
        requires: modules that must be there, by the name that pip installs them by.
        summary: one sentence.
    """

    name: str
    suffix: str
    export: Reference
    loader: str
    raw: bool = False
    modalities: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    requires: tuple[tuple[str, str], ...] = ()
    summary: str = ""

    def __post_init__(self) -> None:
        check_name(self, self.name)
        if self.suffix and not re.fullmatch(r"\.[A-Za-z0-9_]+", self.suffix):
            raise ValueError(f"Exporter {self.name!r}: a suffix looks like '.onnx'. Received: {self.suffix!r}.")
        check_reference(self, "export", self.export)
        check_module(self, "loader", self.loader)
        freeze(
            self,
            modalities=tuple(self.modalities),
            options=tuple(self.options),
            requires=tuple((module, package) for module, package in self.requires),
        )
