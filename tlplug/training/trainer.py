"""Fine-tuning: the head starts from the frozen solution, then the top of the network trains along with it.

Only what is above the cut is in the model that trains, so nothing below can move. Normalizations keep their statistics
and scales, as Keras' guide to transfer learning has it: with ``trainable = False`` they run in inference mode.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.backbones import import_keras
from tlplug.errors import TrainingError
from tlplug.features import Trunk, Window
from tlplug.training.batches import Batches, in_batches
from tlplug.training.callbacks import give_back, keras_figures, remembered, states_of
from tlplug.training.checkpoint import Checkpoint, Checkpoints
from tlplug.training.devices import ONE, Devices, Step
from tlplug.training.judgement import Judgement
from tlplug.training.precision import FLOAT32, computing_in, followers, with_scaled_loss
from tlplug.training.settings import default_rate

if TYPE_CHECKING:
    import keras

    from tlplug.training.optimizer import Schedule

EVALUATION_BATCH = 64


class DivergedError(TrainingError):
    """A training came to what is no number."""

    def __init__(self, said: str, rate: float) -> None:
        lower = min(rate / 10, default_rate("full"))
        super().__init__(f"{said} Lower the rate: --learning-rate {lower:g}, or auto.")


Pool = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Network:
    """What trains: the part of a backbone above the cut, and a head.

    Attributes:
        top: arrays at the cut to the embedding.
        head: embedding to probabilities.
        factors: what the rate of a variable is multiplied with, by its path.
        pool: makes one embedding out of those of the windows of an example.
        devices: that have its variables, and share each batch.
        precision: that it computes in while it trains.
        batch_size: windows that are answered at once, at most.
    """

    top: keras.Model
    head: keras.Model
    factors: Mapping[str, float]
    pool: Pool
    devices: Devices = ONE
    precision: str = FLOAT32
    batch_size: int = EVALUATION_BATCH

    def probabilities(self, trunk: Trunk, windows: Sequence[Sequence[Window]]) -> NDArray[np.float32]:
        """Return those of examples, float32 ``[examples, classes]``, with everything in inference mode."""
        size = min(EVALUATION_BATCH, self.batch_size)
        embeddings = embeddings_of(self.top, self.pool, trunk, windows, size)
        return np.asarray(self.head.predict_on_batch(embeddings), np.float32)


def embeddings_of(
    top: keras.Model, pool: Pool, trunk: Trunk, windows: Sequence[Sequence[Window]], batch_size: int
) -> NDArray[np.float32]:
    """Return the embeddings of examples out of their windows, float32 ``[examples, size]``."""
    keras = import_keras()
    flat = [window for own in windows for window in own]
    rows = np.empty((len(flat), int(top.outputs[0].shape[1])), np.float32)
    for positions in in_batches(flat, batch_size):
        arrays = trunk.store.read([flat[position] for position in positions])
        ordered = list(arrays.values())
        given = ordered[0] if isinstance(top, keras.Sequential) else keras.tree.pack_sequence_as(top.input, ordered)
        rows[positions] = top.predict_on_batch(given)
    ends = np.cumsum([len(own) for own in windows])
    return np.stack([pool(part) for part in np.split(rows, ends[:-1])])


@dataclass
class TrainerState:
    """How far a training is, and the best of it so far.

    Attributes:
        epoch: how many are done.
        history: figures of each; None is a loss that became no number, which JSON does not have.
        start: how held-out examples were answered before, None without such.
        best: epoch after which they were answered best; 0 is the frozen start.
        judged: how they were then.
        weights: of the network then.
        ended: whether a callback has ended the training.
    """

    epoch: int = 0
    history: list[Mapping[str, float | None]] = field(default_factory=list)
    start: Judgement | None = None
    best: int = 0
    judged: Judgement | None = None
    weights: list[NDArray[Any]] = field(default_factory=list)
    ended: bool = False


def tune(
    network: Network,
    batches: Batches,
    options: Mapping[str, Any],
    *,
    epochs: int,
    label: str,
    checkpoints: Checkpoints,
    evaluate: Callable[[], Judgement] | None = None,
    start: Judgement | None = None,
    callbacks: Sequence[Any] = (),
) -> TrainerState:
    """Train a network for some epochs, or until held-out examples are answered no better.

    Args:
        network: as it is to start.
        batches: of the examples to train on.
        options: see `tlplug.training.settings.OPTIONS`.
        epochs: at most this many, for which the schedule of the rate is made.
        label: what progress is called.
        checkpoints: kept after each epoch; the training goes on from the last of them.
        evaluate: judges the answers to held-out examples; without it all epochs are done.
        start: how these are answered where nothing trains; as the network does before its first step when None.
        callbacks: of Keras, beside those of this function.

    Returns:
        How it went. With `evaluate` the network has the best weights then, else those after the last epoch.

    Raises:
        DivergedError: the loss became no number, and nothing judges what was before it.
        TrainingError: there is not enough memory.
    """
    keras = import_keras()

    from tlplug.training.optimizer import Schedule

    steps = len(batches.plan(0))  # of an epoch; where windows differ in shape, another one can have one or two more
    model = compile_network(network, options, Schedule(options["learning_rate"], steps * epochs, options["warmup"]))
    optimizer = model.optimizer
    layers, step = followers(network.top, network.head), network.devices.step(model)
    state = TrainerState()
    if (kept := checkpoints.latest()) is not None:
        _restore(model, optimizer, state, kept)
    elif evaluate is not None:
        with memory_named(options):
            state.start = state.judged = start or evaluate()
        state.weights = model.get_weights()
    listeners = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=epochs, steps=steps, verbose=0)
    listeners.on_train_begin()
    before = states_of(callbacks)
    if kept is not None:
        give_back(callbacks, kept.values["callbacks"])
    model.stop_training = False
    with progress.task(label, steps * (epochs - state.epoch), "steps") as advance:
        while state.epoch < epochs and not state.ended and not _is_over(state, options, epochs, evaluate):
            with memory_named(options), computing_in(network.precision, layers):
                figures = _epoch(model, step, batches, state.epoch, listeners=listeners, advance=advance)
            state.epoch += 1
            if not math.isfinite(figures["loss"]):
                progress.note(f"{label}: the loss became no number in epoch {state.epoch}.")
                state.history.append({"loss": None})
                break
            state.history.append(figures)
            if evaluate is not None:
                with memory_named(options):
                    now = evaluate()
                figures |= {"validation_accuracy": now.accuracy, "validation_loss": -now.fit}
                if state.judged is None or now.is_better(state.judged):
                    state.best, state.judged, state.weights = state.epoch, now, model.get_weights()
            listeners.on_epoch_end(state.epoch - 1, keras_figures(figures))
            state.ended = bool(model.stop_training)
            checkpoints.save(state.epoch, _checkpoint(model, optimizer, state, remembered(callbacks, before)))
    listeners.on_train_end()
    if evaluate is not None:
        model.set_weights(state.weights)
    elif state.history and state.history[-1]["loss"] is None:
        raise DivergedError(f"The loss became no number in epoch {state.epoch}.", options["learning_rate"])
    return state


@contextlib.contextmanager
def memory_named(options: Mapping[str, Any]) -> Iterator[None]:
    """Raise `TrainingError`, which names the setting that helps, where TensorFlow runs out of memory."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise TrainingError(
            f"TensorFlow has run out of memory. Lower --set tuning.batch_size, now {options['batch_size']}, or "
            "train fewer stages with --stages."
        ) from error


