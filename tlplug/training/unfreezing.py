"""Which layers train, and how fast those further down."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlplug.backbones import Selection, build_network, import_keras, stages_of, with_random_weights
from tlplug.errors import PluginError, WeightsError
from tlplug.training.settings import Tuning

if TYPE_CHECKING:
    import keras


def check_cut(selection: Selection, tuning: Tuning) -> None:
    """Refuse stages or a layer that a network does not have; builds it without its weights to know.

    Args:
        selection: the backbone; one that cannot be built is left to what builds it later.
        tuning: what trains.

    Raises:
        UsageError: there is no such stage or layer.
    """
    if tuning.unfreeze is not None or (tuning.stages or 1) > 1:  # every network has one stage
        with contextlib.suppress(WeightsError, PluginError):
            tuning.cut(build_network(with_random_weights(selection, 0)), selection.entry)


def thaw(top: keras.Model, *, normalizations: bool) -> None:
    """Let a network train; its batch normalizations only where they are to learn their statistics."""
    keras = import_keras()
    for layer in top._flatten_layers():  # each: a model that is trainable itself tells its layers nothing
        layer.trainable = True
    for layer in top._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and not normalizations:
            layer.trainable = False


def rate_factors(model: keras.Model, named: Sequence[str], decay: float) -> dict[str, float]:
    """What the rate of each variable is multiplied with: less from stage to stage, from the top down."""
    depth = {name: stage.number - 1 for stage in stages_of(model, named) for name in stage.layers}
    return {
        variable.path: decay ** depth[layer.name]
        for layer in model._flatten_layers(include_self=False)
        if layer.name in depth
        for variable in layer.variables
    }
