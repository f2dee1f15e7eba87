"""The tokenizer in TensorFlow against the library."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_text.graph_tokenizer import make
from tlplug_text.tokenizer import load

LENGTH = 64
ODD = [
    "[MASK]",
    "[SEP]",
    "[ SEP]",
    " ",
    "\t",
    "\n",
    "\u00a0",
    "a",
    "ing",
    "é",
    "e\u0301",
    "İ",
    "ß",
    "ﬁ",
    "Σ",
    "東京",
    "한국",
]
ODD += [
    "'",
    "\u2019",
    "$",
    "^",
    "…",
    "🙂",
    "🏴\U000e0067\U000e007f",
    "\u200b",
    "\ufffd",
    "\x1c",
    "\U0010ff00",
    "x" * 101,
]
PARTS = st.one_of(st.characters(codec="utf-8"), st.sampled_from(ODD))


@pytest.fixture(scope="module")
def graph(files):
    import tensorflow as tf

    made = make(files)
    return made, tf.function(lambda texts: made(texts, LENGTH), input_signature=[tf.TensorSpec([None], tf.string)])


@pytest.fixture(scope="module")
def expected(files):
    loaded = load(files)
    return lambda text: loaded.ids(text)[:LENGTH]


def check(graph, texts, expected):
    made = graph[1](np.array([text.encode() for text in texts], object)).to_list()
    assert made == [expected(text) for text in texts]


def test_it_equals_the_library_on_the_texts_of_the_reference(graph, expected, golden):
    check(graph, [item["text"] for item in golden], expected)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.lists(PARTS, max_size=30).map("".join), min_size=1, max_size=20))
def test_it_equals_the_library_on_any_texts(graph, expected, texts):
    check(graph, texts, expected)


def test_it_equals_the_library_on_every_character(graph, expected):
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    characters = [chr(code) for code in codes if code < 0x3400 or 0xA000 <= code < 0x10000 or code % 97 == 0]
    texts = ["".join(f"a{character}b " for character in characters[at : at + 8]) for at in range(0, len(characters), 8)]
    for start in range(0, len(texts), 500):
        check(graph, texts[start : start + 500], expected)


@pytest.mark.parametrize("said", [{"do_lower_case": False}, {"do_lower_case": True, "strip_accents": False}])
def test_case_and_accents_are_as_the_checkpoint_says(checkpoint, said):
    folder = checkpoint()
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    files = {"vocabulary": folder / "vocab.txt", "tokenizer_config": folder / "tokenizer_config.json"}
    text = "Cat café Café CAT sats"
    made = make(files)(np.array([text.encode()], object), 16)
    assert made.to_list() == [load(files).ids(text)]


def test_another_kind_of_tokenizer_is_refused(tmp_path):
    from tokenizers import Tokenizer, models, processors

    tokenizer = Tokenizer(models.Unigram([("<s>", 0.0), ("</s>", 0.0), ("a", -1.0)]))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match=r"^Only a WordPiece tokenizer is made a graph\. Received: Unigram\.$"):
        make({"tokenizer": tmp_path / "tokenizer.json"})
