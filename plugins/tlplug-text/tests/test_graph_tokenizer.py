"""The tokenizer in TensorFlow against the library."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_text.graph_tokenizer import make
from tlplug_text.text import make as make_preprocess
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

    made = make({"max_length": LENGTH}, files)
    return made, tf.function(made, input_signature=[tf.TensorSpec([None], tf.string)])


@pytest.fixture(scope="module")
def expected(files):
    loaded = load(files)
    return lambda text: [loaded.first, *loaded.ids(text)[: LENGTH - 2], loaded.last]


def check(graph, texts, expected):
    made = graph[1](np.array([text.encode() for text in texts], object))
    assert made["token_ids"].shape == made["mask"].shape == (len(texts), LENGTH)
    for text, ids, mask in zip(texts, made["token_ids"].numpy(), made["mask"].numpy(), strict=True):
        assert ids[mask == 1].tolist() == expected(text), repr(text)
        assert not ids[mask == 0].any()


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


def test_it_gives_what_the_preprocess_gives(graph, files):
    preprocess = make_preprocess({"max_length": LENGTH, "long": "truncate"}, files)
    for text in ("A short text.", "word " * 100):
        made, given = graph[1](np.array([text.encode()], object)), preprocess(text)
        length = len(given["mask"])
        np.testing.assert_array_equal(made["token_ids"][0, :length], given["token_ids"])
        np.testing.assert_array_equal(made["mask"][0, :length], given["mask"])


@pytest.mark.parametrize("said", [{"do_lower_case": False}, {"do_lower_case": True, "strip_accents": False}])
def test_case_and_accents_are_as_the_checkpoint_says(checkpoint, said):
    folder = checkpoint()
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    files = {"vocabulary": folder / "vocab.txt", "tokenizer_config": folder / "tokenizer_config.json"}
    text = "Cat café Café CAT sats"
    made = make({"max_length": 16}, files)(np.array([text.encode()], object))
    ids = load(files).ids(text)
    assert made["token_ids"][0, 1 : len(ids) + 1].numpy().tolist() == ids


def test_a_saved_model_needs_nothing_but_tensorflow(graph, tmp_path):
    import tensorflow as tf

    module, function = graph
    module.serve = function
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=function)
    source = (
        "import sys, tensorflow as tf; model = tf.saved_model.load(sys.argv[1]);"
        "made = model.signatures['serving_default'](tf.constant(['The cat sits outside.']));"
        "print(made['token_ids'][0, :8].numpy().tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path / "saved")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[101, 1996, 4937, 7719, 2648, 1012, 102, 0]"


def test_another_kind_of_tokenizer_is_refused(tmp_path):
    from tokenizers import Tokenizer, models, processors

    tokenizer = Tokenizer(models.Unigram([("<s>", 0.0), ("</s>", 0.0), ("a", -1.0)]))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match=r"^Only a WordPiece tokenizer is made a graph\. Received: Unigram\.$"):
        make({}, {"tokenizer": tmp_path / "tokenizer.json"})
