"""Sources of every format, rate, depth and layout become the same waveform."""

from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from tlplug_audio import waveform
from tlplug_audio.waveform import DAMAGED, SHORTENED, SILENT, SoundError, read


def tone(seconds=1.0, rate=16_000, hertz=440.0):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize(
    ("format_", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 1e-2),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-7),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAV", "ULAW", 2e-2),
        ("WAV", "IMA_ADPCM", 5e-2),
        ("WAVEX", "PCM_24", 1e-6),
        ("RF64", "PCM_16", 1e-4),
        ("W64", "PCM_16", 1e-4),
        ("FLAC", "PCM_16", 1e-4),
        ("FLAC", "PCM_24", 1e-6),
        ("OGG", "VORBIS", 5e-2),
        ("OGG", "OPUS", 5e-2),
        ("MP3", "MPEG_LAYER_III", 5e-2),
        ("AIFF", "PCM_16", 1e-4),
        ("AU", "FLOAT", 0),
        ("CAF", "PCM_16", 1e-4),
        ("VOC", "PCM_16", 1e-4),
        ("NIST", "PCM_16", 1e-4),
    ],
)
def test_every_format_is_read_from_a_path_and_from_bytes(tmp_path, encode, format_, subtype, tolerance):
    samples = tone()
    data = encode(samples, 16_000, format_, subtype)
    path = tmp_path / "no ending at all"
    path.write_bytes(data)
    found = read(path)
    assert found.samples.dtype == np.float32
    assert found.remarks == ()
    np.testing.assert_array_equal(read(data).samples, found.samples)
    np.testing.assert_array_equal(read(str(path)).samples, found.samples)
    assert len(found.samples) > 15_900
    count = min(len(samples), len(found.samples))  # some formats have blocks, and fill up the last one
    # Lossy encoders need a moment at both ends.
    assert np.abs(found.samples[:count] - samples[:count])[2000:-1000].max() <= tolerance


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_becomes_16_khz(encode, rate):
    found = read(encode(tone(rate=rate), rate, "WAV", "FLOAT")).samples
    assert len(found) == pytest.approx(16_000, abs=2)
    expected = tone()[: len(found)]
    # At both ends a resampler has nothing to look at.
    assert np.abs(found - expected)[500:-500].max() < 1e-3


def test_blocks_change_nothing(encode, monkeypatch, noise):
    data = encode(noise(2.0, 44_100, channels=2), 44_100, "WAV", "FLOAT")
    whole = read(data).samples
    monkeypatch.setattr(waveform, "_BLOCK", 1000)
    np.testing.assert_array_equal(read(data).samples, whole)


# librosa 0.11 imports modules that later Pythons no longer have.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_equals_librosa(tmp_path, encode, noise):
    import librosa

    (tmp_path / "a.wav").write_bytes(encode(noise(1.0, 44_100, channels=2), 44_100, "WAV", "FLOAT"))
    expected, _ = librosa.load(tmp_path / "a.wav", sr=16_000, mono=True)
    np.testing.assert_allclose(read(tmp_path / "a.wav").samples, expected, rtol=0, atol=1e-6)


def test_channels_are_averaged(encode):
    samples = np.stack([tone(), np.zeros(16_000, np.float32)], axis=1)
    np.testing.assert_allclose(read(encode(samples, 16_000, "WAV", "FLOAT")).samples, tone() / 2, atol=1e-7)
    eight = np.stack([tone(rate=96_000)] * 8, axis=1)
    assert np.abs(read(encode(eight, 96_000, "WAV", "PCM_24")).samples[500:-500] - tone()[500:-500]).max() < 1e-3


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4"])
def test_arrays_are_sounds_of_16_khz(kind, noise):
    samples = noise(0.1).astype(kind)
    expected = samples.astype(np.float32)
    np.testing.assert_array_equal(read(samples).samples, expected)
    np.testing.assert_array_equal(read(np.stack([samples, samples], axis=1)).samples, expected)
    np.testing.assert_array_equal(read(samples[::2]).samples, expected[::2])
    assert read(samples).samples.dtype == np.float32


