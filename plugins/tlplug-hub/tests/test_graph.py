"""The preprocess of texts as a graph, and as it travels along with exports, against the preprocess itself."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_hub import plugin, standalone
from tlplug_hub.graph import make as make_graph
from tlplug_hub.strings import make

from tlplug.testing import prepare_alone

OPTIONS = {option.name: option.default for option in plugin.preprocess()[0].options}
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def about(**options):
    return {"preprocess": {"options": {**OPTIONS, **options}}}


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1), most=st.integers(1, 12))
def test_texts_are_cut_after_as_many_characters(texts, most):
    arrays, counts = make_graph({"max_characters": most}, {})(np.array([text.encode() for text in texts], object))
    assert counts is None
    assert [text.decode() for text in arrays["text"].numpy()] == [text[:most] for text in texts]


def test_bytes_that_are_no_utf8_leave_the_others_of_their_batch_as_they_are():
    arrays, _ = make_graph({"max_characters": 3}, {})(np.array([b"\xff\xfe caf\xe9", "東京東京".encode(), b""], object))
    assert arrays["text"].numpy().tolist()[1:] == ["東京東".encode(), b""]


@settings(deadline=None)
@given(text=TEXTS, most=st.integers(1, 12))
def test_what_travels_along_prepares_as_in_training(text, most):
    raw = standalone.read(text, about(max_characters=most))
    try:
        expected = make({"input_shape": (), **OPTIONS, "max_characters": most}, {})(text)["text"]
    except ValueError as error:
        with pytest.raises(ValueError, match=f"^{re.escape(str(error))}$"):
            standalone.prepare(raw, about())
        return
    arrays = standalone.prepare(raw, about(max_characters=most))
    assert arrays["text"].dtype == object
    assert arrays["text"].tolist() == [expected.item()]


def test_files_and_bytes_are_read_as_stated(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    assert standalone.read(tmp_path / "a.txt", about()) == standalone.read("\ufeffcafé", about()) == "café"
    assert standalone.read(b"caf\xe9", about(encoding="latin-1")) == "café"


@pytest.mark.parametrize("source", [b"caf\xe9", b"a\0b", "\ud800", None, bytes((16 << 20) + 1)])
def test_what_the_real_one_refuses_is_refused_in_the_same_words(source, tmp_path):
    sources = [source]
    if isinstance(source, bytes):
        sources.append(tmp_path / "a.txt")
        sources[1].write_bytes(source)
    for each in sources:
        with pytest.raises(ValueError, match=r"\S") as expected:
            make({"input_shape": (), **OPTIONS}, {})(each)
        with pytest.raises(ValueError, match=re.escape(str(expected.value).partition(".")[0])):
            standalone.read(each, about())


def test_the_code_that_travels_needs_neither_tlplug_nor_tensorflow(tmp_path):
    (tmp_path / "a.txt").write_text("some words")
    arrays = prepare_alone("tlplug_hub.standalone", tmp_path / "a.txt", {"input_shape": (), **OPTIONS})
    assert {name: array.shape for name, array in arrays.items()} == {"text": (1,)}
