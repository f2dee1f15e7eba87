"""The figures, against scikit-learn and slow references."""

from __future__ import annotations

import csv
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn import metrics as reference

from tlplug.data import Dataset
from tlplug.errors import DataError
from tlplug.evaluation import Evaluation
from tlplug.evaluation.metrics import calibration_error, classification_metrics, confusion_matrix, wilson_interval


@st.composite
def answers(draw):
    """Labels and probabilities; some classes may have neither examples nor answers."""
    outputs = draw(st.integers(2, 6))
    labels = np.array(draw(st.lists(st.integers(0, outputs - 1), min_size=1, max_size=60)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sharpness = draw(st.sampled_from([0.3, 1.0, 5.0]))
    probabilities = generator.dirichlet(np.full(outputs, 1 / sharpness), len(labels)) + 1e-9
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def figures(labels, probabilities):
    names = tuple(f"class {number}" for number in range(probabilities.shape[1]))
    return classification_metrics(labels, probabilities, names)


@settings(deadline=None, max_examples=60)
@given(answers())
def test_the_figures_are_those_of_scikit_learn(data):
    labels, probabilities = data
    received = figures(labels, probabilities)
    predictions, every = probabilities.argmax(axis=1), np.arange(probabilities.shape[1])
    present = np.unique(labels)
    matrix = reference.confusion_matrix(labels, predictions, labels=every)
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        labels, predictions, labels=every, zero_division=0
    )
    assert received["examples"] == len(labels)
    assert received["accuracy"] == pytest.approx(reference.accuracy_score(labels, predictions))
    assert received["balanced_accuracy"] == pytest.approx(recall[present].mean())
    assert received["macro_f1"] == pytest.approx(
        reference.f1_score(labels, predictions, labels=present, average="macro", zero_division=0)
    )
    assert received["log_loss"] == pytest.approx(reference.log_loss(labels, probabilities, labels=every), rel=1e-6)
    assert received["confusion_matrix"] == matrix.tolist()
    assert received["largest_class"] == pytest.approx(support.max() / len(labels))
    for number, row in enumerate(received["per_class"].values()):
        expected = [precision[number], recall[number], f1[number], support[number]]
        assert list(row.values()) == pytest.approx(expected)


@settings(deadline=None, max_examples=40)
@given(answers())
def test_intervals_hold_their_figure_and_are_shares(data):
    received = figures(*data)
    low, high = received["accuracy_interval"]
    assert 0 <= low <= received["accuracy"] <= high <= 1
    for name in ("balanced_accuracy", "macro_f1"):
        low, high = received[f"{name}_interval"]
        assert 0 <= low <= high <= 1


@settings(max_examples=60)
@given(st.integers(1, 2000), st.data())
def test_the_interval_of_a_share_is_where_the_score_test_ends(total, data):
    correct = data.draw(st.integers(0, total))
    share, z = correct / total, 1.959963984540054

    def score(p):
        return (share - p) / math.sqrt(p * (1 - p) / total) if 0 < p < 1 else math.inf

    low, high = wilson_interval(correct, total)
    tiny = 1e-12
    expected_low = brentq(lambda p: score(p) - z, tiny, share - tiny) if correct else 0.0
    expected_high = brentq(lambda p: score(p) + z, share + tiny, 1 - tiny) if correct < total else 1.0
    assert (low, high) == pytest.approx((expected_low, expected_high), abs=1e-6)


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_the_published_one(correct, total, low, high):
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)  # Newcombe 1998, table I, method 3


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50), st.integers(1, 15))
def test_the_calibration_error_is_the_mean_gap(pairs, bins):
    confidence, correct = (np.array(values) for values in zip(*pairs, strict=True))
    expected = 0.0
    for number in range(bins):
        inside = [i for i, value in enumerate(confidence) if min(int(value * bins), bins - 1) == number]
        if inside:
            gap = sum(correct[i] for i in inside) / len(inside) - sum(confidence[i] for i in inside) / len(inside)
            expected += len(inside) / len(pairs) * abs(gap)
    assert calibration_error(confidence, correct, bins) == pytest.approx(expected, abs=1e-9)


def test_a_certain_and_a_hopeless_classifier():
    labels = np.array([0, 1, 1, 2])
    right = figures(labels, np.eye(3)[labels])
    assert (right["accuracy"], right["macro_f1"], right["log_loss"], right["calibration_error"]) == (1, 1, 0, 0)
    low, high = right["balanced_accuracy_interval"]
    assert low < 0.8  # four examples prove little
    assert high == 1
    wrong = figures(labels, np.eye(3)[(labels + 1) % 3])
    assert (wrong["accuracy"], wrong["macro_f1"], wrong["calibration_error"]) == (0, 0, 1)
    assert wrong["log_loss"] == pytest.approx(-math.log(1e-12))