def test_a_source_is_left_as_it_is(noise):
    samples = noise(0.1)
    samples.flags.writeable = False
    found = read(samples).samples
    found[:] = 0
    assert samples.any()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (np.zeros(10, np.int16), "16-bit samples divided by 32768"),
        (np.zeros((2, 16_000), np.float32), r"\[samples, channels\].* Received: float32 \[2, 16000\]"),
        (np.zeros((2, 2, 2)), r"Received: float64 \[2, 2, 2\]"),
        (np.zeros(10, complex), "Received: complex128"),
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros((5, 0)), "no samples"),
        (np.full(5, np.nan), "Sample 0 is not a finite number"),
        (np.array([0.0, 0.5, -np.inf]), "Sample 2 is not a finite number"),
        (np.array([0.0, 20_000.0]), r"reach 20,000\. Valid: in \[-1, 1\]"),
        (np.array([0.0, 1e300]), "reach 1,000"),
        ([0.0, 1.0], "Received: list"),
        (None, "Received: NoneType"),
        (7, "Received: int"),
        (b"", "empty"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_line(source, reason):
    with pytest.raises(SoundError, match=rf"^[^\n]*{reason}[^\n]*$"):
        read(source)


def test_a_long_recording_is_read_so_far_and_remarked(encode, noise):
    samples = noise(3.0, 44_100, channels=2)
    for source in (encode(samples, 44_100, "FLAC"), encode(samples, 44_100, "MP3"), noise(3.0)):
        found = read(source, max_seconds=1.0)
        assert len(found.samples) == pytest.approx(16_000, abs=2)
        assert found.remarks == (SHORTENED,)
        assert read(source, max_seconds=3.2).remarks == ()


def test_a_file_with_too_many_samples_is_read_so_far_for_that_reason(encode, noise, monkeypatch):
    monkeypatch.setattr(waveform, "_MOST", 32_000)
    found = read(encode(noise(3.0, channels=2), 16_000, "WAV"), max_seconds=600)
    assert len(found.samples) == 16_000
    assert found.remarks == (waveform.LARGE,)


def test_silence_is_remarked(encode, noise):
    hum = noise(1.0) * 1e-4
    for source in (
        np.zeros(16_000),
        encode(np.zeros(100, np.int16)),
        np.stack([noise(), -noise()], axis=1),
        hum * 0.05,
    ):
        assert read(source).remarks == (SILENT,)
    assert read(hum).remarks == ()


def test_threads_read_what_one_reads(encode, noise):
    data = [encode(noise(0.5, 22_050, seed=seed), 22_050, format_) for seed in range(8) for format_ in ("OGG", "MP3")]
    alone = [read(item).samples for item in data]
    with ThreadPoolExecutor(8) as pool:
        for expected, found in zip(alone, pool.map(lambda item: read(item).samples, data), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_reading_imports_neither_librosa_nor_tensorflow(tmp_path, encode, noise):
    (tmp_path / "a.wav").write_bytes(encode(noise(0.5, 8_000), 8_000))
    source = (
        "import sys; from tlplug_audio.audio import make;"
        "make({'input_shape': (15600,)}, {})(sys.argv[1]);"
        "print([name for name in ('librosa', 'numba', 'scipy', 'tensorflow', 'keras', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path / "a.wav")], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC", b"OggS\0\x02", b"ID3\x03", b".snd"]),
)
def test_any_bytes_are_read_or_refused_in_one_line(data, start):
    try:
        found = read(start + data)
    except SoundError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both ends are right
    else:
        assert np.isfinite(found.samples).all()


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=20))
def test_a_damaged_wav_is_read_or_refused_in_one_line(changes):
    data = bytearray(_wav())
    for place, value in changes:
        data[place % 60] = value
    try:
        found = read(bytes(data), max_seconds=5)
    except SoundError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both ends are right
    else:
        assert np.isfinite(found.samples).all()
        assert len(found.samples) <= 5 * 16_000 + 2


def _wav():
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(0.1), 16_000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def test_damage_is_remarked_not_hidden(encode, noise):
    data = encode(noise(2.0), 16_000, "WAV", "PCM_16")
    found = read(data[: len(data) // 2])
    assert found.remarks == (DAMAGED,)
    np.testing.assert_array_equal(found.samples, read(data).samples[: len(found.samples)])
    assert len(found.samples) > 15_000
