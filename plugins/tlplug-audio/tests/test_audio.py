"""From a source to the windows of a network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlplug_audio import plugin
from tlplug_audio.audio import cut, make

SAMPLES = 15_600


def defaults(**changes):
    (record,) = plugin.preprocess()
    return {option.name: option.default for option in record.options} | {"input_shape": (SAMPLES,)} | changes


def test_windows_are_those_of_the_original(noise):
    samples = noise(2.0)
    windows = [window["waveform"] for window in make(defaults(), {})(samples)]
    assert [window.shape for window in windows] == [(SAMPLES,)] * len(windows)
    assert all(window.dtype == np.float32 for window in windows)
    hop = round(defaults()["hop"] * 16_000)
    for number, window in enumerate(windows):
        expected = samples[number * hop :][:SAMPLES]
        np.testing.assert_array_equal(window[: len(expected)], expected)
        assert not window[len(expected) :].any()


def test_only_the_last_window_is_a_copy(noise):
    windows = cut(noise(3.0), SAMPLES, 7680)
    assert [np.shares_memory(windows[0].base, window) for window in windows] == [True] * (len(windows) - 1) + [False]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 60))
def test_windows_hold_every_sample_and_none_twice_over(count, size, hop):
    samples = np.arange(1, count + 1)
    windows = cut(samples, size, hop)
    assert {len(window) for window in windows} == {size}
    held = np.concatenate(windows)
    if hop <= size:
        assert set(held) - {0} == set(samples)
        assert len(windows) == 1 + -(-max(count - size, 0) // hop)
    starts = [window[0] for window in windows]
    assert starts == [1 + number * hop for number in range(len(windows))]


def test_short_sounds_are_filled_up(noise):
    (window,) = make(defaults(), {})(noise(0.1))
    assert window["waveform"].shape == (SAMPLES,)
    assert not window["waveform"][1600:].any()
    (window,) = make(defaults(), {})(np.full(1, 0.5))
    assert window["waveform"][0] == 0.5


def test_a_window_says_where_it_is(noise):
    windows = make(defaults(hop=0.5), {})(noise(2.0))
    assert [window["span"] for window in windows] == [
        (0.0, 0.975, "s"),
        (0.5, 1.475, "s"),
        (1.0, 1.975, "s"),
        (1.5, 2.0, "s"),
    ]
    (window,) = make(defaults(), {})(noise(0.1))
    assert window["span"] == (0.0, 0.1, "s")


def test_options(noise):
    assert len(make(defaults(hop=0.975), {})(noise(3.9))) == 4
    assert len(make(defaults(hop=0.975, max_seconds=2.0), {})(noise(3.9))) == 3
    (window,) = make(defaults(input_shape=(None,)), {})(noise(3.9))
    assert window["waveform"].shape == (62_400,)


def test_what_is_remarkable_is_said_once(noise):
    windows = make(defaults(max_seconds=2.0), {})(np.zeros(48_000))
    assert windows[0]["remark"] == "longer than preprocess.max_seconds, only its beginning is used; silent"
    assert all("remark" not in window for window in windows[1:])
    assert all("remark" not in window for window in make(defaults(), {})(noise(2.0)))


@pytest.mark.parametrize("shape", [None, (), (224, 224, 3), (0,), (None, 5)])
def test_networks_that_take_no_waveform_are_refused(shape):
    with pytest.raises(ValueError, match=r"^Sound needs an input shape \(samples,\)\. Received: [^\n]*$"):
        make(defaults(input_shape=shape), {})


def test_what_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "a.wav").write_text("no sound\nat all")
    with pytest.raises(ValueError, match=r"^[^\n]*$"):
        make(defaults(), {})(tmp_path / "a.wav")
