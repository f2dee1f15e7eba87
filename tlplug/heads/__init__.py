"""Heads: from embeddings to class probabilities."""

from tlplug.heads.fitted import FittedHead, HeadChoice, load_head, load_keras_head

__all__ = ["FittedHead", "HeadChoice", "load_head", "load_keras_head"]
