"""A network that can be trained above a cut, with the examples and what is kept of them under it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import (
    BuiltBackbone,
    build_backbone,
    import_keras,
    split_at,
    stages_of,
    with_model,
)
from tlplug.data import TEST, Dataset
from tlplug.errors import UsageError
from tlplug.features import Trunk, Window, augmenter_for, compile_backbone, compile_tuned
from tlplug.heads import FittedHead, HeadChoice
from tlplug.predictor import Predictor
from tlplug.training.batches import Batches
from tlplug.training.callbacks import in_phase
from tlplug.training.checkpoint import Checkpoint, Checkpoints
from tlplug.training.devices import Devices
from tlplug.training.frozen import Training
from tlplug.training.judgement import Judgement
from tlplug.training.lora import Updates
from tlplug.training.precision import choose_precision
from tlplug.training.rate_finder import RateFinder
from tlplug.training.settings import Tuning
from tlplug.training.starting_head import copy_of, renewed
from tlplug.training.trainer import DivergedError, Network, TrainerState, memory_named, tune
from tlplug.training.unfreezing import NothingToTrainError, rate_factors, thaw

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class TrainingContext:
    """What a training runs in.

    Attributes:
        runtime: of the frozen part and of the result; the best that takes them when None.
        checkpoints: folder that keeps the state after each epoch; None keeps none.
        callbacks: of Keras.
    """

    runtime: str | None = None
    checkpoints: Path | None = None
    callbacks: Sequence[Any] = ()


@dataclass
class Candidate:
    """A frozen model whose network can be trained above a cut.

    Attributes:
        frozen: the model; its head is what training starts from.
        choice: how its head was chosen.
        tuning: what trains, and how.
        context: the runtime, the checkpoints and the callbacks.
        fitting: the examples that can train: all but those of the test part.
        cut: name of the layer under what trains; None where all of it trains.
        parameters: how many weights of the network train.
    """

    frozen: Training
    choice: HeadChoice
    tuning: Tuning
    context: TrainingContext
    fitting: Dataset
    cut: str | None
    parameters: int
    _built: BuiltBackbone
    _top: keras.Model
    _trunk: Trunk
    _windows: Mapping[int, Sequence[Sequence[Window]]]
    _factors: Mapping[str, float]
    _start: list[tuple[Any, NDArray[Any]]]
    _devices: Devices
    _precision: str
    _rates: RateFinder
    _updates: Updates | None
    _folder: Path | None
    _network: Network = field(init=False)

    @classmethod
    def prepare(cls, frozen: Training, choice: HeadChoice, tuning: Tuning, context: TrainingContext) -> Candidate:
        """Build the network, split it, and compute what lies under the cut.

        Raises:
            UsageError: a stage or layer that does not exist, or windows that are not averaged.
            NothingToTrainError: what would train has no weights.
        """
        selection, preprocess = frozen.selection, frozen.predictor.preprocess
        augmenter = augmenter_for(frozen.data.modality, tuning.augment, choice.seed)
        devices = Devices.found(tuning.options["devices"])
        built = devices.make(build_backbone, selection)
        if len(preprocess.pool()(np.zeros((1, built.embedding_size), np.float32))) != built.embedding_size:
            raise UsageError("Fine-tuning averages the windows of an example. Valid: --set preprocess.pool=mean.")
        named = selection.entry.record.stages
        cut, top = tuning.cut(built.model, selection.entry), built.model
        if cut is None:
            trunk = Trunk(frozen.predictor.compiled, preprocess, cut=False, augmenter=augmenter)
        else:
            under, top = split_at(built.model, cut)
            compiled = compile_backbone(selection, context.runtime, part=with_model(built, under, selection))
            places = {tensor.name: place for place, tensor in enumerate(built.model.inputs)}
            # Inputs without a name are called something else in every build: their order says which is which.
            beside = [compiled.inputs[places[tensor.name]].name for tensor in top.inputs[1:]]
            trunk = Trunk(compiled, preprocess, cut=True, beside=beside, augmenter=augmenter)
        thaw(top, normalizations=tuning.strategy == "scratch")
        updates = None
        if rank := tuning.options["lora"]:
            import_keras().utils.set_random_seed(choice.seed)
            with devices.scope():
                updates = Updates.added(built.model, top, rank)
        if not top.trainable_variables:
            raise NothingToTrainError(selection.entry.name, len(stages_of(built.model, named)), cut, lora=bool(rank))
        fitting = frozen.data.take(frozen.data.splits != TEST)
        # Checkpoints of anything else are not gone on from: of another backbone that auto reached, of other data.
        head = [choice.entry.name, dict(choice.options), choice.seed]
        kept = [built.digest, cut, tuning.to_json(), preprocess.to_json(), head, fitting.digest]
        name = hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:16]
        folder = context.checkpoints and context.checkpoints / name
        views = range(tuning.options["views"] + 1) if augmenter else range(1)
        return cls(
            frozen=frozen,
            choice=choice,
            tuning=tuning,
            context=context,
            fitting=fitting,
            cut=cut,
            parameters=sum(int(np.prod(variable.shape)) for variable in top.trainable_variables),
            _built=built,
            _top=top,
            _trunk=trunk,
            _windows=trunk.windows(fitting.sources, fitting.digests, views),
            _factors=rate_factors(built.model, named, tuning.options["rate_decay"]),
            # With the states of its generators of random numbers, which get_weights() leaves out.
            _start=[(variable, np.array(variable.value)) for variable in built.model.variables],
            _devices=devices,
            _precision=choose_precision(tuning.options["precision"], top),
            _rates=RateFinder(tuning, choice.seed, folder),
            _updates=updates,
            _folder=folder,
        )

    @property
    def learning_rate(self) -> float:
        """The highest; known once something has trained."""
        return float(self._rates.to_json().get("learning_rate", self.tuning.options["learning_rate"]))

    def about(self) -> dict[str, Any]:
        """What has trained, and how, for run.json."""
        about = {"cut": self.cut, "parameters_trained": self.parameters}
        return about | {"precision": self._precision, "devices": self._devices.count} | self._rates.to_json()

    @property
    def stages(self) -> int:
        """How many the network has."""
        return len(stages_of(self._built.model, self.frozen.selection.entry.record.stages))

    def choose_epochs(
        self, phase: str, held_out: NDArray[np.bool_], head: FittedHead, answers: NDArray[np.float32]
    ) -> TrainerState:
        """Train without some examples until those are answered no better; return how that went.

        Args:
            phase: names the checkpoints.
            held_out: bool ``[n]`` of the fitting examples.
            head: fitted without them.
            answers: probabilities that it gives them on the frozen network, float32 ``[examples, classes]``.
        """
        label, epochs = "Choosing the number of epochs", self.tuning.options["epochs"]
        fitted = Judgement.of(answers, self.fitting.labels[held_out])
        start = fitted if self.tuning.strategy == "scratch" else None  # its head starts afresh
        return self._train(phase, label, ~held_out, head, epochs=epochs, judged=held_out, start=start)

    def judge(
        self, phase: str, held_out: NDArray[np.bool_], head: FittedHead, epochs: int
    ) -> tuple[NDArray[np.float32], float]:
        """Train without some examples; return how those are answered then, see `answers`.

        Beside that, the seconds that it has taken a process before this one; 0 where this one has done it.

        Args:
            phase: names the checkpoints.
            held_out: bool ``[n]`` of the fitting examples.
            head: fitted without them.
            epochs: of the training.
        """
        done = Checkpoints(self._folder, f"judged-{phase}")
        if (kept := done.latest()) is not None:
            return kept.arrays["answers"], kept.values["seconds"]
        started = time.perf_counter()
        self._train(phase, "Judging", ~held_out, head, epochs=epochs)
        answers = self.answers(held_out)
        if done.save(epochs, Checkpoint({"answers": answers}, {"seconds": time.perf_counter() - started})):
            Checkpoints(self._folder, phase).clear()
        return answers, 0.0

    def answers(self, examples: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the probabilities that the network as it is gives some examples, float32 ``[examples, classes]``."""
        with memory_named(self.tuning.options):
            return self._network.probabilities(self._trunk, _chosen(self._windows[0], examples))

    def finish(self, epochs: int) -> tuple[TrainerState, Predictor, FittedHead]:
        """Train on all examples for some epochs; return how that went, and what predicts.

        Raises:
            DivergedError: weights became no number.
        """
        everything = np.ones(len(self.fitting), bool)
        state = self._train("final", "Fine-tuning", everything, self.frozen.head, epochs=epochs)
        selection, model = self.frozen.selection, self._built.model
        if not all(np.isfinite(variable.value).all() for variable in self._top.trainable_variables):
            raise DivergedError("What was trained has weights that are no number.", self.learning_rate)
        if self._updates is not None:
            model = build_backbone(selection).model
            model.set_weights(self._updates.merged())
        model.trainable = False
        compiled = compile_tuned(selection, with_model(self._built, model, selection), self.context.runtime)
        fitted = self.choice.tuned(self.frozen.head, self._network.head)
        return state, replace(self.frozen.predictor, compiled=compiled, head=fitted.predict), fitted

    def _go_back(self) -> None:
        """Make the network what it was before any training, so that no phase depends on those before it."""
        for variable, value in self._start:
            variable.assign(value)

    def _train(
        self,
        phase: str,
        label: str,
        examples: NDArray[np.bool_],
        head: FittedHead,
        *,
        epochs: int,
        judged: NDArray[np.bool_] | None = None,
        start: Judgement | None = None,
    ) -> TrainerState:
        """Train from the frozen start on some examples; with `judged`, until those are answered no better."""
        keras = import_keras()
        keras.utils.set_random_seed(self.choice.seed)
        self._go_back()
        copied = renewed if self.tuning.strategy == "scratch" else copy_of
        copy, pool = self._devices.make(copied, head.to_keras()), self._trunk.preprocess.pool()
        options, labels, outputs = self.tuning.options, self.fitting.labels, len(self.fitting.classes)
        parts = (self._top, copy, self._factors, pool, self._devices, self._precision)
        self._network = Network(*parts, options["batch_size"])
        batches = Batches(
            trunk=self._trunk,
            windows={view: _chosen(windows, examples) for view, windows in self._windows.items()},
            targets=np.eye(outputs, dtype=np.float32)[labels[examples]],
            weights=self.choice.sample_weight(labels[examples], outputs).astype(np.float32),
            size=options["batch_size"],
            most=options["windows"],
            seed=self.choice.seed,
            mixup=options["mixup"],
        )
        others = np.zeros(len(labels), bool) if judged is None else judged
        windows = _chosen(self._windows[0], others)

        def evaluate() -> Judgement:
            return Judgement.of(self._network.probabilities(self._trunk, windows), labels[others])

        with in_phase(self.context.callbacks, phase, validated=judged is not None) as callbacks:
            return tune(
                self._network,
                batches,
                self._rates.options_for(self._network, batches, epochs),
                epochs=epochs,
                label=label,
                checkpoints=Checkpoints(self._folder, phase),
                evaluate=evaluate if judged is not None else None,
                start=start,
                callbacks=callbacks,
            )


def _chosen(windows: Sequence[Sequence[Window]], examples: NDArray[np.bool_]) -> list[list[Window]]:
    """The windows of some examples, which are numbered anew."""
    own = [group for group, chosen in zip(windows, examples, strict=True) if chosen]
    return [[replace(window, example=number) for window in group] for number, group in enumerate(own)]
