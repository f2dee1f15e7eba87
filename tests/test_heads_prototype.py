"""The prototype head: the nearest class mean by cosine."""

from __future__ import annotations

import numpy as np
import pytest

from tlplug.backbones import import_keras
from tlplug.heads import prototype

CORNERS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], "float32")


def fit(features, labels, outputs=None):
    labels = np.asarray(labels)
    count = len(labels)
    return prototype.fit(
        np.asarray(features, "float32"),
        labels,
        outputs=outputs or int(labels.max()) + 1,
        folds=np.full(count, -1),
        sample_weight=np.ones(count),
        seed=0,
    )


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


def test_a_hand_computed_case():
    fitted = fit(CORNERS, [0, 0, 1, 1])  # the centre is the origin, every direction is of length one
    root = np.sqrt(0.5)
    assert np.allclose(fitted.arrays["centre"], 0)
    assert np.allclose(fitted.arrays["prototypes"].T, [[root, root], [-root, -root]])
    # Without itself, an example sees the other one of its class at a right angle and the other class at -45 degrees.
    assert fitted.cross_validation["accuracy"] == 1.0
    assert fitted.chosen == {"temperature": 64.0}  # from there on the loss is zero to the last bit
    assert fitted.cross_validation["log_loss"] == pytest.approx(np.log1p(np.exp(-64 * root)), abs=1e-6)
    expected = softmax(64 * np.array([[1, -1], [-1, 1], [0, 0]]))
    received = prototype.apply(fitted.arrays, np.array([[3, 3], [-5, -5], [1, -1]], "float32"))
    assert (received.dtype, np.allclose(received, expected)) == (np.dtype("float32"), True)


def test_the_centre_is_taken_away_and_length_does_not_count():
    shifted = fit(CORNERS * [[1], [5], [1], [5]] + np.array([100, 50]), [0, 0, 1, 1])
    plain = fit(CORNERS * [[1], [5], [1], [5]], [0, 0, 1, 1])
    rows = np.array([[2, 1], [20, 10], [-1, -3]], "float32")
    probabilities = prototype.apply(plain.arrays, rows)
    assert np.allclose(prototype.apply(shifted.arrays, rows + np.array([100, 50])), probabilities, atol=1e-5)
    assert np.allclose(probabilities[0], probabilities[1], atol=1e-6)


def test_one_example_of_each_class_has_no_cross_validation():
    fitted = fit(CORNERS[:3], [0, 1, 2])
    assert (fitted.cross_validation, fitted.chosen) == ({}, {"temperature": 1.0})
    assert prototype.apply(fitted.arrays, CORNERS[:3]).argmax(axis=1).tolist() == [0, 1, 2]


def test_leaving_one_out_is_what_it_says():
    generator = np.random.default_rng(0)
    labels = np.arange(30) % 3
    features = (generator.normal(size=(3, 5))[labels] + generator.normal(size=(30, 5))).astype("float32")
    fitted = fit(features, labels)
    directions = features - features.mean(axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    cosines = np.empty((30, 3))
    for i in range(30):
        others = np.arange(30) != i
        for label in range(3):
            total = directions[others & (labels == label)].sum(axis=0)
            cosines[i, label] = directions[i] @ total / np.linalg.norm(total)
    losses = {
        temperature: -np.log(softmax(temperature * cosines)[np.arange(30), labels]).mean()
        for temperature in prototype.TEMPERATURES
    }
    assert fitted.chosen["temperature"] == min(losses, key=losses.get)
    assert fitted.cross_validation["log_loss"] == pytest.approx(min(losses.values()), rel=1e-4)
    assert fitted.cross_validation["accuracy"] == pytest.approx(np.mean(cosines.argmax(axis=1) == labels))


def test_examples_that_are_all_the_same_are_no_error():
    fitted = fit(np.ones((6, 4)), [0, 0, 1, 1, 2, 2])
    assert np.allclose(prototype.apply(fitted.arrays, np.ones((1, 4), "float32")), 1 / 3)
    assert all(np.isfinite(value) for value in fitted.cross_validation.values())


def test_copies_of_one_example_are_learned():
    fitted = fit(np.repeat(CORNERS[:2], 3, axis=0), [0, 0, 0, 1, 1, 1])
    assert fitted.cross_validation["accuracy"] == 1.0


def test_a_class_without_examples_is_never_the_answer():
    fitted = fit(CORNERS, [0, 0, 2, 2], outputs=3)
    assert 1 not in prototype.apply(fitted.arrays, CORNERS).argmax(axis=1)


def test_huge_and_tiny_features_are_no_error():
    for scale in (1e-18, 1e15):
        fitted = fit(CORNERS * np.float32(scale), [0, 0, 1, 1])
        received = prototype.apply(fitted.arrays, CORNERS * np.float32(scale))
        assert received.argmax(axis=1).tolist() == [0, 0, 1, 1]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras reads its variables
def test_as_a_keras_model_it_is_the_same():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(40, 6)).astype("float32") + 3
    arrays = fit(features, np.arange(40) % 4).arrays
    import_keras()
    assert np.abs(np.asarray(prototype.to_keras(arrays)(features)) - prototype.apply(arrays, features)).max() < 1e-4
