"""The record of a file format that other systems load."""

from __future__ import annotations

from dataclasses import dataclass

from tlplug.specs.reference import Reference, check_name, check_reference, freeze


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """A file format that other systems load.

    Args:
        name: how people choose it.
        suffix: of the file, with the dot; empty for a folder.
        export: ``export(model, path: Path, options: Mapping) -> None``.
        open: ``open(path: Path) -> callable``, to prove that the file gives the same answers.
        modalities: which it can serve; all when empty.
        summary: one sentence.
    """

    name: str
    suffix: str
    export: Reference
    open: Reference
    modalities: tuple[str, ...] = ()
    summary: str = ""

    def __post_init__(self) -> None:
        check_name(self, self.name)
        check_reference(self, "export", self.export)
        check_reference(self, "open", self.open)
        freeze(self, modalities=tuple(self.modalities))