def compile_network(network: Network, options: Mapping[str, Any], rate: Schedule | float) -> keras.Model:
    """Return the network with its loss and optimizer, whose variables are there.

    Args:
        network: shares its weights.
        options: see `tlplug.training.settings.OPTIONS`.
        rate: of its topmost layers, or the schedule of that.
    """
    keras = import_keras()
    from tlplug.training.optimizer import RatedAdamW

    model = keras.Model(network.top.inputs, network.head(network.top.outputs[0]))
    with network.devices.scope():
        optimizer = RatedAdamW(
            rate,
            [network.factors.get(variable.path, 1.0) for variable in model.trainable_variables],
            weight_decay=options["weight_decay"],
            global_clipnorm=options["clip"] or None,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
        optimizer = with_scaled_loss(optimizer, network.precision)
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=options["label_smoothing"])
        model.compile(optimizer, loss, jit_compile=False)
        optimizer.build(model.trainable_variables)
    return model


def _is_over(state: TrainerState, options: Mapping[str, Any], epochs: int, evaluate: Any) -> bool:
    """Whether nothing was better for too long, where the rate is past its rise."""
    last = max(state.best, math.ceil(options["warmup"] * epochs))
    return evaluate is not None and state.epoch - last >= options["patience"]


def _epoch(
    model: keras.Model, step: Step, batches: Batches, number: int, *, listeners: Any, advance: progress.Advance
) -> dict[str, float]:
    """Train for one epoch; return its figures."""
    listeners.on_epoch_begin(number)
    losses: list[float] = []
    for position, (arrays, targets, weights) in enumerate(batches.epoch(number)):
        listeners.on_train_batch_begin(position)
        model.reset_metrics()  # else the loss were the mean of all batches so far
        inputs = list(arrays.values())
        logs = step(inputs, targets, weights)
        listeners.on_train_batch_end(position, logs)
        losses.append(float(logs["loss"]))
        advance(1, f"loss {losses[-1]:.3f}, rate {float(model.optimizer.learning_rate):.1e}")
        if not math.isfinite(losses[-1]) or model.stop_training:
            break
    return {"loss": float(np.mean(losses))}


