"""Training on frozen features: what is fitted on what, measured on what, and recorded."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

import tlplug
from tlplug.backbones import select_backbone
from tlplug.data import TEST, VALIDATION
from tlplug.errors import DataError, TlplugWarning, UnknownNameError
from tlplug.heads import HeadChoice
from tlplug.registry import registry
from tlplug.specs import parse_options
from tlplug.training import STRATEGIES, check_strategy, train_frozen


@pytest.fixture
def folder(dots, tmp_path):
    """Three classes that overlap, so that there are mistakes; the modality is loaded."""
    dots.load()
    return dots.write(tmp_path / "data", {"high": 30, "low": 25, "wide": 20}, noise=1.0)


def fit(data, head="linear", seed=0, **fields):
    entry = registry().get("head", head)
    choice = HeadChoice(entry, parse_options("head", entry.record.options, {}), seed)
    return train_frozen(data, select_backbone("net", modality="dots", seed=seed), choice, **fields)


def arrays(training, folder):
    folder.mkdir()
    training.head.save(folder)
    with np.load(folder / "head.npz") as file:
        return {name: file[name] for name in file.files}


def spoil(folder, count, pattern="*/*.dots"):
    for path in sorted(folder.glob(pattern))[:count]:
        path.write_text(f"broken {path}")


def test_figures_are_those_of_the_held_out_part(folder):
    data = tlplug.load_data(folder)
    training = fit(data)
    assert training.metrics["test"]["examples"] == len(data.test) == 15
    assert sorted(map(str, training.evaluation.data.sources)) == sorted(map(str, data.test.sources))
    answers = training.predictor.predict(training.evaluation.data.sources)
    right = [
        answer.label == training.data.classes[label]
        for answer, label in zip(answers, training.evaluation.data.labels, strict=True)
    ]
    assert training.metrics["test"]["accuracy"] == pytest.approx(np.mean(right))
    assert 0.5 < training.metrics["test"]["accuracy"] < 1
    assert set(training.metrics["cross_validation"]) == {"accuracy", "log_loss"}


def test_the_held_out_part_is_never_fitted_on(folder, tmp_path):
    data = tlplug.load_data(folder)
    held = np.flatnonzero(data.splits == TEST)
    labels = data.labels.copy()
    labels[held] = (labels[held] + 1) % 3
    before, after = fit(data), fit(replace(data, labels=labels))
    one, two = arrays(before, tmp_path / "a"), arrays(after, tmp_path / "b")
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert before.metrics["cross_validation"] == after.metrics["cross_validation"]
    assert before.metrics["test"] != after.metrics["test"]


@pytest.mark.parametrize("head", ["linear", "prototype"])
def test_the_same_training_twice_gives_the_same_bits(folder, tmp_path, head):
    one, two = (fit(tlplug.load_data(folder), head, seed=7) for _ in range(2))
    assert one.metrics == two.metrics
    np.testing.assert_array_equal(one.evaluation.probabilities, two.evaluation.probabilities)
    first, second = arrays(one, tmp_path / "a"), arrays(two, tmp_path / "b")
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert (one.computed, two.computed) == (75, 0)


def test_another_seed_is_another_split_and_costs_no_features(folder):
    one, two = (fit(tlplug.load_data(folder, seed=seed), seed=seed) for seed in (0, 1))
    assert set(map(str, one.evaluation.data.sources)) != set(map(str, two.evaluation.data.sources))
    assert (one.computed, two.computed) == (75, 0)


def test_penalties_are_chosen_on_the_validation_part_where_there_is_one(dots, tmp_path):
    dots.load()
    for seed, part in enumerate(("train", "validation", "test")):
        dots.write(tmp_path / "data" / part, {"high": 12, "low": 12}, seed=seed, noise=1.2)
    data = tlplug.load_data(tmp_path / "data")
    training = fit(data)
    flipped = data.labels.copy()
    chosen = np.flatnonzero(data.splits == VALIDATION)
    flipped[chosen] = 1 - flipped[chosen]
    assert len(chosen) == 24
    other = fit(replace(data, labels=flipped))
    accuracy = training.metrics["validation"]["accuracy"]
    assert accuracy != other.metrics["validation"]["accuracy"]
    assert accuracy * 24 == pytest.approx(round(accuracy * 24))
    assert set(training.metrics) == {"test", "validation"}


def test_random_weights_are_measured_on_the_same_split(folder):
    training = fit(tlplug.load_data(folder), against_random=True)
    twin = training.metrics["random_weights"]
    assert twin["examples"] == training.metrics["test"]["examples"]
    assert twin["log_loss"] != training.metrics["test"]["log_loss"]
    assert fit(tlplug.load_data(folder), against_random=True).metrics == training.metrics
    assert "random_weights" not in fit(tlplug.load_data(folder)).metrics


def test_refitting_changes_the_head_and_keeps_the_figures(folder, tmp_path):
    data = tlplug.load_data(folder)
    plain, refitted = fit(data), fit(data, refit=True)
    assert refitted.metrics == plain.metrics
    assert refitted.head.cross_validation == plain.head.cross_validation
    np.testing.assert_array_equal(refitted.evaluation.probabilities, plain.evaluation.probabilities)
    assert not np.array_equal(arrays(plain, tmp_path / "a")["kernel"], arrays(refitted, tmp_path / "b")["kernel"])


def test_unreadable_examples_are_left_out_with_their_reason(folder):
    spoil(folder, 5, "high/*")
    training = fit(tlplug.load_data(folder))
    assert len(training.data) == 70
    assert [item.reason for item in training.skipped] == ["these are no numbers"] * 5
    assert {item.source for item in training.skipped} == {str(path) for path in sorted(folder.glob("high/*"))[:5]}
    assert (folder / "high" / "0000.dots").exists()


def test_too_many_unreadable_examples_stop_the_run(folder):
    spoil(folder, 8, "high/*")
    data = tlplug.load_data(folder)
    with pytest.raises(DataError, match=r"8 of 75 examples in .* cannot be read, more than 10%: .*no numbers.*--max-"):
        fit(data)
    assert len(fit(data, max_unreadable=8 / 75).data) == 67
    with pytest.raises(DataError, match="8 of 75"):
        fit(data, max_unreadable=7.9 / 75)


def test_a_class_of_which_nothing_can_be_read_stops_the_run(folder):
    spoil(folder, 20, "wide/*")
    with pytest.raises(DataError, match="No training example of the class 'wide' can be read: these are no numbers"):
        fit(tlplug.load_data(folder), max_unreadable=0.9)


def test_a_class_of_which_no_held_out_example_can_be_read_is_a_warning(dots, tmp_path):
    dots.load()
    dots.write(tmp_path / "data" / "train", {"high": 12, "low": 12, "wide": 12})
    dots.write(tmp_path / "data" / "test", {"high": 4, "low": 2}, seed=1)
    spoil(tmp_path / "data", 2, "test/low/*")
    with pytest.warns(TlplugWarning) as caught:
        training = fit(tlplug.load_data(tmp_path / "data"))
    assert [str(warning.message) for warning in caught] == [
        "No held-out example of the class 'low' can be read, so no figure counts it."
    ]
    assert {name: row["examples"] for name, row in training.metrics["test"]["per_class"].items()} == {
        "high": 4,
        "low": 0,
        "wide": 0,
    }


def test_a_test_part_of_which_nothing_can_be_read_stops_the_run(dots, tmp_path):
    dots.load()
    dots.write(tmp_path / "data" / "train", {"high": 12, "low": 12})
    dots.write(tmp_path / "data" / "test", {"high": 2, "low": 2}, seed=1)
    spoil(tmp_path / "data", 4, "test/*/*")
    with pytest.raises(DataError, match=r"No example of the test part of .* can be read"):
        fit(tlplug.load_data(tmp_path / "data"), max_unreadable=0.9)


def test_a_class_without_test_examples_is_trained_all_the_same(dots, tmp_path):
    dots.load()
    dots.write(tmp_path / "data" / "train", {"high": 9, "low": 9, "wide": 9})
    dots.write(tmp_path / "data" / "test", {"high": 4, "low": 4}, seed=1)
    training = fit(tlplug.load_data(tmp_path / "data"))
    assert training.predictor.classes == ("high", "low", "wide")
    assert training.metrics["test"]["per_class"]["wide"]["examples"] == 0


def test_two_examples_a_class_are_enough(dots, tmp_path):
    dots.load()
    training = fit(tlplug.load_data(dots.write(tmp_path / "data", {"high": 2, "low": 2})))
    assert training.metrics["test"]["examples"] == 2
    assert "cross_validation" not in training.metrics


def test_a_run_says_how_it_was_made(folder, dots):
    spoil(folder, 2, "low/*")
    model = tlplug.train(folder, seed=5, options={"preprocess.scale": "0.5"}, refit=True)
    info = model.info
    assert set(info["examples"]) == {"train", "validation", "test"}
    assert sum(info["examples"].values()) == 73
    assert sum(info["classes"].values()) == info["examples"]["train"]
    assert (info["data"], info["modality"], info["seed"], info["refit"]) == (str(folder), "dots", 5, True)
    assert info["strategy"] == "features"
    assert info["backbone"]["name"] == "net"
    assert info["backbone"]["weights"] == "fixed"
    digest = hashlib.sha256(dots.net.with_name("net.npy").read_bytes()).hexdigest()
    assert info["backbone"]["weights_digest"] == digest
    assert info["preprocess"]["options"] == {"scale": 0.5, "input_shape": [8]}
    assert info["head"]["name"] == "linear"
    assert info["head"]["chosen"]["penalty"] > 0
    assert info["features_computed"] == 75
    assert [item["reason"] for item in info["skipped"]] == ["these are no numbers"] * 2
    assert info["plugin_files"] == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (dots.net, dots.dots)
    }
    assert {"net.py", "dots.py"} <= set(info["plugins"])
    assert {"tlplug", "tensorflow", "keras", "numpy", "python"} <= set(info["versions"])
    assert info["runtime"]["name"] == "litert"
    assert info["runtime"]["difference_from_keras"] < 1e-5
    assert info["seconds"] > 0


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_is_known_by_its_name(name):
    assert check_strategy(name) == name


def test_an_unknown_strategy_is_said_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Unknown strategy 'featurs'\. Did you mean 'features'\? Valid: "):
        check_strategy("featurs")
    with pytest.raises(UnknownNameError, match=r"Unknown strategy 'xyz'\. Valid: features"):
        check_strategy("xyz")
