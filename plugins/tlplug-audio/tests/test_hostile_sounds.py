"""Files that lie, break off or are something else: each is read as far as it goes or refused, within bounds."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from tlplug_audio.waveform import DAMAGED, SoundError, read

SIZE, RATE = slice(40, 44), slice(24, 28)
"""Where the header of a plain WAV file has the bytes of its data, and its rate."""


@pytest.fixture
def wav(encode, noise):
    """The bytes of one second of 16-bit WAV, which may be changed."""
    return bytearray(encode(noise(1.0), 16_000, "WAV", "PCM_16"))


@pytest.mark.parametrize("format_", ["WAV", "AIFF", "AU", "W64", "RF64", "FLAC", "MP3"])
def test_a_file_that_breaks_off_is_read_so_far(encode, noise, format_):
    data = encode(noise(4.0), 16_000, format_)
    whole = read(data)
    found = read(data[: len(data) // 2])
    # W64's reader takes the length of the file for that of the data.
    assert found.remarks == (() if format_ in ("W64", "RF64") else (DAMAGED,))
    assert 0.3 < len(found.samples) / len(whole.samples) < 0.7
    # The last frame of MP3 is missing parts.
    length = len(found.samples) - (2500 if format_ == "MP3" else 0)
    np.testing.assert_array_equal(found.samples[:length], whole.samples[:length])


def test_a_hole_in_the_middle_ends_the_sound(encode, noise):
    for format_ in ("FLAC", "MP3"):
        data = bytearray(encode(noise(4.0), 16_000, format_))
        data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
        assert read(bytes(data)).remarks == (DAMAGED,)


def test_a_flac_stream_without_a_length_is_whole(encode, noise):
    """As ffmpeg and flac write it to a pipe."""
    data = bytearray(encode(noise(2.0), 16_000, "FLAC"))
    start = data.index(b"fLaC") + 8
    data[start + 13] &= 0xF0
    data[start + 14 : start + 18] = bytes(4)
    found = read(bytes(data))
    assert len(found.samples) == 32_000
    assert found.remarks == ()
    assert read(bytes(data[: len(data) // 2])).remarks == (DAMAGED,)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFF0])
def test_a_wav_stream_without_a_length_is_whole(wav, size):
    wav[4:8] = wav[SIZE] = struct.pack("<I", size)
    found = read(bytes(wav))
    assert len(found.samples) == 16_000
    assert found.remarks == ()


def test_a_header_that_promises_more_is_remarked(wav):
    wav[4:8] = wav[SIZE] = struct.pack("<I", 1_000_000_000)
    found = read(bytes(wav))
    assert len(found.samples) == 16_000
    assert found.remarks == (DAMAGED,)


def test_files_without_samples_are_refused(wav, encode):
    empty = np.zeros(0, np.float32)
    sources = [encode(empty, 16_000, format_) for format_ in ("WAV", "FLAC", "AIFF", "AU")]
    for source in (*sources, bytes(wav[:44])):
        with pytest.raises(SoundError, match=r"^[^\n]*$"):
            read(source)


@pytest.mark.parametrize("rate", [0, 1, 999, 768_001, 0x7FFFFFFF, 0xFFFFFFFF])
def test_rates_that_no_sound_has_are_refused(wav, rate):
    wav[RATE] = struct.pack("<I", rate)
    with pytest.raises(SoundError, match=r"^[^\n]*(sample rate|damaged)[^\n]*$"):
        read(bytes(wav))


def test_samples_that_are_no_numbers_are_named(encode, noise):
    samples = noise(20.0, channels=2)
    samples[300_000, 1] = np.nan
    with pytest.raises(SoundError, match=r"^Sample 300,000 is not a finite number\.$"):
        read(encode(samples, 44_100, "WAV", "FLOAT"))
    with pytest.raises(SoundError, match=r"^Sample 2 is not a finite number\.$"):
        read(encode(np.array([0, 0, 1e300, 0]), 44_100, "WAV", "DOUBLE"))
    with pytest.raises(SoundError, match="reach 30,000"):
        read(encode(np.full(100, -30_000.0), 44_100, "WAV", "FLOAT"))


@pytest.mark.parametrize(
    "rubbish",
    [b"\0" * 5000, b"<html>no sound</html>" * 50, bytes(range(256)) * 30, b"RIFF\xff\xfb\x90\x00WAVE", b"ID3\xff"],
)
def test_rubbish_in_front_of_an_mp3_is_passed_over(encode, noise, rubbish):
    data = encode(noise(2.0, 44_100, channels=2), 44_100, "MP3")
    np.testing.assert_array_equal(read(rubbish + data).samples, read(data).samples)


def test_other_files_are_refused_in_one_line(tmp_path, wav):
    contents = {
        "text.wav": b"this is no sound\n" * 100,
        "line.wav": b"\n",
        "page.mp3": b"<html><body>404</body></html>",
        "zeros.flac": bytes(100_000),
        "pickle.wav": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c",
        "picture.wav": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "short.wav": bytes(wav[:30]),
        "riff.wav": b"RIFF\xff\xff\xff\xffWAVE",
        "empty.wav": b"",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SoundError, match=r"^[^\n]*$"):
            read(tmp_path / name)
    with pytest.raises(SoundError, match="It is no sound file, or a damaged one"):
        read(tmp_path / "text.wav")


def test_what_is_no_file_is_refused_and_no_pipe_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    refused = []

    def attempt():
        for name in ("pipe.wav", "folder.wav", "loop.wav", "missing.wav"):
            with pytest.raises(SoundError) as error:
                read(tmp_path / name)
            refused.append(str(error.value))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(20)
    assert refused == ["It is not a regular file."] * 2 + ["There is no such file."] * 2
    with pytest.raises(SoundError, match="not a regular file"):
        read("/dev/zero")
    with pytest.raises(SoundError, match=r"^[^\n]*$"):
        read("a\0b.wav")


def test_odd_names_are_no_trouble(tmp_path, wav):
    for name in ("ünïcode 音.wav", "two\nlines.wav", "-rf.wav", os.fsdecode(b"latin-\xe9.wav"), "image.raw", "sd2.sd2"):
        (tmp_path / name).write_bytes(wav)
        assert len(read(tmp_path / name).samples) == 16_000


SCRIPT = """
    import io, resource, struct, sys, time
    import numpy as np, soundfile
    from tlplug_audio.waveform import SoundError, read

    def peak():
        line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024

    def write(samples, rate, format):
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate, format=format)
        return bytearray(buffer.getvalue())

    read(bytes(write(np.ones((1000, 2)) / 2, 44100, "WAV")))
    before = peak()
    # A header that promises 4 GB, then one of 2 ** 36 FLAC samples, each with next to nothing behind it.
    wav = write(np.ones(1000) / 2, 44100, "WAV")
    wav[40:44] = struct.pack("<I", 0xFFFFFFF0)
    read(bytes(wav))
    flac = write(np.ones(1000) / 2, 44100, "FLAC")
    start = flac.index(b"fLaC") + 8
    flac[start + 13] |= 0x0F
    flac[start + 14:start + 18] = b"\\xff" * 4
    read(bytes(flac))
    wide = write(np.ones((50, 1024)) / 2, 44100, "WAV")
    read(bytes(wide))
    # Half an hour of silence in a few kilobytes is decoded for its first ten minutes.
    still = bytes(write(np.zeros((96000 * 60, 8), np.int16), 96000, "FLAC"))
    middle = peak()
    started = time.perf_counter()
    assert len(read(still, max_seconds=30).samples) == 30 * 16000
    print(middle - before, peak() - middle, time.perf_counter() - started)
"""


def test_what_a_header_says_is_never_allocated():
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    headers, decoding, seconds = map(float, done.stdout.split())
    assert headers < 200  # of which the written minute of eight channels has nearly all
    assert decoding < 20
    assert seconds < 30
