"""The augmentations of series: what they may change, and that missing steps stay where they are."""

from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlplug_series import augmentation, plugin
from tlplug_series.augmentation import KNOTS
from tlplug_series.series import make

from tlplug.features import augmenter_for
from tlplug.specs import load_reference

RECORDS = {record.name: record for record in plugin.augmentation()}


def applied(name, series, amount, seed=0):
    """What an augmentation makes of a series, which it must not touch."""
    before = series.copy()
    series.flags.writeable = False
    made = load_reference(RECORDS[name].apply)({"series": series}, np.random.default_rng(seed), amount)["series"]
    series.flags.writeable = True
    np.testing.assert_array_equal(series, before)
    return made


def walk(steps=200, channels=2, seed=0):
    """Random walks, float32 ``[steps, channels]``, far from 0."""
    return np.random.default_rng(seed).normal(size=(steps, channels)).cumsum(axis=0).astype(np.float32) + 50


def test_every_record_is_of_series_and_names_its_code():
    assert list(RECORDS) == ["series-crop", "series-scale", "series-jitter"]
    for record in RECORDS.values():
        assert (record.modality, record.arrays) == ("series", ("series",))
        assert callable(load_reference(record.apply))
        assert 0 < record.light < record.strong
        assert record.summary


@given(
    name=st.sampled_from(sorted(RECORDS)),
    steps=st.integers(1, 40),
    channels=st.integers(1, 3),
    missing=st.integers(0, 40),
    size=st.sampled_from([0.0, 1e-30, 1.0, 3e38]),
    amount=st.sampled_from([0.0, 0.2, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_shape_dtype_chance_and_what_is_missing(name, steps, channels, missing, size, amount, seed):
    series = np.random.default_rng(seed).uniform(-1, 1, (steps, channels)).astype(np.float32) * np.float32(size)
    series[:missing] = np.nan
    first = applied(name, series, amount, seed)
    assert (first.shape, first.dtype) == (series.shape, np.float32)
    np.testing.assert_array_equal(np.isnan(first), np.isnan(series))
    assert not np.isinf(first).any()
    np.testing.assert_array_equal(applied(name, series, amount, seed), first)
    if not amount:
        np.testing.assert_allclose(first, series, rtol=1e-6, atol=1e-6 * size)


def test_a_crop_is_a_part_stretched_to_the_whole():
    line = np.linspace(0, 1, 101, dtype=np.float32)[:, None]
    spans, starts = [], []
    for seed in range(300):
        made = applied("series-crop", line, 0.2, seed)[:, 0]
        np.testing.assert_allclose(np.diff(made), np.diff(made).mean(), atol=1e-6)
        spans.append(float(made[-1] - made[0]))
        starts.append(float(made[0]))
    assert 0.8 <= min(spans) < 0.805
    assert 0.995 < max(spans) <= 1.0
    assert 0 <= min(starts) < 0.005
    assert max(starts) > 0.15


def test_a_crop_of_a_padded_series_is_of_the_steps_that_are_there():
    series = np.full((100, 1), np.nan, np.float32)
    series[40:, 0] = np.linspace(2, 3, 60)
    for seed in range(30):
        made = applied("series-crop", series, 0.5, seed)
        assert np.isnan(made[:40]).all()
        assert made[40:].min() >= 2
        assert made[40:].max() <= 3


def test_a_channel_is_scaled_about_its_mean_by_a_curve_of_its_own():
    series = walk()
    mean = series.mean(axis=0, dtype=np.float64)
    knots = []
    for seed in range(200):
        curves = (applied("series-scale", series, 0.1, seed) - mean) / (series - mean)
        clear = np.abs(series - mean) > 1
        assert curves[clear].min() > 0.3
        knots.append(curves[0])
        assert abs(curves[0, 0] - curves[0, 1]) > 1e-4
    assert np.std(knots) == pytest.approx(0.1, rel=0.15)
    assert KNOTS == 4


def test_jitter_is_as_strong_as_it_says_for_each_channel():
    series = walk(4000) * np.float32([1, 100])
    noise = applied("series-jitter", series, 0.1) - series
    np.testing.assert_allclose(noise.std(axis=0) / series.std(axis=0), 0.1, rtol=0.05)
    constant = np.full((50, 1), 7, np.float32)
    np.testing.assert_array_equal(applied("series-jitter", constant, 0.1), constant)


@pytest.mark.parametrize("fit", ["resample", "pad"])
@pytest.mark.parametrize("strength", ["light", "strong"])
def test_views_of_what_the_preprocess_gives(strength, fit):
    arrays = make({"input_shape": (256, 2), "fit": fit}, {})(walk())
    augmenter = augmenter_for("series", strength, 0)
    views = [augmenter(arrays, b"key", view)["series"] for view in range(10)]
    assert len({view.tobytes() for view in views}) == 10
    for view in views:
        np.testing.assert_array_equal(np.isnan(view), np.isnan(arrays["series"]))
    assert augmenter.identity is not None


def test_augmenting_imports_nothing_but_numpy():
    source = """
import sys
import numpy as np
from tlplug.features import augmenter_for
arrays = {"series": np.ones((64, 2), np.float32)}
for strength in ("light", "strong"):
    augmenter_for("series", strength, 0)(arrays, b"", 1)
print({"tensorflow", "keras", "scipy"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(augmentation)
    assert (result.failed, result.attempted > 0) == (0, True)
