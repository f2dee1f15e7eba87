"""The preprocess of texts in operations of TensorFlow, for exports that take texts themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_hub.strings import MAX_CHARACTERS

if TYPE_CHECKING:
    import tensorflow as tf


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> tf.Module:  # noqa: ARG001 - modules bring their vocabulary inside
    """Make a function of texts that is a TensorFlow graph.

    Args:
        options: ``max_characters``; ``encoding`` is not looked at, the texts are UTF-8.
        files: none are used.

    Returns:
        A module to be called with a string tensor ``[batch]``, which gives ``{"text": string [batch]}``, each cut after
        so many characters, and None.

    Example::

        arrays, _ = make({"max_characters": 100}, {})(tf.constant(["The cat sits outside."]))
    """
    import tensorflow as tf

    most = options.get("max_characters", MAX_CHARACTERS)

    class GraphStrings(tf.Module):
        raw = tf.TensorSpec([None], tf.string, "text")

        def __call__(self, texts: tf.Tensor) -> tuple[dict[str, tf.Tensor], None]:
            start, length = (tf.fill(tf.shape(texts), tf.constant(number, tf.int64)) for number in (0, most))
            return {"text": tf.strings.substr(texts, start, length, unit="UTF8_CHAR")}, None

    return GraphStrings()
