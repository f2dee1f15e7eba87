"""Networks with layers of a plugin's own: loaded again in a fresh process, as long as the plugin is active."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from tlplug.backbones import load_keras, select_backbone
from tlplug.errors import PluginError
from tlplug.features import compile_backbone

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

PLUGIN = """
import numpy as np

from tlplug import Backbone, Preprocess, hookimpl

def make(options, files):
    return lambda source: {"values": np.loadtxt(source, dtype="float32", ndmin=1)}

def build(weights=None):
    import keras
    from scaled import layers
    inputs = keras.Input((4,), name="values")
    return keras.Model(inputs, keras.layers.Dense(3)(layers.Scaled(3.0)(inputs)))

@hookimpl
def backbone():
    return [Backbone(name="scaled", modality="row", build=build)]

@hookimpl
def preprocess():
    return [Preprocess(name="rows", modality="row", make=make, suffixes=(".row",))]
"""
LAYERS = """
import keras

@keras.saving.register_keras_serializable(package="scaled")
class Scaled(keras.layers.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
"""
FRESH = """
import sys
from pathlib import Path
import numpy as np
from tlplug.features import CompiledBackbone
compiled = CompiledBackbone.read(Path(sys.argv[1]))
try:
    print(compiled.open()({"values": np.arange(8, dtype="float32").reshape(2, 4)}).tolist())
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def compiled(tmp_path, cache, site, monkeypatch):
    """A network compiled for TensorFlow, out of a distribution that has its layer in a module beside the plugin."""
    package = site.folder / "scaled"
    package.mkdir()
    for name, source in (("__init__", ""), ("plugin", PLUGIN), ("layers", LAYERS)):
        (package / f"{name}.py").write_text(source)
    info = site.folder / "scaled-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scaled\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tlplug]\nscaled = scaled.plugin\n")
    monkeypatch.setenv("PYTHONPATH", str(site.folder))
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin,scaled")
    return compile_backbone(select_backbone("scaled", modality="row"), "tensorflow")


def fresh(python, folder):
    output, _ = python(FRESH, folder).communicate()
    return output.strip().splitlines()[-1]


def renamed(compiled, path, module):
    """Write the network's file with another module for its layer."""
    with zipfile.ZipFile(compiled.folder / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"scaled.layers", module))
    return path


@pytest.mark.slow
def test_a_fresh_process_loads_it(compiled, python):
    expected = compiled.open()({"values": np.arange(8, dtype="float32").reshape(2, 4)})
    np.testing.assert_allclose(json.loads(fresh(python, compiled.folder)), expected, rtol=1e-6)


def test_without_the_plugin_the_reason_is_one_line(compiled, python, monkeypatch):
    monkeypatch.setenv("TLPLUG_DISABLE_PLUGINS", "scaled")
    assert fresh(python, compiled.folder) == (
        "PluginError The network 'model.keras' has layers of the module 'scaled.layers', which no active plugin "
        "brings. Install or activate it (tlplug plugins list shows what there is)."
    )


def test_a_file_imports_nothing_that_belongs_to_no_plugin(compiled, tmp_path):
    with pytest.raises(PluginError, match="layers of the module 'antigravity', which no active plugin"):
        load_keras(renamed(compiled, tmp_path / "evil.keras", b"antigravity"))


def test_a_module_that_fails_is_named(compiled, tmp_path):
    path = renamed(compiled, tmp_path / "lost.keras", b"scaled.nowhere")
    with pytest.raises(PluginError, match=r"^The layers of the module 'scaled.nowhere' cannot be imported: [^\n]*$"):
        load_keras(path)
