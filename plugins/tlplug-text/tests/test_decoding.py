"""Encodings, and everything that is no text."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlplug_text.decoding import MAX_BYTES, TextError, check_encoding, read

ENGLISH = "Café, naïve – “quoted” £5"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_recognised(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(ENGLISH.encode(encoding))
    assert read(path) == (ENGLISH, "")
    assert read(path.read_bytes()) == (ENGLISH, "")


@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
def test_byte_orders(encoding, mark):
    assert read(mark + ENGLISH.encode(encoding)) == (ENGLISH, "")


def test_the_encoding_of_windows_is_tried_and_remarked():
    assert read(ENGLISH.encode("cp1252")) == (ENGLISH, "not UTF-8, read as Windows-1252")


def test_a_stated_encoding_is_taken():
    assert read("Привет".encode("cp1251"), "cp1251") == ("Привет", "")
    assert read("\ufeffone".encode(), "utf-8") == ("one", "")


def test_a_stated_encoding_that_fails_names_byte_position_and_line():
    with pytest.raises(TextError, match=r"^The text is not utf-8: byte 0xe9 at position 10, line 2\.$"):
        read(b"a line\ncaf\xe9\n", "utf-8")


def test_what_is_in_no_encoding_names_the_byte():
    message = r"^The text is neither UTF-8 \(byte 0x81 at position 4, line 1\) nor Windows-1252\. Save it as UTF-8, "
    with pytest.raises(TextError, match=message):
        read(b"text\x81\x8d")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"a\x00b", "It is no text file: byte 1 is NUL. UTF-16 without a byte order mark"),
        ("a\x00b", "It is no text: character 1 is NUL."),
        ("a\x00b".encode("utf-16"), "It is no text: character 1 is NUL."),
        (b"\x01\x02\x03text", "It is no text file: 3 of its 7 bytes are control characters."),
        (b"\xff\xfea", "The text is not utf-16: byte 0x61 at position 2"),
        (b"a" * (MAX_BYTES + 1), "The text has more than 16,777,216 bytes."),
        ("a" * (MAX_BYTES + 1), "The text has 16,777,217 characters. Valid: at most 16,777,216."),
        (None, "A text is a str, a Path or bytes. Received: NoneType."),
        (1.5, "A text is a str, a Path or bytes. Received: float."),
        (np.zeros(3), "A text is a str, a Path or bytes. Received: ndarray."),
    ],
)
def test_what_is_no_text_gets_one_line(source, reason):
    with pytest.raises(TextError) as caught:
        read(source)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"%PDF-1.7\n%\xe2\xe3"])
def test_binary_files_called_txt(tmp_path, start):
    path = tmp_path / "photo.txt"
    path.write_bytes(start + np.random.default_rng(0).bytes(2000))
    with pytest.raises(TextError, match=r"^It is no text file: "):
        read(path)


def test_what_is_no_file(tmp_path):
    with pytest.raises(TextError, match=r"^There is no such file\.$"):
        read(tmp_path / "none.txt")
    with pytest.raises(TextError, match=r"^It is not a regular file\.$"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(TextError, match=r"^It is not a regular file\.$"):
        read(tmp_path / "pipe.txt")
    with pytest.raises(TextError, match=r"^The file cannot be read: File name too long\.$"):
        read(tmp_path / ("a" * 300))


def test_a_huge_file_is_not_read_as_a_whole(tmp_path):
    path = tmp_path / "log.txt"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TextError, match="more than"):
        read(path)


@given(
    data=st.binary(max_size=300), encoding=st.sampled_from(["auto", "utf-8", "utf-7", "utf-16", "shift_jis", "ascii"])
)
def test_any_bytes_give_a_text_or_one_line(data, encoding):
    reason = text = ""
    try:
        text, _ = read(data, encoding)
    except TextError as error:
        reason = str(error)
    assert "\n" not in reason
    assert "\0" not in text


@pytest.mark.parametrize("name", ["auto", "utf-8", "latin-1", "cp1251", "UTF8"])
def test_encodings_that_there_are(name):
    check_encoding(name)


@pytest.mark.parametrize("name", ["utf-9", "zlib", "rot13", "", "a\0b", "undefined"])
def test_encodings_that_there_are_not(name):
    with pytest.raises(ValueError, match=r"^Unknown text encoding ") as caught:
        check_encoding(name)
    assert "\n" not in str(caught.value)
