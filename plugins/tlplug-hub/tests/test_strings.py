"""The preprocess of texts as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlplug_hub.strings import MAX_BYTES, make, preview, read

import tlplug


def preprocess(**options):
    return make({"input_shape": (), **options}, {})


def test_texts_files_and_bytes_are_sources(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9 one\n")
    for source in (path, path.read_bytes(), "\ufeffcafé one\n"):
        arrays = preprocess()(source)
        assert list(arrays) == ["text"]
        assert (arrays["text"].shape, arrays["text"].dtype) == ((), np.dtype(object))
        assert arrays["text"].item() == "café one\n"


def test_long_texts_are_cut_and_remarked():
    arrays = preprocess(max_characters=4)("a longer text")
    assert (arrays["text"].item(), arrays["remark"]) == ("a lo", "cut after 4 characters")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "The text is empty."),
        (" \n\t", "The text has no words, only white space."),
        ("a\0b", "It is no text: character 1 is NUL."),
        ("\ud800", "It is no text: character 0 is half of a surrogate pair."),
        (b"fine\ncaf\xe9", "The text is not utf-8: byte 0xe9 at position 8, line 2. Save it as UTF-8, or state its "),
        (b"a" * (MAX_BYTES + 1), "The text has more than 16,777,216 bytes."),
        (3, "A text is a str, a Path or bytes. Received: int."),
    ],
)
def test_what_is_no_text_is_one_line(source, said):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        preprocess()(source)
    assert str(error.value).startswith(said)


def test_files_that_cannot_be_read_are_one_line(tmp_path):
    for path, said in ((tmp_path / "no.txt", "There is no such file."), (tmp_path, "It is not a regular file.")):
        with pytest.raises(ValueError, match=rf"^{said}$"):
            preprocess()(path)


def test_the_encoding_may_be_stated():
    assert preprocess(encoding="latin-1")(b"caf\xe9")["text"].item() == "café"
    assert read("é".encode("utf-16"), "utf-16") == "é"
    for name in ("no-such", "base64", ""):
        with pytest.raises(tlplug.OptionError, match=r"^Unknown text encoding"):
            preprocess(encoding=name)


def test_a_network_of_arrays_is_refused():
    with pytest.raises(ValueError, match=r"^Texts as they are need a network that takes strings"):
        make({"input_shape": (3,)}, {})


@given(st.binary())
def test_any_bytes_give_a_text_or_one_line(data):
    said = ""
    try:
        text = preprocess()(data)["text"].item()
    except ValueError as error:
        said, text = str(error), "x"
    assert "\n" not in said
    assert text.strip()


def test_a_preview_is_the_beginning():
    kind, body = preview("word " * 1000)
    assert kind == "text/plain"
    assert body.decode() == ("word " * 1000)[:299] + "…"
    assert preview("one\ntwo")[1] == b"one two"
