"""The linear head: scikit-learn's logistic regression, on centred and commonly scaled features."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split

from tlplug.backbones import import_keras
from tlplug.data import assign_folds
from tlplug.heads import linear
from tlplug.heads.softmax import softmax

NEVER = -1


def blobs(count, size, outputs=3, seed=0, spread=1.0):
    """Examples around one random centre per class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % outputs
    centres = generator.normal(size=(outputs, size)) * spread
    return (centres[labels] + generator.normal(size=(count, size))).astype("float32"), labels


def fit(features, labels, *, outputs=None, folds=None, sample_weight=None, penalty=None, scale=None):
    return linear.fit(
        features,
        labels,
        outputs=outputs or int(labels.max()) + 1,
        folds=np.full(len(labels), NEVER) if folds is None else folds,
        sample_weight=np.ones(len(labels)) if sample_weight is None else sample_weight,
        seed=0,
        penalty=penalty,
        scale=scale,
    )


def scaled(features, scale="common"):
    """What the penalty is on: centred features, divided by one scale, or by one for each."""
    centred = features.astype("float64") - features.mean(axis=0, dtype="float64")
    deviation = np.sqrt(np.mean(centred**2, axis=0 if scale == "each" else None))
    return centred / np.where(deviation > 0, deviation, 1.0)


def reference(features, labels, penalty, sample_weight=None, scale="common"):
    model = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=5000)
    return model.fit(scaled(features, scale), labels, sample_weight=sample_weight)


