"""The preprocess of texts in operations of TensorFlow, for exports that take texts themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_text.graph_tokenizer import make as make_tokenizer
from tlplug_text.text import BUCKET, MAX_LENGTH, MAX_WINDOWS

if TYPE_CHECKING:
    import tensorflow as tf


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> tf.Module:
    """Make a function of texts that is a TensorFlow graph.

    Args:
        options: see `tlplug_text.text.make`; ``encoding`` is not looked at, the texts are UTF-8.
        files: what the checkpoint brings, see `tlplug_text.tokenizer.load`.

    Returns:
        A module to be called with a string tensor ``[batch]``, which gives ``{"token_ids": int32 [windows, length],
        "mask": int32 [windows, length]}``, where the length is that of the longest window, and int32 ``[batch]``, the
        windows of each text. A text without words is one window with the two special tokens alone, so that the others
        of its batch are answered. A SavedModel of it needs nothing but TensorFlow.

    Raises:
        ValueError: the checkpoint has no WordPiece tokenizer.

    Example::

        arrays, counts = make({"max_length": 64}, files)(tf.constant(["The cat sits outside."]))
    """
    import tensorflow as tf

    tokenizer = make_tokenizer(files)
    max_length = options.get("max_length", MAX_LENGTH)
    content = max_length - 2
    most = content * (options.get("max_windows", MAX_WINDOWS) if options.get("long", "split") == "split" else 1)

    class GraphTexts(tf.Module):
        raw = tf.TensorSpec([None], tf.string, "text")

        def __init__(self) -> None:
            super().__init__(name="texts")
            self.tokenizer = tokenizer

        def __call__(self, texts: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            ids = self.tokenizer(texts, most)
            lengths = ids.row_lengths()
            counts = tf.maximum((lengths + content - 1) // content, 1)
            number = tf.ragged.range(counts).flat_values
            length, count = tf.repeat(lengths, counts), tf.repeat(counts, counts)
            sizes = length * (number + 1) // count - length * number // count
            windows = tf.RaggedTensor.from_row_lengths(ids.flat_values, sizes)
            first, last = (tf.fill([tf.shape(sizes)[0], 1], token) for token in (tokenizer.first, tokenizer.last))
            whole = tf.concat([first, windows, last], axis=1)
            longest = tf.reduce_max(whole.row_lengths())
            padded = tf.minimum((longest + BUCKET - 1) // BUCKET * BUCKET, max_length)
            mask = tf.sequence_mask(whole.row_lengths(), padded, dtype=tf.int32)
            token_ids = tf.pad(whole.to_tensor(0), [[0, 0], [0, padded - longest]])
            return {"token_ids": token_ids, "mask": mask}, tf.cast(counts, tf.int32)

    return GraphTexts()
