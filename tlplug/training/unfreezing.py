"""Which layers train, and how fast those further down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlplug.backbones import Selection, build_network, import_keras, split_at, stages_of, with_random_weights
from tlplug.errors import PluginError, UsageError, WeightsError
from tlplug.training.lora import projections
from tlplug.training.settings import Tuning

if TYPE_CHECKING:
    import keras


class NothingToTrainError(UsageError):
    """What would train of a network has no weights that can.

    Args:
        backbone: its name.
        stages: how many it has.
        cut: the layer under what would train; None for all of it.
        lora: whether it would train by that.

    Attributes:
        reason: what is said, without what is valid.
        stages: how many the network has.
    """

    def __init__(self, backbone: str, stages: int, cut: str | None, *, lora: bool) -> None:
        part = "The backbone" if cut is None else "What would train of"
        by, valid = (" by LoRA, which changes attention", "without tuning.lora, or ") if lora else ("", "")
        self.reason, self.stages = f"{part} {backbone!r} has no weights that can train{by}.", stages
        super().__init__(f"{self.reason} Valid: {valid}--strategy features.")


def check_cut(selections: Sequence[Selection], tuning: Tuning) -> None:
    """Refuse stages, a layer or attention that a network does not have; builds it without its weights to know.

    Args:
        selections: the backbones, one of which must have it; what cannot be built is left to what builds it later.
        tuning: what trains.

    Raises:
        UsageError: there is no such stage or layer, or no attention for LoRA to change.
    """
    lora = bool(tuning.options["lora"])
    if tuning.unfreeze is None and (tuning.stages or 1) == 1 and not lora:  # every network has one stage
        return
    refused: UsageError | None = None
    for selection in selections:
        try:
            model = build_network(with_random_weights(selection, 0))
            cut = tuning.cut(model, selection.entry)
            if lora and not projections(model if cut is None else split_at(model, cut)[1]):
                stages = len(stages_of(model, selection.entry.record.stages))
                raise NothingToTrainError(selection.entry.name, stages, cut, lora=True)
        except (WeightsError, PluginError):
            continue
        except UsageError as error:
            refused = refused or error
        else:
            return
    if refused is not None:
        raise refused


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
