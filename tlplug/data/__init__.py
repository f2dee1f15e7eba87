"""Labelled examples: read from where they lie, told apart by content, and split."""

from tlplug.data.dataset import TEST, TRAIN, VALIDATION, Dataset, Skipped, source_name
from tlplug.data.inputs import find_inputs
from tlplug.data.loading import HOLDOUT, align_labels, load_data, load_examples, suffixes_of
from tlplug.data.split import assign_folds

__all__ = [
    "HOLDOUT",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Dataset",
    "Skipped",
    "align_labels",
    "assign_folds",
    "find_inputs",
    "load_data",
    "load_examples",
    "source_name",
    "suffixes_of",
]
