"""Labelled examples: read from where they lie, told apart by content, and split."""

from tlplug.data.dataset import TEST, TRAIN, VALIDATION, Dataset, Skipped
from tlplug.data.loading import load_data
from tlplug.data.split import assign_folds

__all__ = ["TEST", "TRAIN", "VALIDATION", "Dataset", "Skipped", "assign_folds", "load_data"]
