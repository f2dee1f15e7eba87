"""From a path, or what people type after `predict`, to examples: by the reader that is surest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tlplug import progress
from tlplug.data.dataset import Skipped, source_name
from tlplug.data.inputs import as_source, find_inputs, looks_like_path
from tlplug.data.modality import Reads, all_reads, modality_of, of_one_modality, reads_of
from tlplug.data.readers import named_reader, readers_of, same_reader, sure_readers, surest_reader
from tlplug.data.table import SUFFIXES
from tlplug.errors import DataError, OptionError, TlplugError, UsageError
from tlplug.registry import Entry
from tlplug.specs import Example, load_reference, parse_options

_VALID = "a folder with one subfolder per class and files in each, or a table with a column of labels"


_SURE = 0.5
"""How sure a reader must be of a file that a preprocess takes as one example."""


def read_examples(
    path: Path,
    reader: str | None,
    options: Mapping[str, Any],
    modality: str | None = None,
    earlier: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[list[Example], str | None, dict[str, Any]]:
    """Read a path with the named reader, with that of earlier data, or with the one of the modality that is surest.

    Args:
        path: of the data.
        reader: its name.
        options: of the reader.
        modality: of the examples, if known.
        earlier: the ``name`` of the reader and the ``options`` of other data, which these are to be read like.

    Returns:
        The examples, their modality (the given one, else the reader's), and what they were read with, as `earlier`.
    """
    if not path.exists():
        raise UsageError(f"No such data: {str(path)!r}. Valid: {_VALID}.")
    if reader:
        entry = named_reader(reader, modality)
    elif (same := same_reader(path, modality, earlier)) is not None:
        entry = same
    else:
        confidence, entry = surest_reader(path, modality)
        if confidence <= 0:
            raise UsageError(f"No reader takes {str(path)!r}. Valid: {_VALID}.")
    examples, used = _read(path, entry, options, modality, named=reader is not None, earlier=earlier)
    return examples, modality or entry.record.modality, {"name": entry.name, "options": used}


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
    inputs: Sequence[Any],
    modality: str,
    options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    earlier: Mapping[str, Any] = MappingProxyType({}),
) -> list[Example]:
    """Return the examples that some inputs mean: files, folders, patterns, and rows of tables, which may have problems.

    Args:
        inputs: see `tlplug.data.find_inputs`. A file that is none of the modality's, and that a reader takes, means
            every example in it. A text that looks like a path and is none has a problem.
        modality: of the model.
        options: of the reader.
        reader: name of the one that reads every file and folder; the surest one, of data sets only, when None.
        earlier: what the data of the model were read with, see `read_examples`; tables are read like them.

    Raises:
        UsageError: no such reader, one of another modality, or options that no reader of these inputs takes.
    """
    reads = reads_of(modality)
    options = options or {}
    if reader:
        parse_options("reader", named_reader(reader, modality).record.options, options)
    found: list[Example] = []
    seen: set[Path] = set()
    used = False
    for given in inputs:
        sources = [Path(given)] if _is_data(given, modality, reader) else reads.find_inputs([given])
        problem = _missing(sources[0], reads) if sources else f"it is a folder without {modality} files"
        if problem:
            found.append(Example(source=given, name=str(given), problem=problem))
            continue
        for source in sources:
            if isinstance(source, Path):
                if source in seen:
                    continue
                seen.add(source)
            try:
                rows = _rows_of(source, options, modality, reader, earlier)[0] if isinstance(source, Path) else []
            except OptionError:
                raise
            except (DataError, UsageError) as error:  # one table that cannot be read costs no other input
                rows = [Example(source=source, name=str(source), problem=str(error))]
            except OSError as error:
                reason = error.strerror or type(error).__name__
                rows = [Example(source=source, name=str(source), problem=f"it cannot be read: {reason}")]
            used = used or bool(rows)
            for example in rows or [Example(source=source)]:
                known = as_source(example.source, reads.suffixes, strings=reads.strings)
                found.append(replace(example, source=known, name=example.name or source_name(known, len(found))))
    if options and not used and not any(example.problem for example in found):
        raise _without_effect(options, modality)
    return found


def prevailing_modality(data: Path, options: Mapping[str, Any] | None = None, reader: str | None = None) -> str:
    """Return the modality of most files below a path, or of the rows of a table.

    Raises:
        UsageError: there is no such path, or files of several modalities are about as many.
        DataError: no installed plugin reads any of them.
    """
    if not data.exists():
        raise UsageError(f"No such data: {str(data)!r}. Valid: a folder or a file.")
    rows, modality = _rows_of(data, options or {}, reader=reader)
    if rows:
        return modality or of_one_modality(usable(rows)[0], None, str(data))[1]
    return modality_of(find_inputs([data], [""]), str(data))


def read_sources(
    data: Path, modality: str, options: Mapping[str, Any] | None = None, reader: str | None = None
) -> tuple[list[Example], list[Skipped]]:
    """Read the examples of one modality at a path, labelled or not: files below a folder, or rows of a table.

    Returns:
        The examples, and what was left out.

    Raises:
        UsageError: nothing is there, no such reader, or options that the reader does not take.
    """
    if rows := _rows_of(data, options or {}, modality, reader)[0]:
        examples, problems = usable(rows)
        examples, _, skipped = of_one_modality(examples, modality, str(data))
        return examples, problems + skipped
    reads = reads_of(modality)
    found = reads.find_inputs([data])
    if not data.exists() or not found:
        valid = " ".join(sorted(reads.suffixes))
        raise UsageError(f"No {modality} file at {str(data)!r}. Valid: a folder or file, {valid}.")
    if options:
        raise _without_effect(options, modality)
    try:
        known = {example.source: example.label for example in read_examples(data, None, {})[0]}
    except TlplugError:  # no class folders, so no labels
        known = {}
    return [Example(source=source, label=known.get(source)) for source in found], []


def _missing(source: Any, reads: Reads) -> str:
    """Why an input is none: it looks like a path and is none; empty where it is one, or something else."""
    endings = {*SUFFIXES, *(suffix for one in all_reads() for suffix in one.suffixes)}
    if not isinstance(source, str) or not looks_like_path(source, endings):
        return ""
    as_text = " To predict it as a text, put it in a table: a .csv file with a column 'text'." if reads.strings else ""
    return f"No such file or folder, and no pattern that matches one.{as_text}"


def _without_effect(options: Mapping[str, Any], modality: str) -> UsageError:
    """The error where options of a reader are stated, and no reader is sure enough of the data to be asked."""
    names = ", ".join(f"reader.{name}" for name in options)
    takers = [e.name for e in readers_of(modality) if {option.name for option in e.record.options} >= options.keys()]
    if not takers:
        return OptionError(f"No reader of {modality} takes {names}. Type: tlplug readers")
    return UsageError(f"What is given is taken as it is, without {names}. State who reads it: --reader {takers[0]}.")


def _is_data(given: Any, modality: str, reader: str | None) -> bool:
    """Whether a path is, as a whole, a data set: of the modality, and not just files of it, or for the named reader."""
    if reader and isinstance(given, str | Path) and os.path.exists(given):  # noqa: PTH110 - takes any text
        return True
    if not isinstance(given, str | Path) or not os.path.isdir(given):  # noqa: PTH112 - takes any text
        return False
    confidence, entry = surest_reader(Path(given), modality)
    return confidence >= _SURE and entry.record.modality is not None


def _rows_of(
    path: Path,
    options: Mapping[str, Any],
    modality: str | None = None,
    reader: str | None = None,
    earlier: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[list[Example], str | None]:
    """The examples in a file or folder that is no single example, and the modality where its reader tells.

    There are none where no reader is sure, or where a reader of any modality lists the files of a folder.
    """
    if not path.exists():
        return [], None
    if reader:
        entry = named_reader(reader, modality)
        return _read(path, entry, options, modality, named=True, earlier=earlier)[0], entry.record.modality
    if (same := same_reader(path, modality, earlier)) is not None:
        return _read(path, same, options, modality, earlier=earlier)[0], same.record.modality
    confidence, entry = surest_reader(path, modality)
    reads = all_reads() if modality is None else [reads_of(modality)]
    may_be_one = path.is_dir() or any(one.takes(path) for one in reads)
    if (confidence < _SURE and (may_be_one or confidence <= 0)) or (path.is_dir() and entry.record.modality is None):
        return [], None
    return _read(path, entry, options, modality, earlier=earlier)[0], entry.record.modality


def _read(
    path: Path,
    entry: Entry,
    options: Mapping[str, Any],
    modality: str | None,
    *,
    named: bool = False,
    earlier: Mapping[str, Any],
) -> tuple[list[Example], dict[str, Any]]:
    """The examples at a path, and the options that they were read with."""
    values = parse_options("reader", entry.record.options, options)
    try:
        if entry.record.follow is not None:
            before, stated = earlier.get("options", {}), {name: values[name] for name in options}
            values |= load_reference(entry.record.follow)(path, stated, before)
            _note_others(path, values, {name: value for name, value in before.items() if name not in options})
        examples = list(load_reference(entry.record.read)(path, values))
    except UsageError as error:
        sure = [] if named else sure_readers(path, modality)
        others = [f"--reader {other.name}" for confidence, other in sure if confidence > 0 and other.name != entry.name]
        if not others:
            raise
        raise UsageError(f"{str(error).rstrip('.')}; or choose another reader: {' or '.join(others)}.") from error
    if not examples:
        raise DataError(f"No examples in {str(path)!r}. Valid: {_VALID}.")
    return examples, dict(values)


def _note_others(path: Path, values: Mapping[str, Any], earlier: Mapping[str, Any]) -> None:
    """Say where a path is read by something else than the data that it should be read like."""
    for name, value in earlier.items():
        if values.get(name) not in (None, value):
            progress.note(f"{str(path)!r} is read with {name} {values[name]!r}, the model's data with {value!r}.")
