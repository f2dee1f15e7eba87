"""Labelled examples: read from where they lie, told apart by content, and split."""

from tlplug.data.content import digests as content_digests
from tlplug.data.dataset import TEST, TRAIN, VALIDATION, Dataset, Skipped, source_name
from tlplug.data.inputs import find_inputs
from tlplug.data.loading import (
    HOLDOUT,
    align_labels,
    load_again,
    load_data,
    load_examples,
)
from tlplug.data.modality import Reads, reads_of
from tlplug.data.reading import prevailing_modality, read_inputs, read_sources
from tlplug.data.split import assign_folds, hold_out

__all__ = [
    "HOLDOUT",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Dataset",
    "Reads",
    "Skipped",
    "align_labels",
    "assign_folds",
    "content_digests",
    "find_inputs",
    "hold_out",
    "load_again",
    "load_data",
    "load_examples",
    "prevailing_modality",
    "read_inputs",
    "read_sources",
    "reads_of",
    "source_name",
]
