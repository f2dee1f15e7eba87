"""The library tensorflow_hub as the reference: the same numbers out of the same module, and one cache for both."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from tlplug_hub.fetching import fetch
from tlplug_hub.hub import build
from tlplug_hub.modules import digest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_hub") is None, reason="tensorflow_hub is not installed"
)

REFERENCE = """
import json
import sys
import warnings
warnings.simplefilter("ignore")
import numpy as np
import tensorflow_hub as hub
handle, place, batched = sys.argv[1], sys.argv[2], sys.argv[3] == "batched"
module = hub.load(handle)
inputs = np.load(place)
outputs = [module(inputs)] if batched else [module(example) for example in inputs]
print(json.dumps([hub.resolve(handle), *(np.asarray(output).tolist() for output in outputs)]))
"""


def test_images_by_address_and_out_of_its_cache(server, pack, python, tmp_path, monkeypatch, modules):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3), np.uint8)
    np.save(tmp_path / "x.npy", pixels.astype(np.float32) / 255)
    address = server.put("/google/image/1", pack("image").read_bytes())
    kept, expected = json.loads(python(REFERENCE, address, tmp_path / "x.npy", "batched"))
    server.answers.clear()
    fetch(address, tmp_path / "fetched", offline=True)
    assert digest(tmp_path / "fetched") == digest(modules / "image")
    assert kept.startswith(str(tmp_path / "tfhub"))
    model = build("image", tmp_path / "fetched", image_size=20)
    np.testing.assert_allclose(model(pixels), expected, rtol=1e-6, atol=1e-7)


def test_sounds(modules, python, tmp_path):
    waveforms = np.random.default_rng(1).normal(0, 0.1, (3, 15_600)).astype(np.float32)
    np.save(tmp_path / "x.npy", waveforms)
    _, *expected = json.loads(python(REFERENCE, modules / "vggish", tmp_path / "x.npy", "one by one"))
    model = build("audio", modules / "vggish")
    np.testing.assert_allclose(model(waveforms), [np.mean(frames, axis=0) for frames in expected], rtol=1e-5, atol=1e-6)


def test_texts(modules, python, tmp_path):
    texts = np.array(["good film", "a bad film", ""])
    np.save(tmp_path / "x.npy", texts)
    _, expected = json.loads(python(REFERENCE, modules / "use", tmp_path / "x.npy", "batched"))
    model = build("text", modules / "use")
    np.testing.assert_allclose(model(texts.astype(object)), expected, rtol=1e-6, atol=1e-7)
