"""Which reader reads a path: the one that is named, the one of earlier data, or the one that is surest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlplug import progress
from tlplug.errors import TlplugError, UsageError, first_line
from tlplug.registry import Entry, registry
from tlplug.specs import load_reference


def named_reader(name: str, modality: str | None) -> Entry:
    entry = registry().get("reader", name)
    if modality is not None and entry.record.modality not in (None, modality):
        raise UsageError(
            f"The reader {name!r} reads {entry.record.modality}, and {modality} is needed. "
            f"Valid: {', '.join(one.name for one in readers_of(modality))}."
        )
    return entry


def readers_of(modality: str | None) -> list[Entry]:
    """All readers, or those that may give examples of the modality."""
    entries = registry().entries("reader")
    return [entry for entry in entries if modality is None or entry.record.modality in (None, modality)]


def same_reader(path: Path, modality: str | None, earlier: Mapping[str, Any]) -> Entry | None:
    """The reader of earlier data where a file has the columns that those were read by; they need no labels."""
    before = {name: value for name, value in earlier.get("options", {}).items() if name != "label" and value}
    for entry in readers_of(modality):
        if entry.name != earlier.get("name") or entry.record.follow is None or not path.is_file():
            continue
        try:
            if load_reference(entry.record.sniff)(path) <= 0:
                continue
            found = load_reference(entry.record.follow)(path, {}, earlier["options"])
        except TlplugError:
            continue
        columns = {name: value for name, value in before.items() if name in found}
        if columns and all(found[name] == value for name, value in columns.items()):
            return entry
    return None


def surest_reader(path: Path, modality: str | None = None) -> tuple[float, Entry]:
    """The reader that is surest, and how sure it is."""
    sure = sure_readers(path, modality)
    if not sure:
        raise UsageError("No reader is there. Type: tlplug plugins list")
    return max(sure, key=lambda pair: pair[0])


def sure_readers(path: Path, modality: str | None) -> list[tuple[float, Entry]]:
    """How sure each reader is; one that fails is said and passed over, one of another modality is not asked."""
    sure: list[tuple[float, Entry]] = []
    for entry in readers_of(modality):
        try:
            sure.append((float(load_reference(entry.record.sniff)(path)), entry))
        except OSError:  # of the path, not of the plugin
            raise
        except Exception as error:  # noqa: BLE001 - a broken plugin never breaks the host
            progress.note(f"The reader {entry.name!r} of {entry.plugin} failed: {first_line(error)}")
    return sure
