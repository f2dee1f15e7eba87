"""MiniRocket: functional model and weights.

Nearly ten thousand features out of 84 fixed kernels at many dilations: how much of the convolved series is above a
bias. Nothing in it depends on the data set: its biases were fitted to generated series, by `minirocket_fit`.

Source: Dempster, Schmidt, Webb: MiniRocket, 2021, arXiv:2012.08791.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

LENGTH = 512


def build(weights: Path | None, channels: int = 1) -> keras.Model:
    """Build MiniRocket.

    Args:
        weights: the file that `minirocket_fit` writes; random biases when None.
        channels: of a series; a kernel sees the sum of one to nine of them.

    Returns:
        A functional model from float32 ``[batch, 512, channels]`` to float32 ``[batch, 9996]``. The scale and the mean
        of a channel change nothing.

    Raises:
        ValueError: the weights do not fit.

    >>> build(None, channels=3).output_shape
    (None, 9996)
    """
    import keras

    from tlplug_series.layers import ChannelsLast, ChannelsToBatch, MinMax, Standardise
    from tlplug_series.minirocket_layers import ProportionsAboveBiases

    series = keras.Input((LENGTH, channels), dtype="float32", name="series")
    values, _ = MinMax(dtype="float32", name="scaled")(ChannelsToBatch(dtype="float32", name="each_channel")(series))
    values = Standardise(dtype="float32", name="standardised")(values)
    values = ChannelsLast(channels, dtype="float32", name="channels")(values)
    features = ProportionsAboveBiases(dtype="float32", name="proportions")(values)
    model = keras.Model(series, features, name="minirocket")
    if weights is not None:
        _assign(model, weights)
    return model


def _assign(model: keras.Model, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        model.get_layer("proportions").set_weights([tensors["biases"], tensors["deviations"]])
    except KeyError as error:
        raise ValueError(f"The weights {path.name!r} do not fit minirocket: they have no {error}.") from error
    except (SafetensorError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(f"The weights {path.name!r} do not fit minirocket: {reason}.") from error
