"""The preprocess as a graph and as code that travels with exports gives what the real one gives."""

from __future__ import annotations

import struct
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_audio import audio, graph, plugin, pooling, standalone, synthesis, voices

from tlplug.testing import prepare_alone

(RECORD,) = plugin.preprocess()
DEFAULTS = MappingProxyType({"input_shape": (15_600,), **{option.name: option.default for option in RECORD.options}})


def real(source, options):
    return np.stack([window["waveform"] for window in audio.make(options, {})(source)])


def about(options):
    return {"preprocess": {"options": {**options, "input_shape": list(options["input_shape"])}}}


def graphed(batch, options):
    import tensorflow as tf

    prepare = graph.make(options, {})
    arrays, counts = tf.function(prepare, input_signature=[prepare.raw])(tf.constant(batch))
    return np.asarray(arrays["waveform"]), np.asarray(counts)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Recorded voices where they are installed, else synthesised sounds."""
    folder = tmp_path_factory.mktemp("clips")
    if voices.SOUNDS.is_dir():
        voices.write(folder)
    else:
        synthesis.write(folder)
    return sorted(folder.rglob("*.wav"))


def test_clips_become_the_same_samples_and_windows(clips):
    for path in clips[::6]:
        expected = real(path, DEFAULTS)
        samples = standalone.read(path, about(DEFAULTS))
        np.testing.assert_array_equal(standalone.prepare(samples, about(DEFAULTS))["waveform"], expected)
        windows, counts = graphed(samples[None], DEFAULTS)
        np.testing.assert_array_equal(windows, expected)
        assert counts.tolist() == [len(expected)]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 120)),
    st.integers(1, 200),
    st.integers(1, 300),
)
def test_every_length_is_cut_into_the_same_windows(length, batch, size, hop, limit):
    options = {"input_shape": (size,), "hop": hop / 16_000, "max_seconds": limit / 16_000, "pool": "mean"}
    sounds = np.random.default_rng(length).uniform(-1, 1, (batch, length)).astype(np.float32)
    expected = [real(sound, options) for sound in sounds]
    windows, counts = graphed(sounds, options)
    np.testing.assert_array_equal(windows, np.concatenate(expected))
    assert counts.tolist() == [len(one) for one in expected]
    for sound, one in zip(sounds, expected, strict=True):
        samples = standalone.read(sound, about(options))
        np.testing.assert_array_equal(standalone.prepare(samples, about(options))["waveform"], one)


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (8_000, 2), (44_100, 2), (48_000, 1)])
def test_files_of_every_kind_are_read_to_the_same_bits(format, rate, channels, noise, encode, tmp_path):
    content = encode(noise(7.3, rate, channels), rate, format)
    path = tmp_path / "sound"
    path.write_bytes(content)
    expected = real(path, DEFAULTS)
    for source in (path, str(path), content):
        samples = standalone.read(source, about(DEFAULTS))
        np.testing.assert_array_equal(standalone.prepare(samples, about(DEFAULTS))["waveform"], expected)


def test_long_files_of_many_blocks_are_read_to_the_same_bits(noise, encode):
    options = {**DEFAULTS, "max_seconds": 40.0}
    content = encode(noise(45, 44_100, 2), 44_100, "FLAC")
    expected = real(content, options)
    samples = standalone.read(content, about(options))
    assert len(samples) == 640_000
    np.testing.assert_array_equal(standalone.prepare(samples, about(options))["waveform"], expected)


@pytest.mark.parametrize("format", ["FLAC", "OGG", "MP3", "WAV"])
def test_of_files_that_are_cut_off_the_same_is_used(format, noise, encode):
    content = encode(noise(5), format=format)
    content = content[: len(content) * 2 // 3]
    samples = standalone.read(content, about(DEFAULTS))
    np.testing.assert_array_equal(standalone.prepare(samples, about(DEFAULTS))["waveform"], real(content, DEFAULTS))


def test_arrays_are_read_to_the_same_bits(noise):
    for source in (noise(2), noise(2, channels=3), noise(0.1).astype(np.float64), noise(2, channels=2)[:, :1]):
        samples = standalone.read(source, about(DEFAULTS))
        np.testing.assert_array_equal(standalone.prepare(samples, about(DEFAULTS))["waveform"], real(source, DEFAULTS))


@pytest.mark.parametrize(
    "rubbish",
    [b"\0" * 5000, b"<html>no sound</html>" * 50, bytes(range(256)) * 30, b"RIFF\xff\xfb\x90\x00WAVE", b"ID3\xff"],
)
def test_an_mp3_behind_rubbish_is_read_to_the_same_bits(rubbish, noise, encode, tmp_path):
    content = rubbish + encode(noise(2.0, 44_100, channels=2), 44_100, "MP3")
    path = tmp_path / "sound.mp3"
    path.write_bytes(content)
    for source in (path, content):
        samples = standalone.read(source, about(DEFAULTS))
        np.testing.assert_array_equal(standalone.prepare(samples, about(DEFAULTS))["waveform"], real(source, DEFAULTS))


@pytest.mark.parametrize("format", ["FLAC", "MP3"])
def test_of_files_with_a_hole_the_same_is_used(format, noise, encode):
    content = bytearray(encode(noise(4), format=format))
    content[len(content) // 2 : len(content) // 2 + 2000] = bytes(2000)
    samples = standalone.read(bytes(content), about(DEFAULTS))
    expected = real(bytes(content), DEFAULTS)
    np.testing.assert_array_equal(standalone.prepare(samples, about(DEFAULTS))["waveform"], expected)


def refused(noise, encode, folder):
    wav = bytearray(encode(noise(1.0), subtype="PCM_16"))
    for rate in (0, 999, 768_001, 0x7FFFFFFF):
        wav[24:28] = struct.pack("<I", rate)
        yield bytes(wav)
    yield bytes(wav[:30])
    yield bytes(wav[:44])
    yield from (b"", b"\n", b"this is no sound\n" * 100, bytes(100_000), b"RIFF\xff\xff\xff\xffWAVE")
    yield from (encode(np.zeros(0, np.float32), format=format) for format in ("WAV", "FLAC", "AIFF"))
    for loud in (np.nan, np.inf, -30_000.0, 101.0):
        samples = noise(2.0, channels=2)
        samples[30_000, 1] = loud
        yield samples
        yield encode(samples, 44_100, "WAV", "FLOAT")
    yield encode(np.array([0, 0, 1e300, 0]), 44_100, "WAV", "DOUBLE")
    yield np.array([0, 16_000, -30_000], np.int16)
    yield from (np.zeros((2, 3, 4), np.float32), np.zeros((2, 65), np.float32), np.zeros(0, np.float32), np.float32(1))
    yield from (np.zeros((5, 0), np.float32), None, [0.0, 0.5], folder, folder / "none.wav", "a\0b.wav")


def test_what_the_real_one_refuses_is_refused_in_one_line(noise, encode, tmp_path):
    for source in refused(noise, encode, tmp_path):
        for refuse in (audio.make(DEFAULTS, {}), lambda source: standalone.read(source, about(DEFAULTS))):
            with pytest.raises(ValueError, match=r"^[^\n]+$"):
                refuse(source)


@pytest.mark.parametrize("options", [{"input_shape": (2, 3)}, {"input_shape": (100,), "hop": 0.0}])
def test_what_is_no_sound_is_refused_as_by_the_real_one(options):
    with pytest.raises(ValueError, match="sample"):
        graph.make(options, {})


@pytest.mark.parametrize("kind", pooling.POOLS)
@pytest.mark.parametrize("windows", [1, 2, 60])
def test_pooling_in_a_graph_is_the_same(kind, windows):
    embeddings = np.random.default_rng(windows).gamma(0.5, size=(windows, 512)).astype(np.float32)
    expected = pooling.pool(embeddings, {"pool": kind})
    found = np.asarray(pooling.pool_graph(embeddings, {"pool": kind}))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_code_that_travels_needs_neither_tlplug_nor_tensorflow(noise, encode, tmp_path):
    (tmp_path / "a.wav").write_bytes(encode(noise(seconds=1.5)))
    arrays = prepare_alone("tlplug_audio.standalone", tmp_path / "a.wav", DEFAULTS)
    assert {name: array.shape for name, array in arrays.items()} == {"waveform": (3, 15_600)}
