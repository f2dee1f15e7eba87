"""The Python interface: load_data, train, evaluate, predict, save, load."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

import tlplug
from tlplug.errors import (
    DamagedRunError,
    DataError,
    OptionError,
    PluginError,
    RunError,
    TlplugWarning,
    UnknownNameError,
    UsageError,
)
from tlplug.storage import read_json


@pytest.fixture
def data(dots, tmp_path):
    """A folder of three classes; the modality is loaded."""
    dots.load()
    return dots.write(tmp_path / "data")


@pytest.fixture
def loaded(dots, dots_run):
    dots.load()
    return tlplug.load(dots_run)


def test_data_is_trained_on_measured_saved_and_loaded(data, tmp_path):
    split = tlplug.load_data(data, holdout=0.25, seed=3)
    model = tlplug.train(split, backbone="net", seed=3)
    assert model.classes == ("high", "low", "wide")
    assert model.metrics["test"]["examples"] == len(split.test) == 11
    assert model.evaluate(split.test).metrics == model.metrics["test"]
    assert model.path is None
    path = model.save(str(tmp_path / "run"))
    assert path == model.path == tmp_path / "run"
    again = tlplug.load(str(path))
    assert again.metrics == model.metrics == read_json(path / "metrics.json")
    assert again.info == model.info == read_json(path / "run.json")
    assert again.evaluate(split.test).metrics == model.metrics["test"]
    assert again.path == path


def test_a_path_is_split_with_the_seed_of_the_training(data):
    by_path = tlplug.train(data, seed=4)
    by_data = tlplug.train(tlplug.load_data(data, seed=4), seed=4)
    assert by_path.metrics == by_data.metrics
    assert by_path.info["seed"] == 4


def test_arrays_with_labels_are_data(dots):
    dots.load()
    arrays = list(np.random.default_rng(0).normal(0, 1, (20, 8)).astype(np.float32))
    for number, array in enumerate(arrays):
        array[number % 2] += 4
    split = tlplug.load_data(arrays, labels=["even", "odd"] * 10, modality="dots")
    model = tlplug.train(split)
    assert model.metrics["test"]["accuracy"] == 1
    assert model.predict(arrays[:2])[1].label == "odd"


def test_one_path_may_be_given_as_it_is(loaded, dots, tmp_path):
    folder = dots.write(tmp_path / "other", {"a": 3})
    assert len(loaded.predict(folder)) == len(loaded.predict(str(folder))) == 3
    (one,) = loaded.predict(folder / "a" / "0001.dots")
    assert one.source == str(folder / "a" / "0001.dots")


def test_a_path_is_evaluated_on_its_test_part_else_on_everything(loaded, dots, tmp_path):
    dots.write(tmp_path / "split" / "train", {"high": 3, "low": 3}, seed=1)
    dots.write(tmp_path / "split" / "test", {"high": 2, "low": 5}, seed=2)
    assert loaded.evaluate(tmp_path / "split").metrics["examples"] == 7
    assert loaded.evaluate(str(tmp_path / "split" / "train")).metrics["examples"] == 6


def test_fewer_classes_are_measured_on_those_that_are_there(loaded, dots, tmp_path):
    evaluation = loaded.evaluate(dots.write(tmp_path / "other", {"high": 4}, seed=2))
    assert evaluation.data.classes == ("high", "low", "wide")
    metrics = evaluation.metrics
    assert metrics["balanced_accuracy"] == metrics["per_class"]["high"]["recall"]
    assert metrics["largest_class"] == 1
    assert {name: figures["examples"] for name, figures in metrics["per_class"].items()} == {
        "high": 4,
        "low": 0,
        "wide": 0,
    }


def test_labels_are_matched_by_name_and_not_by_position(loaded, dots, tmp_path):
    folder = dots.write(tmp_path / "other", {"high": 6, "low": 6, "wide": 6}, seed=2, noise=0.1)
    shutil.rmtree(folder / "low")
    metrics = loaded.evaluate(folder).metrics
    assert metrics["per_class"]["wide"]["examples"] == 6
    assert metrics["per_class"]["wide"]["recall"] == 1


def test_an_unknown_class_is_named(loaded, dots, tmp_path):
    with pytest.raises(DataError, match=r"classes that were not trained on: other\. Valid: high, low, wide"):
        loaded.evaluate(dots.write(tmp_path / "other", {"high": 2, "other": 2}))


def test_what_cannot_be_read_is_left_out_of_the_figures(loaded, dots, tmp_path):
    folder = dots.write(tmp_path / "other", {"high": 4, "low": 4}, seed=2)
    (folder / "high" / "0000.dots").write_text("broken")
    evaluation = loaded.evaluate(folder)
    assert evaluation.metrics["examples"] == 7
    assert evaluation.failures == {str(folder / "high" / "0000.dots"): "these are no numbers"}


def test_nothing_that_can_be_read_is_an_error(loaded, tmp_path):
    (tmp_path / "other" / "high").mkdir(parents=True)
    (tmp_path / "other" / "high" / "a.dots").write_text("broken")
    with pytest.raises(DataError, match=r"No example of .* can be read: .*a\.dots these are no numbers"):
        loaded.evaluate(tmp_path / "other")


def test_data_of_another_modality_is_refused(loaded, vectors):
    arrays = list(np.eye(8, dtype=np.float32))
    other = tlplug.load_data(arrays, labels=["high", "low"] * 4, modality="vector")
    with pytest.raises(UsageError, match=r"The model takes dots\. Received: vector data"):
        loaded.evaluate(other.test)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"backbone": "nett"}, UnknownNameError, "Unknown backbone 'nett'. Did you mean 'net'?"),
        ({"head": "linaer"}, UnknownNameError, "Unknown head 'linaer'. Did you mean 'linear'?"),
        ({"strategy": "feature"}, UnknownNameError, "Unknown strategy 'feature'. Did you mean 'features'? Valid: "),
        ({"weights": "imagenet"}, UnknownNameError, "no weights 'imagenet'. Valid: fixed, random."),
        ({"runtime": "lite"}, UnknownNameError, "Unknown runtime 'lite'."),
        ({"against": "chance"}, UsageError, "measured against 'random'. Received: 'chance'"),
        ({"options": {"head.dropout": 0.2}}, OptionError, "Unknown option 'head.dropout'. Valid: head.class_weight"),
        ({"options": {"dropout": 0.2}}, OptionError, "set by its part and name. Received: 'dropout'"),
        ({"options": {"head.penalty": "much"}}, OptionError, "'penalty' takes a number. Received: 'much'"),
        ({"options": {"preprocess.scale": "inf"}}, OptionError, "'scale' takes a number"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(data, arguments, error, message):
    with pytest.raises(error) as raised:
        tlplug.train(data, **arguments)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_data_without_a_test_part_is_refused(data):
    split = tlplug.load_data(data)
    with pytest.raises(UsageError, match="has no test part"):
        tlplug.train(split.train)


def test_a_run_that_is_there_is_not_overwritten(data, tmp_path):
    model = tlplug.train(data)
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="already"):
        model.save(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    assert not (tmp_path / "run.partial").exists()


def test_a_loaded_model_is_copied_and_not_saved_again(loaded, tmp_path):
    with pytest.raises(UsageError, match="copy that folder instead"):
        loaded.save(tmp_path / "run")
    assert not any(tmp_path.glob("run*"))


def test_a_moved_run_predicts_the_same(loaded, dots_run, dots, tmp_path):
    folder = dots.write(tmp_path / "other", {"a": 3})
    shutil.copytree(dots_run, tmp_path / "elsewhere")
    assert tlplug.load(tmp_path / "elsewhere").predict([folder]) == loaded.predict([folder])


def test_a_run_without_figures_is_one_clear_error(dots, dots_run, tmp_path):
    dots.load()
    shutil.copytree(dots_run, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    with pytest.raises(DamagedRunError, match=r"metrics\.json"):
        tlplug.load(tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text('{"test"')
    with pytest.raises(DamagedRunError, match=r"metrics\.json"):
        tlplug.load(tmp_path / "run")


def test_another_state_of_the_plugin_file_is_a_warning_where_the_run_is_loaded(dots, dots_run, tmp_path):
    changed = tmp_path / "dots.py"
    changed.write_text(dots.dots.read_text() + "\n# changed\n")
    tlplug.load_plugin(changed)
    with pytest.warns(TlplugWarning, match=r"^dots\.py is not as it was in training, so answers may differ") as caught:
        model = tlplug.load(dots_run)
    assert [warning.filename for warning in caught] == [__file__]
    assert model.predict(np.zeros((1, 8), np.float32))[0].error is None


def test_loading_needs_the_preprocess_at_once(dots_run):
    with pytest.raises(PluginError, match=r"--plugin dots\.py"):
        tlplug.load(dots_run)


def test_the_answers_are_written_for_the_held_out_part(data, tmp_path):
    model = tlplug.train(data)
    model.save(tmp_path / "run")
    with (tmp_path / "run" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    answers = {prediction.source: prediction for prediction in model.predict([row["source"] for row in rows])}
    assert len(rows) == model.metrics["test"]["examples"]
    for row in rows:
        assert answers[row["source"]].label == row["prediction"]
        assert float(row["probability"]) == pytest.approx(answers[row["source"]].probability, abs=1e-6)
