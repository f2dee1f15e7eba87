"""The strategy ``auto``: what is worth its while is found out on held-out training examples, never on the test part.

Everything that is tried answers the same examples, in folds of the training part, and takes the place of what was best
so far only where a paired bootstrap says with confidence that it is better.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.backbones import Selection
from tlplug.data import VALIDATION, Dataset, assign_folds
from tlplug.errors import DataError, PluginError, TrainingError, UsageError, WeightsError, first_line
from tlplug.features import augmenter_for
from tlplug.heads import FittedHead, HeadChoice
from tlplug.training.candidate import Candidate, TrainingContext
from tlplug.training.fine_tune import FEW, be_deterministic, before_tuning, train_finally
from tlplug.training.frozen import MAX_UNREADABLE, EmbeddedData, Training, embed_data, fit_frozen
from tlplug.training.judgement import Judgement, confidence
from tlplug.training.mixup import check_mixup
from tlplug.training.settings import Tuning
from tlplug.training.unfreezing import NothingToTrainError, check_cut

CONFIDENCE = 0.8
"""With which something must be better to be taken."""

HOPELESS = 0.3
"""Confidence after some of the held-out examples below which something is given up."""

ENOUGH = 300
"""Held-out examples that everything is compared on, where there are so many."""

LEAST_FOLDS = 3
"""Of the training part."""

Parts = Sequence[NDArray[np.bool_]]


@dataclass(frozen=True)
class Trial:
    """Something that was tried, and how it answered held-out training examples.

    Attributes:
        backbone: its name.
        stages: how many trained; 0 where it stayed frozen, None where it is a layer that says what trains.
        epochs: how long they trained.
        parameters: how many weights did.
        examples: how many were answered before it was given up.
        accuracy, log_loss: of these answers.
        confidence: that it is better than what was best before it; None for the first.
        taken: whether it took the place of that.
        seconds: what it took to find out.
    """

    backbone: str
    stages: int | None
    epochs: int
    parameters: int
    examples: int
    accuracy: float
    log_loss: float
    confidence: float | None
    taken: bool
    seconds: float


def held_out_parts(fitting: Dataset, seed: int) -> list[NDArray[np.bool_]]:
    """Choose what everything is compared on: parts of the examples that can train, held out one after the other.

    Args:
        fitting: these examples.
        seed: of the folds.

    Returns:
        The validation part where there is one, else folds of the training part, as many as make up `ENOUGH` examples;
        each bool ``[n]``. None of them where there are too few examples.
    """
    validation = np.asarray(fitting.splits == VALIDATION)
    if validation.any():
        return [validation]
    folds = assign_folds(fitting.labels, fitting.digests, max(LEAST_FOLDS, len(fitting) // ENOUGH), seed)
    if folds.max() < 1:
        return []
    parts = [folds == number for number in range(folds.max() + 1)]
    counts = np.cumsum([part.sum() for part in parts])
    return parts[: 1 + int(np.searchsorted(counts, ENOUGH))]


def train_auto(
    data: Dataset,
    selections: Sequence[Selection],
    head: HeadChoice,
    tuning: Tuning,
    context: TrainingContext,
    *,
    against_random: bool = False,
    max_unreadable: float = MAX_UNREADABLE,
) -> Training:
    """Find the best of some frozen backbones, then whether it is better with more and more of it trained.

    Args:
        data: split.
        selections: the backbones; the first is what serves unless another is better.
        head: the head, its options, and the seed of everything random.
        tuning: how to train; where it says neither stages nor a layer, the topmost stage is tried, then twice as many
            as long as they are better.
        context: the runtime, the checkpoints and the callbacks.
        against_random, max_unreadable: see `train_frozen`.

    Raises:
        UsageError: a stage or layer that does not exist.
        DataError: as `train_frozen`.
        TrainingError: as `train_tuned`.
    """
    augmenter_for(data.modality, tuning.augment, head.seed)  # refuses before any work what it does not know
    check_mixup(selections, tuning)
    check_cut(selections, tuning)
    started = time.perf_counter()
    default = embed_data(data, selections[0], runtime=context.runtime, max_unreadable=max_unreadable)
    fitting = default.fitting
    parts = held_out_parts(fitting, head.seed)
    fit: dict[str, Any] = {"runtime": context.runtime, "against_random": against_random}
    about: dict[str, Any] = {**tuning.to_json(), "stages": 0, "epochs_trained": 0}
    if not parts:
        about |= {"tried": [], "remarks": ["There are too few training examples to compare anything on."]}
        progress.note(f"{about['remarks'][0]} The backbone stays frozen.")
        frozen = fit_frozen(default, head, **fit)
        return replace(frozen, metrics=before_tuning(frozen), tuning=about)
    labels = np.concatenate([fitting.labels[part] for part in parts])
    judge = _Judge(labels, head.seed)
    embedded = default
    heads, answers = default.fit_without(head, parts)
    judge.takes(answers, started, selections[0])
    for other, started in _others(data, selections[1:], default, context.runtime, max_unreadable, judge=judge):
        own, answers = other.fit_without(head, parts)
        if judge.takes(answers, started, other.selection):
            embedded, heads = other, own
    frozen = fit_frozen(embedded, head, **fit)
    metrics = before_tuning(frozen)
    if embedded is not default:
        metrics["default_backbone"] = fit_frozen(default, head, runtime=context.runtime).metrics["test"]
    best: Candidate | None = None
    if min(fitting.counts().values()) < FEW:
        judge.note(f"A class has fewer than {FEW} training examples: the backbone stays frozen.")
    elif judge.best.accuracy == 1:
        judge.note("All held-out training examples are answered rightly: the backbone stays frozen.")
    else:
        best = _tuned(_candidates(frozen, head, tuning, context, judge), parts, heads, judge)
    taken = [trial for trial in judge.trials if trial.taken][-1]
    about |= {"tried": [asdict(trial) for trial in judge.trials], "held_out": len(labels), "stages": taken.stages}
    about["remarks"] = judge.remarks
    metrics["validation"] = {"accuracy": taken.accuracy, "log_loss": taken.log_loss}
    if best is None:
        return replace(frozen, metrics=metrics, tuning=about)
    return train_finally(best, tuning.options["epochs"], metrics, about)


class _Judge:
    """Compares what is tried with the best so far.

    Args:
        labels: int64 ``[n]`` of the held-out examples.
        seed: of the bootstrap.

    Attributes:
        trials: what was tried.
        remarks: why other things were not.
        best: the answers of the best.
    """

    def __init__(self, labels: NDArray[np.int64], seed: int) -> None:
        self.trials: list[Trial] = []
        self.remarks: list[str] = []
        self.best: Judgement
        self._labels, self._seed = labels, seed

    def note(self, remark: str) -> None:
        """Say why something is not tried, or given up, and keep it for run.json."""
        self.remarks.append(remark)
        progress.note(remark)

    def confidence(self, answers: NDArray[np.float32]) -> float:
        """That answers to the first of the examples, float32 ``[some, classes]``, are better than the best to them."""
        now = Judgement.of(answers, self._labels[: len(answers)])
        return confidence(self.best.right[: len(answers)], now.right, self._seed)

    def takes(self, answers: NDArray[np.float32], started: float, selection: Selection, **trained: Any) -> bool:
        """Say whether something is the best now, and keep a note of it.

        Args:
            answers: its probabilities, float32 ``[n, classes]``, or those of the first examples where it was given up.
            started: when it began.
            selection: its backbone.
            **trained: the fields of `Trial` that say what trained.
        """
        now = Judgement.of(answers, self._labels[: len(answers)])
        sure = self.confidence(answers) if self.trials else None
        taken = sure is None or (sure >= CONFIDENCE and len(answers) == len(self._labels))
        trial = Trial(
            backbone=selection.entry.name,
            **{"stages": 0, "epochs": 0, "parameters": 0, **trained},
            examples=len(answers),
            accuracy=now.accuracy,
            log_loss=-now.fit,
            confidence=sure,
            taken=taken,
            seconds=round(time.perf_counter() - started, 1),
        )
        self.trials.append(trial)
        if taken:
            self.best = now
        return taken


def _others(
    data: Dataset,
    selections: Sequence[Selection],
    default: EmbeddedData,
    runtime: str | None,
    max_unreadable: float,
    *,
    judge: _Judge,
) -> Iterator[tuple[EmbeddedData, float]]:
    """Yield the data embedded by each other backbone that can be had and reads the same examples, and its beginning."""
    for selection in selections:
        started = time.perf_counter()
        try:
            embedded = embed_data(data, selection, runtime=runtime, max_unreadable=max_unreadable)
        except (DataError, PluginError, WeightsError) as error:
            judge.note(f"{selection.entry.name} was not tried: {first_line(error)}")
            continue
        if embedded.data.digests == default.data.digests:
            yield embedded, started
        else:
            judge.note(f"{selection.entry.name} was not tried: it does not read the same examples.")


def _tuned(
    candidates: Iterable[Candidate], parts: Parts, heads: Sequence[FittedHead], judge: _Judge
) -> Candidate | None:
    """Try candidates until one is no better than what was tried before it; return the best; None where none is.

    Args:
        candidates: in the order in which they are tried.
        parts: that are held out in turn.
        heads: what training without each of them starts from.
        judge: compares.
    """
    be_deterministic()
    best, started = None, time.perf_counter()
    for candidate in candidates:
        epochs, stages = candidate.tuning.options["epochs"], candidate.tuning.stages
        what = candidate.tuning.unfreeze if stages is None else f"stages-{stages}"
        answers: list[NDArray[np.float32]] = []
        try:
            for fold, (part, head) in enumerate(zip(parts, heads, strict=True), start=1):
                found, earlier = candidate.judge(f"{what}-fold-{fold}", part, head, epochs)
                answers.append(found)
                started -= earlier
                if judge.confidence(np.concatenate(answers)) < HOPELESS:
                    break
        except TrainingError as error:
            judge.note(f"What was tried last is given up: {error}")
            break
        trained = {"stages": stages, "epochs": epochs, "parameters": candidate.parameters}
        if not judge.takes(np.concatenate(answers), started, candidate.frozen.selection, **trained):
            break
        best, started = candidate, time.perf_counter()
        if judge.best.accuracy == 1:
            break
    return best


def _candidates(
    frozen: Training, head: HeadChoice, tuning: Tuning, context: TrainingContext, judge: _Judge
) -> Iterator[Candidate]:
    """Yield what is asked for; where nothing is, the topmost stage, then twice as many each time, up to all of them."""
    if tuning.stages is not None or tuning.unfreeze is not None:
        try:
            candidate = Candidate.prepare(frozen, head, tuning, context)
        except UsageError as error:  # that another backbone has, as was looked up before
            judge.note(f"It stays frozen: {error}")
        else:
            yield candidate
        return
    stages, most = 1, None
    while most is None or stages < most:
        stages = stages if most is None else min(2 * stages, most)
        try:
            candidate = Candidate.prepare(frozen, head, replace(tuning, stages=stages), context)
        except NothingToTrainError as error:
            most = error.stages
            if stages >= most:
                judge.note(f"It stays frozen: {error.reason}")
        except UsageError as error:
            judge.note(f"It stays frozen: {error}")
            return
        else:
            most = candidate.stages
            yield candidate
