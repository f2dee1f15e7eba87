"""Where people divide a network: at its resolutions, its layers of layers, its blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tlplug.backbones.graph import Call, Graph


@dataclass(frozen=True)
class _Point:
    """Cuts with no kernel between them: as good as one.

    Attributes:
        cuts: bottom to top.
        segment: the calls between the point below and this one.
        joins: whether branches join there.
    """

    cuts: list[int]
    segment: int
    joins: bool


def boundaries(graph: Graph) -> list[int]:
    """Return the cuts between which the stages of a network lie, bottom to top.

    Stages begin where the resolution falls and before each layer that is made of layers; where there is neither, before
    each block whose branches join; else before each kernel, a weight with two axes or more. Normalizations, which have
    none, go with what they follow.
    """
    kernels = _where(graph, lambda call: any(len(variable.shape) > 1 for variable in call.weights))
    composite = _where(graph, _is_composite)
    points = _points(graph, kernels)
    if not points:
        return []
    top = graph.between(points[-1].cuts[-1], None)
    segments = [*(point.segment for point in points[1:]), top]
    chosen = _drops(graph, points, kernels)
    chosen |= {at: _latest(graph, points[at].cuts) for at, calls in enumerate(segments) if calls & composite}
    if not chosen:
        joined = [*(point.joins for point in points[1:]), _joins(graph, top)]
        chosen = {at: _latest(graph, points[at].cuts) for at, joins in enumerate(joined) if joins}
    if not chosen:
        chosen = {at: _latest(graph, points[at].cuts) for at, calls in enumerate(segments) if calls & kernels}
    return [chosen[at] for at in sorted(chosen)]


def _where(graph: Graph, holds: Callable[[Call], object]) -> int:
    return sum(1 << number for number, call in enumerate(graph.calls) if holds(call))


def _is_composite(call: Call) -> bool:
    """Whether a layer is made of layers with weights."""
    return bool(call.weights) and any(part.weights for part in call.operation._flatten_layers(include_self=False))


def _joins(graph: Graph, calls: int) -> bool:
    return any(graph.joins(number) for number in graph.numbers(calls))


def _points(graph: Graph, kernels: int) -> list[_Point]:
    groups: list[list[int]] = []
    for cut in graph.cuts:
        if not graph.below[cut] & kernels:  # a normalization of the inputs is no stage
            continue
        if groups and not graph.between(groups[-1][-1], cut) & kernels:
            groups[-1].append(cut)
        else:
            groups.append([cut])
    points, low = [], None
    for cuts in groups:
        segment = graph.between(low, cuts[-1])
        points.append(_Point(cuts, segment, _joins(graph, segment)))
        low = cuts[-1]
    return points


def _elements(graph: Graph, cut: int) -> int:
    return math.prod(axis or 1 for axis in graph.shape(cut))


def _latest(graph: Graph, cuts: Sequence[int]) -> int:
    """The one with the smallest tensor, which a trunk's outputs are kept as; the highest of several."""
    return min(reversed(cuts), key=lambda cut: _elements(graph, cut))


def _before_norm(graph: Graph, cuts: Sequence[int]) -> int:
    """As `_latest`; but a normalization after a join, or after pooling, belongs to what follows."""
    return _latest(graph, [cut for cut in cuts if not graph.between(cuts[0], cut) & graph.weighted])


def _narrowest(graph: Graph, point: _Point) -> int:
    return _before_norm(graph, point.cuts) if graph.joins(point.cuts[0]) else _latest(graph, point.cuts)


def _drops(graph: Graph, points: Sequence[_Point], kernels: int) -> dict[int, int]:
    """Where the resolution falls: numbers of points, and the cut at each.

    A fall that keeps the channels, as pooling does, ends a stage; one that changes them begins the next. What leads up
    to it, such as the expansion of an inverted residual, goes with it: the cut is the narrowest since branches joined.
    """
    spatial = kernels & _where(graph, lambda call: set(call.results[0].shape[1:-1]) - {1})
    place = {cut: at for at, point in enumerate(points) for cut in point.cuts}
    chosen: dict[int, int] = {}
    first = 0
    for low, high in zip(place, [*list(place)[1:], None], strict=True):
        if not _falls(graph, low, high, spatial):
            continue
        at, end = place[low], len(points) if high is None else place[high]
        if high is not None and graph.shape(low)[-1] == graph.shape(high)[-1] and (at == end or points[end].joins):
            at, cut = end, _before_norm(graph, [cut for cut in points[end].cuts if cut >= high])
        else:
            if any(point.joins for point in points):
                start = next((number for number in range(at, first, -1) if points[number].joins), min(first, at))
                at = min(range(at, start - 1, -1), key=lambda at: _elements(graph, _narrowest(graph, points[at])))
            cut = _narrowest(graph, points[at])
        if graph.between(cut, None) & spatial:
            chosen[at] = cut
        first = end
    return chosen


def _falls(graph: Graph, low: int, high: int | None, spatial: int) -> bool:
    """Whether the resolution at a cut, or where it is pooled before one inside what follows, is half of that below."""
    shape = graph.shape(low)
    if high is not None and len(graph.shape(high)) == len(shape):
        return _is_half(graph.shape(high), shape)
    calls = graph.numbers(graph.between(low, high) & spatial)
    return any(_is_half(tuple(graph.calls[call].results[0].shape[1:]), shape) for call in calls)


def _is_half(shape: tuple[int | None, ...], of: tuple[int | None, ...]) -> bool:
    """Whether a resolution is half of another, rounded up."""
    axes = zip(shape[:-1], of[:-1], strict=False)
    return len(shape) == len(of) and any(own and whole and whole > 1 and 2 * own <= whole + 1 for own, whole in axes)
