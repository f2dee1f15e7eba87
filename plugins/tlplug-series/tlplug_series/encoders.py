"""Two small encoders, ``conv1d`` and ``gru``: functional models and weights.

Their weights come from `pretraining`: on generated series they learned to tell two views of a series from all others.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

LENGTH = 256
BLOCKS = ((32, 1, 5), (64, 2, 5), (128, 2, 3))
"""Filters, stride and taps of each residual block of ``conv1d``; the embedding is of the last two."""

UNITS = 64
"""Of ``gru``, in each direction."""


def build_conv1d(weights: Path | None, channels: int = 1) -> keras.Model:
    """Build the convolutional encoder: a stem and three residual blocks.

    Args:
        weights: a safetensors file with the variables by their paths; random initial weights when None.
        channels: of a series; each is embedded on its own, and the embeddings are put side by side.

    Returns:
        A functional model from float32 ``[batch, 256, channels]`` to float32 ``[batch, channels * 576]``. The scale and
        the mean of a channel change nothing.

    Raises:
        ValueError: the weights do not fit.

    >>> build_conv1d(None).output_shape
    (None, 576)
    """
    from keras import layers

    from tlplug_series.layers import Summary

    series, x = _each_channel(channels)
    x = layers.ReLU(name="stem_relu")(_convolved(x, 32, 9, 2, "stem"))
    summaries = []
    for number, (filters, stride, taps) in enumerate(BLOCKS, start=1):
        name = f"block{number}"
        shortcut = x
        if stride > 1:
            shortcut = layers.AveragePooling1D(stride, name=f"{name}_pool")(x)
            shortcut = layers.Conv1D(filters, 1, name=f"{name}_shortcut")(shortcut)
        x = layers.ReLU(name=f"{name}_first_relu")(_convolved(x, filters, taps, stride, f"{name}_first"))
        x = _convolved(x, filters, taps, 1, f"{name}_second")
        x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([shortcut, x]))
        summaries.append(Summary(dtype="float32", name=f"{name}_summary")(x))
    embedding = layers.Concatenate(dtype="float32", name="pooled")(summaries[1:])
    return _model("conv1d", series, embedding, channels, weights)


def build_gru(weights: Path | None, channels: int = 1) -> keras.Model:
    """Build the recurrent encoder: two strided convolutions, then 32 steps of a GRU in both directions.

    Arguments and errors are those of `build_conv1d`. The GRU is unrolled, because runtimes without TensorFlow take no
    loops.

    Returns:
        A functional model from float32 ``[batch, 256, channels]`` to float32 ``[batch, channels * 384]``.

    >>> build_gru(None).output_shape
    (None, 384)
    """
    from keras import layers

    from tlplug_series.layers import Summary

    series, x = _each_channel(channels)
    x = layers.ReLU(name="stem_relu")(_convolved(x, 32, 9, 2, "stem"))
    x = layers.ReLU(name="steps_relu")(_convolved(x, 64, 7, 4, "steps"))
    recurrent = layers.GRU(UNITS, return_sequences=True, unroll=True, name="gru")
    x = layers.Bidirectional(recurrent, name="both_ways")(x)
    return _model("gru", series, Summary(dtype="float32", name="pooled")(x), channels, weights)


def _each_channel(channels: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    import keras
    from keras import layers

    from tlplug_series.layers import ChannelsToBatch, MinMax, Standardise

    series = keras.Input((LENGTH, channels), dtype="float32", name="series")
    values, _ = MinMax(dtype="float32", name="scaled")(ChannelsToBatch(dtype="float32", name="each_channel")(series))
    values = Standardise(dtype="float32", name="standardised")(values)
    return series, layers.Reshape((LENGTH, 1), name="steps_first")(values)


def _convolved(x: keras.KerasTensor, filters: int, taps: int, stride: int, name: str) -> keras.KerasTensor:
    from keras import layers

    x = layers.Conv1D(filters, taps, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(momentum=0.95, name=f"{name}_bn")(x)


def _model(
    name: str, series: keras.KerasTensor, embedding: keras.KerasTensor, channels: int, weights: Path | None
) -> keras.Model:
    import keras

    from tlplug_series.layers import BatchToChannels

    embedding = BatchToChannels(channels, dtype="float32", name="embedding")(embedding)
    model = keras.Model(series, embedding, name=name)
    if weights is not None:
        _assign(model, weights)
    return model


def _assign(model: keras.Model, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        for variable in model.weights:
            variable.assign(tensors[variable.path].astype("float32"))
    except KeyError as error:
        raise ValueError(f"The weights {path.name!r} do not fit {model.name}: they have no {error}.") from error
    except (SafetensorError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(f"The weights {path.name!r} do not fit {model.name}: {reason}.") from error
