"""The records of labelled examples and of what reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tlplug.specs.option import Option
from tlplug.specs.reference import Reference, check_name, check_reference, freeze


@dataclass(frozen=True, kw_only=True)
class Example:
    """One labelled example as a reader gives it.

    Args:
        source: a path, bytes, a text or an array: what the preprocess of its modality takes.
        label: the name of its class; None where the data states none.
        name: how to call it in tables and files where the source has no name of its own, such as ``table.csv:12``.
        problem: why it cannot be used, where a reader finds an example that it cannot give; it is left out and listed.
        split: ``train``, ``validation`` or ``test``; ``None`` leaves it to the seeded split.
    """

    source: Any
    label: str | None = None
    name: str = ""
    problem: str = ""
    split: str | None = None

    def __post_init__(self) -> None:
        if self.split not in (None, "train", "validation", "test"):
            raise ValueError(f"An Example's split is train, validation, test or None. Received: {self.split!r}.")


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What turns a path into labelled examples.

    Args:
        name: how people choose it.
        sniff: ``sniff(path: Path) -> float``, how sure it is that it can read the path, from 0 to 1.
        read: ``read(path: Path, options: Mapping) -> iterable of Example``.
        modality: of its sources; None where their endings decide.
        options: its settings.
        follow: ``follow(path: Path, options: Mapping, earlier: Mapping) -> dict``, the options to read a path with so
            that it is read like other data, such as those that a model was trained on: those that are stated, then
            those of `earlier` that fit the path, then what the reader finds out by itself, such as columns by their
            names. It raises `UsageError` as `read` does. None where a reader finds out nothing.
        summary: one sentence.
    """

    name: str
    sniff: Reference
    read: Reference
    modality: str | None = None
    options: tuple[Option, ...] = ()
    follow: Reference | None = None
    summary: str = ""

    def __post_init__(self) -> None:
        check_name(self, self.name)
        check_reference(self, "sniff", self.sniff)
        check_reference(self, "read", self.read)
        if self.follow is not None:
            check_reference(self, "follow", self.follow)
        freeze(self, options=tuple(self.options))
