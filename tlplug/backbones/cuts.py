"""The stages of a network: where people cut it, by name or by number from the top."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlplug.backbones.boundaries import boundaries
from tlplug.backbones.graph import Call, Graph, is_graph
from tlplug.errors import PluginError, UsageError, counted, did_you_mean

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Stage:
    """What lies between two cuts; number 1 is the topmost.

    Attributes:
        number: counted from the top.
        name: of the layer whose output the stage begins with; empty for the lowest, which begins with the inputs.
        layers: names of the layers in it that have weights, bottom to top.
        parameters: number of their weights.
    """

    number: int
    name: str
    layers: tuple[str, ...]
    parameters: int


def stages_of(model: keras.Model, named: Sequence[str] = ()) -> tuple[Stage, ...]:
    """Divide a network into stages, the topmost first.

    A convolutional network has one for each resolution, and one for each layer that is made of layers, such as a
    transformer's or a recurrent one. A network with neither has one for each block whose branches join, else one for
    each layer with a kernel. Whatever follows the last of them, such as a pooling or a projection, belongs to it.
    A model that is no graph of layers is one stage.

    Args:
        model: functional or Sequential; any other is one stage.
        named: names of layers whose outputs are the cuts, bottom to top, instead of those that are found.

    Raises:
        PluginError: the network cannot be cut at a name, or the names are out of order.

    Example::

        >>> [stage.name for stage in stages_of(keras.applications.MobileNetV2(weights=None))]
        ['block_12_add', 'block_5_add', 'block_2_add', 'expanded_conv_project_BN', '']
    """
    if not is_graph(model):
        layers = [layer for layer in model.layers if layer.weights]
        return (Stage(1, "", tuple(layer.name for layer in layers), model.count_params()),)
    graph = Graph(model)
    cuts = _stated(graph, named) if named else boundaries(graph)
    bounds: list[int | None] = [None, *cuts, None]
    stages = []
    for number, (low, high) in enumerate(zip(bounds[-2::-1], bounds[:0:-1], strict=True), start=1):
        calls = [graph.calls[call] for call in graph.numbers(graph.between(low, high) & graph.weighted)]
        names = tuple(dict.fromkeys(call.name for call in calls))
        stages.append(Stage(number, "" if low is None else graph.calls[low].name, names, _parameters(calls)))
    return tuple(stages)


def cut_for(model: keras.Model, count: int, named: Sequence[str] = ()) -> str | None:
    """Return the name of the layer under the top `count` stages; None when they are the whole network.

    Args:
        model: as in `stages_of`.
        count: of stages, from the top.
        named: as in `stages_of`.

    Raises:
        UsageError: there are not as many.

    Example::

        >>> cut_for(keras.applications.MobileNetV2(weights=None), 1)
        'block_12_add'
    """
    stages = stages_of(model, named)
    if not 1 <= count <= len(stages):
        starts = ", ".join(f"{stage.number} (above {stage.name})" for stage in stages[:-1])
        whole = f"{len(stages)} (the whole network)"
        raise UsageError(
            f"The network {model.name!r} has {counted(len(stages), 'stage')}. Received: {count}. "
            f"Valid: {f'{starts} and {whole}' if starts else whole}."
        )
    return stages[count - 1].name or None


def cut_below(model: keras.Model, layer: str) -> str | None:
    """Return the name of the highest cut under a layer, whether a stage begins there or not; None when there is none.

    Args:
        model: as in `stages_of`.
        layer: name of a layer of the network, or of a model in it.

    Raises:
        UsageError: there is no such layer.

    Example::

        >>> cut_below(keras.applications.MobileNetV2(weights=None), "block_14_depthwise")
        'block_13_project_BN'
    """
    names = [part.name for part in model.layers]
    if not is_graph(model):
        if layer in names:
            return None
        raise _unknown(model, layer, names)
    graph = Graph(model)
    inside = {part.name: part for part in model.layers if is_graph(part)}
    own = [layer]
    if layer in inside and not graph.named(layer):
        own = [part.name for part in inside[layer]._flatten_layers(include_self=False)]
    calls = [number for name in own for number in graph.named(name)]
    if not calls:
        raise _unknown(model, layer, [*names, *(call.name for call in graph.calls)])
    cuts = [cut for cut in graph.cuts if not any(graph.below[cut] >> number & 1 for number in calls)]
    return graph.calls[cuts[-1]].name if cuts else None


def split_at(model: keras.Model, cut: str) -> tuple[keras.Model, keras.Model]:
    """Split a network in two at the output of a layer.

    Both parts use the network's own layers and variables: what trains one of them trains the network. One after the
    other they compute exactly what the network does.

    Args:
        model: functional or Sequential.
        cut: name of the layer, as `cut_for` and `cut_below` return it.

    Returns:
        The trunk, from the network's inputs to the one tensor at the cut; and the top, from a list of inputs to the
        network's outputs: ``cut``, of that tensor's shape and type, then those of the network's inputs that it needs
        beside it, under their names.

    Raises:
        UsageError: the network has no such layer, or cannot be cut there.

    Example::

        trunk, top = split_at(model, cut_for(model, 1))
        top([trunk(tensors), *(tensors[tensor.name] for tensor in top.inputs[1:])])
    """
    if not is_graph(model):
        raise UsageError(f"The network {model.name!r} is no graph of layers and cannot be cut. Valid: train all of it.")
    graph = Graph(model)
    found = [number for number in graph.cuts if graph.calls[number].name == cut]
    if not found:
        raise UsageError(_refusal(graph, model.name, cut))
    return graph.trunk(found[0]), graph.top(found[0])


def _unknown(model: keras.Model, layer: str, names: Sequence[str]) -> UsageError:
    close = difflib.get_close_matches(layer, dict.fromkeys(names), n=3, cutoff=0.4)
    valid = ", ".join(close or list(dict.fromkeys(names))[-3:])
    return UsageError(f"The network {model.name!r} has no layer {layer!r}. Valid: its layers, such as {valid}.")


def _refusal(graph: Graph, model: str, cut: str) -> str:
    names = [graph.calls[number].name for number in graph.cuts]
    if not names:
        return f"The network {model!r} cannot be cut. Received: {cut!r}. Valid: train all of it."
    calls = graph.named(cut)
    if not calls:
        return (
            f"The network {model!r} has no layer {cut!r}.{did_you_mean(cut, names)} It can be cut at "
            f"{counted(len(names), 'layer')}, {names[0]!r} the lowest and {names[-1]!r} the highest."
        )
    below = [number for number in graph.cuts if number < calls[0]] or graph.cuts[:1]
    return (
        f"The network {model!r} cannot be cut at {cut!r}, inside a block or beside other weights. The "
        f"nearest cut is {graph.calls[below[-1]].name!r}."
    )


def _parameters(calls: Sequence[Call]) -> int:
    shapes = {id(variable): tuple(variable.shape) for call in calls for variable in call.weights}
    return sum(math.prod(shape) for shape in shapes.values())


def _stated(graph: Graph, named: Sequence[str]) -> list[int]:
    places = {graph.calls[number].name: number for number in graph.cuts}
    for name in named:
        if name not in places:
            raise PluginError(
                f"A stage is stated to begin at {name!r}, where the network cannot be cut."
                f"{did_you_mean(name, places)} The backbone's record names cuts, bottom to top."
            )
    cuts = [places[name] for name in named]
    if cuts != sorted(set(cuts)):
        raise PluginError(f"Stages are stated bottom to top, each once. Received: {', '.join(named)}.")
    return cuts
