"""The strategy ``features``: the backbone stays frozen, a head is fitted to its embeddings."""

from __future__ import annotations

import collections
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import Selection, with_random_weights
from tlplug.data import TEST, TRAIN, VALIDATION, Dataset, Skipped, assign_folds
from tlplug.errors import DataError, TlplugWarning
from tlplug.evaluation import Evaluation
from tlplug.features import Extractor, Features, extractor_for
from tlplug.heads import FittedHead, HeadChoice
from tlplug.predictor import Predictor

FOLDS = 5
MOST_REMARKS = 10
"""Different remarks of the preprocess that a run tells."""

MAX_UNREADABLE = 0.1
"""Share of the examples that may be unreadable before a run stops."""


@dataclass(frozen=True, eq=False)
class Training:
    """What training gave.

    Attributes:
        selection: the backbone.
        predictor: ready to predict.
        head: as fitted.
        data: the examples that could be read, split.
        evaluation: the answers on the test part.
        metrics: every figure of the report.
        skipped: what was left out, and why.
        computed: how many embeddings were not kept from before.
        remarks: what the preprocess remarked, and about how many examples.
        tuning: how the backbone was trained; empty when it stayed frozen.
    """

    selection: Selection
    predictor: Predictor
    head: FittedHead
    data: Dataset
    evaluation: Evaluation
    metrics: Mapping[str, Any]
    skipped: tuple[Skipped, ...]
    computed: int
    remarks: Mapping[str, int]
    tuning: Mapping[str, Any] = field(default_factory=dict)


def train_frozen(
    data: Dataset,
    selection: Selection,
    head: HeadChoice,
    *,
    runtime: str | None = None,
    against_random: bool = False,
    refit: bool = False,
    max_unreadable: float = MAX_UNREADABLE,
) -> Training:
    """Embed a data set, fit a head on its training part, and measure it on its test part.

    Args:
        data: split.
        selection: the backbone.
        head: the head, its options, and the seed of folds and random weights.
        runtime: name of the runtime; the best that takes the backbone when None.
        against_random: measure the same head on the same network with random weights as well.
        refit: afterwards fit the head on everything; the figures stay those measured before.
        max_unreadable: the share of unreadable examples above which the run stops.

    Raises:
        DataError: too many examples cannot be read, or a class has none left to train on.
    """
    embedded = embed_data(data, selection, runtime=runtime, max_unreadable=max_unreadable)
    return fit_frozen(embedded, head, runtime=runtime, against_random=against_random, refit=refit)


@dataclass(frozen=True, eq=False)
class EmbeddedData:
    """A data set with its embeddings by a frozen backbone.

    Attributes:
        selection: the backbone.
        extractor: the same, compiled, with its preprocess.
        data: the examples that could be read, those of the test part last.
        embeddings: of them, float32 ``[n, size]``.
        skipped: those that could not be read, and why.
        computed: how many embeddings were not kept from before.
        remarks: what the preprocess remarked, and about how many examples.
    """

    selection: Selection
    extractor: Extractor
    data: Dataset
    embeddings: NDArray[np.float32]
    skipped: tuple[Skipped, ...]
    computed: int
    remarks: Mapping[str, int]

    @property
    def fitting(self) -> Dataset:
        """The examples that something can be fitted to: all but those of the test part."""
        return self.data.take(self.data.splits != TEST)

    def fit_without(
        self, head: HeadChoice, parts: Sequence[NDArray[np.bool_]]
    ) -> tuple[list[FittedHead], NDArray[np.float32]]:
        """Fit a head without each of some parts.

        Args:
            head: the head.
            parts: of `fitting`, bool ``[n]`` each.

        Returns:
            The heads, and the probabilities that each gives the examples of its part, part after part, float32
            ``[examples, classes]``.
        """
        fitting = self.fitting
        rows = self.embeddings[: len(fitting)]
        heads = [_fit(fitting.take(~part), rows[~part], head) for part in parts]
        return heads, np.concatenate([own.predict(rows[part]) for own, part in zip(heads, parts, strict=True)])


def embed_data(
    data: Dataset, selection: Selection, *, runtime: str | None = None, max_unreadable: float = MAX_UNREADABLE
) -> EmbeddedData:
    """Embed a data set; see `train_frozen`."""
    extractor = extractor_for(selection, runtime=runtime)
    data = _by_part(data)
    features = extractor.all(data.sources, data.digests)
    readable, skipped = _readable(data, features, max_unreadable)
    return EmbeddedData(
        selection=selection,
        extractor=extractor,
        data=data.take(readable),
        embeddings=features.embeddings if readable.all() else features.embeddings[readable],
        skipped=tuple(skipped),
        computed=features.computed,
        remarks=dict(collections.Counter(features.remarks.values()).most_common(MOST_REMARKS)),
    )


