"""From a path, or sources and labels, to a `Dataset`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tlplug.data.content import digests
from tlplug.data.dataset import TEST, TRAIN, VALIDATION, Dataset, Skipped, source_name
from tlplug.data.modality import of_one_modality
from tlplug.data.reading import read_examples, usable
from tlplug.data.split import hold_out
from tlplug.errors import DataError, TlplugWarning, UsageError, counted
from tlplug.specs import Example

HOLDOUT = 0.2
_LEAK = "the same content is in a part that is held out"


def load_data(
    data: str | Path | Sequence[Any],
    labels: Sequence[Any] | None = None,
    *,
    test: str | Path | None = None,
    holdout: float = HOLDOUT,
    seed: int = 0,
    modality: str | None = None,
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Read labelled examples and split them.

    The held-out part, ``data.test``, is: `test`; else the data's own test part; else its validation part; else
    `holdout` of every class, seeded. The same content is never both in it and in what models are fitted on.

    Args:
        data: a folder with one subfolder a class (or whatever an installed reader takes), or a sequence of sources.
        labels: one for each source, when `data` is a sequence.
        test: a second data set to report on; then all of `data` trains.
        holdout: the share that is held out when the data has no test part of its own.
        seed: of the split.
        modality: ``image`` ...; found from the files when left out, necessary for sources that are no files.
        reader: name of the reader; the surest one when left out.
        options: of the reader.

    Raises:
        UsageError: no such path, or an argument that does not fit.
        DataError: fewer than two classes, a class with one example, or nothing that can be read.

    >>> import numpy as np, tlplug
    >>> @tlplug.register_preprocess("grey", modality="grey")
    ... def make(options, files):
    ...     return lambda source: {"pixels": source}
    >>> images = np.arange(10 * 4, dtype="uint8").reshape(10, 2, 2)
    >>> data = tlplug.load_data(list(images), labels=["low"] * 5 + ["high"] * 5, modality="grey")
    >>> data.classes, len(data.train), len(data.test)
    (('high', 'low'), 8, 2)
    """
    if not 0 < holdout < 1:
        raise UsageError(f"The held-out share is between 0 and 1. Received: {holdout}. Valid: --holdout 0.2.")
    if isinstance(data, str | Path):
        if labels is not None:
            raise UsageError("Labels are for a sequence of sources; a path brings its own. Leave labels out.")
        dataset = _read(data, modality, reader, options or {}, {})
    else:
        examples = _paired(data, labels)
        dataset = _of_examples(examples, modality, f"{len(examples)} sources")
    if test is not None:
        read_with = dataset.read_with
        held_out = load_examples(test, modality=dataset.modality, reader=reader, options=options, earlier=read_with)
        dataset = _with_test(dataset, held_out)
    return _split(dataset, holdout, seed)


def load_again(data: str | Path | Sequence[Any], earlier: Mapping[str, Any], *, modality: str, seed: int) -> Dataset:
    """Read labelled examples like those that a model was trained on, and split them.

    Args:
        data: their path, or what `load_data` refuses.
        earlier: what those were read with.
        modality: of the model.
        seed: of the split.

    Raises:
        UsageError, DataError: see `load_data`.
    """
    if not isinstance(data, str | Path):
        return load_data(data, seed=seed, modality=modality)
    return _split(_read(data, modality, None, {}, earlier), HOLDOUT, seed)


