"""The optimizer of fine-tuning: AdamW with a rate of its own for each variable. Importing it imports Keras."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="tlplug")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A linear warm-up to the highest rate, then half a cosine down to nothing.

    Source: Loshchilov, Hutter: SGDR, 2017, arXiv:1608.03983; Goyal et al.: Accurate, large minibatch SGD, 2017,
    arXiv:1706.02677, for the warm-up.

    Args:
        highest: the rate at the end of the warm-up.
        steps: of all of the training.
        warmup: share of them before that.
    """

    def __init__(self, highest: float, steps: int, warmup: float) -> None:
        super().__init__()
        self.highest, self.steps, self.warmup = highest, steps, max(1, round(steps * warmup))

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rising = (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        falling = 0.5 * (1 + ops.cos(math.pi * ops.clip(share, 0.0, 1.0)))
        return self.highest * ops.minimum(rising, falling)

    def get_config(self) -> dict[str, Any]:
        return {"highest": self.highest, "steps": self.steps, "warmup": self.warmup / self.steps}


@keras.saving.register_keras_serializable(package="tlplug")
class RatedAdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW whose rate is multiplied for some variables: lower ones further down in the network.

    Source: Loshchilov, Hutter: Decoupled weight decay regularization, 2019, arXiv:1711.05101; Howard, Ruder: Universal
    language model fine-tuning, 2018, arXiv:1801.06146, for rates by depth.

    Args:
        learning_rate: its schedule, or the rate itself.
        factors: of each variable that trains, in their order.
        **kwargs: of AdamW.
    """

    def __init__(self, learning_rate: Schedule | float, factors: Sequence[float], **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self._factors = list(factors)
        self._decay: float | None = self.weight_decay

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factors": self._factors}

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        """On several devices gradients come summed already: they are clipped by the norm of the sum."""
        several = tf.distribute.get_strategy().num_replicas_in_sync > 1
        return grads_and_vars if several else super()._all_reduce_sum_gradients(grads_and_vars)

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Each variable decays at its own rate, too: in groups, as Keras does it for one rate and on all devices."""
        factors = [self._factors[self._get_variable_index(variable)] for variable in variables]
        for factor in sorted(set(factors) if self._decay else ()):
            self.weight_decay = self._decay * factor
            super()._apply_weight_decay([v for v, own in zip(variables, factors, strict=True) if own == factor])
        self.weight_decay = self._decay

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate * self._factors[self._get_variable_index(variable)])
