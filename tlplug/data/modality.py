"""Which modality files are of: the endings that the installed preprocesses read decide."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tlplug.data.dataset import Skipped
from tlplug.data.inputs import as_source, find_inputs
from tlplug.errors import DataError, UsageError
from tlplug.registry import registry
from tlplug.specs import Example

_NO_PLUGIN = "none before a plugin is installed, see the README (tlplug plugins list shows what is)"


def suffixes_of(modality: str) -> set[str]:
    """The file endings that the preprocesses of a modality read."""
    return _suffixes().get(modality, set())


def prevailing_modality(data: Path) -> str:
    """Return the modality of most files below a path.

    Raises:
        UsageError: there is no such path, or files of several modalities are about as many.
        DataError: no installed plugin reads any of them.
    """
    if not data.exists():
        raise UsageError(f"No such data: {str(data)!r}. Valid: a folder or a file.")
    files = [Example(source=path, label="") for path in find_inputs([data], [""])]
    return _prevailing(files, _suffixes(), str(data))


def of_one_modality(
    examples: list[Example], modality: str | None, origin: str
) -> tuple[list[Example], str, list[Skipped]]:
    """Keep the examples of the given or the prevailing modality; say why the others are left out."""
    suffixes = _suffixes()
    if modality is None:
        known = set().union(*suffixes.values())
        examples = [replace(example, source=as_source(example.source, known)) for example in examples]
        modality = _prevailing(examples, suffixes, origin)
    elif modality not in suffixes:
        valid = ", ".join(sorted(suffixes)) or _NO_PLUGIN
        raise UsageError(f"Unknown modality {modality!r}. Valid: {valid}.")
    kept, skipped = [], []
    for example in examples:
        source = as_source(example.source, suffixes[modality])
        if isinstance(source, Path) and source.suffix.lower() not in suffixes[modality]:
            reason = f"no {modality} file: its ending is {source.suffix!r}" if source.suffix else "it has no ending"
            skipped.append(Skipped(str(source), reason))
        else:
            kept.append(replace(example, source=source))
    if not kept:
        raise DataError(_nothing_left(origin, skipped, suffixes[modality]))
    return kept, modality, skipped


def _suffixes() -> dict[str, set[str]]:
    suffixes: dict[str, set[str]] = {}
    for entry in registry().entries("preprocess"):
        suffixes.setdefault(entry.record.modality, set()).update(entry.record.suffixes)
    return suffixes


def _prevailing(examples: list[Example], suffixes: Mapping[str, set[str]], origin: str) -> str:
    endings = collections.Counter(
        example.source.suffix.lower() for example in examples if isinstance(example.source, Path)
    )
    if not endings:
        valid = ", ".join(sorted(suffixes)) or _NO_PLUGIN
        raise UsageError(f"Sources that are no files need a modality. Valid: {valid}.")
    counts = {
        modality: sum(count for ending, count in endings.items() if ending in known)
        for modality, known in suffixes.items()
    }
    found = {modality: count for modality, count in counts.items() if count}
    if not found:
        if not suffixes:
            raise DataError(f"No installed plugin reads any data. Valid: {_NO_PLUGIN}.")
        seen = ", ".join(ending or "no ending" for ending, _ in endings.most_common(5))
        valid = ", ".join(f"{modality} ({' '.join(sorted(known))})" for modality, known in sorted(suffixes.items()))
        raise DataError(f"No file in {origin!r} can be read. Received: files with {seen}. Valid: {valid}.")
    best = max(found, key=lambda modality: found[modality])
    rivals = [modality for modality, count in found.items() if modality != best and 2 * count > found[best]]
    if rivals:
        counted = ", ".join(f"{count} {modality}" for modality, count in sorted(found.items()))
        raise UsageError(f"{origin!r} has files of several modalities: {counted}. Choose with --modality {best}.")
    return best


def _nothing_left(origin: str, skipped: list[Skipped], suffixes: set[str]) -> str:
    endings = sorted({Path(item.source).suffix.lower() or "no ending" for item in skipped})[:5]
    return (
        f"No file in {origin!r} can be read. Received: {len(skipped)} files with {', '.join(endings)}. "
        f"Valid: {' '.join(sorted(suffixes))}."
    )