def test_averages_are_over_the_classes_that_have_examples():
    received = figures(np.array([0, 0]), np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]))
    assert (received["balanced_accuracy"], received["macro_f1"]) == (0.5, pytest.approx(2 / 3))
    assert received["per_class"]["class 2"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "examples": 0}


def test_the_figures_are_the_same_each_time():
    generator = np.random.default_rng(0)
    labels, probabilities = generator.integers(0, 3, 40), generator.dirichlet(np.ones(3), 40)
    assert figures(labels, probabilities) == figures(labels, probabilities)


def test_rows_are_the_truth_and_columns_the_answers():
    assert confusion_matrix(np.array([0, 0, 1]), np.array([1, 1, 0]), 2).tolist() == [[0, 2], [1, 0]]


def dataset(count=4):
    return Dataset(
        sources=[f'{i}, "q".vec' for i in range(count)],
        labels=np.arange(count) % 2,
        classes=("a", "b,c"),
        digests=[bytes([i]) for i in range(count)],
        splits=np.array(["test"] * count),
        modality="vector",
        origin="data",
    )


def test_what_could_not_be_read_is_left_out():
    probabilities = np.array([[0.9, 0.1], [np.nan, np.nan], [0.4, 0.6], [0.2, 0.8]], "float32")
    evaluation = Evaluation.of(dataset(), probabilities, {1: "it is empty"})
    assert evaluation.failures == {'1, "q".vec': "it is empty"}
    assert (evaluation.metrics["examples"], evaluation.metrics["accuracy"]) == (3, pytest.approx(2 / 3))
    with pytest.raises(DataError) as error:
        Evaluation.of(dataset(1), probabilities[:1], {0: "it is empty"})
    assert str(error.value) == "No example of 'data' can be read: 0, \"q\".vec it is empty."


def test_the_worst_mistakes_are_the_most_confident():
    probabilities = np.array([[0.4, 0.6], [0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], "float32")
    evaluation = Evaluation.of(dataset(), probabilities, {})
    assert evaluation.worst_mistakes() == [1, 3, 0]
    assert evaluation.worst_mistakes(1) == [1]


def test_the_most_frequent_confusions_come_first():
    labels, answers = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2], [0, 2, 2, 0, 0, 2, 1, 2, 2, 1]
    data = Dataset(
        sources=[str(number) for number in range(10)],
        labels=np.array(labels),
        classes=("a", "b", "c"),
        digests=[bytes([number]) for number in range(10)],
        splits=np.array(["test"] * 10),
        modality="vector",
    )
    evaluation = Evaluation.of(data, np.eye(3, dtype="float32")[answers], {})
    expected = [("a", "c", 2), ("b", "a", 2), ("c", "b", 2), ("b", "c", 1)]  # equal ones in the order of the classes
    received = [tuple(row.values()) for row in evaluation.confusions()]
    assert list(evaluation.confusions()[0]) == ["label", "prediction", "examples"]
    assert received == expected
    assert [tuple(row.values()) for row in evaluation.confusions(1)] == expected[:1]


def test_the_answers_are_a_table(tmp_path):
    probabilities = np.array([[0.9, 0.1], [0.25, 0.75], [0.4, 0.6], [0.5, 0.5]], "float32")
    Evaluation.of(dataset(), probabilities, {}).write_csv(tmp_path / "predictions.csv")
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "source",
        "label",
        "prediction",
        "probability",
        "probability of a",
        "probability of b,c",
    ]
    assert rows[2] == {
        "source": '2, "q".vec',
        "label": "a",
        "prediction": "b,c",
        "probability": "0.600000",
        "probability of a": "0.400000",
        "probability of b,c": "0.600000",
    }


@pytest.mark.parametrize("classes", [3, 8])
def test_the_intervals_hold_what_they_promise(classes):
    # A classifier whose recall is known: how often do the intervals of many small test parts contain it?
    generator = np.random.default_rng(0)
    recall, held = generator.uniform(0.7, 1, classes), 0
    labels = np.repeat(np.arange(classes), 12)
    for _ in range(200):
        right = generator.random(len(labels)) < recall[labels]
        low, high = figures(labels, np.eye(classes)[np.where(right, labels, (labels + 1) % classes)])[
            "balanced_accuracy_interval"
        ]
        held += low <= recall.mean() <= high
    assert held / 200 > 0.9


@pytest.mark.slow
def test_many_classes_take_little_memory():
    labels = np.arange(600) % 300
    tracemalloc.start()
    figures(labels, np.eye(300)[labels])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 250e6
