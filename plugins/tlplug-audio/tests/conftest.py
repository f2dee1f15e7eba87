"""Shared fixtures: this plugin's records, real weights fetched once, sound files of every kind made on the spot."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tlplug_audio import plugin

from tlplug.plugins import Plugin
from tlplug.registry import Entry
from tlplug.weights import WeightsStore

SETTINGS = ("TLPLUG_OFFLINE", "TLPLUG_CACHE_DIR", "TLPLUG_PLUGINS", "TLPLUG_DISABLE_PLUGINS")


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """No setting of the person who runs the tests."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """The default weight set, fetched through tlplug's own store; between test runs TLPLUG_TEST_CACHE keeps it."""
    shared = os.environ.get("TLPLUG_TEST_CACHE")
    folder = Path(shared) if shared else tmp_path_factory.mktemp("cache")
    (yamnet,) = plugin.backbone()
    entry = Entry("backbone", yamnet, Plugin("audio", "tlplug-audio", "0.1.0"))
    return WeightsStore(folder / "weights").get(entry, "audioset").path


@pytest.fixture(scope="session")
def yamnet(weights):
    """The whole of YAMNet with its weights. Not to be changed."""
    from tlplug_audio.yamnet import LAYERS, build

    return build(weights, layer=LAYERS)


def noise(seconds=1.5, rate=16_000, channels=1, seed=0):
    """Quiet noise, float32 ``[samples]`` or ``[samples, channels]``."""
    shape = (int(seconds * rate), channels)[: 1 if channels == 1 else 2]
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32)


@pytest.fixture(scope="session", name="noise")
def _noise():
    return noise


def encode(samples, rate=16_000, format="WAV", subtype=None):
    """The bytes of a sound file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format, subtype=subtype)
    return buffer.getvalue()


@pytest.fixture(scope="session", name="encode")
def _encode():
    return encode


@pytest.fixture(scope="session")
def command(weights, tmp_path_factory):
    """Run ``tlplug`` in a process of its own, and with it a line of Python at the end."""
    cache = tmp_path_factory.mktemp("tlplug-cache")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TLPLUG_")}
    environment |= {"TLPLUG_CACHE_DIR": str(cache), "TLPLUG_PLUGINS": "builtin,audio"}

    def run(*arguments, after="pass"):
        source = f"import sys; from tlplug.cli import main\ntry: main()\nfinally: {after}"
        return subprocess.run(
            [sys.executable, "-c", source, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    added = run("weights", "add", "yamnet", weights)
    assert added.returncode == 0, added.stderr
    return run
