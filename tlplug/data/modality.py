"""Which modality files are of: the endings that the installed preprocesses read decide."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tlplug.data.dataset import Skipped, source_name
from tlplug.data.inputs import as_source, find_inputs
from tlplug.errors import DataError, UsageError
from tlplug.registry import registry
from tlplug.specs import Example

_NO_PLUGIN = "none before a plugin is installed, see the README (tlplug plugins list shows what is)"


@dataclass(frozen=True)
class Reads:
    """What the preprocesses of a modality read: file endings, and whether any text."""

    suffixes: frozenset[str] = frozenset()
    strings: bool = False

    def takes(self, source: Any) -> bool:
        """Whether a path or text can be a source; of other sources nobody can say."""
        if isinstance(source, Path):
            return source.suffix.lower() in self.suffixes
        return self.strings or not isinstance(source, str)

    def find_inputs(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the sources that some inputs mean, see `tlplug.data.inputs.find_inputs`."""
        return find_inputs(inputs, self.suffixes, strings=self.strings)


def all_reads() -> list[Reads]:
    """What the preprocesses of each modality read."""
    return list(_reads().values())


def reads_of(modality: str) -> Reads:
    """What the preprocesses of a modality read."""
    return _reads().get(modality, Reads())


def of_one_modality(
    examples: list[Example], modality: str | None, origin: str
) -> tuple[list[Example], str, list[Skipped]]:
    """Keep the examples of the given or the prevailing modality; say why the others are left out."""
    known = _reads()
    if modality is None:
        endings = frozenset[str]().union(*(reads.suffixes for reads in known.values()))
        strings = any(reads.strings for reads in known.values())
        sources = [as_source(example.source, endings, strings=strings) for example in examples]
        examples = [replace(example, source=source) for example, source in zip(examples, sources, strict=True)]
        modality = modality_of(sources, origin)
    elif modality not in known:
        raise UsageError(f"Unknown modality {modality!r}. Valid: {', '.join(sorted(known)) or _NO_PLUGIN}.")
    reads = known[modality]
    kept, skipped = [], []
    for position, example in enumerate(examples):
        source = as_source(example.source, reads.suffixes, strings=reads.strings)
        if reads.takes(source):
            kept.append(replace(example, source=source))
        elif isinstance(source, Path):
            reason = f"no {modality} file: its ending is {source.suffix!r}" if source.suffix else "it has no ending"
            skipped.append(Skipped(example.name or str(source), reason))
        else:
            name = example.name or source_name(source, position)
            skipped.append(Skipped(name, f"no {modality} file, but a text"))
    if not kept:
        raise DataError(_nothing_left(origin, skipped, reads))
    return kept, modality, skipped


def _reads() -> dict[str, Reads]:
    known: dict[str, Reads] = {}
    for entry in registry().entries("preprocess"):
        record, before = entry.record, known.get(entry.record.modality, Reads())
        known[record.modality] = Reads(before.suffixes | set(record.suffixes), before.strings or record.strings)
    return known


def modality_of(sources: Sequence[Any], origin: str) -> str:
    """The modality of most sources; a tie must be settled by the user."""
    known = _reads()
    plain = [source for source in sources if isinstance(source, str | Path)]
    if not plain:
        raise UsageError(f"Sources that are no files need a modality. Valid: {', '.join(sorted(known)) or _NO_PLUGIN}.")
    counts = {modality: sum(map(reads.takes, plain)) for modality, reads in known.items()}
    found = {modality: count for modality, count in counts.items() if count}
    if not found:
        if not known:
            raise DataError(f"No installed plugin reads any data. Valid: {_NO_PLUGIN}.")
        endings = collections.Counter(_ending(source) for source in plain)
        seen = ", ".join(ending for ending, _ in endings.most_common(5))
        valid = ", ".join(f"{name} ({' '.join(sorted(reads.suffixes))})" for name, reads in sorted(known.items()))
        if all(isinstance(source, str) for source in plain):
            raise DataError(
                f"{origin!r} holds texts, which no installed plugin reads, or paths of files that are not there. "
                f"Valid: files of {valid}."
            )
        raise DataError(f"No file in {origin!r} can be read. Received: files with {seen}. Valid: {valid}.")
    best = max(found, key=lambda modality: found[modality])
    if any(modality != best and 2 * count > found[best] for modality, count in found.items()):
        counted = ", ".join(f"{count} {modality}" for modality, count in sorted(found.items()))
        raise UsageError(f"{origin!r} has files of several modalities: {counted}. Choose with --modality {best}.")
    return best


def _ending(source: str | Path) -> str:
    return (source.suffix.lower() or "no ending") if isinstance(source, Path) else "texts"


def _nothing_left(origin: str, skipped: list[Skipped], reads: Reads) -> str:
    if not skipped:
        return f"There is no example in {origin!r}."
    return (
        f"No example in {origin!r} can be read. The first of {len(skipped)}, {skipped[0].source}: {skipped[0].reason}. "
        f"Valid: {' '.join(sorted(reads.suffixes))}."
    )