def fit_frozen(
    embedded: EmbeddedData,
    head: HeadChoice,
    *,
    runtime: str | None = None,
    against_random: bool = False,
    refit: bool = False,
) -> Training:
    """Fit a head on the training part of embedded data, and measure it on their test part; see `train_frozen`."""
    data, embeddings, extractor = embedded.data, embedded.embeddings, embedded.extractor
    fitted, evaluation = _fit_and_measure(data, embeddings, head)
    metrics: dict[str, Any] = {"test": evaluation.metrics}
    if fitted.cross_validation:
        chosen_on = "validation" if len(data.validation) else "cross_validation"
        metrics[chosen_on] = dict(fitted.cross_validation)
    if against_random:
        twin = extractor_for(with_random_weights(embedded.selection, head.seed), runtime=runtime)
        _, random = _fit_and_measure(data, twin.all(data.sources, data.digests).embeddings, head)
        metrics["random_weights"] = random.metrics
    if refit:
        folds = assign_folds(data.labels, data.digests, FOLDS, head.seed)
        refitted = head.fit(embeddings, data.labels, outputs=len(data.classes), folds=folds)
        fitted = replace(refitted, cross_validation=fitted.cross_validation)
    predictor = Predictor(
        modality=data.modality,
        classes=data.classes,
        compiled=extractor.compiled,
        preprocess=extractor.preprocess,
        head=fitted.predict,
    )
    return Training(
        selection=embedded.selection,
        predictor=predictor,
        head=fitted,
        data=data,
        evaluation=evaluation,
        metrics=metrics,
        skipped=(*data.skipped, *embedded.skipped),
        computed=embedded.computed,
        remarks=embedded.remarks,
    )


def _readable(data: Dataset, features: Features, max_unreadable: float) -> tuple[NDArray[np.bool_], list[Skipped]]:
    readable = np.ones(len(data), bool)
    readable[list(features.failures)] = False
    skipped = [Skipped(data.name(position), reason) for position, reason in features.failures.items()]
    if len(skipped) > max_unreadable * len(data):
        raise DataError(
            f"{len(skipped)} of {len(data)} examples in {data.origin!r} cannot be read, more than "
            f"{max_unreadable:.0%}: {skipped[0].source}: {skipped[0].reason.rstrip('.')}. Mend or remove them, or "
            "allow more with --max-unreadable 0.5."
        )
    for part in (TRAIN, TEST):
        left = data.take(readable & (data.splits == part))
        if not len(left):
            raise DataError(f"No example of the {part} part of {data.origin!r} can be read: {skipped[0].reason}.")
        if part == TRAIN and 0 in left.counts().values():
            empty = [name for name, count in left.counts().items() if not count]
            raise DataError(f"No training example of the class {empty[0]!r} can be read: {skipped[0].reason}.")
    test, all_test = data.take(readable & (data.splits == TEST)).counts(), data.part(TEST).counts()
    for name in (name for name, count in test.items() if all_test[name] and not count):
        message = f"No held-out example of the class {name!r} can be read, so no figure counts it."
        warnings.warn(message, TlplugWarning, stacklevel=4)
    return readable, skipped


def _folds(data: Dataset, seed: int) -> NDArray[np.int64]:
    """Held-out folds for the training part: its validation part where there is one, else stratified folds."""
    if np.any(data.splits == VALIDATION):
        return np.where(data.splits == VALIDATION, 0, -1).astype(np.int64)
    return assign_folds(data.labels, data.digests, FOLDS, seed)


def _fit(data: Dataset, rows: NDArray[np.float32], head: HeadChoice) -> FittedHead:
    return head.fit(rows, data.labels, outputs=len(data.classes), folds=_folds(data, head.seed))


def _fit_and_measure(data: Dataset, embeddings: NDArray[np.float32], head: HeadChoice) -> tuple[FittedHead, Evaluation]:
    held_out = data.splits == TEST
    fitted = _fit(data.take(~held_out), _rows(embeddings, ~held_out), head)
    return fitted, Evaluation(data.take(held_out), fitted.predict(_rows(embeddings, held_out)))


def _rows(matrix: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Choose rows; neighbouring ones, as `_by_part` orders them, without a copy of what may fill the memory."""
    positions = np.flatnonzero(mask)
    if len(positions) and positions[-1] - positions[0] + 1 == len(positions):
        return matrix[positions[0] : positions[-1] + 1]
    return matrix[mask]


def _by_part(data: Dataset) -> Dataset:
    """Order a data set so that the examples of a part follow each other."""
    return data.take(np.argsort(data.splits == TEST, kind="stable"))
