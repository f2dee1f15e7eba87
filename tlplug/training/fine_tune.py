"""The strategies that train the backbone: the frozen model first, then the network above a cut with its head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.backbones import Selection, import_keras, with_random_weights
from tlplug.data import TEST, VALIDATION, Dataset, hold_out
from tlplug.errors import DataError, counted
from tlplug.evaluation import Evaluation
from tlplug.features import augmenter_for
from tlplug.heads import HeadChoice
from tlplug.training.candidate import Candidate, TrainingContext
from tlplug.training.frozen import MAX_UNREADABLE, Training, embed_data, fit_frozen
from tlplug.training.mixup import check_mixup
from tlplug.training.settings import Tuning
from tlplug.training.trainer import DivergedError
from tlplug.training.unfreezing import check_cut

INNER_SHARE = 0.2
"""Of the training part, on which the number of epochs is chosen."""

LEAST = 4
"""Examples that this must be."""

FEW = 10
"""Training examples of the smallest class, below which ``auto`` leaves a backbone frozen."""


def train_tuned(
    data: Dataset,
    selection: Selection,
    head: HeadChoice,
    tuning: Tuning,
    context: TrainingContext,
    *,
    against_random: bool = False,
    max_unreadable: float = MAX_UNREADABLE,
) -> Training:
    """Fit a head on the frozen backbone, then train the top of the backbone together with it; from scratch, a new one.

    How many epochs are best is found on the validation part, or on a fifth of the training part; then the training is
    done once more on both together. Where no number of epochs answers better than the frozen model, that is what
    remains.

    Args:
        data: split.
        selection: the backbone.
        head: the head, its options, and the seed of everything random.
        tuning: what trains, and how.
        context: the runtime, the checkpoints and the callbacks.
        against_random, max_unreadable: see `train_frozen`.

    Raises:
        UsageError: a stage or layer that does not exist, or windows that are not averaged.
        TrainingError: the loss is no number, or the memory has run out.
        DataError: as `train_frozen`.
    """
    if tuning.strategy == "scratch":
        selection = with_random_weights(selection, head.seed)
    augmenter_for(data.modality, tuning.augment, head.seed)  # refuses before any work what it does not know
    check_mixup([selection], tuning)
    check_cut([selection], tuning)
    embedded = embed_data(data, selection, runtime=context.runtime, max_unreadable=max_unreadable)
    held_out = _held_out(embedded.fitting, tuning, head.seed)
    frozen = fit_frozen(embedded, head, runtime=context.runtime, against_random=against_random)
    if tuning.strategy != "scratch" and min(embedded.fitting.counts().values()) < FEW:
        progress.note(
            f"A class has fewer than {FEW} training examples: --strategy auto would leave the backbone frozen."
        )
    be_deterministic()
    candidate = Candidate.prepare(frozen, head, tuning, context)
    epochs = tuning.options["epochs"]
    about = {**tuning.to_json(), "held_out": int(held_out.sum())}
    metrics = before_tuning(frozen)
    if tuning.options["patience"]:
        heads, answers = embedded.fit_without(head, [held_out])
        chosen = candidate.choose_epochs("choosing", held_out, heads[0], answers)
        epochs, about["history"] = chosen.best, chosen.history
        if chosen.start is not None and chosen.judged is not None:
            about |= {"frozen_accuracy": chosen.start.accuracy, "tuned_accuracy": chosen.judged.accuracy}
            about |= {"frozen_log_loss": -chosen.start.fit, "tuned_log_loss": -chosen.judged.fit}
            if chosen.best == 0:  # then it is the frozen model that was judged best: the best that was trained is told
                about |= _best_of(chosen.history)
            metrics["validation"] = {"accuracy": chosen.judged.accuracy, "log_loss": -chosen.judged.fit}
    if epochs == 0:
        progress.note("The held-out part of the training examples was answered no better: the frozen model remains.")
        return replace(frozen, metrics=metrics, tuning={**about, **candidate.about(), "epochs_trained": 0})
    return train_finally(candidate, epochs, metrics, about)


def _best_of(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The figures of the best epoch, none where none came to numbers."""
    judged = [(e["validation_accuracy"], e["validation_loss"]) for e in history if e["loss"] is not None]
    best = max(judged, key=lambda figures: (figures[0], -figures[1]), default=None)
    return {} if best is None else {"tuned_accuracy": best[0], "tuned_log_loss": best[1]}


def be_deterministic() -> None:
    """Make TensorFlow compute the same bits every time, in this process from now on."""
    import_keras()
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def before_tuning(frozen: Training) -> dict[str, Any]:
    """The figures of a frozen model that stay in metrics.json beside those of the tuned one."""
    metrics = {"test": frozen.metrics["test"], "frozen": frozen.metrics["test"]}
    return metrics | {name: value for name, value in frozen.metrics.items() if name == "random_weights"}


def train_finally(candidate: Candidate, epochs: int, metrics: dict[str, Any], about: dict[str, Any]) -> Training:
    """Train a candidate on all of its examples, and measure it on the test part.

    Where that comes to what is no number, though it was found better on held-out examples, the frozen model remains.

    Args:
        candidate: what trains.
        epochs: how long.
        metrics: what was measured before.
        about: what was done before, for run.json.

    Raises:
        DivergedError: it comes to no number, and was not compared with the frozen model before.
    """
    frozen = candidate.frozen
    test = frozen.data.take(frozen.data.splits == TEST)
    try:
        state, predictor, fitted = candidate.finish(epochs)
        tuning = {**about, **candidate.about()}
        probabilities, _ = predictor.probabilities(test.sources)
        if not np.isfinite(probabilities).all():
            raise DivergedError("What was trained answers with what is no number.", candidate.learning_rate)
    except DivergedError as error:
        if "validation" not in metrics:
            raise
        progress.note(f"{error} The frozen model remains.")
        metrics = {name: value for name, value in metrics.items() if name != "validation"}
        about |= {**candidate.about(), "epochs_trained": 0, "diverged": str(error)}
        return replace(frozen, metrics=metrics, tuning=about)
    evaluation = Evaluation(test, probabilities)
    return replace(
        frozen,
        predictor=predictor,
        head=fitted,
        evaluation=evaluation,
        metrics={**metrics, "test": evaluation.metrics},
        tuning={**tuning, "epochs_trained": state.epoch, "history_final": state.history},
    )


def _held_out(fitting: Dataset, tuning: Tuning, seed: int) -> NDArray[np.bool_]:
    """Which examples the number of epochs is chosen on."""
    if np.any(fitting.splits == VALIDATION):
        return np.asarray(fitting.splits == VALIDATION)
    held_out: NDArray[np.bool_] = hold_out(fitting.labels, fitting.digests, INNER_SHARE, seed)
    if tuning.options["patience"] and held_out.sum() < LEAST:
        raise DataError(
            f"{counted(len(fitting), 'training example')} are too few to choose the number of epochs on. Train "
            "a number of your own with --epochs 5 --set tuning.patience=0, or keep the backbone frozen."
        )
    return held_out
