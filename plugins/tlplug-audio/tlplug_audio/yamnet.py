"""YAMNet: functional model and weights.

A MobileNet (version 1) on log-mel spectrograms, trained on the 521 classes of AudioSet. Its normalizations have no
scale.

Source: Plakal, Ellis: YAMNet, TensorFlow's model garden, research/audioset/yamnet; Howard et al.: MobileNets, 2017,
arXiv:1704.04861; Gemmeke et al.: Audio Set, 2017.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tlplug_audio.yamnet_files import LAYERS, assign

if TYPE_CHECKING:
    import keras

SAMPLES = 15_600
"""Of one patch: 96 frames, 0.975 s at 16 kHz."""

LAYER = 10
"""Whose output is the embedding unless stated otherwise. The last ones know which of 521 kinds of sound it is, and less
of what tells two voices or two drums apart."""

STEM = 32
SEPARABLE = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (2, 1024),
    (1, 1024),
)
"""Stride and filters of each depthwise separable convolution."""


def build(weights: Path | None, *, layer: int = LAYER) -> keras.Model:
    """Build YAMNet up to a layer, its log-mel front end inside.

    Args:
        weights: the folder of the published SavedModel, whose variables alone are read, or the published
            ``yamnet.h5``; random initial weights when None.
        layer: whose output is averaged over time and frequency, from 2 to 14, the last, which gives the embedding
            that is published as YAMNet's.

    Returns:
        A functional model from float32 ``[batch, 15600]``, a mono waveform of 16 kHz in [-1, 1], to the embedding,
        float32 ``[batch, size]``: 512 numbers for the layers 7 to 12, 1,024 for the last two.

    Raises:
        ValueError: the weights do not fit, or there is no such layer.

    >>> build(None).output_shape, build(None, layer=14).output_shape
    ((None, 512), (None, 1024))
    """
    import keras
    from keras import layers

    from tlplug_audio.layers import LogMel

    if not 2 <= layer <= LAYERS:
        raise ValueError(f"YAMNet has the layers 2 to {LAYERS}. Received: {layer}.")
    waveform = keras.Input((SAMPLES,), dtype="float32", name="waveform")
    # In full precision whatever the policy: sixteen bits could not hold what is under the logarithm.
    x = LogMel(dtype="float32", name="log_mel")(waveform)
    x = layers.Reshape((*x.shape[1:], 1), name="picture")(x)
    x = layers.Conv2D(STEM, 3, strides=2, padding="same", use_bias=False, name="layer1_conv")(x)
    x = _normalised(x, "layer1_conv")
    for number, (stride, filters) in enumerate(SEPARABLE[: layer - 1], start=2):
        name = f"layer{number}_depthwise_conv"
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=name)(x)
        x = _normalised(x, name)
        name = f"layer{number}_pointwise_conv"
        x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=name)(x)
        x = _normalised(x, name)
    pooled = layers.GlobalAveragePooling2D(dtype="float32", name="pooled")(x)
    model = keras.Model(waveform, pooled, name="yamnet")
    if weights is not None:
        assign(model, weights)
    return model


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    from keras import layers

    x = layers.BatchNormalization(scale=False, epsilon=1e-4, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
