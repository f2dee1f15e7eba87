"""The record of how a frozen network is run."""

from __future__ import annotations

from dataclasses import dataclass

from tlplug.specs.reference import Reference, check_name, check_reference


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """How a frozen network is run.

    Args:
        name: how people choose it.
        priority: the available runtime with the highest one serves.
        available: ``available() -> bool``, cheap.
        compile: ``compile(model: keras.Model, folder: Path) -> None`` writes what `open` needs.
        open: ``open(folder: Path) -> callable``; the callable takes a dict of arrays with a batch axis, returns
            float32 ``[batch, size]``, and may be called from several threads at once.
        summary: one sentence.
    """

    name: str
    priority: int
    available: Reference
    compile: Reference
    open: Reference
    summary: str = ""

    def __post_init__(self) -> None:
        check_name(self, self.name)
        for what in ("available", "compile", "open"):
            check_reference(self, what, getattr(self, what))
