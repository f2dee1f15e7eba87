"""Backbone records: chosen, and built into Keras models."""

from tlplug.backbones.build import (
    STRING,
    ArraySpec,
    BuiltBackbone,
    build_backbone,
    build_network,
    describe_inputs,
    pack_inputs,
    with_model,
)
from tlplug.backbones.cuts import Stage, cut_below, cut_for, split_at, stages_of
from tlplug.backbones.keras_file import load_keras
from tlplug.backbones.quiet import import_keras, quiet
from tlplug.backbones.selection import (
    RANDOM,
    Selection,
    options_for,
    other_backbones,
    select_backbone,
    split_options,
    with_random_weights,
)

__all__ = [
    "RANDOM",
    "STRING",
    "ArraySpec",
    "BuiltBackbone",
    "Selection",
    "Stage",
    "build_backbone",
    "build_network",
    "cut_below",
    "cut_for",
    "describe_inputs",
    "import_keras",
    "load_keras",
    "options_for",
    "other_backbones",
    "pack_inputs",
    "quiet",
    "select_backbone",
    "split_at",
    "split_options",
    "stages_of",
    "with_model",
    "with_random_weights",
]
