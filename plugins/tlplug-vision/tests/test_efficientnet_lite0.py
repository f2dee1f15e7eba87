"""EfficientNet-Lite0 against its PyTorch implementation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tlplug_vision.efficientnet_lite0 import build
from tlplug_vision.torch_file import read_tensors

GOLDEN = Path(__file__).parent / "data" / "efficientnet_lite0.json"


@pytest.fixture(scope="module")
def golden():
    return {name: np.array(value) for name, value in json.loads(GOLDEN.read_text()).items() if name != "what"}


@pytest.fixture(scope="module")
def picture():
    """The picture whose features the file has, by its formula."""
    y, x = np.mgrid[:224, :224]
    channels = [127 + 100 * np.sin(x / 17), 127 + 100 * np.cos(y / 23), 127 + 60 * np.sin((x + y) / 31)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def test_features_and_logits_equal_those_of_pytorch(fetched, golden, picture, entries):
    path = fetched("efficientnet_lite0", "imagenet")
    model = build(path)
    features = model(picture[None], training=False).numpy()[0]
    # The file has six decimals. Measured: 7.4e-6 at a largest feature of 5.8, and 9.6e-6 of the logits.
    np.testing.assert_allclose(features, golden["pooled_features"], rtol=0, atol=2e-5)
    tensors = read_tensors(path)
    logits = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    np.testing.assert_allclose(logits, golden["logits"], rtol=0, atol=2e-5)
    assert model.count_params() == entries["efficientnet_lite0"].record.parameters


# Keras hands TensorFlow's variables to NumPy, whose protocol they follow in its old form.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_it_takes_other_image_sizes_and_reloads_in_safe_mode(tmp_path):
    import keras

    model = build(None, image_size=40)
    batch = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    expected = model(batch, training=False).numpy()
    assert expected.shape == (2, 1280)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(batch, training=False).numpy(), expected)


def test_its_scaling_is_inside():
    import keras

    model = build(None, image_size=32)
    scaled = keras.Model(model.input, model.get_layer("scaling").output)
    grey = np.full((1, 32, 32, 3), 191, np.uint8)
    np.testing.assert_allclose(scaled(grey).numpy(), (191 - 127) / 128, rtol=1e-6)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({}, "it has no '_conv_stem.weight'"),
        ({"_conv_stem.weight": np.zeros((32, 3, 5, 5))}, r"stem is \(5, 5, 3, 32\)"),
    ],
)
def test_weights_of_another_network_are_refused_in_one_line(tensors, reason, monkeypatch):
    monkeypatch.setattr("tlplug_vision.efficientnet_lite0.read_tensors", lambda path: tensors)
    with pytest.raises(ValueError, match=f"^The weights file 'other.pth' does not fit efficientnet_lite0: {reason}"):
        build(Path("other.pth"), image_size=32)
