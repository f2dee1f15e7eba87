"""A modality that tlplug has never heard of, from one installed distribution: everything works as for any other."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from tlplug.backbones import select_backbone
from tlplug.features import augmenter_for, extractor_for

SMELL = '''
"""Smells: a file has one line a second, each with four sensor values. The network takes their mean and spread."""

import numpy as np

from tlplug import Augmentation, Backbone, Option, Preprocess, hookimpl

TLPLUG_API = 1


def make(options, files):
    def read(source):
        if not isinstance(source, np.ndarray):
            source = np.loadtxt(source, delimiter=";", ndmin=2)
        if source.shape[1] != 4:
            raise ValueError(f"a smell has four sensors, not {source.shape[1]}")
        start = source[: options["seconds"]]
        return {"spread": start.std(axis=0).astype("float32"), "level": start.mean(axis=0).astype("float32")}

    return read


def preview(source):
    return "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"


def build(weights, *, width=8):
    import keras

    inputs = [keras.Input((4,), name=name) for name in ("level", "spread")]
    branches = [keras.layers.Dense(width, activation="tanh")(one) for one in inputs]
    return keras.Model(inputs, keras.layers.Concatenate()(branches))


def drift(arrays, generator, amount):
    moved = arrays["level"] + generator.normal(0, amount, 4)
    return {**arrays, "level": moved.astype("float32")}


@hookimpl
def augmentation():
    return [Augmentation(name="smell-drift", modality="smell", apply=drift, light=0.1, strong=0.4)]


@hookimpl
def preprocess():
    seconds = Option(name="seconds", type=int, default=10, help="how many of the first seconds count")
    return [
        Preprocess(
            name="sniff", modality="smell", make=make, suffixes=(".smell",), options=(seconds,), preview=preview
        )
    ]


@hookimpl
def backbone():
    return [Backbone(name="nose", modality="smell", build=build, options=(Option(name="width", type=int, default=8),))]
'''


@pytest.fixture
def data(site, cache, tmp_path):
    """The distribution is installed; a folder of coffee, rain and tar."""
    site.install("tlplug-smell", SMELL, version="0.7")
    generator = np.random.default_rng(0)
    for place, label in enumerate(("coffee", "rain", "tar")):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(15):
            values = generator.normal(0, 1, (12, 4))
            values[:, place] += 1.2
            np.savetxt(tmp_path / "data" / label / f"{number}.smell", values, delimiter=";")
    return tmp_path / "data"


def test_it_is_listed_as_what_it_is(cli, data):
    (row,) = [row for row in cli("backbones", "--modality", "smell", "--json").json if ":" not in row["name"]]
    assert (row["name"], row["modality"], row["plugin"], row["version"]) == ("nose", "smell", "tlplug-smell", "0.7")
    (row,) = [row for row in cli("plugins", "list", "--json").json if row["distribution"] == "tlplug-smell"]
    assert row["hooks"] == ["backbone", "preprocess", "augmentation"]
    assert (row["names"], row["error"]) == (["nose", "sniff", "smell-drift"], None)


def test_its_examples_have_views(cli, data):
    (row,) = [row for row in cli("augmentations", "--json").json if row["modality"] == "smell"]
    assert (row["name"], row["light"], row["strong"], row["plugin"]) == ("smell-drift", 0.1, 0.4, "tlplug-smell")
    extractor = extractor_for(select_backbone("nose", modality="smell", weights="random"), keep=False)
    example = extractor.preprocess.make()(data / "rain" / "0.smell")
    views = [augmenter_for("smell", "strong", seed=1)(example, b"rain/0", view) for view in range(4)]
    assert views[0] == example
    assert len({view["level"].tobytes() for view in views}) == 4
    assert all(view["spread"] is not None and (view["spread"] == example["spread"]).all() for view in views)
    assert augmenter_for("smell", "light", seed=1).identity


def test_everything_works_as_for_any_other(cli, data, cache, tmp_path):
    run = tmp_path / "run"
    trained = cli("train", data, "--weights", "random", "--against", "random", "--out", run, "--json")
    assert (trained.code, trained.err) == (0, "")
    assert trained.json["backbone"] == "nose"
    assert trained.json["metrics"]["test"]["examples"] == 9
    assert trained.json["metrics"]["test"]["accuracy"] > 0.6
    assert trained.json["metrics"]["random_weights"] == trained.json["metrics"]["test"]

    info = json.loads((run / "run.json").read_text())
    assert info["modality"] == "smell"
    assert info["preprocess"]["options"] == {"seconds": 10, "input_shape": None}
    assert info["plugins"]["tlplug-smell 0.7"] == "tlplug-smell==0.7"
    assert info["plugin_files"] == {}
    page = (run / "report.html").read_text()
    assert "45 smell examples, 3 classes" in page
    with (run / "predictions.csv").open(newline="") as file:
        wrong = [row for row in csv.DictReader(file) if row["label"] != row["prediction"]]
    assert page.count("data:image/svg+xml;base64,") == len(wrong)

    (data / "rain" / "0.smell").write_text("1;2;3\n")
    answers = cli("predict", run, data, "--json").json
    assert len(answers) == 45
    assert [item["error"] for item in answers if "error" in item] == ["a smell has four sensors, not 3"]
    evaluated = cli("evaluate", run, data, "--json")
    assert evaluated.json["metrics"]["test"]["examples"] == 44
    assert evaluated.err.startswith("Warning: ")

    again = cli("train", data, "--weights", "random", "--seed", "0", "--out", tmp_path / "again")
    assert again.code == 0
    assert json.loads((tmp_path / "again" / "run.json").read_text())["features_computed"] == 1

    embedded = cli("embed", data, "--weights", "random", "--out", tmp_path / "table.csv", "--json")
    assert (embedded.code, embedded.json["examples"]) == (0, 44)

    shorter = cli("train", data, "--weights", "random", "--set", "preprocess.seconds=3", "--out", tmp_path / "short")
    assert shorter.code == 0
    assert json.loads((tmp_path / "short" / "run.json").read_text())["features_computed"] == 45
    wider = cli("train", data, "--set", "backbone.width=3", "--out", tmp_path / "wide", "--json")
    assert wider.code == 0
    network = json.loads((tmp_path / "wide" / "model" / "backbone" / "network.json").read_text())
    assert network["embedding_size"] == 6


def test_without_the_distribution_a_run_says_what_to_install(cli, data, site, tmp_path, monkeypatch):
    assert cli("train", data, "--weights", "random", "--out", tmp_path / "run").code == 0
    monkeypatch.setenv("TLPLUG_DISABLE_PLUGINS", "tlplug-smell")
    result = cli("predict", tmp_path / "run", data)
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert "The preprocess 'sniff' of tlplug-smell is needed and not there" in result.err
    assert "pip install tlplug-smell==0.7" in result.err
