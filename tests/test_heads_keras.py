"""Heads that Keras trains: tlplug's own and people's."""

from __future__ import annotations

import numpy as np
import pytest

import tlplug
from tlplug.backbones import import_keras
from tlplug.data import assign_folds
from tlplug.errors import OptionError, PluginError
from tlplug.heads import HeadChoice
from tlplug.heads.mlp import build
from tlplug.registry import registry
from tlplug.specs import Option, parse_options

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras reads variables


def blobs(count=60, size=6, outputs=3, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % outputs
    return (generator.normal(size=(outputs, size)) * 3)[labels].astype("float32") + generator.normal(
        size=(count, size)
    ).astype("float32"), labels


def choose(name="mlp", seed=0, **options):
    entry = registry().get("head", name)
    return HeadChoice(entry, parse_options("head", entry.record.options, options), seed)


def fit(choice, features, labels, *, folds=None, outputs=3):
    folds = np.full(len(labels), -1) if folds is None else folds
    return choice.fit(features, labels, outputs=outputs, folds=folds)


def dense(activation="softmax", units=None):
    """A builder of one layer."""

    def build(embedding_size, outputs):
        keras = import_keras()
        return keras.Sequential([keras.Input((embedding_size,)), keras.layers.Dense(units or outputs, activation)])

    return build


@pytest.mark.parametrize(
    ("hidden", "sizes"),
    [("256", [256]), ("64,32", [64, 32]), (" 8 , 4 ", [8, 4]), ("none", []), ("None", []), ("0", [])],
)
def test_hidden_layers_have_the_sizes_given(hidden, sizes):
    keras = import_keras()
    model = build(5, 3, hidden=hidden, dropout=0.3)
    units = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert units == [*sizes, 3]
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.3] * len(units)
    assert model.layers[-1].activation is keras.activations.softmax


@pytest.mark.parametrize("hidden", ["64,", "many", "-3", "64,0", "1.5", "64;32"])
def test_hidden_sizes_that_are_none_are_refused(hidden):
    with pytest.raises(OptionError) as error:
        build(5, 3, hidden=hidden)
    assert str(error.value) == f"Option 'hidden' takes sizes such as 256,64, or none. Received: {hidden!r}."


@pytest.mark.parametrize("dropout", [1, -0.1, 7.0])
def test_a_share_to_drop_that_is_none_is_refused(dropout):
    with pytest.raises(OptionError) as error:
        build(5, 3, dropout=dropout)
    assert str(error.value) == f"Option 'dropout' is from 0 to below 1. Received: {dropout}."


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate"])
def test_a_number_of_nothing_is_refused(name):
    with pytest.raises(OptionError, match=name):
        fit(choose(**{name: 0}), *blobs())


def test_an_error_of_options_goes_through_training():
    with pytest.raises(OptionError, match=r"^Option 'hidden' takes sizes"):
        fit(choose(hidden="many"), *blobs())


def test_it_learns_and_chooses_its_epochs_on_the_first_fold():
    features, labels = blobs()
    folds = assign_folds(labels, range(60), 5, 0)
    fitted = fit(choose(hidden="16", epochs=8, patience=3, learning_rate=0.05), features, labels, folds=folds)
    probabilities = fitted.predict(features)
    assert (probabilities.shape, probabilities.dtype) == ((60, 3), np.dtype("float32"))
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == labels) > 0.95
    assert 1 <= fitted.chosen["epochs"] <= 8
    assert 0.5 < fitted.chosen["validation_accuracy"] <= 1


def test_without_folds_it_trains_as_long_as_it_is_told():
    features, labels = blobs()
    fitted = fit(choose(hidden="none", epochs=3), features, labels)
    assert fitted.chosen == {"epochs": 3}


def test_a_seed_gives_one_head():
    features, labels = blobs()
    heads = [fit(choose(hidden="8", epochs=2, seed=seed), features, labels).predict(features) for seed in (0, 0, 1)]
    assert np.array_equal(heads[0], heads[1])
    assert not np.array_equal(heads[0], heads[2])


