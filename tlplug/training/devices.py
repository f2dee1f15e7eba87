"""The devices that a training is spread over: each batch is divided among them, and their gradients are summed.

Source: tf.distribute.MirroredStrategy; Goyal et al.: Accurate, large minibatch SGD, 2017, arXiv:1706.02677.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import import_keras, quiet

if TYPE_CHECKING:
    import keras

Given = TypeVar("Given")
Made = TypeVar("Made")

Step = Callable[[Sequence[NDArray[Any]], NDArray[np.float32], NDArray[np.float32]], dict[str, float]]
"""Trains on one batch: inputs, targets and weights to the loss."""


KEYS = 100_000
"""Of TensorFlow's groups of devices, for those that are of one number."""


@dataclass(frozen=True, eq=False)
class Devices:
    """What trains: one device, or several that have the same variables.

    Attributes:
        strategy: of TensorFlow, that keeps variables equal on all of them; None on one device.
    """

    strategy: Any = None

    @classmethod
    def found(cls, most: int | None) -> Devices:
        """Return the GPUs that TensorFlow sees, or where there is none its logical CPUs; at most `most` of them.

        TensorFlow sees one CPU unless ``tf.config.set_logical_device_configuration`` has divided it.
        """
        import tensorflow as tf

        seen = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        names = [device.name for device in seen][:most]
        if len(names) < 2:
            return cls()
        # A process that trains on two devices and later on three needs other keys for each: groups are never forgotten.
        keys = {"_collective_key_base": KEYS * len(names)}
        with quiet():  # it tells which devices it uses
            return cls(type("Mirrored", (tf.distribute.MirroredStrategy,), keys)(names))

    @property
    def count(self) -> int:
        """How many there are."""
        return 1 if self.strategy is None else int(self.strategy.num_replicas_in_sync)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Make variables on all devices."""
        if self.strategy is None:
            yield
            return
        with self.strategy.scope():
            yield

    def make(self, function: Callable[[Given], Made], given: Given) -> Made:
        """Return what a function makes: a model, or what has one as `model`, whose variables are on all devices.

        Predicting with it uses one of them: Keras would hand the whole batch to each, and return the answers of all.
        """
        with self.scope():
            made = function(given)
        if self.strategy is not None:
            model: Any = getattr(made, "model", made)
            model._distribute_strategy = None
        return made

    def step(self, model: keras.Model) -> Step:
        """Return what trains a compiled model on one batch.

        On several devices the gradient of a batch is what it is on one, but for the order in which numbers are added.
        Statistics of normalizations that learn theirs are those of the first device's share.
        """
        if self.strategy is None:
            return functools.partial(model.train_on_batch, return_dict=True)
        return _mirrored_step(model, self.strategy)


ONE = Devices()


def shares(rows: int, count: int) -> list[tuple[NDArray[np.int64], float]]:
    """Divide a batch among devices.

    Args:
        rows: of the batch.
        count: of the devices.

    Returns:
        For each device the positions of its rows, and what their weights are multiplied with so that the mean over
        devices of the means over their rows is the mean over the batch. A device that would have none is given the
        first row, with nothing for its weight.

    >>> [(list(map(int, own)), factor) for own, factor in shares(3, 2)]
    [([0, 1], 1.3333333333333333), ([2], 0.6666666666666666)]
    """
    parts = np.array_split(np.arange(rows), count)
    return [(own, len(own) * count / rows) if len(own) else (np.zeros(1, np.int64), 0.0) for own in parts]


def _mirrored_step(model: keras.Model, strategy: Any) -> Step:
    """Keras gives each device the whole batch and clips gradients before they are summed; this divides, sums, clips."""
    keras = import_keras()
    import tensorflow as tf

    optimizer, variables = model.optimizer, model.trainable_variables

    def on_device(inputs: Any, targets: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            answers = model(inputs, training=True)
            loss = model.compute_loss(inputs, targets, answers, weights, training=True)  # already divided by the count
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)
        known = [number for number, gradient in enumerate(gradients) if gradient is not None]
        summed = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, [tf.convert_to_tensor(gradients[number]) for number in known]
        )
        optimizer.apply(summed, [variables[number] for number in known])
        return loss

    @tf.function(reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def on_all(inputs: Any, targets: Any, weights: Any) -> Any:
        losses = strategy.run(on_device, args=(inputs, targets, weights))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def step(inputs: Sequence[NDArray[Any]], targets: NDArray[Any], weights: NDArray[Any]) -> dict[str, float]:
        parts = shares(len(targets), strategy.num_replicas_in_sync)

        def share(context: Any) -> Any:
            own, factor = parts[context.replica_id_in_sync_group]
            arrays = ([array[own] for array in inputs], targets[own], weights[own] * np.float32(factor))
            return keras.tree.map_structure(tf.convert_to_tensor, arrays)

        return {"loss": float(on_all(*strategy.experimental_distribute_values_from_function(share)))}

    return step
