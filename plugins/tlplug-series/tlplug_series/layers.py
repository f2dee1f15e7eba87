"""What the networks share as layers. Importing this module imports Keras: it is done where a model is built."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Shape = tuple[Any, ...]
"""Whole numbers, and None for what is not known."""

SMALLEST_SPAN = 1e-30
"""Below this a series counts as constant; runtimes may take smaller numbers for 0."""


@keras.saving.register_keras_serializable(package="tlplug_series")
class ChannelsToBatch(keras.layers.Layer):
    """Make every channel a series of its own: ``[batch, length, channels]`` to ``[batch * channels, length]``."""

    def call(self, series: Any) -> Any:
        return ops.reshape(ops.transpose(series, (0, 2, 1)), (-1, series.shape[1]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, length, channels = input_shape
        return (batch and batch * channels, length)


@keras.saving.register_keras_serializable(package="tlplug_series")
class BatchToChannels(keras.layers.Layer):
    """Put the embeddings of an example's channels side by side, its first channel first.

    Takes float32 ``[batch * channels, size]``, returns ``[batch, channels * size]``.

    Args:
        channels: of an example.
    """

    def __init__(self, channels: int, **fields: Any) -> None:
        super().__init__(**fields)
        self.channels = channels

    def call(self, embeddings: Any) -> Any:
        return ops.reshape(embeddings, (-1, self.channels * embeddings.shape[1]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        rows, size = input_shape
        return (rows and rows // self.channels, self.channels * size)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels}


@keras.saving.register_keras_serializable(package="tlplug_series")
class ChannelsLast(keras.layers.Layer):
    """Undo `ChannelsToBatch`: ``[batch * channels, length]`` to ``[batch, length, channels]``.

    Args:
        channels: of an example.
    """

    def __init__(self, channels: int, **fields: Any) -> None:
        super().__init__(**fields)
        self.channels = channels

    def call(self, series: Any) -> Any:
        return ops.transpose(ops.reshape(series, (-1, self.channels, series.shape[1])), (0, 2, 1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        rows, length = input_shape
        return (rows and rows // self.channels, length, self.channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels}


@keras.saving.register_keras_serializable(package="tlplug_series")
class MinMax(keras.layers.Layer):
    """Scale each series to [0, 1] over the steps that it has.

    Takes float32 ``[batch, length]``, NaN where there is no step; returns the scaled series, 0 there, and the mask,
    float32 of the same shape, 1 where there is a step. A constant series becomes 0.
    """

    def call(self, series: Any) -> tuple[Any, Any]:
        mask = ops.cast(ops.equal(series, series), series.dtype)  # only NaN differs from itself
        # Where there is no step, a number that is neither the lowest nor the highest: the one of the last step. The
        # conversion to ONNX makes products of conditions other than this one, and 0 times NaN is NaN.
        filled = ops.where(ops.not_equal(series, series), series[:, -1:], series)
        low = ops.min(filled, axis=1, keepdims=True)
        # Halves, because the difference of the two largest numbers is not one.
        span = ops.maximum(ops.max(filled, axis=1, keepdims=True) / 2 - low / 2, SMALLEST_SPAN)
        return (filled / 2 - low / 2) / span * mask, mask

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        return input_shape, input_shape


@keras.saving.register_keras_serializable(package="tlplug_series")
class Standardise(keras.layers.Layer):
    """Shift and scale each series to mean 0 and deviation 1; a constant one becomes 0.

    Takes and returns float32 ``[batch, length]``, values in [0, 1] without NaN.
    """

    def call(self, series: Any) -> Any:
        centred = series - ops.mean(series, axis=1, keepdims=True)
        deviation = ops.sqrt(ops.mean(ops.square(centred), axis=1, keepdims=True) + 1e-12)
        return centred / deviation

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@keras.saving.register_keras_serializable(package="tlplug_series")
class Summary(keras.layers.Layer):
    """Mean, deviation and highest of the states over all steps.

    Takes float32 ``[batch, length, units]``, returns ``[batch, 3 * units]``.
    """

    def call(self, states: Any) -> Any:
        mean = ops.mean(states, axis=1)
        variance = ops.mean(ops.square(states - mean[:, None]), axis=1)
        # The root of 0 has no finite gradient.
        return ops.concatenate([mean, ops.sqrt(variance + 1e-6), ops.max(states, axis=1)], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 3 * input_shape[2])
