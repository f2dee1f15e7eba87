"""The tokenizer of a BERT checkpoint in core TensorFlow operations, for exports that take texts themselves.

What happens to a character (case, accents, punctuation, control characters) is asked of the `tokenizers` library, once
for every character there is, and put into a table. Words are then cut into pieces of the vocabulary, all of them at
once: the longest piece first (Wu et al. 2016, arXiv:1609.08144).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tlplug_text.tokenizer import load

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    import tokenizers

_PAGE = 256
_NOTHING, _ITSELF = -1, -2

_MARK = 0x10FF00
"""The first of the private characters that stand for special tokens within the graph."""


def make(files: Mapping[str, Path]) -> tf.Module:
    """Make a function of texts that is a TensorFlow graph.

    Args:
        files: what the checkpoint brings, see `tlplug_text.tokenizer.load`.

    Returns:
        A module to be called with a string tensor ``[batch]`` and a number, which gives the first so many token numbers
        of each text without the special ones, int32 ``[batch, (tokens)]``, ragged. Its ``first`` and ``last`` are the
        tokens that begin and end a text. A SavedModel of it needs nothing but TensorFlow.

    Raises:
        ValueError: the checkpoint has no WordPiece tokenizer.

    Example::

        ids = make(files)(tf.constant(["The cat sits outside."]), 62)
    """
    import tensorflow as tf

    loaded = load(files)
    model = json.loads(loaded.tokenizer.to_str())["model"]
    if model.get("type") != "WordPiece" or model["continuing_subword_prefix"] != "##":
        raise ValueError(f"Only a WordPiece tokenizer is made a graph. Received: {model.get('type')}.")
    specials = {token.content: number for number, token in loaded.tokenizer.get_added_tokens_decoder().items()}
    page_of, pages = character_table(loaded.tokenizer, len(specials))
    marks = [chr(_MARK + place) for place in range(len(specials))]
    vocabulary = {**model["vocab"], **dict(zip(marks, specials.values(), strict=True))}
    unknown, longest = model["vocab"][model["unk_token"]], max(len(piece.removeprefix("##")) for piece in vocabulary)

    class GraphTokenizer(tf.Module):
        def __init__(self) -> None:
            super().__init__(name="tokenizer")
            entries = tf.lookup.KeyValueTensorInitializer(
                list(vocabulary), list(vocabulary.values()), value_dtype=tf.int32
            )
            self.vocabulary = tf.lookup.StaticHashTable(entries, _NOTHING)
            self.page_of, self.pages = tf.constant(page_of), tf.constant(pages)
            self.first, self.last = loaded.first, loaded.last

        def __call__(self, texts: tf.Tensor, limit: int) -> tf.RaggedTensor:
            words = self.words(texts)[:, :limit]  # each has one token at least
            unique, positions = tf.unique(words.flat_values)
            pieces = tf.gather(self.word_pieces(unique), positions)
            return words.with_values(pieces).merge_dims(1, 2)[:, :limit]

        def words(self, texts: tf.Tensor) -> tf.RaggedTensor:
            """Clean texts and split them: strings ``[batch, (words)]``."""
            texts = tf.strings.regex_replace(texts, "[\\x{10FF00}-\\x{10FFFF}]", "")
            for special, mark in zip(specials, marks, strict=True):
                texts = tf.strings.regex_replace(texts, re.escape(special), f" {mark} ")
            characters = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
            values = characters.flat_values
            places = tf.gather(self.page_of, values // _PAGE) * _PAGE + values % _PAGE
            made = tf.gather(self.pages, places)
            made = tf.where(made == _ITSELF, values[:, None], made)
            kept = tf.ragged.boolean_mask(made, made >= 0)
            return tf.strings.split(
                tf.strings.unicode_encode(characters.with_flat_values(kept).merge_dims(1, 2), "UTF-8")
            )

        def word_pieces(self, words: tf.Tensor) -> tf.RaggedTensor:
            """Cut words ``[n]`` into the numbers of their pieces, int32 ``[n, (pieces)]``."""
            lengths = tf.strings.length(words, "UTF8_CHAR")
            too_long = lengths > model["max_input_chars_per_word"]

            def step(number, start, failed, found):
                best = tf.fill(tf.shape(words), _NOTHING)
                taken = tf.zeros_like(start)
                for size in range(longest, 0, -1):
                    fits = (best < 0) & (start + size <= lengths) & ~failed
                    piece = tf.strings.substr(
                        words, tf.minimum(start, lengths), tf.fill(tf.shape(words), size), "UTF8_CHAR"
                    )
                    piece = tf.where(start > 0, tf.strings.join(["##", piece]), piece)
                    number_of = tf.where(fits, self.vocabulary.lookup(piece), _NOTHING)
                    taken = tf.where(number_of >= 0, size, taken)
                    best = tf.where(number_of >= 0, number_of, best)
                failed |= (start < lengths) & (best < 0)
                return number + 1, start + taken, failed, found.write(number, best)

            start = tf.zeros_like(lengths)
            found = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
            found = found.write(0, tf.fill(tf.shape(words), _NOTHING))
            _, _, failed, found = tf.while_loop(
                lambda _number, start, failed, _found: tf.reduce_any((start < lengths) & ~failed),
                step,
                [1, start, too_long, found],
            )
            pieces = tf.where(failed[:, None], _NOTHING, tf.transpose(found.stack()))
            pieces = tf.concat([tf.where(failed, unknown, _NOTHING)[:, None], pieces], axis=1)
            return tf.ragged.boolean_mask(pieces, pieces >= 0)

    return GraphTokenizer()


def character_table(tokenizer: tokenizers.Tokenizer, marks: int) -> tuple[np.ndarray, np.ndarray]:
    """Ask a tokenizer what becomes of every character: others, with spaces around those that are words of their own.

    Args:
        tokenizer: with a normalizer and a pre-tokenizer that look at one character at a time.
        marks: private characters that become words of their own.

    Returns:
        Two arrays, int32: the page of each 256 characters, and the pages, ``[pages * 256, longest]``. There -1 stands
        for no character and -2 for the character itself.
    """
    import numpy as np

    normalised = _normalised(tokenizer.normalizer.normalize_str)
    written = _spaced(tokenizer.pre_tokenizer.pre_tokenize_str, sorted(set("".join(normalised))))
    made = ["".join(map(written.__getitem__, text)) for text in normalised]
    for code in range(_MARK, _MARK + marks):
        made[code] = f" {chr(code)} "
    table = np.full((len(made), max(map(len, made))), _NOTHING, np.int32)
    for code, text in enumerate(made):
        table[code, : len(text)] = [_ITSELF if character == chr(code) else ord(character) for character in text]
    pages, page_of = np.unique(table.reshape(-1, _PAGE * table.shape[1]), axis=0, return_inverse=True)
    return page_of.astype(np.int32).reshape(-1), pages.reshape(-1, table.shape[1])


def _normalised(normalize: Callable[[str], str]) -> list[str]:
    """What becomes of every character; they are not asked for one by one where all of a page stay, or go."""
    texts = [chr(code) for code in range(sys.maxunicode + 1)]
    for start in range(0, len(texts), _PAGE):
        page = range(start, start + _PAGE)
        whole = "" if 0xD800 <= start < 0xE000 else "".join(texts[start : page.stop])  # halves of pairs are none
        if (normal := normalize(whole)) != whole or not whole:
            texts[start : page.stop] = [normalize(chr(code)) if normal else "" for code in page]
    return texts


def _spaced(split: Callable[[str], list[tuple[str, tuple[int, int]]]], characters: list[str]) -> dict[str, str]:
    """What to write for each character: itself, itself between spaces where it is a word of its own, or a space."""
    written = dict.fromkeys(characters, " ")  # white space is in no piece
    for piece, (start, _) in split("a" + "".join(f"{character}a" for character in characters)):
        if len(piece) == 1 and start % 2:
            written[piece] = f" {piece} "
        else:
            written.update((character, character) for character in piece)
    return written
