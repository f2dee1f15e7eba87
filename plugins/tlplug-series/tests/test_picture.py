"""The picture of a series."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from tlplug_series.picture import CHANNELS, HEIGHT, WIDTH, preview


def lines(source):
    """The points of each line, ``[n, 2]``."""
    media, data = preview(source)
    assert media == "image/svg+xml"
    assert len(data) < 60_000
    paths = ET.fromstring(data).iter("{http://www.w3.org/2000/svg}path")  # noqa: S314 - made here
    points = [np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get("d")), float) for path in paths]
    for one in points:
        assert ((one >= 0) & (one <= (WIDTH, HEIGHT))).all()
    return points


def test_a_rising_series_goes_up_to_the_right():
    (points,) = lines(np.arange(20.0))
    assert (np.diff(points[1:, 0]) > 0).all()
    assert (np.diff(points[1:, 1]) < 0).all()
    assert points[-1, 1] < 10


def test_no_peak_of_a_long_series_is_lost():
    series = np.zeros(100_000)
    series[54_321] = 1
    (points,) = lines(series)
    assert points[:, 1].min() < 10
    assert abs(points[points[:, 1].argmin(), 0] / WIDTH - 0.54) < 0.02


def test_gaps_interrupt_the_line():
    _, data = preview([1.0, np.nan, 2.0, 3.0, np.nan, 4.0])
    assert data.count(b"M") == 3
    (points,) = lines(np.where(np.arange(10_000) < 5_000, np.nan, 1.0))
    assert points[:, 0].min() > WIDTH * 0.45


@pytest.mark.parametrize("source", [[1.0], [0.0, 0.0], [1e38, -1e38], [1e-40, 0.0]])
def test_every_series_has_a_picture(source):
    assert len(lines(source)) == 1


def test_channels():
    assert len(lines(np.random.default_rng(0).normal(size=(50, 6)))) == 6
    assert len(lines(np.random.default_rng(0).normal(size=(5000, 60)))) == CHANNELS


def test_what_cannot_be_read_is_one_line():
    with pytest.raises(ValueError, match=r"^[^\n]*$"):
        preview(b"no series\nat all")
