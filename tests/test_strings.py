"""Networks that take texts as they are: through the proof, a run and a new process."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tlplug
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


def divide(weights):
    import keras

    phrase = keras.Input((), dtype="string", name="phrase")
    ids = keras.layers.TextVectorization(vocabulary=WORDS, output_sequence_length=6)(phrase)
    known = keras.ops.cast(ids != 0, "float32")[..., None]
    words = keras.layers.Embedding(10, 8)(ids) * known
    return keras.Model(phrase, keras.ops.sum(words, 1) / keras.ops.sum(known, 1))


@hookimpl
def preprocess():
    return [Preprocess(name="phrase", modality="phrase", make=make, suffixes=(".phrase",), strings=True)]


@hookimpl
def backbone():
    builders = {"counts": build, "means": divide}
    return [Backbone(name=name, modality="phrase", build=builder) for name, builder in builders.items()]
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


def test_a_network_that_takes_strings_is_tuned_as_a_whole(phrases, cli, tmp_path):
    run, settings = tmp_path / "run", ("--epochs", 3, "--set", "tuning.patience=0")
    done = cli("train", phrases, "--backbone", "counts", "--strategy", "full", *settings, "--out", run, "--json")
    assert done.code == 0, done.err
    assert done.json["metrics"]["test"]["accuracy"] > 0.9
    assert json.loads((run / "run.json").read_text())["tuning"]["parameters_trained"] == 80


def test_a_network_that_gives_no_number_for_an_empty_text_fails_that_example_alone(phrases, notes):
    extractor = extractor_for(select_backbone("means", modality="phrase"))
    texts = ["sun rain", "", *(" ".join(["bread"] * count) for count in range(1, 40))]
    features = extractor.all(texts, [bytes([number] * 32) for number in range(len(texts))])
    assert features.failures == {1: "the network gives what is no number for it"}
    assert np.isfinite(np.delete(features.embeddings, 1, 0)).all()
    assert notes == ["means runs on tensorflow: litert lacks operations that it needs"]


@pytest.mark.slow
def test_from_a_table_to_answers_in_another_process(phrases, cli, tmp_path, python):
    run = tmp_path / "run"
    trained = cli("train", phrases, "--backbone", "counts", "--out", run, "--json")
    assert trained.json["metrics"]["test"]["accuracy"] > 0.9
    source = """
        import json, sys
        sys.path.insert(0, sys.argv[1])
        import tlplug
        print(json.dumps([answer.label for answer in tlplug.load(sys.argv[2]).predict(["snow and rain", "milk rice"])]))
    """
    output, errors = python(source, phrases.parent / "site", run).communicate()
    assert json.loads(output or errors) == ["weather", "food"]


def test_a_run_reads_tables_by_the_columns_of_its_data(phrases, cli, tmp_path):
    """A column that would be found by its name is not what the run was trained on."""
    lines = [line.split(",") for line in phrases.read_text().splitlines()[1:]]
    table, run = tmp_path / "reviews.csv", tmp_path / "run"
    other = {"weather": "bread milk", "food": "sun rain"}
    table.write_text("\n".join(["text,review,rating", *(f"{other[label]},{text},{label}" for text, label in lines)]))
    columns = ("--input", "review", "--label", "rating")
    done = cli("train", table, *columns, "--backbone", "counts", "--out", run, "--json")
    assert done.json["metrics"]["test"]["accuracy"] > 0.9, done.err
    options = {"input": "review", "label": "rating", "encoding": "utf-8"}
    assert json.loads((run / "run.json").read_text())["reader"] == {"name": "table", "options": options}
    assert cli("evaluate", run, table, "--json").json["metrics"]["test"]["accuracy"] > 0.9
    assert cli("evaluate", run, table, "--input", "text", "--json").json["metrics"]["test"]["accuracy"] < 0.1
    table.write_text("id,text,review\n1,bread milk,sun rain\n")
    (answer,) = cli("predict", run, table, "--json").json
    assert answer["label"] == "weather"
    table.write_text("id,text\n1,bread milk\n")
    done = cli("predict", run, table, "--json")
    assert [answer["label"] for answer in done.json] == ["food"]
    assert f"'{table}' is read with input 'text', the model's data with 'review'." in done.err
    model = tlplug.load(run)
    again = tlplug.load_data(phrases)
    assert again.read_with["options"]["input"] == "text"
    assert model.evaluate(again).metrics["accuracy"] > 0.9
