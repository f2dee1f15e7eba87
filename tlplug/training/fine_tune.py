"""The strategies that train the backbone: the frozen model first, then the network above a cut with its head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.backbones import (
    BuiltBackbone,
    Selection,
    build_backbone,
    cut_below,
    cut_for,
    import_keras,
    split_at,
    stages_of,
    with_model,
    with_random_weights,
)
from tlplug.data import TEST, VALIDATION, Dataset, assign_folds, hold_out
from tlplug.errors import DataError, UsageError, counted
from tlplug.evaluation import Evaluation
from tlplug.features import Trunk, Window, augmenter_for, compile_backbone, compile_tuned
from tlplug.heads import FittedHead, HeadChoice
from tlplug.predictor import Predictor
from tlplug.training.batches import Batches
from tlplug.training.checkpoint import Checkpoints
from tlplug.training.frozen import FOLDS, Training, train_frozen
from tlplug.training.judgement import Judgement, confidence
from tlplug.training.settings import Tuning
from tlplug.training.strategy import AUTO
from tlplug.training.trainer import Network, TrainerState, embeddings_of, tune

if TYPE_CHECKING:
    import keras

INNER_SHARE = 0.2
"""Of the training part, on which the number of epochs is chosen."""

LEAST = 4
"""Examples that this must be."""

CONFIDENCE = 0.8
"""With which ``auto`` must find the tuned network better to take it."""


def train_tuned(
    data: Dataset,
    selection: Selection,
    head: HeadChoice,
    tuning: Tuning,
    *,
    runtime: str | None = None,
    checkpoints: Path | None = None,
    callbacks: Sequence[Any] = (),
    **arguments: Any,
) -> Training:
    """Fit a head on the frozen backbone, then train the top of the backbone together with it.

    How many epochs are best is found on the validation part, or on a fifth of the training part; then the training is
    done once more on both together. Where no number of epochs answers better than the frozen model, that is what
    remains.

    Args:
        data: split.
        selection: the backbone.
        head: the head, its options, and the seed of everything random.
        tuning: what trains, and how.
        runtime: of the frozen part and of the result.
        checkpoints: folder that keeps the state after each epoch; None keeps none.
        callbacks: of Keras.
        **arguments: as for `train_frozen`.

    Raises:
        UsageError: a stage or layer that does not exist, or windows that are not averaged.
        TrainingError: the loss is no number, or the memory has run out.
        DataError: as `train_frozen`.
    """
    if tuning.strategy == "scratch":
        selection = with_random_weights(selection, head.seed)
    augmenter_for(data.modality, tuning.augment, head.seed)  # refuses before any work what it does not know
    frozen = train_frozen(data, selection, head, runtime=runtime, **arguments)
    import_keras()
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    work = _Work.prepare(frozen, selection, head, tuning, runtime=runtime, checkpoints=checkpoints, callbacks=callbacks)
    epochs, about = tuning.options["epochs"], {**tuning.to_json(), **work.about()}
    metrics = {"test": frozen.metrics["test"], "frozen": frozen.metrics["test"]}
    metrics |= {name: value for name, value in frozen.metrics.items() if name == "random_weights"}
    if tuning.options["patience"]:
        chosen = work.train("choosing", ~work.held_out, epochs, judged=work.held_out)
        epochs, about["history"] = chosen.best, chosen.history
        if chosen.start is not None and chosen.judged is not None:
            about |= {"frozen_accuracy": chosen.start.accuracy, "tuned_accuracy": chosen.judged.accuracy}
            metrics["validation"] = {"accuracy": chosen.judged.accuracy, "log_loss": -chosen.judged.fit}
            if tuning.strategy == AUTO:
                about["confidence"] = confidence(chosen.start.right, chosen.judged.right, head.seed)
                epochs = epochs if about["confidence"] >= CONFIDENCE else 0
    about["epochs_trained"] = epochs
    if epochs == 0:
        progress.note("The held-out part of the training examples was answered no better: the frozen model remains.")
        return replace(frozen, metrics=metrics, tuning=about)
    done = work.train("final", np.ones(len(work.fitting), bool), epochs)
    about["history_final"] = done.history
    predictor, fitted = work.predictor(runtime)
    test = frozen.data.take(frozen.data.splits == TEST)
    probabilities, _ = predictor.probabilities(test.sources)
    evaluation = Evaluation(test, probabilities)
    metrics["test"] = evaluation.metrics
    return replace(frozen, predictor=predictor, head=fitted, evaluation=evaluation, metrics=metrics, tuning=about)


@dataclass
class _Work:
    """A training: the network, the examples, and what is kept of them under the cut."""

    built: BuiltBackbone
    selection: Selection
    choice: HeadChoice
    frozen: Training
    tuning: Tuning
    cut: str | None
    top: keras.Model
    trunk: Trunk
    fitting: Dataset
    held_out: NDArray[np.bool_]
    windows: Mapping[int, Sequence[Sequence[Window]]]
    factors: Mapping[str, float]
    checkpoints: Path | None
    callbacks: Sequence[Any]
    start: list[NDArray[Any]]
    network: Network = field(init=False)

    @classmethod
    def prepare(
        cls,
        frozen: Training,
        selection: Selection,
        choice: HeadChoice,
        tuning: Tuning,
        *,
        runtime: str | None,
        checkpoints: Path | None,
        callbacks: Sequence[Any],
    ) -> _Work:
        augmenter = augmenter_for(frozen.data.modality, tuning.augment, choice.seed)
        built, preprocess = build_backbone(selection), frozen.predictor.preprocess
        if len(preprocess.pool()(np.zeros((1, built.embedding_size), np.float32))) != built.embedding_size:
            raise UsageError("Fine-tuning averages the windows of an example. Valid: --set preprocess.pool=mean.")
        fitting = frozen.data.take(frozen.data.splits != TEST)
        held_out = _held_out(fitting, tuning, choice.seed)
        named = selection.entry.record.stages
        cut, top = _cut(built.model, named, tuning), built.model
        if cut is None:
            trunk = Trunk(frozen.predictor.compiled, preprocess, cut=False, augmenter=augmenter)
        else:
            under, top = split_at(built.model, cut)
            compiled = compile_backbone(selection, runtime, part=with_model(built, under, selection))
            beside = [tensor.name for tensor in top.inputs[1:]]
            trunk = Trunk(compiled, preprocess, cut=True, beside=beside, augmenter=augmenter)
        _thaw(top, normalizations=tuning.strategy == "scratch")
        views = range(tuning.options["views"] + 1) if augmenter else range(1)
        return cls(
            built=built,
            selection=selection,
            choice=choice,
            frozen=frozen,
            tuning=tuning,
            cut=cut,
            top=top,
            trunk=trunk,
            fitting=fitting,
            held_out=held_out,
            windows=trunk.windows(fitting.sources, fitting.digests, views),
            factors=_factors(built.model, named, tuning.options["rate_decay"]),
            checkpoints=checkpoints,
            callbacks=callbacks,
            start=built.model.get_weights(),
        )

    def train(
        self, phase: str, examples: NDArray[np.bool_], epochs: int, judged: NDArray[np.bool_] | None = None
    ) -> TrainerState:
        """Train from the frozen start on some examples; with `judged`, until those are answered no better."""
        keras = import_keras()
        keras.utils.set_random_seed(self.choice.seed)
        self.built.model.set_weights(self.start)
        pool, own = self.trunk.preprocess.pool(), self.windows[0]
        head = self.frozen.head
        labels, outputs = self.fitting.labels, len(self.fitting.classes)
        if judged is not None:
            rows = embeddings_of(self.top, pool, self.trunk, _chosen(own, examples))
            part = self.fitting.take(examples)
            folds = assign_folds(part.labels, part.digests, FOLDS, self.choice.seed)
            head = self.choice.fit(rows, part.labels, outputs=outputs, folds=folds)
        self.network = Network(self.top, _copy_of(head.to_keras()), self.factors, pool)
        options, targets = self.tuning.options, np.eye(outputs, dtype=np.float32)
        batches = Batches(
            trunk=self.trunk,
            windows={view: _chosen(windows, examples) for view, windows in self.windows.items()},
            targets=targets[labels[examples]],
            weights=self.choice.sample_weight(labels[examples], outputs).astype(np.float32),
            size=options["batch_size"],
            most=options["windows"],
            seed=self.choice.seed,
        )

        others = np.zeros(len(labels), bool) if judged is None else judged
        windows = _chosen(own, others)

        def evaluate() -> Judgement:
            return Judgement.of(self.network.probabilities(self.trunk, windows), labels[others])

        return tune(
            self.network,
            batches,
            options,
            epochs=epochs,
            label="Fine-tuning" if judged is None else "Choosing the number of epochs",
            checkpoints=Checkpoints(self.checkpoints, phase),
            evaluate=evaluate if judged is not None else None,
            callbacks=self.callbacks,
        )

    def predictor(self, runtime: str | None) -> tuple[Predictor, FittedHead]:
        """Return what predicts with the weights as they are now."""
        self.built.model.trainable = False
        compiled = compile_tuned(self.selection, with_model(self.built, self.built.model, self.selection), runtime)
        fitted = self.choice.tuned(self.frozen.head, self.network.head)
        return replace(self.frozen.predictor, compiled=compiled, head=fitted.predict), fitted

    def about(self) -> dict[str, Any]:
        """What trains, for run.json."""
        trained = sum(int(np.prod(variable.shape)) for variable in self.top.trainable_variables)
        return {"cut": self.cut, "parameters_trained": trained, "held_out": int(self.held_out.sum())}


def _cut(model: keras.Model, named: Sequence[str], tuning: Tuning) -> str | None:
    if tuning.unfreeze is not None:
        return cut_below(model, tuning.unfreeze)
    return None if tuning.stages is None else cut_for(model, tuning.stages, named)


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


def _thaw(top: keras.Model, *, normalizations: bool) -> None:
    """Let a network train; its batch normalizations only where they are to learn their statistics."""
    keras = import_keras()
    for layer in top._flatten_layers():  # each: a model that is trainable itself tells its layers nothing
        layer.trainable = True
    for layer in top._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and not normalizations:
            layer.trainable = False


def _factors(model: keras.Model, named: Sequence[str], decay: float) -> dict[str, float]:
    """What the rate of each variable is multiplied with: less from stage to stage, from the top down."""
    depth = {name: stage.number - 1 for stage in stages_of(model, named) for name in stage.layers}
    return {
        variable.path: decay ** depth[layer.name]
        for layer in model._flatten_layers(include_self=False)
        if layer.name in depth
        for variable in layer.variables
    }


def _copy_of(model: keras.Model) -> keras.Model:
    copy = import_keras().models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.trainable = True
    return copy


def _chosen(windows: Sequence[Sequence[Window]], examples: NDArray[np.bool_]) -> list[list[Window]]:
    """The windows of some examples, which are numbered anew."""
    own = [group for group, chosen in zip(windows, examples, strict=True) if chosen]
    return [[replace(window, example=number) for window in group] for number, group in enumerate(own)]
