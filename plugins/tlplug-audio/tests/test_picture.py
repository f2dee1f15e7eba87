"""The picture of a sound."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from tlplug_audio.picture import HEIGHT, WIDTH, preview

pytestmark = pytest.mark.slow  # the import of librosa alone takes long on a fresh machine


def pixels(source):
    media, data = preview(source)
    assert media == "image/jpeg"
    assert len(data) < 20_000
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (WIDTH, HEIGHT)
        return np.asarray(image.convert("L"), np.float32)


def test_a_tone_that_rises_goes_up_to_the_right():
    time = np.arange(32_000) / 16_000
    levels = pixels(0.5 * np.sin(2 * np.pi * (200 * time + 800 * time**2)))
    heights = HEIGHT - levels.argmax(axis=0)[10:-10]
    assert heights[0] < HEIGHT / 4
    assert heights[-1] > HEIGHT / 2
    assert np.mean(np.diff(heights) >= 0) > 0.8


@pytest.mark.parametrize("samples", [np.zeros(16_000), np.zeros(1), np.full(3, 1e-7)])
def test_silence_is_dark(samples):
    assert pixels(samples).max() < 60


def test_long_and_short_sounds_have_the_same_size(noise, encode):
    assert pixels(noise(120.0)).mean() > 60
    assert pixels(encode(noise(0.01, 44_100), 44_100, "FLAC")).mean() > 10


def test_what_cannot_be_read_is_one_line():
    with pytest.raises(ValueError, match=r"^[^\n]*$"):
        preview(b"no sound\nat all")
