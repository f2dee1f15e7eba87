"""What the data call for: options of a backbone suggested by the preprocess, files that are one example or a table."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tlplug
from tlplug.backbones import select_backbone
from tlplug.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

WALKS = '''
"""Walks: a .csv file is one walk, a row a step and a column a foot; or, headed by "walks", a table with one in a row.

A folder that holds a file walks.txt is a data set too: it lists tables, with their parts.
"""

from pathlib import Path

import numpy as np

from tlplug import Backbone, Example, Option, Preprocess, Reader, hookimpl


def load(source):
    steps = source if isinstance(source, np.ndarray) else np.loadtxt(source, delimiter=",", ndmin=2)
    return steps.astype("float32")


def make(options, files):
    _, feet = options["input_shape"]

    def walk(source):
        steps = load(source)
        if steps.shape[1] != feet:
            raise ValueError(f"it has {steps.shape[1]} feet, where the backbone takes {feet}")
        return {"walk": steps[:4]}

    return walk


def suggest(source):
    return {"feet": load(source).shape[1], "moons": 3}


def build(weights, *, feet=1, bias=0.0):
    import keras

    walk = keras.Input((4, feet), name="walk")
    return keras.Model(walk, keras.layers.Flatten()(walk))


def sniff(path):
    if path.is_dir():
        return 0.9 if (path / "walks.txt").is_file() else 0.0
    return 0.7 if path.suffix == ".csv" and path.open().readline().startswith("walks") else 0.0


def read(path, options):
    tables = [(path, None)]
    if path.is_dir():
        tables = [(path / f"{part}.csv", part) for part in (path / "walks.txt").read_text().split()]
    for table, part in tables:
        for number, row in enumerate(table.read_text().splitlines()[1:], start=2):
            label, *values = row.split(",")
            steps = np.array(values, "float32").reshape(4, -1)
            yield Example(source=steps, label=label, name=f"{table.name}:{number}", split=part)


@hookimpl
def preprocess():
    return [Preprocess(name="walk", modality="walk", make=make, suggest=suggest, suffixes=(".csv",))]


@hookimpl
def reader():
    return [Reader(name="walks", sniff=sniff, read=read, modality="walk")]


@hookimpl
def backbone():
    options = (Option(name="feet", type=int, default=1), Option(name="bias", type=float, default=0.0))
    return [
        Backbone(name="flat", modality="walk", build=build, options=options, input_shape=(4, 1)),
        Backbone(name="stiff", modality="walk", build=build, input_shape=(4, 1)),
    ]
'''


@pytest.fixture
def walks(site, cache, monkeypatch):
    """A function that makes walks of one of two kinds, of so many feet, float32 ``[n, 4, feet]``."""
    site.install("tlplug-walks", WALKS)
    monkeypatch.setenv("TLPLUG_PLUGINS", "tlplug-walks,builtin")

    def draw(kind, count, feet, seed=0):
        values = np.random.default_rng(seed).normal(size=(count, 4, feet)).astype("float32")
        return values + 3 * (kind == "fast")

    return draw


@pytest.fixture
def table(walks, tmp_path):
    """A function that writes a table of walks."""

    def write(path, seed=0):
        drawn = [(kind, steps) for kind in ("slow", "fast") for steps in walks(kind, 10, 2, seed)]
        rows = [",".join([kind, *map(str, steps.ravel())]) for kind, steps in drawn]
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["walks", *rows]) + "\n")
        return path

    return write


def test_the_data_suggest_options_of_the_backbone(walks):
    sources = list(walks("slow", 5, 3))
    suggested = select_backbone("flat", modality="walk", sources=sources)
    assert suggested.options == {"feet": 3, "bias": 0.0}
    assert select_backbone("flat", modality="walk", sources=sources, options={"feet": 7}).options["feet"] == 7
    assert select_backbone("stiff", modality="walk", sources=sources).options == {}
    assert select_backbone("flat", modality="walk").options["feet"] == 1


def test_most_of_the_sources_decide_whatever_the_first_is(walks, tmp_path):
    odd = [walks("slow", 1, 9)[0], tmp_path / "missing.csv"]
    sources = [*odd, *walks("slow", 100, 2), *odd]
    assert select_backbone("flat", modality="walk", sources=sources).options["feet"] == 2
    assert select_backbone("flat", modality="walk", sources=odd[1:]).options["feet"] == 1


def test_a_run_keeps_what_was_suggested_and_refuses_other_shapes(walks, cli, tmp_path):
    for kind in ("slow", "fast"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for number, steps in enumerate(walks(kind, 10, 2)):
            np.savetxt(tmp_path / "data" / kind / f"{number}.csv", steps, delimiter=",")
    np.savetxt(tmp_path / "data" / "fast" / "0.csv", np.ones((4, 5)), delimiter=",")
    run = tmp_path / "run"
    trained = cli("train", tmp_path / "data", "--backbone", "flat", "--out", run, "--json")
    assert trained.code == 0
    info = json.loads((run / "run.json").read_text())
    assert info["backbone"]["options"] == {"feet": 2, "bias": 0.0}
    assert info["preprocess"]["options"]["input_shape"] == [4, 2]
    answers = cli("predict", run, tmp_path / "data", "--json").json
    (odd,) = [answer for answer in answers if "error" in answer]
    assert (odd["source"], odd["error"]) == (
        str(tmp_path / "data" / "fast" / "0.csv"),
        "it has 5 feet, where the backbone takes 2",
    )
    embedded = cli("embed", tmp_path / "data", "--backbone", "flat", "--out", tmp_path / "out.csv", "--json")
    assert embedded.json["examples"] == 19


def test_a_table_whose_reader_is_sure_is_not_taken_for_one_example(table, cli, tmp_path):
    path, run = table(tmp_path / "many.csv"), tmp_path / "run"
    assert cli("train", path, "--backbone", "flat", "--out", run).code == 0
    answers = cli("predict", run, path, "--json").json
    assert [answer["source"] for answer in answers] == [f"many.csv:{number}" for number in range(2, 22)]
    named = ["--reader", "walks", "--json"]
    assert cli("train", path, "--backbone", "flat", "--out", tmp_path / "named", *named).code == 0
    assert cli("evaluate", run, path, *named).json["metrics"]["test"]["examples"] == 20
    unknown = cli("evaluate", run, path, "--reader", "wals")
    assert (unknown.code, len(unknown.lines)) == (2, 1)
    assert "Did you mean 'walks'?" in unknown.err
    single = tmp_path / "single.csv"
    single.write_text("1,2\n3,4\n5,6\n7,8\n")
    (answer,) = cli("predict", run, single, "--json").json
    assert answer["source"] == str(single)
    for way in (["--modality", "walk"], ["--backbone", "flat"], ["--backbone", "flat", "--modality", "walk"]):
        out = tmp_path / f"{len(way)}{way[0]}.csv"
        if "--backbone" not in way:
            way = [*way, "--backbone", "flat"]
        assert cli("embed", path, *way, "--out", out, "--json").json["examples"] == 20


def test_a_folder_can_be_a_data_set_as_a_whole(table, cli, tmp_path):
    for seed, part in enumerate(("train", "test")):
        table(tmp_path / "data" / f"{part}.csv", seed)
    (tmp_path / "data" / "walks.txt").write_text("train test")
    run = tmp_path / "run"
    trained = cli("train", tmp_path / "data", "--backbone", "flat", "--out", run, "--json")
    assert trained.json["metrics"]["test"]["examples"] == 20
    answers = cli("predict", run, tmp_path / "data", "--json").json
    assert [answer["source"] for answer in answers] == [
        f"{part}.csv:{number}" for part in ("train", "test") for number in range(2, 22)
    ]
    embedded = cli("embed", tmp_path / "data", "--backbone", "flat", "--out", tmp_path / "out.csv", "--json")
    assert embedded.json["examples"] == 40


def test_readers_of_another_modality_are_not_asked(table, tmp_path):
    path = table(tmp_path / "many.csv")
    tlplug.register_preprocess("words", modality="word", strings=True)(lambda options, files: None)
    with pytest.raises(UsageError, match="has no column"):
        tlplug.load_data(path, modality="word", options={"input": "text"})
