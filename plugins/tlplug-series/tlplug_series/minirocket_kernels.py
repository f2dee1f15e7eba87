"""What MiniRocket computes with: its kernels, their dilations, and the channels that each one sees.

Source: Dempster, Schmidt, Webb: MiniRocket, 2021, arXiv:2012.08791, sections 3.1 and 3.2.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

TAPS = 9
KERNELS = 84
PER_KERNEL = 119
"""Biases of a kernel over all dilations: with these, about ten thousand features."""

FEATURES = KERNELS * PER_KERNEL
_MOST_DILATIONS = 32
_MOST_CHANNELS = 9


PADDED = KERNELS // 2
"""Kernels that see zeros beyond both ends of a series; the others are only where they lie wholly inside it."""


def kernels(place: int) -> NDArray[np.float32]:
    """Return all kernels of nine taps of which three are 2 and six are -1, float32 ``[9, 84]``.

    The first half sees padding. Every other kernel does, and from one dilation to the next they take turns.

    Args:
        place: of the dilation in the list of dilations.
    """
    values = np.full((TAPS, KERNELS), -1, np.float32)
    for number, places in enumerate(combinations(range(TAPS), 3)):
        values[list(places), number] = 2
    order = np.arange(KERNELS)
    sees_padding = (place + order) % 2 == 0
    return values[:, np.concatenate([order[sees_padding], order[~sees_padding]])]


def dilations(length: int) -> list[tuple[int, int]]:
    """Return dilations, and for each the biases that a kernel has there: 119 in all.

    They grow exponentially to where a kernel is as long as the series.

    >>> dilations(9)
    [(1, 119)]
    """
    highest = np.log2(max((length - 1) / (TAPS - 1), 1))
    values, counts = np.unique(np.logspace(0, highest, _MOST_DILATIONS, base=2).astype(int), return_counts=True)
    counts = counts * PER_KERNEL // _MOST_DILATIONS
    for place in range(PER_KERNEL - counts.sum()):
        counts[place % len(counts)] += 1
    return [(int(value), int(count)) for value, count in zip(values, counts, strict=True)]


def channel_shares(channels: int, count: int) -> NDArray[np.float32]:
    """Return how much of each channel each kernel takes, float32 ``[count, channels, 84]``, for a count of dilations.

    A kernel takes the sum of one to nine channels, drawn by chance, divided by the root of their number, so that the
    sum of independent channels is as large as one. The same for the same number of channels.
    """
    if channels == 1:
        return np.ones((count, 1, KERNELS), np.float32)
    chance = np.random.RandomState(channels)  # whose numbers NumPy promises to keep
    most = min(channels, _MOST_CHANNELS)
    sizes = np.exp2(chance.random_sample((count, KERNELS)) * np.log2(most + 1)).astype(int)
    ranks = chance.random_sample((count, channels, KERNELS)).argsort(axis=1).argsort(axis=1)
    taken = ranks < sizes[:, None]
    return (taken / np.sqrt(sizes[:, None])).astype(np.float32)
