"""Fine-tuning of every modality's default network on its real weights, with augmentation, from data to an answer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The cache with real weights; TLPLUG_TEST_CACHE keeps it between test runs."""
    monkeypatch.setenv("TLPLUG_CACHE_DIR", os.environ.get("TLPLUG_TEST_CACHE") or str(tmp_path / "cache"))


def texts(folder):
    """Two kinds of sentences."""
    words = {
        "weather": ["sun", "rain", "wind", "snow", "storm", "cloud"],
        "food": ["bread", "milk", "salt", "rice", "soup", "cake"],
    }
    generator = np.random.default_rng(0)
    for name, own in words.items():
        (folder / name).mkdir(parents=True)
        for number in range(12):
            text = f"Today there is {' and '.join(generator.choice(own, generator.integers(2, 60)))}."
            (folder / name / f"{number}.txt").write_text(text)


def sounds(folder):
    """High tones and low ones, of several lengths."""
    soundfile = pytest.importorskip("soundfile")
    generator = np.random.default_rng(0)
    for name, pitch in (("low", 220), ("high", 1760)):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            time = np.arange(int(generator.uniform(0.5, 3) * 16_000)) / 16_000
            tone = 0.3 * np.sin(2 * np.pi * pitch * generator.uniform(0.8, 1.2) * time)
            soundfile.write(folder / name / f"{number}.wav", tone + generator.normal(0, 0.01, len(time)), 16_000)


def series(folder):
    """Waves and steps."""
    generator = np.random.default_rng(0)
    for name, shape in (("waves", np.sin), ("steps", lambda x: np.sign(np.sin(x)))):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            values = shape(np.linspace(generator.uniform(0, 6), 20, 90)) + generator.normal(0, 0.1, 90)
            np.savetxt(folder / name / f"{number}.csv", values, fmt="%.5f")


def images(folder):
    """Rows and columns."""
    image = pytest.importorskip("PIL.Image")
    generator = np.random.default_rng(0)
    for name in ("rows", "columns"):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            stripes = np.repeat(generator.integers(0, 256, (60, 1), np.uint8), 80, axis=1)
            image.fromarray(stripes if name == "rows" else stripes.T).save(folder / name / f"{number}.png")


@pytest.mark.parametrize(
    ("make", "plugin", "stage"),
    [
        (images, "tlplug_vision", "block5c_add"),
        (texts, "tlplug_text", "transformer_4"),
        (sounds, "tlplug_audio", "layer6_pointwise_conv_relu"),
        (series, "tlplug_series", "steps"),
    ],
)
def test_the_top_stage_trains(make, plugin, stage, kept, cli, tmp_path):
    pytest.importorskip(plugin)
    make(tmp_path / "data")
    settings = ("--epochs", 1, "--set", "tuning.patience=0", "--set", "tuning.views=1", "--augment", "light")
    trained = cli("train", tmp_path / "data", "--strategy", "fine-tune", *settings, "--out", tmp_path / "run")
    assert trained.code == 0, trained.err
    tuning = json.loads((tmp_path / "run" / "run.json").read_text())["tuning"]
    assert (tuning["cut"], tuning["epochs_trained"]) == (stage, 1)
    assert tuning["parameters_trained"] > 1000
    answers = cli("predict", tmp_path / "run", tmp_path / "data", "--json").json
    right = [answer["label"] == Path(answer["source"]).parent.name for answer in answers]
    assert np.mean(right) > 0.8
