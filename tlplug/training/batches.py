"""The batches of an epoch: windows of examples in an order that the seed and the number of the epoch say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.features import Trunk, Window
from tlplug.training.mixup import mix

Batch = tuple[dict[str, NDArray[Any]], NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Batches:
    """Labelled windows, batch by batch; all windows of a batch have arrays of the same shapes.

    Attributes:
        trunk: reads the windows.
        windows: of each view, of each example.
        targets: float32 ``[examples, classes]``.
        weights: what each example counts, float32 ``[examples]``.
        size: windows in a batch.
        most: windows of one example in an epoch.
        seed: of the order.
        mixup: parameter of `tlplug.training.mixup.mix`; 0 mixes nothing.
    """

    trunk: Trunk
    windows: Mapping[int, Sequence[Sequence[Window]]]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    size: int
    most: int
    seed: int
    mixup: float = 0.0

    def plan(self, epoch: int) -> list[tuple[list[Window], list[float]]]:
        """Return the windows of each batch of an epoch, and what each of them counts."""
        generator = np.random.default_rng([self.seed, epoch])
        views = sorted(view for view in self.windows if view) or [0]
        chosen = generator.choice(views, len(self.targets))
        drawn: list[tuple[Window, float]] = []
        for example, view in enumerate(chosen):
            own = self.windows[int(view)][example]
            if len(own) > self.most:
                own = [own[i] for i in generator.choice(len(own), self.most, replace=False)]
            drawn += [(window, self.weights[example] / len(own)) for window in own]
        groups: dict[Any, list[tuple[Window, float]]] = {}
        batches: list[list[tuple[Window, float]]] = []
        for number in generator.permutation(len(drawn)):
            group = groups.setdefault(drawn[number][0].shapes, [])
            group.append(drawn[number])
            if len(group) == self.size:
                batches.append(groups.pop(drawn[number][0].shapes))
        batches += groups.values()
        mean = sum(weight for _, weight in drawn) / len(drawn)
        return [([w for w, _ in batch], [weight / mean for _, weight in batch]) for batch in batches]

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the arrays of each batch, its targets ``[n, classes]`` and weights ``[n]``."""
        chance = np.random.default_rng([self.seed, number]).spawn(1)[0]  # so that the order is the same without mixup
        for windows, counts in self.plan(number):
            targets, weights = self.targets[[window.example for window in windows]], np.array(counts, np.float32)
            arrays = self.trunk.store.read(windows)
            yield mix(arrays, targets, weights, self.mixup, chance) if self.mixup else (arrays, targets, weights)


def in_batches(windows: Sequence[Window], size: int) -> Iterator[list[int]]:
    """Yield the positions of windows that can go through a network together."""
    groups: dict[Any, list[int]] = {}
    for number, window in enumerate(windows):
        group = groups.setdefault(window.shapes, [])
        group.append(number)
        if len(group) == size:
            yield groups.pop(window.shapes)
    yield from groups.values()
