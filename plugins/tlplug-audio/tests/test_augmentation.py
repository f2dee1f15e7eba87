"""The augmentations of sounds: what they may change, and by how much."""

from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlplug_audio import augmentation, plugin
from tlplug_audio.spectrogram import FFT, FRAME, STEP

from tlplug.features import augmenter_for
from tlplug.specs import load_reference

RATE = 16_000
RECORDS = {record.name: record for record in plugin.augmentation()}


def applied(name, waveform, amount, seed=0):
    """What an augmentation makes of a sound, which it must not touch."""
    before = waveform.copy()
    waveform.flags.writeable = False
    made = load_reference(RECORDS[name].apply)({"waveform": waveform}, np.random.default_rng(seed), amount)["waveform"]
    waveform.flags.writeable = True
    np.testing.assert_array_equal(waveform, before)
    return made


def level(waveform):
    """Effective value in decibels of full scale."""
    return 10 * np.log10(np.mean(np.square(waveform, dtype=np.float64)))


def test_every_record_is_of_sounds_and_names_its_code():
    assert list(RECORDS) == ["audio-shift", "audio-gain", "audio-noise", "audio-mask"]
    for record in RECORDS.values():
        assert (record.modality, record.arrays) == ("audio", ("waveform",))
        assert callable(load_reference(record.apply))
        assert 0 < record.light < record.strong
        assert record.summary


@given(
    name=st.sampled_from(sorted(RECORDS)),
    samples=st.integers(1, 400),
    peak=st.sampled_from([0.0, 1e-30, 0.01, 1.0, 2.5]),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_shape_dtype_range_and_chance(name, samples, peak, share, seed):
    waveform = np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32) * np.float32(peak)
    amount = share * RECORDS[name].strong
    first = applied(name, waveform, amount, seed)
    assert (first.shape, first.dtype) == (waveform.shape, np.float32)
    assert np.abs(first).max() <= max(1.0, np.abs(waveform).max())
    np.testing.assert_array_equal(applied(name, waveform, amount, seed), first)
    if not amount:
        np.testing.assert_allclose(first, waveform, atol=1e-6 * max(peak, 1e-30))
    if not peak:
        assert not first.any()


def test_a_shift_goes_round_the_ends_in_both_directions():
    waveform = np.arange(1000, dtype=np.float32) / 1000
    shifts = [int(np.argmin(applied("audio-shift", waveform, 0.1, seed))) for seed in range(300)]
    shifts = np.array([shift - 1000 if shift > 500 else shift for shift in shifts])
    assert shifts.min() in range(-100, -90)
    assert shifts.max() in range(91, 101)
    np.testing.assert_array_equal(np.sort(applied("audio-shift", waveform, 0.5)), waveform)


def test_the_gain_is_as_many_decibels_as_it_says(noise):
    quiet = noise(0.2) * np.float32(0.1)
    gains = np.array([level(applied("audio-gain", quiet, 6, seed)) - level(quiet) for seed in range(300)])
    assert -6 <= gains.min() < -5.8
    assert 5.8 < gains.max() <= 6.0001


def test_no_gain_clips_a_sound():
    loud = np.sin(np.arange(1000) / 10).astype(np.float32) * np.float32(0.9)
    for seed in range(50):
        made = applied("audio-gain", loud, 12, seed)
        factor = made[100] / loud[100]
        assert factor <= 1 / 0.9 + 1e-5
        np.testing.assert_allclose(made, loud * factor, rtol=1e-5)


def test_the_noise_is_as_far_below_the_sound_as_it_says():
    tone = np.sin(np.arange(16_000) / 10).astype(np.float32) * np.float32(0.3)
    ratios = [level(tone) - level(applied("audio-noise", tone, 0.1, seed) - tone) for seed in range(200)]
    assert 19.8 < min(ratios) < 21
    assert 39 < max(ratios) < 40.2


def spectrogram(waveform):
    frames = np.lib.stride_tricks.sliding_window_view(waveform, FRAME)[::STEP] * np.hanning(FRAME)
    return np.abs(np.fft.rfft(frames, FFT)) ** 2


def test_a_mask_silences_a_stretch_and_a_band_and_nothing_else(noise):
    sound, stretches, bands = noise(0.975), [], []
    before = spectrogram(sound)
    for seed in range(60):
        made = applied("audio-mask", sound, 0.34, seed)
        silent = made == 0
        stretches.append(silent.mean())
        ends = np.flatnonzero(np.diff(np.r_[False, silent, False].astype(int)))
        assert len(ends) <= 2, "more than one stretch"
        # In frames that have nothing of the stretch, what is left of each frequency's power.
        whole = ~np.lib.stride_tricks.sliding_window_view(silent, FRAME)[::STEP].any(axis=1)
        left = spectrogram(made)[whole].sum(axis=0) / before[whole].sum(axis=0)
        mel = np.log1p(np.arange(len(left)) * RATE / FFT / 700)
        mel /= mel[-1]
        gone = left < 0.01
        bands.append(np.ptp(mel[gone]) if gone.any() else 0.0)
        inside = (mel >= mel[gone].min() - 0.05) & (mel <= mel[gone].max() + 0.05) if gone.any() else gone
        if gone.any():
            assert np.median(left[~inside]) == pytest.approx(1, abs=0.01)
            assert gone.sum() >= np.flatnonzero(gone)[-1] - np.flatnonzero(gone)[0], "more than one band"
    assert 0.3 < max(stretches) <= 0.341
    assert 0.25 < max(bands) <= 0.34
    assert min(stretches) < 0.05


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_views_of_a_window_differ(strength, noise):
    augmenter, arrays = augmenter_for("audio", strength, 0), {"waveform": noise(0.975)}
    views = {augmenter(arrays, b"key", view)["waveform"].tobytes() for view in range(10)}
    assert len(views) == 10
    assert augmenter.identity is not None


def test_augmenting_imports_nothing_but_numpy():
    source = """
import sys
import numpy as np
from tlplug.features import augmenter_for
arrays = {"waveform": np.ones(15_600, np.float32)}
for strength in ("light", "strong"):
    augmenter_for("audio", strength, 0)(arrays, b"", 1)
print({"tensorflow", "keras", "librosa", "soundfile", "scipy"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(augmentation)
    assert (result.failed, result.attempted > 0) == (0, True)
