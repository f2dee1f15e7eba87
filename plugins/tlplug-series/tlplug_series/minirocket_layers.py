"""MiniRocket as a layer. Importing this module imports Keras: it is done where a model is built."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tlplug_series.layers import Shape
from tlplug_series.minirocket_kernels import FEATURES, KERNELS, PADDED, TAPS, channel_shares, dilations, kernels

RAMP = 0.1
"""Width of the step from 0 to 1 at a bias, in root mean squares of the convolved series.

A hard step would turn the rounding of a runtime into other features, and has no gradient.
"""

SMALLEST_SCALE = 1e-3
"""Below this root mean square, what is left after a convolution is rounding."""


@keras.saving.register_keras_serializable(package="tlplug_series")
class ProportionsAboveBiases(keras.layers.Layer):
    """Convolve series with all kernels at all dilations; return for each bias how much of the result is above it.

    Takes float32 ``[batch, length, channels]``, each series with mean 0 and deviation 1, returns float32
    ``[batch, 9996]``: by dilation, kernels that see padding before those that do not, bias and kernel. The biases have
    that order, too.

    What comes out of a dilation's convolutions is divided by its root mean square, so that biases suit smooth and
    rough series; and the features of each group (a dilation, with padding or without) by a deviation.
    """

    def build(self, input_shape: Shape) -> None:
        length, channels = input_shape[1:]
        if length is None or channels is None or length < TAPS:
            raise ValueError(
                f"MiniRocket takes a fixed length of at least {TAPS} and number of channels. Received: {input_shape}."
            )
        self._dilations = dilations(length)
        shares = channel_shares(channels, len(self._dilations))
        self._kernels = [
            (kernels(place)[:, None] * share).reshape(TAPS * channels, KERNELS) for place, share in enumerate(shares)
        ]
        # Fixed, as the kernels are: trained, the ramps are so steep that the loss jumps from step to step.
        self.biases = self.add_weight(name="biases", shape=(FEATURES,), initializer="random_normal", trainable=False)
        self.biases.assign(self.biases * 20)  # `random_normal` has deviation 0.05
        self.deviations = self.add_weight(
            name="deviations", shape=(len(self._dilations), 2), initializer="ones", trainable=False
        )

    def call(self, series: Any) -> Any:
        features, start = [], 0
        for place, (dilation, count) in enumerate(self._dilations):
            convolved = self._convolve(series, place, dilation)
            edge = (TAPS - 1) // 2 * dilation
            for part, steps in enumerate((convolved[:, :, :PADDED], convolved[:, edge:-edge, PADDED:])):
                biases = ops.reshape(self.biases[start : start + count * PADDED], (count, PADDED))
                features.append(self._above(steps, biases) / self.deviations[place, part])
                start += count * PADDED
        return ops.concatenate(features, axis=-1)

    def _convolve(self, series: Any, place: int, dilation: int) -> Any:
        length, edge = series.shape[1], (TAPS - 1) // 2 * dilation
        padded = ops.pad(series, [[0, 0], [edge, edge], [0, 0]])
        taps = [padded[:, tap * dilation : tap * dilation + length] for tap in range(TAPS)]
        convolved = ops.matmul(ops.concatenate(taps, axis=-1), self._kernels[place])
        scale = ops.sqrt(ops.mean(ops.square(convolved), axis=(1, 2), keepdims=True) + SMALLEST_SCALE**2)
        return convolved / scale

    @staticmethod
    def _above(convolved: Any, biases: Any) -> Any:
        """The proportion of steps above each bias: ``[batch, steps, kernels]`` to ``[batch, biases * kernels]``."""
        # In sixths of the ramp: a runtime has the clipping at 0 and 6 in the same operation as the sum.
        ramp = ops.relu6(convolved[:, :, None] * (6 / RAMP) + (3 - biases * (6 / RAMP)))
        count, kernels_ = biases.shape
        return ops.reshape(ops.mean(ramp, axis=1), (-1, count * kernels_)) / 6

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], FEATURES)