@pytest.mark.parametrize(("count", "size"), [(60, 10), (40, 100), (30, 30), (31, 30), (3000, 6)])
@pytest.mark.parametrize("penalty", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("scale", linear.SCALES)
def test_it_equals_scikit_learn(count, size, penalty, scale):
    features, labels = blobs(count, size)
    fitted = fit(features, labels, penalty=penalty, scale=scale)
    expected = reference(features, labels, penalty, scale=scale)
    probabilities = linear.apply(fitted.arrays, features)
    assert probabilities.dtype == np.float32
    assert np.abs(probabilities - expected.predict_proba(scaled(features, scale))).max() < 1e-3
    centred = features - features.mean(axis=0)
    deviation = np.sqrt(np.mean(centred**2, axis=0 if scale == "each" else None, keepdims=True))
    kernel = fitted.arrays["kernel"] * deviation.T
    kernel = kernel - kernel.mean(axis=1, keepdims=True)  # the softmax is the same for any shift of a row
    assert np.abs(kernel - expected.coef_.T).max() < 2e-3 * max(1.0, np.abs(expected.coef_).max())
    assert fitted.chosen == {"penalty": penalty, "scale": scale}


def test_the_scale_is_the_better_one_on_the_folds():
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 3
    signal = np.eye(3)[labels] + generator.normal(0, 0.5, (120, 3))
    noise = generator.normal(0, 1, (120, 40))
    folds = assign_folds(labels, range(120), 5, 0)
    # What tells the classes apart is small here: with one scale for all the penalty would hold it down.
    small = np.hstack([0.01 * signal, noise[:, :3]]).astype(np.float32)
    assert fit(small, labels, folds=folds).chosen["scale"] == "each"
    # Here it is large, and a scale for each would make forty features without meaning count as much.
    large = np.hstack([signal, 0.1 * noise]).astype(np.float32)
    assert fit(large, labels, folds=folds).chosen["scale"] == "common"
    for features in (small, large):
        losses = [fit(features, labels, folds=folds, scale=s).cross_validation["log_loss"] for s in linear.SCALES]
        assert fit(features, labels, folds=folds).cross_validation["log_loss"] == min(losses)


def test_two_classes_equal_the_softmax_of_two():
    features, labels = blobs(50, 8, outputs=2)
    probabilities = linear.apply(fit(features, labels, penalty=2.0).arrays, features)
    # Two softmax scores w and -w have the penalty 2 w^2, the one binary score 2 w of scikit-learn has 4 w^2.
    expected = LogisticRegression(C=2 / 2.0, tol=1e-8, max_iter=5000).fit(scaled(features), labels)
    assert np.abs(probabilities - expected.predict_proba(scaled(features))).max() < 1e-3


@pytest.mark.parametrize(("count", "size"), [(60, 10), (40, 100)])
def test_weights_of_examples_equal_scikit_learns(count, size):
    features, labels = blobs(count, size)
    weight = np.random.default_rng(1).uniform(0, 3, count)
    probabilities = linear.apply(fit(features, labels, sample_weight=weight, penalty=1.0).arrays, features)
    expected = reference(features, labels, 1.0, weight).predict_proba(scaled(features))
    assert np.abs(probabilities - expected).max() < 1e-3


@pytest.mark.parametrize(("count", "size", "weighted"), [(150, 5, True), (60, 80, False), (2100, 4, True)])
def test_the_penalty_is_the_best_on_the_folds(count, size, weighted):
    features, labels = blobs(count, size, spread=0.7 if size < 10 else 0.25)
    folds = assign_folds(labels, range(count), 5, 0)
    weight = np.where(labels == 0, 2.0, 0.5) if weighted else np.ones(count)
    fitted = fit(features, labels, folds=folds, sample_weight=weight, scale="common")
    inputs, losses, accuracies = scaled(features), {}, {}
    for penalty in linear.PENALTIES:
        probabilities = np.empty((count, 3))
        for fold in range(5):
            out = folds == fold
            model = LogisticRegression(C=1 / penalty, max_iter=2000)
            model.fit(inputs[~out], labels[~out], sample_weight=weight[~out])
            probabilities[out] = model.predict_proba(inputs[out])
        losses[penalty] = log_loss(labels, probabilities, sample_weight=weight)
        accuracies[penalty] = np.mean(probabilities.argmax(axis=1) == labels)
    chosen = fitted.chosen["penalty"]
    assert losses[chosen] <= min(losses.values()) * 1.001
    assert fitted.cross_validation["log_loss"] == pytest.approx(losses[chosen], rel=0.02)
    assert fitted.cross_validation["accuracy"] == pytest.approx(accuracies[chosen], abs=max(0.011, 1.5 / count))
    assert np.allclose(
        linear.apply(fitted.arrays, features),
        linear.apply(fit(features, labels, sample_weight=weight, penalty=chosen).arrays, features),
        atol=1e-3,
    )


def test_on_digits_it_is_as_good_as_scikit_learns_cross_validation():
    features, labels = load_digits(return_X_y=True)
    train, test, of_train, of_test = train_test_split(
        features.astype("float32"), labels, test_size=0.5, random_state=0, stratify=labels
    )
    folds = assign_folds(of_train, range(len(of_train)), 3, 0)
    fitted = fit(train, of_train, folds=folds)
    deviation = np.sqrt(np.mean(np.var(train, axis=0)))
    mean = train.mean(axis=0)
    grid = {"C": [1 / penalty for penalty in linear.PENALTIES if 0.1 <= penalty <= 100]}
    model = GridSearchCV(LogisticRegression(max_iter=1000), grid, cv=3, scoring="neg_log_loss")
    model.fit((train - mean) / deviation, of_train)
    expected = np.mean(model.predict((test - mean) / deviation) == of_test)
    received = np.mean(linear.apply(fitted.arrays, test).argmax(axis=1) == of_test)
    assert received >= expected - 0.005
    assert received > 0.94


def test_constant_features_change_nothing():
    features, labels = blobs(60, 10)
    with_constants = np.concatenate([features, np.full((60, 10), 7, "float32")], axis=1)
    fitted = fit(with_constants, labels, penalty=1.0)
    expected = reference(with_constants, labels, 1.0).predict_proba(scaled(with_constants))
    assert np.abs(linear.apply(fitted.arrays, with_constants) - expected).max() < 1e-3
    assert np.abs(fitted.arrays["kernel"][10:]).max() < 1e-3


@pytest.mark.parametrize(("count", "size"), [(30, 5), (5, 30)])
@pytest.mark.parametrize("value", [0.0, 3.0, 1e6])
def test_features_that_are_all_the_same_give_the_shares_of_the_classes(count, size, value):
    labels = np.arange(count) % 5 // 3  # three of five are of the first class
    features = np.full((count, size), value, "float32")
    folds = assign_folds(labels, range(count), 2, 0)
    probabilities = linear.apply(fit(features, labels, folds=folds).arrays, features)
    assert np.allclose(probabilities, [0.6, 0.4], atol=0.01)


def test_one_example_of_each_class_is_learned():
    features, labels = blobs(4, 20, outputs=4, spread=5.0)
    fitted = fit(features, labels)
    assert (fitted.chosen, fitted.cross_validation) == ({"penalty": linear.DEFAULT_PENALTY, "scale": "common"}, {})
    assert linear.apply(fitted.arrays, features).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_one_single_example_is_no_error():
    probabilities = linear.apply(fit(np.ones((1, 3), "float32"), np.array([0]), outputs=2).arrays, np.ones((2, 3)))
    assert np.isfinite(probabilities).all()


def test_a_class_that_a_fold_lacks_is_no_error():
    features, labels = blobs(30, 6)
    labels[0], labels[1] = 3, 3
    folds = np.arange(30) % 3
    folds[:2] = 0  # the folds hold out all of class 3 at once
    fitted = fit(features, labels, folds=folds)
    assert np.isfinite([*fitted.cross_validation.values(), *fitted.arrays["kernel"].ravel()]).all()
    assert linear.apply(fitted.arrays, features).shape == (30, 4)


def test_a_class_without_examples_is_never_the_answer():
    features, labels = blobs(30, 6, outputs=2)
    probabilities = linear.apply(fit(features, labels, outputs=3, penalty=1.0).arrays, features)
    assert probabilities.argmax(axis=1).max() == 1
    assert probabilities[:, 2].max() < 0.2


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-3, 1e6, 1e15, 1e30])
@pytest.mark.parametrize(("count", "size"), [(60, 10), (20, 40)])
def test_the_scale_of_features_does_not_matter(scale, count, size):
    features, labels = blobs(count, size)
    expected = linear.apply(fit(features, labels, penalty=1.0).arrays, features)
    large = (features.astype("float64") * scale).astype("float32")
    with np.errstate(all="raise", under="ignore"):
        received = linear.apply(fit(large, labels, penalty=1.0).arrays, large)
    assert np.abs(received - expected).max() < 1e-3