def test_features_of_any_scale_are_standardised():
    features, labels = blobs()
    features = np.concatenate([features * 1e-4 + 5, np.full((60, 1), 3)], axis=1).astype("float32")
    fitted = fit(choose(hidden="16", epochs=8, learning_rate=0.05), features, labels)
    assert np.mean(fitted.predict(features).argmax(axis=1) == labels) > 0.9


def test_a_head_of_ones_own_is_trained():
    seen = []

    @tlplug.register_head("own", options=[Option(name="units", type=int, default=4), Option(name="epochs", type=int)])
    def own(embedding_size, outputs, units):
        keras = import_keras()
        seen.append((embedding_size, outputs, units))
        layers = [keras.layers.Dense(units, "relu"), keras.layers.Dense(outputs, "softmax")]
        return keras.Sequential([keras.Input((embedding_size,)), *layers])

    fitted = fit(choose("own", epochs=2, units=5), *blobs())
    assert seen == [(6, 3, 5)]
    assert fitted.chosen == {"epochs": 2}
    assert fitted.predict(blobs()[0]).shape == (60, 3)


def test_an_option_that_the_builder_does_not_take_and_training_does_not_either_is_an_error():
    tlplug.register_head("own", options=[Option(name="width", type=int, default=4)])(dense())
    with pytest.raises(PluginError, match=r"takes no width, which its record declares as an option\. Received: \(emb"):
        fit(choose("own"), *blobs())


def test_the_options_of_the_training_are_for_the_builder_where_it_asks_for_them():
    numbers = {"epochs": 2, "learning_rate": 0.01, "batch_size": 16, "patience": 3}
    seen = []

    @tlplug.register_head("own", options=[Option(name=name, type=type(value)) for name, value in numbers.items()])
    def own(embedding_size, outputs, epochs):
        seen.append(epochs)
        return dense()(embedding_size, outputs)

    assert fit(choose("own", **numbers), *blobs()).chosen == {"epochs": 2}
    assert seen == [2]


def raising(embedding_size, outputs):
    raise RuntimeError("no layers\nleft")


def narrow(embedding_size, outputs):
    keras = import_keras()
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(outputs, "softmax")])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (raising, r"^The head 'own' cannot be built: RuntimeError: no layers$"),
        (narrow, r"^The head 'own' does not take \[batch, 6\]: "),
        (dense(units=4), r"^The head 'own' must return \(None, 3\)\. Received: \(None, 4\)\.$"),
        (dense(None), r"add up to 1\. Received a sum of \S+\. Add activation=\"softmax\" to its last layer\.$"),
        (dense("sigmoid"), r"add up to 1\. Received a sum of 1\.5\. Add activation=\"softmax\""),
        (lambda embedding_size, outputs: None, r"^The head 'own' .*NoneType"),
        (lambda embedding_size, outputs: "text", r"^The head 'own' .*str"),
    ],
)
def test_a_head_that_is_none_is_a_plugin_error_of_one_line(build, message):
    tlplug.register_head("own")(build)
    with pytest.raises(PluginError, match=message) as error:
        fit(choose("own"), *blobs())
    assert "\n" not in str(error.value)


def test_a_head_that_does_not_train_says_what_to_do():
    features, labels = blobs()
    with pytest.raises(PluginError) as error:
        fit(choose(hidden="none", epochs=2, learning_rate=1e38), features, labels)
    assert str(error.value) == "The head 'mlp' did not train: its loss is no number. Lower --learning-rate."


def test_classes_can_be_made_to_count_the_same():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], [90, 10])
    features = (generator.normal(size=(100, 2)) + labels[:, None] * 0.8).astype("float32")

    def recall(class_weight):
        choice = choose(hidden="none", epochs=8, learning_rate=0.1, class_weight=class_weight)
        return np.mean(fit(choice, features, labels, outputs=2).predict(features).argmax(axis=1)[90:] == 1)

    assert recall("balanced") > recall("none")
