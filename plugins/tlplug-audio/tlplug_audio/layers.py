"""The front end of YAMNet as a layer. Importing this module imports Keras: it is done where a model is built."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tlplug_audio.spectrogram import BANDS, FRAME, OFFSET, STEP, fourier_matrices, mel_matrix


@keras.saving.register_keras_serializable(package="tlplug_audio")
class LogMel(keras.layers.Layer):
    """Log-mel spectrograms of waveforms.

    Takes float32 ``[batch, samples]``, 16 kHz in [-1, 1], at least 400 samples; returns float32 ``[batch, frames, 64]``
    with ``frames = 1 + (samples - 400) // 160``. It has no weights. The Fourier transform is a product with two
    matrices, which LiteRT runs faster than one of its own. The gradient is finite on silence, too.

    Raises:
        ValueError: on building, when the number of samples is not fixed or too small.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        samples = input_shape[-1]
        if samples is None or samples < FRAME:
            raise ValueError(f"LogMel takes a fixed number of samples, at least {FRAME}. Received: {samples}.")
        self._cosines, self._sines = (matrix.astype("float32") for matrix in fourier_matrices())
        self._bands = mel_matrix().astype("float32")

    def call(self, waveforms: Any) -> Any:
        samples = waveforms.shape[-1]
        count = 1 + (samples - FRAME) // STEP
        rows = ops.reshape(ops.pad(waveforms, [[0, 0], [0, -samples % STEP]]), (-1, -(-samples // STEP), STEP))
        # A frame is two whole steps and a half: side by side, without copying samples one by one.
        starts = range(0, FRAME, STEP)
        frames = ops.concatenate([rows[:, start // STEP :][:, :count, : FRAME - start] for start in starts], axis=-1)
        power = ops.square(ops.matmul(frames, self._cosines)) + ops.square(ops.matmul(frames, self._sines))
        # The root of 0 has no finite gradient; this is far below OFFSET.
        magnitudes = ops.sqrt(power + 1e-20)
        return ops.log(ops.matmul(magnitudes, self._bands) + OFFSET)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (input_shape[0], 1 + (input_shape[-1] - FRAME) // STEP, BANDS)
