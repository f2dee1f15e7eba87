"""The parts of Fracast as layers. Importing this module imports Keras: it is done where a model is built.

Source: the package ``fracast`` 0.1.0, whose weights are published in it.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from tlplug_series.fourier import LENGTH as WINDOW
from tlplug_series.fourier import transform
from tlplug_series.layers import Shape

PERIODS = 4
"""Significant periods whose phases it sees."""

SIGNIFICANCE = 0.05
FREQUENCIES = WINDOW // 2
_THRESHOLD = math.log(FREQUENCIES / SIGNIFICANCE) / FREQUENCIES
"""The share of all power that white noise exceeds at its highest peak with the probability `SIGNIFICANCE`."""


@keras.saving.register_keras_serializable(package="tlplug_series")
class Positions(keras.layers.Layer):
    """What Fracast sees of each step: its value, whether it is there, and how recent it is.

    Takes values and mask (`there`), float32 ``[batch, length]``, returns float32 ``[batch, length, 7]``.
    """

    def call(self, values: Any, there: Any) -> Any:
        length = values.shape[1]
        age = np.arange(1 - length, 1) / WINDOW
        distance = np.abs(age)
        recency = np.stack(
            [
                age,
                np.sign(age) * np.log2(1 + distance),
                np.exp(-0.5 * distance),
                np.exp(-2 * distance),
                np.exp(-8 * distance),
            ],
            axis=-1,
        )
        constant = ops.convert_to_tensor(recency[None].astype("float32"), dtype=values.dtype)
        # Broadcast by adding: an operation that every runtime has.
        recency = constant + 0 * values[..., None]
        return ops.concatenate([values[..., None], there[..., None], recency], axis=-1)

    def compute_output_shape(self, values_shape: Shape, there_shape: Shape) -> Shape:  # noqa: ARG002 - as `call`
        return (*values_shape, 7)


@keras.saving.register_keras_serializable(package="tlplug_series")
class Phases(keras.layers.Layer):
    """Sine and cosine of each step's phase in the most significant periods of its series.

    Takes values and mask (`there`), float32 ``[batch, length]``, returns float32 ``[batch, length, 2 * PERIODS]``. A
    period is significant where the periodogram has a local peak above what white noise reaches; for those that are
    missing sine and cosine are 0. There is no gradient through the choice of periods.
    """

    def call(self, values: Any, there: Any) -> Any:
        length = values.shape[1]
        count = ops.maximum(ops.sum(there, axis=1, keepdims=True), 1)
        mean = ops.sum(values * there, axis=1, keepdims=True) / count
        centred = ops.pad((values - mean) * there, [[0, 0], [WINDOW - length, 0]])
        real, imaginary = transform(centred)
        power = (ops.square(real) + ops.square(imaginary))[:, 1:]
        share = power / ops.maximum(ops.sum(power, axis=1, keepdims=True), 1e-12)
        middle = share[:, 1:-1]
        peak = (middle > share[:, :-2]) & (middle > share[:, 2:]) & (middle >= _THRESHOLD)
        scores, places = ops.top_k(ops.where(peak, middle, -1.0), PERIODS)
        frequency = ops.cast(places, values.dtype) + 2
        period = ops.round(WINDOW / frequency)
        steps = np.arange(WINDOW - length, WINDOW, dtype="float32")[None, :, None]
        angle = 2 * math.pi * steps / period[:, None]
        significant = ops.cast(scores > 0, values.dtype)[:, None, :, None]
        phases = ops.stack([ops.sin(angle), ops.cos(angle)], axis=-1) * significant
        return ops.reshape(phases, (-1, length, 2 * PERIODS))

    def compute_output_shape(self, values_shape: Shape, there_shape: Shape) -> Shape:  # noqa: ARG002 - as `call`
        return (*values_shape, 2 * PERIODS)


@keras.saving.register_keras_serializable(package="tlplug_series")
class ScaleCondition(keras.layers.Layer):
    """Scale and shift the states by what a stage's dilation calls for.

    Takes and returns float32 ``[batch, length, units]``; `dilation` is given when called.
    """

    def build(self, input_shape: Shape) -> None:
        units = input_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(8, 2 * units), initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=(2 * units,), initializer="zeros")

    def call(self, states: Any, dilation: int = 1) -> Any:
        angle = math.log2(dilation) / 2.0 ** np.arange(4) * math.pi
        condition = np.concatenate([np.sin(angle), np.cos(angle)])[None].astype("float32")
        scale, shift = ops.split(ops.matmul(condition, self.kernel) + self.bias, 2, axis=-1)
        return states * (1 + scale[:, None]) + shift[:, None]

    def compute_output_shape(self, input_shape: Shape, **_: Any) -> Shape:
        return input_shape


@keras.saving.register_keras_serializable(package="tlplug_series")
class CausalFilter(keras.layers.Layer):
    """A depthwise causal convolution of three steps whose dilation is given when called, one filter for all scales.

    Takes and returns float32 ``[batch, length, units]``.
    """

    def build(self, input_shape: Shape) -> None:
        units = input_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(3, units), initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=(units,), initializer="zeros")

    def call(self, states: Any, dilation: int = 1) -> Any:
        length = states.shape[1]
        padded = ops.pad(states, [[0, 0], [2 * dilation, 0], [0, 0]])
        taps = [padded[:, tap * dilation : tap * dilation + length] * self.kernel[tap] for tap in range(3)]
        return taps[0] + taps[1] + taps[2] + self.bias

    def compute_output_shape(self, input_shape: Shape, **_: Any) -> Shape:
        return input_shape


@keras.saving.register_keras_serializable(package="tlplug_series")
class GatedUnits(keras.layers.Layer):
    """SwiGLU: the first half of the units, through SiLU, opens the second. ``[..., 2 * units]`` to ``[..., units]``."""

    def call(self, states: Any) -> Any:
        gate, values = ops.split(states, 2, axis=-1)
        return ops.silu(gate) * values

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], input_shape[-1] // 2)


@keras.saving.register_keras_serializable(package="tlplug_series")
class Statistics(keras.layers.Layer):
    """Mean, deviation, last, highest and lowest of the states over the steps that are there.

    Takes states, float32 ``[batch, length, units]``, and mask (`there`), ``[batch, length]``, whose last step is there;
    returns float32 ``[batch, 5 * units]``.
    """

    def call(self, states: Any, there: Any) -> Any:
        weight = (there / ops.maximum(ops.sum(there, axis=1, keepdims=True), 1))[..., None]
        mean = ops.sum(states * weight, axis=1)
        variance = ops.sum(ops.square(states - mean[:, None]) * weight, axis=1)
        last = states[:, -1]
        seen = ops.where(there[..., None] > 0, states, last[:, None])  # neither highest nor lowest beside the others
        statistics = [mean, ops.sqrt(variance + 1e-12), last, ops.max(seen, axis=1), ops.min(seen, axis=1)]
        return ops.concatenate(statistics, axis=-1)

    def compute_output_shape(self, states_shape: Shape, there_shape: Shape) -> Shape:  # noqa: ARG002 - as `call`
        return (states_shape[0], 5 * states_shape[2])
