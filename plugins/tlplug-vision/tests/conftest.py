"""Shared fixtures: this plugin's records, real weights fetched once, weight files as Keras publishes them."""

from __future__ import annotations

import http.server
import os
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tlplug_vision import plugin

from tlplug.plugins import Plugin
from tlplug.registry import Entry
from tlplug.weights import WeightsStore

SETTINGS = ("TLPLUG_OFFLINE", "TLPLUG_CACHE_DIR", "TLPLUG_PLUGINS", "TLPLUG_DISABLE_PLUGINS")


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    """No setting of the person who runs the tests, and none of the files that Keras has kept for them."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


@pytest.fixture(scope="session")
def entries():
    """The plugin's backbones by name."""
    owner = Plugin("vision", "tlplug-vision", "0.1.0")
    return {record.name: Entry("backbone", record, owner) for record in plugin.backbone()}


@pytest.fixture(scope="session")
def test_cache(tmp_path_factory):
    """Where downloads are kept: between test runs when TLPLUG_TEST_CACHE names a folder."""
    shared = os.environ.get("TLPLUG_TEST_CACHE")
    folder = Path(shared) if shared else tmp_path_factory.mktemp("cache")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def fetched(entries, test_cache):
    """Fetch a weight set of a backbone through tlplug's own store; return the path of the file."""
    store = WeightsStore(test_cache / "weights")
    return lambda backbone, name: store.get(entries[backbone], name).path


def pictures(size):
    """A dark and a bright picture of noise with a hue: uint8 ``[2, size, size, 3]``."""
    noise = np.random.default_rng(1).integers(0, 90, (2, size, size, 3))
    hues = np.array([[0, 40, 20], [165, 60, 110]])
    return (noise + hues[:, None, None]).astype(np.uint8)


@pytest.fixture(scope="session", name="pictures")
def _pictures():
    return pictures


def _train(model):
    """Give a network values as training would: none is 0 or 1, and what is in a picture reaches the end."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "Normalization" and layer.weights:
            layer.weights[0].assign([0.485, 0.456, 0.406])
            layer.weights[1].assign(np.square([0.229, 0.224, 0.225]))
            layer.finalize_state()
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.0
        for variable in layer.trainable_weights:
            if variable.path.endswith("gamma"):
                variable.assign(generator.uniform(0.7, 1.3, variable.shape))
            elif variable.path.endswith(("beta", "bias")):
                variable.assign(generator.normal(0, 0.1, variable.shape))
            elif len(variable.shape) == 4 and variable.shape[3] == 1:
                # A depthwise kernel, which Keras starts so small that nothing would be left after ten of them.
                variable.assign(generator.normal(0, 1 / variable.shape[0], variable.shape))
    model(pictures(model.input.shape[1]), training=True)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.moving_variance.assign(layer.moving_variance + 0.05)


@pytest.fixture
def write_legacy():
    """Write a weights file for a Keras model in the layout of the files that keras.applications publishes."""
    import h5py

    def write(model, path, *, train=True):
        if train:
            _train(model)
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
            file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.4.0"
            for layer in model.layers:
                group = file.create_group(layer.name)
                names = [f"{layer.name}/{variable.name}:0" for variable in _legacy_order(layer)]
                group.attrs["weight_names"] = [name.encode() for name in names]
                for name, variable in zip(names, _legacy_order(layer), strict=True):
                    group[name] = variable.numpy()
        return path

    return write


def _legacy_order(layer):
    return [*layer.trainable_weights, *layer.non_trainable_weights]


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A web server on this machine: the folder it serves, and its address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass
