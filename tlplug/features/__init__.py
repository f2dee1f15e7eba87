"""Embeddings: backbones compiled for a runtime, run in a bounded pipeline, and kept."""

from tlplug.features.activations import CUT, Trunk, Window
from tlplug.features.augmentation import STRENGTHS, Augmenter, augmenter_for, check_strength
from tlplug.features.compilation import compile_backbone, compile_network, compile_tuned
from tlplug.features.compiled import KERAS_FILE, CompiledBackbone
from tlplug.features.extraction import Extractor, Features, extractor_for, windows_of, without_notes
from tlplug.features.pipeline import Span
from tlplug.features.preprocessing import PreprocessSpec
from tlplug.features.store import FeatureStore

__all__ = [
    "CUT",
    "KERAS_FILE",
    "STRENGTHS",
    "Augmenter",
    "CompiledBackbone",
    "Extractor",
    "FeatureStore",
    "Features",
    "PreprocessSpec",
    "Span",
    "Trunk",
    "Window",
    "augmenter_for",
    "check_strength",
    "compile_backbone",
    "compile_network",
    "compile_tuned",
    "extractor_for",
    "windows_of",
    "without_notes",
]
