"""Embeddings: backbones compiled for a runtime, run in a bounded pipeline, and kept."""

from tlplug.features.augmentation import STRENGTHS, Augmenter, augmenter_for
from tlplug.features.compilation import compile_backbone, compile_network
from tlplug.features.compiled import CompiledBackbone
from tlplug.features.extraction import Extractor, Features, extractor_for
from tlplug.features.pipeline import Span
from tlplug.features.preprocessing import PreprocessSpec
from tlplug.features.store import FeatureStore

__all__ = [
    "STRENGTHS",
    "Augmenter",
    "CompiledBackbone",
    "Extractor",
    "FeatureStore",
    "Features",
    "PreprocessSpec",
    "Span",
    "augmenter_for",
    "compile_backbone",
    "compile_network",
    "extractor_for",
]
