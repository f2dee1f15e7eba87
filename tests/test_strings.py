"""Networks that take texts as they are: through the proof, a run and a new process."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tlplug.backbones import STRING, ArraySpec, select_backbone
from tlplug.features import extractor_for

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

PHRASES = '''
"""Phrases: the network itself splits them into words and counts those that it knows."""

from pathlib import Path

import numpy as np

from tlplug import Backbone, Preprocess, hookimpl

WORDS = ["sun", "rain", "wind", "snow", "bread", "milk", "salt", "rice"]


def make(options, files):
    return lambda source: {"phrase": np.array(source.read_text() if isinstance(source, Path) else source, object)}


def build(weights):
    import keras

    phrase = keras.Input((), dtype="string", name="phrase")
    ids = keras.layers.TextVectorization(vocabulary=WORDS, output_sequence_length=6)(phrase)
    return keras.Model(phrase, keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(10, 8)(ids)))


@hookimpl
def preprocess():
    return [Preprocess(name="phrase", modality="phrase", make=make, suffixes=(".phrase",), strings=True)]


@hookimpl
def backbone():
    return [Backbone(name="counts", modality="phrase", build=build)]
'''


@pytest.fixture
def phrases(site, cache, tmp_path, monkeypatch):
    """The distribution is installed; a table of phrases on weather and on food."""
    site.install("tlplug-phrases", PHRASES)
    monkeypatch.setenv("TLPLUG_PLUGINS", "tlplug-phrases,builtin")
    generator, rows = np.random.default_rng(0), ["text,label"]
    for label, words in (("weather", ["sun", "rain", "wind", "snow"]), ("food", ["bread", "milk", "salt", "rice"])):
        rows += [f"{' '.join(generator.choice(words, generator.integers(2, 7)))},{label}" for _ in range(30)]
    (tmp_path / "phrases.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "phrases.csv"


def test_texts_go_through_as_they_are(phrases):
    extractor = extractor_for(select_backbone("counts", modality="phrase"), keep=False)
    assert extractor.compiled.inputs == (ArraySpec("phrase", (), STRING),)
    texts = ["sun rain", "", "bread", "naïve 中文 \U0001f600", "sun rain", "salt " * 10_000, "rain\0sun"]
    together = extractor.all(texts)
    assert together.failures == {}
    assert np.isfinite(together.embeddings).all()
    assert np.array_equal(together.embeddings[0], together.embeddings[4])
    for text, row in zip(texts, together.embeddings, strict=True):
        assert np.array_equal(extractor.all([text]).embeddings[0], row)


def test_from_a_table_to_answers_in_another_process(phrases, cli, tmp_path, python):
    run = tmp_path / "run"
    trained = cli("train", phrases, "--out", run, "--json")
    assert trained.json["metrics"]["test"]["accuracy"] > 0.9
    source = """
        import json, sys
        sys.path.insert(0, sys.argv[1])
        import tlplug
        print(json.dumps([answer.label for answer in tlplug.load(sys.argv[2]).predict(["snow and rain", "milk rice"])]))
    """
    output, errors = python(source, phrases.parent / "site", run).communicate()
    assert json.loads(output or errors) == ["weather", "food"]
