"""Heads: from embeddings to class probabilities."""

from tlplug.heads.fitted import FittedHead, fit_head, load_head

__all__ = ["FittedHead", "fit_head", "load_head"]