def _checkpoint(model: keras.Model, optimizer: Any, state: TrainerState, callbacks: list[Any]) -> Checkpoint:
    """Everything that the next epoch depends on, the states of all generators of random numbers included."""
    arrays = {f"model {n}": np.asarray(v.value) for n, v in enumerate(variables_of(model))}
    arrays |= {f"optimizer {n}": np.asarray(v.value) for n, v in enumerate(optimizer.variables)}
    arrays |= {f"best {n}": value for n, value in enumerate(state.weights)}
    values: dict[str, Any] = {"epoch": state.epoch, "history": state.history, "best": state.best, "ended": state.ended}
    values["callbacks"] = callbacks
    for name, judged in (("start", state.start), ("judged", state.judged)):
        if judged is not None:
            values[name] = [judged.accuracy, judged.fit]
            arrays[f"{name} right"] = judged.right
    return Checkpoint(arrays, values)


def _restore(model: keras.Model, optimizer: Any, state: TrainerState, kept: Checkpoint) -> None:
    for prefix, variables in (("model", variables_of(model)), ("optimizer", optimizer.variables)):
        for number, variable in enumerate(variables):
            variable.assign(kept.arrays[f"{prefix} {number}"])
    best = [name for name in kept.arrays if name.startswith("best ")]
    state.weights = [kept.arrays[f"best {number}"] for number in range(len(best))]
    state.epoch, state.best = kept.values["epoch"], kept.values["best"]
    state.history, state.ended = list(kept.values["history"]), kept.values["ended"]
    if "start" in kept.values:
        state.start = _judgement(kept, "start")
        state.judged = _judgement(kept, "judged")


def variables_of(model: keras.Model) -> list[Any]:
    """Return all that a step changes in a model, the states of its generators of random numbers included."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def _judgement(kept: Checkpoint, name: str) -> Judgement:
    accuracy, fit = kept.values[name]
    return Judgement(accuracy, fit, kept.arrays[f"{name} right"])