def load_examples(
    data: str | Path,
    *,
    modality: str | None = None,
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> Dataset:
    """Read labelled examples to report on, like `earlier` ones: the test part where there is one, else everything."""
    dataset = _read(data, modality, reader, options or {}, earlier or {})
    return dataset.test if TEST in dataset.splits else dataset


def _read(
    data: str | Path,
    modality: str | None,
    reader: str | None,
    options: Mapping[str, Any],
    earlier: Mapping[str, Any],
) -> Dataset:
    examples, modality, used = read_examples(Path(data), reader, options, modality, earlier)
    return replace(_of_examples(examples, modality, str(data)), read_with=used)


def _paired(sources: Sequence[Any], labels: Sequence[Any] | None) -> list[Example]:
    if not hasattr(sources, "__len__"):
        raise UsageError(
            f"Data are a path, or a sequence of sources with labels. Received: {sources!r:.80}. Valid: a folder."
        )
    if labels is None or len(labels) != len(sources):
        received = "none" if labels is None else str(len(labels))
        raise UsageError(f"Every source needs a label: {len(sources)} sources. Received: {received} labels.")
    return [Example(source=source, label=str(label)) for source, label in zip(sources, labels, strict=True)]


def _of_examples(examples: list[Example], modality: str | None, origin: str) -> Dataset:
    """Make a data set of what can be used, all of one modality."""
    examples, problems = usable(examples)
    examples, modality, skipped = of_one_modality(examples, modality, origin)
    return _digested(examples, modality, problems + skipped, origin)


def _digested(examples: list[Example], modality: str, skipped: list[Skipped], origin: str) -> Dataset:
    """Tell the examples apart by content; those that cannot be read are left out with their reason."""
    if examples and all(example.label is None for example in examples):
        raise UsageError(f"No labels in {origin!r}. State the column that holds the class names: --label COLUMN.")
    kept: list[tuple[Example, str, bytes]] = []
    for position, (example, digest) in enumerate(
        zip(examples, digests([example.source for example in examples]), strict=True)
    ):
        name = example.name or source_name(example.source, position)
        if isinstance(digest, str):
            skipped.append(Skipped(name, digest))
        elif example.label is None:
            skipped.append(Skipped(name, "it has no label"))
        else:
            kept.append((example, example.label, digest))
    if not kept:
        raise DataError(f"No example in {origin!r} can be used: {skipped[-1].source}: {skipped[-1].reason}.")
    classes = tuple(sorted({label for _, label, _ in kept}))
    index = {name: number for number, name in enumerate(classes)}
    return Dataset(
        sources=[example.source for example, *_ in kept],
        labels=np.array([index[label] for _, label, _ in kept], np.int64),
        classes=classes,
        digests=[digest for *_, digest in kept],
        splits=np.array([example.split or TRAIN for example, *_ in kept]).astype("U10"),
        modality=modality,
        skipped=tuple(skipped),
        origin=origin,
        names=[example.name for example, *_ in kept] if any(example.name for example, *_ in kept) else (),
    )


def _with_test(train: Dataset, test: Dataset) -> Dataset:
    """Put two data sets together: the first trains, the second is reported on."""
    labels = align_labels(test, train.classes)
    return replace(
        train,
        sources=[*train.sources, *test.sources],
        labels=np.concatenate([train.labels, labels]),
        digests=[*train.digests, *test.digests],
        splits=np.array([TRAIN] * len(train) + [TEST] * len(test)).astype("U10"),
        skipped=train.skipped + test.skipped,
        names=[*(train.names or [""] * len(train)), *(test.names or [""] * len(test))]
        if train.names or test.names
        else (),
    )


def align_labels(dataset: Dataset, classes: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return a data set's labels as positions in `classes`.

    Raises:
        DataError: it has a class that is not among them.
    """
    unknown = [name for name in dataset.classes if name not in classes]
    if unknown:
        raise DataError(
            f"{dataset.origin!r} has classes that were not trained on: {', '.join(unknown[:5])}. "
            f"Valid: {', '.join(classes)}."
        )
    return np.array([list(classes).index(name) for name in dataset.classes], np.int64)[dataset.labels]


def _split(dataset: Dataset, holdout: float, seed: int) -> Dataset:
    if len(dataset.classes) < 2:
        raise DataError(
            f"A classifier needs at least two classes. Received: {dataset.origin!r} with the one class "
            f"{dataset.classes[0]!r}. Valid: one subfolder per class, or a column with two labels at least."
        )
    splits = dataset.splits.copy()
    if TEST not in splits and VALIDATION in splits:
        splits[splits == VALIDATION] = TEST
    if TEST not in splits:
        _check_class_sizes(dataset)
        splits[hold_out(dataset.labels, dataset.digests, holdout, seed)] = TEST
    _warn_of_conflicts(dataset)
    dataset = _without_leaks(replace(dataset, splits=splits))
    missing = [
        name
        for number, name in enumerate(dataset.classes)
        if not np.any(dataset.labels[dataset.splits == TRAIN] == number)
    ]
    if missing:
        taken = sum(1 for item in dataset.skipped if item.reason == _LEAK)
        why = f"Taken out because they are in the held-out part too: {counted(taken, 'example')}. " if taken else ""
        raise DataError(
            f"The training part of {dataset.origin!r} has no example of: {', '.join(missing[:5])}. {why}"
            "Valid: at least one of each class to train on, which is not in the test data as well."
        )
    return dataset


def _check_class_sizes(dataset: Dataset) -> None:
    for number, name in enumerate(dataset.classes):
        different = {digest for digest, label in zip(dataset.digests, dataset.labels, strict=True) if label == number}
        if len(different) < 2:
            raise DataError(
                f"The class {name!r} has one example, and one cannot be both trained on and tested on. "
                "Valid: at least 2 different ones per class; add some, or remove the class."
            )


def _warn_of_conflicts(dataset: Dataset) -> None:
    """Warn of contents that have more than one label: one of them must be wrong."""
    first: dict[bytes, int] = {}
    pairs = [
        (other, position)
        for position, digest in enumerate(dataset.digests)
        if dataset.labels[other := first.setdefault(digest, position)] != dataset.labels[position]
    ]
    if pairs:
        names = [repr(dataset.name(position)) for position in pairs[0]]
        more = f", and {counted(len(pairs) - 1, 'more pair')}" if len(pairs) > 1 else ""
        message = f"The same content has two labels: {' and '.join(names)}{more}."
        warnings.warn(message, TlplugWarning, stacklevel=4)


def _without_leaks(dataset: Dataset) -> Dataset:
    """Leave out of the other parts what the test part has too, and out of training what validation has too."""
    drop = np.zeros(len(dataset), bool)
    skipped = list(dataset.skipped)
    taken: set[bytes] = set()
    for part in (TEST, VALIDATION, TRAIN):
        members = [int(position) for position in np.flatnonzero(dataset.splits == part)]
        for position in members:
            if dataset.digests[position] in taken:
                drop[position] = True
                skipped.append(Skipped(dataset.name(position), _LEAK))
        taken |= {dataset.digests[position] for position in members}
    return replace(dataset.take(~drop), skipped=tuple(skipped))
