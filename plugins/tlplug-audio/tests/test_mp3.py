"""Where MPEG audio begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlplug_audio.mp3 import find_start, frame_length


@pytest.mark.parametrize(
    ("header", "length"),
    [
        (b"\xff\xfb\x90\x00", 417),  # MPEG 1, 128 kbit/s, 44.1 kHz
        (b"\xff\xfb\x92\x00", 418),  # padded
        (b"\xff\xfa\xe4\x00", 960),  # with a checksum, 320 kbit/s, 48 kHz
        (b"\xff\xf3\x88\x00", 288),  # MPEG 2, 64 kbit/s, 16 kHz
        (b"\xff\xe3\x18\x00", 72),  # MPEG 2.5, 8 kbit/s, 8 kHz
        (b"\xff\xfb\x00\x00", None),  # free format
        (b"\xff\xfb\xf0\x00", None),
        (b"\xff\xfb\x9c\x00", None),  # no rate
        (b"\xff\xfd\x90\x00", None),  # layer II
        (b"\xff\xeb\x90\x00", None),  # no version
        (b"\xff\xfb\x90", None),
        (b"RIFF", None),
    ],
)
def test_the_length_of_a_frame_is_in_its_header(header, length):
    assert frame_length(header) == length


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_real_files_start_where_they_start(encode, noise, rate):
    data = encode(noise(1.0, rate), rate, "MP3")
    assert find_start(data) == 0
    assert find_start(b"\xff\xfb\x90\x00" + b"x" * 300 + data) == 304


@given(st.binary(max_size=2000))
def test_what_it_finds_is_a_chain_of_frames(data):
    start = find_start(data)
    if start is not None:
        assert frame_length(data[start : start + 4]) is not None


@given(st.binary(max_size=50))
def test_a_frame_is_never_empty(data):
    length = frame_length(data)
    assert length is None or 20 < length < 2000


def test_one_header_is_chance():
    assert find_start(b"\xff\xfb\x90\x00" + bytes(2000)) is None