@pytest.mark.parametrize(("count", "size"), [(60, 10), (20, 40), (2500, 10)])
def test_a_large_mean_does_not_matter(count, size):
    features, labels = blobs(count, size)
    shifted = features + np.float32(1000)
    expected = reference(shifted, labels, 1.0).predict_proba(scaled(shifted))
    assert np.abs(linear.apply(fit(shifted, labels, penalty=1.0).arrays, shifted) - expected).max() < 5e-3


def test_scores_far_apart_do_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        probabilities = softmax(np.array([[1e30, 0, -1e30], [-3e38, -3e38, -3e38]], "float32"))
    assert np.allclose(probabilities, [[1, 0, 0], [1 / 3] * 3])
    assert (probabilities.shape, probabilities.dtype) == ((2, 3), np.dtype("float32"))


def test_a_fit_that_is_cut_off_is_said(notes, monkeypatch):
    features, labels = blobs(60, 10)
    fit(features, labels, penalty=1.0)
    assert notes == []
    monkeypatch.setattr(linear, "_STEPS", 2)
    fit(features, labels, penalty=0.01)
    assert notes == ["The linear head has not converged in 2 steps at the penalty 0.01."]


def test_the_fit_is_the_same_each_time():
    features, labels = blobs(80, 12)
    folds = assign_folds(labels, range(80), 5, 0)
    first, second = (fit(features, labels, folds=folds).arrays for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_many_examples_take_about_twice_their_matrix():
    features, labels = blobs(6_000, 128)
    folds = assign_folds(labels, range(len(labels)), 5, 0)
    tracemalloc.start()
    try:
        fit(features, labels, folds=folds)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2.2 * features.nbytes


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras reads its variables
def test_as_a_keras_model_it_is_the_same():
    features, labels = blobs(60, 10)
    arrays = fit(features, labels, penalty=1.0).arrays
    import_keras()
    assert np.abs(np.asarray(linear.to_keras(arrays)(features)) - linear.apply(arrays, features)).max() < 1e-5
