"""Splits that are stratified by class, seeded, and never put the same content on both sides."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def hold_out(labels: NDArray[np.int64], groups: Sequence[Hashable], share: float, seed: int) -> NDArray[np.bool_]:
    """Choose about `share` of every class, whole groups at a time.

    Args:
        labels: int64 ``[n]``.
        groups: what must stay together, such as content digests; n of them.
        share: between 0 and 1.
        seed: of the shuffle.

    Returns:
        A mask ``[n]`` of the held-out examples. A class of at least two groups has at least one on each side.
    """
    held = np.zeros(len(labels), bool)
    for members in _shuffled_groups(labels, groups, seed):
        target = min(max(1, round(share * len(members))), len(members) - 1)
        for group in members[:target]:
            held[group] = True
    return held


def assign_folds(labels: NDArray[np.int64], groups: Sequence[Hashable], folds: int, seed: int) -> NDArray[np.int64]:
    """Deal every class out over folds, whole groups at a time.

    Returns:
        int64 ``[n]``: the number of the fold in which an example is held out; -1 for the only group of a class, which
        training can never do without. With fewer groups in the largest class than `folds` there are fewer folds.
    """
    assigned = np.full(len(labels), -1, np.int64)
    start = 0
    for members in _shuffled_groups(labels, groups, seed):
        if len(members) < 2:
            continue
        for offset, group in enumerate(members):
            assigned[group] = (start + offset) % folds
        start += len(members)  # so that the remainders of the classes do not all land in the first folds
    _, renumbered = np.unique(assigned[assigned >= 0], return_inverse=True)
    assigned[assigned >= 0] = renumbered
    return assigned


def _shuffled_groups(labels: NDArray[np.int64], groups: Sequence[Hashable], seed: int) -> list[list[NDArray[np.int64]]]:
    """For each class, its groups as arrays of positions, shuffled; a group is of the class of its first example."""
    positions: dict[Hashable, list[int]] = {}
    for position, group in enumerate(groups):
        positions.setdefault(group, []).append(position)
    by_class: dict[int, list[NDArray[np.int64]]] = {}
    for members in positions.values():
        by_class.setdefault(int(labels[members[0]]), []).append(np.array(members))
    generator = np.random.default_rng(seed)
    shuffled = []
    for label in sorted(by_class):
        order = generator.permutation(len(by_class[label]))
        shuffled.append([by_class[label][i] for i in order])
    return shuffled
