"""Fitted heads: what they learned is saved, and predicts the same without TensorFlow and without the plugin."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import tlplug
from tlplug.backbones import import_keras
from tlplug.errors import RunError
from tlplug.heads import HeadChoice, load_head
from tlplug.plugins import Plugin
from tlplug.registry import registry
from tlplug.specs import Head, HeadFit, Option, parse_options

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras reads variables

GENERATOR = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [30, 15, 5])
FEATURES = (GENERATOR.normal(size=(3, 6))[LABELS] + GENERATOR.normal(size=(50, 6))).astype("float32")

LOAD = """
import json, sys
from pathlib import Path
import numpy as np
from tlplug.heads import load_head
folder = Path(sys.argv[1])
rows = np.load(folder / "rows.npy")
np.save(folder / "answers.npy", load_head(folder, json.loads(sys.argv[2]))(rows))
print(sorted({"tensorflow", "keras", "scipy", "sklearn"} & set(sys.modules)))
"""


def fit(name, **options):
    entry = registry().get("head", name)
    choice = HeadChoice(entry, parse_options("head", entry.record.options, options))
    return choice.fit(FEATURES, LABELS, outputs=3, folds=np.full(50, -1))


def own_head():
    @tlplug.register_head("own", options=[Option(name="epochs", type=int, default=2)])
    def build(embedding_size, outputs):
        keras = import_keras()
        return keras.Sequential([keras.Input((embedding_size,)), keras.layers.Dense(outputs, "softmax")])


def plugin_head():
    """A head with arrays, as an installed plugin brings it: the most frequent class, with a certainty."""

    def fit(features, labels, *, outputs, folds, sample_weight, seed):
        shares = np.bincount(labels, sample_weight, minlength=outputs) / sample_weight.sum()
        return HeadFit(arrays={"shares": shares, "size": features.shape[1]}, chosen={"seen": len(labels)})

    def to_keras(arrays):
        keras = import_keras()
        outputs = len(arrays["shares"])
        dense = keras.layers.Dense(outputs, activation="softmax", kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((int(arrays["size"]),)), dense])
        dense.set_weights([dense.get_weights()[0], np.log(arrays["shares"])])
        return model

    record = Head(name="frequent", fit=fit, apply=lambda arrays, rows: arrays["shares"], to_keras=to_keras)
    registry().add("head", record, Plugin("other", "other-plugin", "1.0"))


@pytest.mark.parametrize(
    ("name", "form", "prepare"),
    [
        ("linear", "arrays", None),
        ("prototype", "arrays", None),
        ("mlp", "network", None),
        ("own", "network", own_head),
        ("frequent", "network", plugin_head),
    ],
)
def test_a_saved_head_predicts_the_same_without_tensorflow_and_its_plugin(tmp_path, python, name, form, prepare):
    if prepare:
        prepare()
    fitted = fit(name, **({"epochs": 2, "hidden": "4"} if name == "mlp" else {}))
    about = fitted.save(tmp_path)
    assert about == {"name": name, "form": form}
    np.save(tmp_path / "rows.npy", FEATURES)
    process = python(LOAD, tmp_path, json.dumps(about))
    output, errors = process.communicate(timeout=60)
    assert output == "[]\n", errors
    answers = np.load(tmp_path / "answers.npy")
    assert answers.dtype == np.float32
    assert np.abs(answers - fitted.predict(FEATURES)).max() < (1e-5 if form == "network" else 1e-9)


def test_a_head_of_a_plugin_is_fitted_as_it_says():
    plugin_head()
    fitted = fit("frequent")
    assert (fitted.name, fitted.chosen) == ("frequent", {"seen": 50})
    assert np.allclose(fitted.predict(FEATURES[:2]), [[0.6, 0.3, 0.1]] * 2, atol=1e-6)


def test_what_was_chosen_and_used_is_kept():
    fitted = fit("linear", penalty="2.5")
    assert (fitted.options, fitted.chosen) == (
        {"class_weight": "none", "penalty": 2.5, "scale": None},
        {"penalty": 2.5, "scale": fitted.chosen["scale"]},
    )
    assert fitted.cross_validation == {}


def test_balanced_classes_equal_scikit_learns():
    fitted = fit("linear", penalty=1.0, class_weight="balanced")
    scaled = FEATURES - FEATURES.mean(axis=0)
    scaled /= np.sqrt(np.mean(scaled**2))
    expected = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-8, max_iter=2000).fit(scaled, LABELS)
    assert np.abs(fitted.predict(FEATURES) - expected.predict_proba(scaled)).max() < 1e-3


def test_balancing_passes_over_classes_without_examples():
    entry = registry().get("head", "linear")
    choice = HeadChoice(entry, {"class_weight": "balanced", "penalty": 1.0})
    fitted = choice.fit(FEATURES, LABELS, outputs=5, folds=np.full(50, -1))
    assert np.isfinite(fitted.predict(FEATURES)).all()


def test_a_saved_head_never_unpickles(tmp_path):
    np.savez(tmp_path / "head.npz", kernel=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_head(tmp_path, {"name": "linear", "form": "arrays"})


def test_a_head_of_a_newer_form_says_what_to_do(tmp_path):
    with pytest.raises(RunError) as error:
        load_head(tmp_path, {"name": "x", "form": "tree"})
    assert str(error.value) == (
        "The head of this run has the form 'tree', which this tlplug does not know. Upgrade it."
    )
