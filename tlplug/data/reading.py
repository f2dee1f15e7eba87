"""From a path, or what people type after `predict`, to examples: by the reader that is surest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlplug.data.dataset import Skipped, source_name
from tlplug.data.inputs import as_source
from tlplug.data.modality import Reads, of_one_modality, reads_of
from tlplug.errors import DataError, TlplugError, UsageError
from tlplug.registry import Entry, registry
from tlplug.specs import Example, load_reference, parse_options

_VALID = "a folder with one subfolder per class and files in each, or a table with a column of labels"


def read_examples(path: Path, reader: str | None, options: Mapping[str, Any]) -> tuple[list[Example], str | None]:
    """Read a path with the named reader, or with the one that is surest; its modality comes with the examples."""
    if not path.exists():
        raise UsageError(f"No such data: {str(path)!r}. Valid: {_VALID}.")
    if reader:
        entry = registry().get("reader", reader)
    else:
        confidence, entry = _surest_reader(path)
        if confidence <= 0:
            raise UsageError(f"No reader takes {str(path)!r}. Valid: {_VALID}.")
    values = parse_options("reader", entry.record.options, options)
    examples = list(load_reference(entry.record.read)(path, values))
    if not examples:
        raise DataError(f"No examples in {str(path)!r}. Valid: {_VALID}.")
    return examples, entry.record.modality


def usable(examples: list[Example]) -> tuple[list[Example], list[Skipped]]:
    """Leave out what the reader could not give.

    Raises:
        DataError: nothing is left.
    """
    skipped = [
        Skipped(example.name or source_name(example.source, position), example.problem)
        for position, example in enumerate(examples)
        if example.problem
    ]
    if examples and len(skipped) == len(examples):
        raise DataError(f"No example can be used. The first, {skipped[0].source}: {skipped[0].reason}.")
    return [example for example in examples if not example.problem], skipped


def read_inputs(
    inputs: Sequence[Any], modality: str, options: Mapping[str, Any] | None = None
) -> tuple[list[Any], list[str]]:
    """Return the sources that some inputs mean and what to call them: files, folders, patterns, and rows of tables.

    Args:
        inputs: see `tlplug.data.find_inputs`. A file that is none of the modality's, and that a reader takes, means
            every example in it.
        modality: of the model.
        options: of the reader.
    """
    reads = reads_of(modality)
    sources: list[Any] = []
    names: list[str] = []
    for source in reads.find_inputs(inputs):
        examples = _rows_of(source, reads, options or {}) if isinstance(source, Path) else []
        for example in examples or [Example(source=source)]:
            sources.append(as_source(example.source, reads.suffixes, strings=reads.strings))
            names.append(example.name or source_name(source, len(names)))
    return sources, names


def read_sources(data: Path, modality: str) -> list[Example]:
    """Read the examples of one modality at a path, labelled or not: files below a folder, or rows of a table."""
    reads = reads_of(modality)
    found = reads.find_inputs([data])
    if not data.exists() or not found:
        valid = " ".join(sorted(reads.suffixes))
        raise UsageError(f"No {modality} file at {str(data)!r}. Valid: a folder or file, {valid}.")
    if rows := _rows_of(data, reads, {}):
        return of_one_modality(usable(rows)[0], modality, str(data))[0]
    try:
        known = {example.source: example.label for example in read_examples(data, None, {})[0]}
    except TlplugError:  # no class folders, so no labels
        known = {}
    return [Example(source=source, label=known.get(source)) for source in found]


def _rows_of(path: Path, reads: Reads, options: Mapping[str, Any]) -> list[Example]:
    if reads.takes(path) or not path.is_file() or _surest_reader(path)[0] <= 0:
        return []
    return read_examples(path, None, options)[0]


def _surest_reader(path: Path) -> tuple[float, Entry]:
    sure = [(load_reference(entry.record.sniff)(path), entry) for entry in registry().entries("reader")]
    return max(sure, key=lambda pair: pair[0])
