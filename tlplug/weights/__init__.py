"""Pretrained weights: where they come from, where they are kept, and whether they are what they should be."""

from tlplug.weights.store import StoredWeights, WeightsStore, default_set, offline

__all__ = ["StoredWeights", "WeightsStore", "default_set", "offline"]
