"""Fracast: functional model and weights.

A forecaster of series whose encoder is one gated convolutional block, applied ten times at dilations 1, 2, 4 ... 512.

Source: the package ``fracast`` 0.1.0 (Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

LENGTH = 2048
UNITS = 64
HIDDEN = 96
STAGES = 10
_EPSILON = 1.1920929e-07

_DENSE = {
    "values": "core.in_proj",
    "phases": "core.periodic.proj",
    "pointwise": "core.block.pw",
    "up": "core.block.ffn.up",
    "down": "core.block.ffn.down",
}
_NORMALISED = {"filtered": "core.block.norm1", "mixed": "core.block.norm2", "states": "core.norm"}
"""Our layers, and what the published file calls them."""


def build(weights: Path | None, channels: int = 1, length: int = LENGTH) -> keras.Model:
    """Build the encoder of Fracast.

    Args:
        weights: the published ``model.safetensors``; random initial weights when None.
        channels: of a series; each is embedded on its own, and the embeddings are put side by side.
        length: steps of a series, at most 2048; with fewer the network is faster, and sees nothing before them.

    Returns:
        A functional model from float32 ``[batch, length, channels]``, NaN before the first step of a shorter series, to
        mean, deviation, last, highest and lowest of the 64 states, float32 ``[batch, channels * 320]``. The last step
        is always there.

    Raises:
        ValueError: the weights do not fit.

    >>> build(None, channels=2).output_shape
    (None, 640)
    """
    import keras
    from keras import layers

    from tlplug_series.fracast_layers import CausalFilter, GatedUnits, Phases, Positions, ScaleCondition, Statistics
    from tlplug_series.layers import BatchToChannels, ChannelsToBatch, MinMax

    series = keras.Input((length, channels), dtype="float32", name="series")
    values, mask = MinMax(dtype="float32", name="scaled")(ChannelsToBatch(dtype="float32", name="each_channel")(series))
    positions = Positions(dtype="float32", name="positions")(values, mask)
    phases = Phases(dtype="float32", name="periods")(values, mask)
    x = layers.Add(name="steps")(
        [layers.Dense(UNITS, name="values")(positions), layers.Dense(UNITS, name="phases")(phases)]
    )
    condition, causal = ScaleCondition(name="condition"), CausalFilter(name="filter")
    pointwise, up, down = (
        layers.Dense(units, name=name) for name, units in (("pointwise", UNITS), ("up", 2 * HIDDEN), ("down", UNITS))
    )
    gate = GatedUnits(name="gate")
    filtered, mixed, states = (layers.RMSNormalization(epsilon=_EPSILON, name=name) for name in _NORMALISED)
    for stage in range(STAGES):
        x = condition(x, dilation=2**stage)
        x = filtered(layers.Add(name=f"add_filtered_{stage}")([x, pointwise(causal(x, dilation=2**stage))]))
        x = mixed(layers.Add(name=f"add_mixed_{stage}")([x, down(gate(up(x)))]))
    pooled = Statistics(dtype="float32", name="pooled")(states(x), mask)
    model = keras.Model(series, BatchToChannels(channels, dtype="float32", name="embedding")(pooled), name="fracast")
    if weights is not None:
        _assign(model, weights)
    return model


def _assign(model: keras.Model, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        for ours, theirs in _DENSE.items():
            model.get_layer(ours).set_weights([tensors[f"{theirs}.weight"].T, tensors[f"{theirs}.bias"]])
        for ours, theirs in _NORMALISED.items():
            model.get_layer(ours).set_weights([tensors[f"{theirs}.weight"]])
        kernel = tensors["core.block.dw_weight"][:, 0].T
        model.get_layer("filter").set_weights([kernel, tensors["core.block.dw_bias"]])
        kernel = tensors["core.scale.to_gb.weight"].T
        model.get_layer("condition").set_weights([kernel, tensors["core.scale.to_gb.bias"]])
    except KeyError as error:
        raise ValueError(f"The weights {path.name!r} do not fit fracast: they have no {error}.") from error
    except (SafetensorError, OSError, ValueError, IndexError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(f"The weights {path.name!r} do not fit fracast: {reason}.") from error
