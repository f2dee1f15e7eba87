"""The policy: lengths, gaps, channels, and what is refused."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tlplug_series import plugin
from tlplug_series.series import CONSTANT, FILLED, make, suggest

FLOATS = st.floats(-1e6, 1e6, width=32)


def defaults(length=8, channels=1, **changes):
    (record,) = plugin.preprocess()
    return {option.name: option.default for option in record.options} | {"input_shape": (length, channels)} | changes


def prepared(source, **options):
    return make(defaults(**options), {})(source)


def refused(source, **options):
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        prepared(source, **options)
    return str(caught.value)


def test_values_stay_as_they_are():
    arrays = prepared(np.arange(8) * 100.0)
    assert set(arrays) == {"series"}
    assert arrays["series"].dtype == np.float32
    np.testing.assert_array_equal(arrays["series"], np.arange(8, dtype=np.float32)[:, None] * 100)


def test_the_whole_series_is_resampled_with_its_ends():
    series = prepared([0.0, 1.0, 4.0], length=5)["series"]
    np.testing.assert_array_equal(series[:, 0], [0, 0.5, 1, 2.5, 4])
    np.testing.assert_array_equal(prepared([0.0, 5.0, 1.0, 9.0, 2.0], length=3)["series"][:, 0], [0, 1, 2])
    np.testing.assert_array_equal(prepared([7.0], length=3)["series"][:, 0], [7, 7, 7])


def test_every_channel_is_resampled_by_itself():
    source = np.stack([np.arange(4.0), 30 - 10 * np.arange(4.0)], axis=1)
    series = prepared(source, length=7, channels=2)["series"]
    np.testing.assert_allclose(series[:, 1], 30 - 10 * series[:, 0], rtol=1e-6)


def test_padding_stands_before_the_first_step_and_cutting_keeps_the_last():
    short = prepared([1.0, 2.0, 4.0], length=5, fit="pad")
    np.testing.assert_array_equal(short["series"][:, 0], [np.nan, np.nan, 1, 2, 4])
    assert "remark" not in short
    long = prepared(np.arange(9.0), length=5, fit="pad")
    np.testing.assert_array_equal(long["series"][:, 0], [4, 5, 6, 7, 8])
    assert long["remark"] == "longer than 5 steps, only the last ones are used"


@pytest.mark.parametrize("fit", ["resample", "pad"])
def test_a_network_without_a_length_gets_the_series_as_long_as_it_is(fit):
    assert prepared(np.arange(11.0), length=None, fit=fit)["series"].shape == (11, 1)


def test_missing_values_are_interpolated_within_their_channel():
    source = np.array([[np.nan, 1], [2, np.nan], [np.nan, np.nan], [np.nan, 4], [8, 5], [np.nan, 6]])
    arrays = prepared(source, length=None, channels=2)
    np.testing.assert_array_equal(arrays["series"][:, 0], [2, 2, 4, 6, 8, 8])
    np.testing.assert_array_equal(arrays["series"][:, 1], [1, 2, 3, 4, 5, 6])
    assert arrays["remark"] == FILLED
    assert np.isnan(source).sum() == 6  # what was given is left alone


def test_missing_values_are_refused_where_that_is_asked_for():
    reason = refused([1.0, np.nan, np.nan, 4.0], missing="refuse")
    assert reason.startswith("Step 2 of channel 1 is missing, 2 values in all.")
    assert "remark" not in prepared([1.0, 2.0, 4.0], missing="refuse")


def test_a_channel_without_a_value_is_refused():
    assert refused([np.nan, np.nan]) == "The series has no value, all are missing."
    assert refused([[1, np.nan], [2, np.nan]], channels=2) == "Channel 2 has no value, all are missing."


def test_a_constant_is_information_and_remarked():
    assert prepared([3.0, 3.0, np.nan])["remark"] == f"{FILLED}; {CONSTANT}"
    assert prepared([5])["remark"] == CONSTANT
    assert "remark" not in prepared([[1, 2], [1, 3]], channels=2)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ([1.0, np.inf, 2.0], "Step 2 of channel 1 is infinite."),
        ([[1.0, 2.0], [1.0, -np.inf]], "Step 2 of channel 2 is infinite."),
        ([1.0, 1e39], "Step 2 of channel 1 is beyond 3.4e38, which single precision cannot hold."),
        ([], "The series is empty."),
        (np.zeros((0, 1)), "The series is empty."),
        (np.zeros((3, 0)), "The series is empty."),
        (np.zeros((2, 2, 2)), "A series is an array of real numbers [time] or [time, channels]. Received: float64 "),
        (np.float64(3), "A series is a path, the bytes of a file, a NumPy array or a list. Received: float64."),
        (np.array(3), "A series is an array of real numbers [time] or [time, channels]. Received: int64 []."),
        (np.array([1 + 2j]), "A series is an array of real numbers [time] or [time, channels]. Received: complex128 "),
        (["1", "2"], "A series is an array of real numbers [time] or [time, channels]. Received: <U1 [2]."),
        ([1, None], "A series is an array of real numbers [time] or [time, channels]. Received: object [2]."),
        ([[1, 2], [3]], "The rows of the list do not have the same number of values."),
        (np.array(["2020-01-01"], "datetime64[D]"), "A series is an array of real numbers"),
        (None, "A series is a path, the bytes of a file, a NumPy array or a list. Received: NoneType."),
        (np.zeros((4, 2000)), "The series has 2,000 channels. Valid: at most 1,024; an array is [time, channels]."),
        (np.broadcast_to(0.0, 1 << 23), "The series has 8,388,608 steps of 1 channels. Valid: at most 4,194,304 steps"),
        (np.broadcast_to(0.0, (1 << 20, 100)), "The series has 1,048,576 steps of 100 channels. Valid: at most"),
    ],
)
def test_what_is_no_series_is_refused(source, reason):
    assert refused(source).startswith(reason)


def test_other_channels_are_refused_with_what_is_valid():
    assert refused(np.zeros((5, 3))) == (
        "The series has 3 channels and 5 steps. Valid: 1 channel, as the network was built for."
    )
    assert "Is a row a series?" in refused(np.zeros((5, 150)))
    assert refused([1.0, 2.0], channels=2).startswith("The series has 1 channel and 2 steps. Valid: 2 channels")


@pytest.mark.parametrize("shape", [None, (), (150,), (150, None), (0, 1), (150, 0), (1, 2, 3)])
def test_networks_that_take_no_series_are_refused(shape):
    with pytest.raises(ValueError, match=r"^A series needs an input shape \(length, channels\)\. Received: [^\n]*$"):
        make({"input_shape": shape}, {})


def test_kinds_of_numbers():
    for dtype in ("bool", "int8", "uint64", ">i4", "float16", "float32", ">f8", "longdouble"):
        assert prepared(np.array([0, 1, 1], dtype), length=3)["series"][:, 0].tolist() == [0, 1, 1]
    masked = np.ma.masked_array([1, 99, 3], [False, True, False])
    assert prepared(masked, length=3)["series"][:, 0].tolist() == [1, 2, 3]
    assert prepared(np.asfortranarray(np.arange(6.0).reshape(3, 2)), channels=2)["series"].flags.c_contiguous


def test_what_the_network_needs_is_suggested():
    assert suggest([1, 2, 3]) == {"channels": 1}
    assert suggest(np.zeros((5, 6))) == {"channels": 6}
    assert suggest(b"x,y\n1,2\n") == {"channels": 2}
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        suggest(b"")


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=FLOATS | st.just(np.nan)),
    st.integers(1, 30),
    st.sampled_from(["resample", "pad"]),
)
def test_what_comes_out_is_finite_and_within_what_went_in(source, length, fit):
    if np.isnan(source).all(axis=0).any():
        assert "no value" in refused(source, channels=source.shape[1])
        return
    series = prepared(source, length=length, channels=source.shape[1], fit=fit)["series"]
    assert series.shape == (length, source.shape[1])
    gaps = np.isnan(series).any(axis=1)
    assert not gaps.any() or (fit == "pad" and gaps.sum() == length - len(source) and gaps[: gaps.sum()].all())
    kept = series[~gaps]
    assert (kept <= np.nanmax(source, axis=0) + 1e-3).all()
    assert (kept >= np.nanmin(source, axis=0) - 1e-3).all()


def test_several_threads_may_call_it():
    function, results = make(defaults(length=50), {}), [None] * 8
    sources = [np.sin(np.arange(40.0 + number)) for number in range(8)]

    def run(number):
        for _ in range(50):
            results[number] = function(sources[number])["series"]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for source, result in zip(sources, results, strict=True):
        np.testing.assert_array_equal(result, function(source)["series"])
