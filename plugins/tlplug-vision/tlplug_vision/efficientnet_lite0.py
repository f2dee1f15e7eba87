"""EfficientNet-Lite0: layers, functional model, weights.

An EfficientNet for phones: no squeeze-and-excitation, ReLU6 instead of swish, stem and last convolution not scaled.

Source: Tan, Le: EfficientNet, 2019, arXiv:1905.11946; Liu: Higher accuracy on vision models with EfficientNet-Lite,
2020. The weights are the original ones of the TPU repository, as converted for PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlplug_vision.torch_file import read_tensors

if TYPE_CHECKING:
    import keras
    import numpy as np

MINIMUM = 32


@dataclass(frozen=True)
class Stage:
    """Inverted residual blocks in a row, the first of which may halve the resolution and changes the channels."""

    kernel: int
    repeats: int
    stride: int
    expansion: int
    channels: int


STEM = 32
STAGES = (
    Stage(kernel=3, repeats=1, stride=1, expansion=1, channels=16),
    Stage(kernel=3, repeats=2, stride=2, expansion=6, channels=24),
    Stage(kernel=5, repeats=2, stride=2, expansion=6, channels=40),
    Stage(kernel=3, repeats=3, stride=2, expansion=6, channels=80),
    Stage(kernel=5, repeats=3, stride=1, expansion=6, channels=112),
    Stage(kernel=5, repeats=4, stride=2, expansion=6, channels=192),
    Stage(kernel=3, repeats=1, stride=1, expansion=6, channels=320),
)
TOP = 1280


def build(weights: Path | None, *, image_size: int = 224) -> keras.Model:
    """Build EfficientNet-Lite0 without its classification layer.

    Args:
        weights: the published ``.pth`` file; random initial weights when None.
        image_size: height and width in pixels, 32 or more.

    Returns:
        A functional model from uint8 ``[batch, image_size, image_size, 3]``, RGB, to float32 ``[batch, 1280]``.

    Raises:
        ValueError: the image size is too small, or the weights do not fit.
    """
    import keras
    from keras import layers

    if image_size < MINIMUM:
        raise ValueError(
            f"efficientnet_lite0 takes images of {MINIMUM} by {MINIMUM} pixels or more. "
            f"Received: image_size={image_size}."
        )
    images = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    # (x - 127) / 128, what the weights were trained with; not the mean and deviation of ImageNet.
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scaling")(images)
    x = _convolution(x, "stem", STEM, kernel=3, stride=2)
    for name, stage, stride in _blocks():
        x = _block(x, name, stage, stride)
    x = _convolution(x, "top", TOP, kernel=1)
    pooled = layers.GlobalAveragePooling2D(name="pooled")(x)
    model = keras.Model(images, pooled, name="efficientnet_lite0")
    if weights is not None:
        _assign(model, weights)
    return model


def _blocks() -> Iterator[tuple[str, Stage, int]]:
    for number, stage in enumerate(STAGES, start=1):
        for repeat in range(stage.repeats):
            yield f"block{number}{'abcd'[repeat]}", stage, 1 if repeat else stage.stride


def _block(x: keras.KerasTensor, name: str, stage: Stage, stride: int) -> keras.KerasTensor:
    from keras import layers

    shortcut, channels = x, x.shape[-1]
    if stage.expansion != 1:
        x = _convolution(x, f"{name}_expand", channels * stage.expansion, kernel=1)
    x = layers.DepthwiseConv2D(stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(
        x
    )
    x = _normalised(x, f"{name}_depthwise")
    x = _convolution(x, f"{name}_project", stage.channels, kernel=1, activation=False)
    if stride == 1 and channels == stage.channels:
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def _convolution(
    x: keras.KerasTensor, name: str, filters: int, *, kernel: int, stride: int = 1, activation: bool = True
) -> keras.KerasTensor:
    from keras import layers

    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    return _normalised(x, name, activation=activation)


def _normalised(x: keras.KerasTensor, name: str, *, activation: bool = True) -> keras.KerasTensor:
    from keras import layers

    x = layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activation else x


def _assign(model: keras.Model, path: Path) -> None:
    tensors = read_tensors(path)
    for layer, source in _sources():
        weight = _tensor(tensors, path, f"{source[0]}.weight")
        # PyTorch has [out, in, height, width]; a depthwise kernel in Keras is [height, width, channels, 1].
        axes = (2, 3, 0, 1) if layer.endswith("_depthwise") else (2, 3, 1, 0)
        values = [weight.transpose(axes) if weight.ndim == 4 else weight]
        _set(model, path, layer, values)
        norm = (f"{source[1]}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))
        _set(model, path, f"{layer}_norm", [_tensor(tensors, path, name) for name in norm])


def _sources() -> Iterator[tuple[str, tuple[str, str]]]:
    """Each convolution of the model, and the names of it and of its normalization in the file."""
    yield "stem", ("_conv_stem", "_bn0")
    for index, (name, stage, _) in enumerate(_blocks()):
        block = f"_blocks.{index}"
        if stage.expansion != 1:
            yield f"{name}_expand", (f"{block}._expand_conv", f"{block}._bn0")
        yield f"{name}_depthwise", (f"{block}._depthwise_conv", f"{block}._bn1")
        yield f"{name}_project", (f"{block}._project_conv", f"{block}._bn2")
    yield "top", ("_conv_head", "_bn1")


def _tensor(tensors: dict[str, np.ndarray], path: Path, name: str) -> np.ndarray:
    if name not in tensors:
        raise ValueError(f"The weights file {path.name!r} does not fit efficientnet_lite0: it has no {name!r}.")
    return tensors[name]


def _set(model: keras.Model, path: Path, layer: str, values: list[np.ndarray]) -> None:
    for variable, value in zip(model.get_layer(layer).weights, values, strict=True):
        if tuple(variable.shape) != value.shape:
            raise ValueError(
                f"The weights file {path.name!r} does not fit efficientnet_lite0: {layer} is {value.shape}, "
                f"not {tuple(variable.shape)}."
            )
        variable.assign(value)
