"""Pretrained weights: where they come from, where they are kept, and whether they are what they should be."""

from tlplug.weights.store import OFFLINE, StoredWeights, WeightsStore, default_set, offline, weight_sets

__all__ = ["OFFLINE", "StoredWeights", "WeightsStore", "default_set", "offline", "weight_sets"]
