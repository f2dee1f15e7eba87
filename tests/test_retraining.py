"""``Model.fine_tune``: a frozen model is tuned in place, as a training of its own would have been."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import tlplug
from tlplug.errors import DataError, OptionError, TlplugError, UnknownNameError, UsageError, WeightsError
from tlplug.storage import read_json
from tlplug.training import setup_again

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

QUICK = {"tuning.epochs": 3, "tuning.patience": 0, "tuning.learning_rate": 0.02}
ASKED = {"strategy": "full", "stages": None, "unfreeze": None, "augment": "none", "callbacks": ()}


@pytest.fixture
def data(dots, tmp_path):
    """A folder of three classes; the modality is loaded."""
    dots.load()
    return dots.write(tmp_path / "data")


@pytest.fixture
def loaded(data, dots_run):
    return tlplug.load(dots_run)


def arrays(count=40):
    """Vectors of eight numbers, of two classes."""
    rows = [np.random.default_rng(n).normal(0.5 * (-1) ** n, 1, 8).astype(np.float32) for n in range(count)]
    return tlplug.load_data(rows, labels=["odd", "even"] * (count // 2), modality="vector", seed=3)


def variables(model):
    from tlplug.backbones import load_keras

    network = load_keras(model.predictor.compiled.folder / "model.keras")
    return [np.asarray(variable.value) for variable in network.variables]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(variables(first), variables(second), strict=True))


def test_a_loaded_model_is_tuned_as_a_training_would_have_done_and_can_be_saved(loaded, data, dots_run, tmp_path):
    frozen = tlplug.load(dots_run)
    assert loaded.fine_tune(data, strategy="full", options=QUICK) is loaded
    anew = tlplug.train(data, strategy="full", options=QUICK)
    assert same(loaded, anew)
    assert not same(loaded, frozen)
    assert loaded.metrics == anew.metrics
    assert loaded.metrics["frozen"] == frozen.metrics["test"]
    apart = ("created", "seconds", "features_computed", "runtime")
    assert {k: v for k, v in loaded.info.items() if k not in apart} == {
        k: v for k, v in anew.info.items() if k not in apart
    }
    assert (loaded.info["strategy"], loaded.path) == ("full", None)
    loaded.save(tmp_path / "run")
    again = tlplug.load(tmp_path / "run")
    assert again.metrics == loaded.metrics == read_json(tmp_path / "run" / "metrics.json")
    assert again.predict(data) == loaded.predict(data)
    assert "all of it tuned for 3 epochs" in (tmp_path / "run" / "report.html").read_text()
    for model in (again, loaded):
        with pytest.raises(
            UsageError, match=r"tuned already \(all of it tuned for 3 epochs\)\. Valid: a frozen one, or"
        ):
            model.fine_tune(data)


def test_parts_options_and_random_weights_are_those_of_the_model(vectors, tmp_path):
    data = arrays()
    options = {"backbone.units": 6, "preprocess.factor": 0.5, "head.class_weight": "balanced"}
    settings = {"backbone": "tanh", "options": options, "seed": 3, "weights": "random", "runtime": "tensorflow"}
    model = tlplug.train(data, **settings)
    model.save(tmp_path / "run")
    trained = tlplug.train(data, **{**settings, "options": options | QUICK}, strategy="full")
    for frozen in (model, tlplug.load(tmp_path / "run")):
        frozen.fine_tune(data, strategy="full", options=QUICK)
        assert same(frozen, trained)
        assert frozen.metrics == trained.metrics
        for part in ("backbone", "preprocess", "head", "seed"):
            assert frozen.info[part] == trained.info[part]
        assert frozen.info["backbone"]["weights"] == "random, seed 3"
        assert frozen.info["runtime"]["name"] == "tensorflow"


def test_a_backbone_without_weights_and_another_head_are_chosen_again(vectors):
    model = tlplug.train(arrays(), head="prototype", backbone="tanh")
    assert model.info["backbone"]["weights"] is None
    setup = setup_again(model.info, QUICK, **ASKED)
    assert (setup["backbone"], setup["weights"], setup["head"]) == ("tanh", None, "prototype")
    assert setup["options"].items() >= {"backbone.units": 4, "preprocess.factor": 1.0, **QUICK}.items()
    assert "preprocess.input_shape" not in setup["options"]
    assert not any(value is None for value in setup["options"].values())
    model.fine_tune(arrays(), strategy="full", options=QUICK)
    assert (model.info["head"]["name"], model.info["tuning"]["epochs_trained"]) == ("prototype", 3)


def test_of_two_that_have_the_name_it_is_the_one_of_the_training(vectors, tmp_path):
    model = tlplug.train(arrays(), backbone="vectors.py/tanh")
    other = (tmp_path / "vectors.py").read_text().replace("vector", "other")
    (tmp_path / "others.py").write_text(other.replace('"numbers"', '"others"'))
    tlplug.load_plugin(tmp_path / "others.py")
    assert setup_again(model.info, {}, **ASKED)["backbone"] == "vectors.py/tanh"


def test_where_nothing_is_better_it_stays_frozen_and_may_be_tried_again(loaded, data):
    still = {"tuning.epochs": 1, "tuning.learning_rate": 1e-8}
    loaded.fine_tune(data, strategy="full", options=still)
    assert (loaded.info["strategy"], loaded.info["tuning"]["epochs_trained"]) == ("full", 0)
    loaded.fine_tune(data, options=QUICK, stages=1)
    assert loaded.info["tuning"]["epochs_trained"] == 3


def test_the_order_of_classes_is_kept(loaded, data):
    split = tlplug.load_data(data)
    order = ("wide", "high", "low")
    turned = split.relabelled(np.array([1, 2, 0])[split.labels], order)
    loaded.fine_tune(turned, strategy="full", options=QUICK)
    assert loaded.classes == ("high", "low", "wide")
    assert loaded.metrics["test"]["accuracy"] > 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"strategy": "features"}, UsageError, "tuned by one of fine-tune, full, auto. Received: the strategy 'featur"),
        ({"strategy": "scratch"}, UsageError, "Received: the strategy 'scratch'."),
        ({"options": {"head.epochs": 3}}, OptionError, "keeps the options of its parts. Received: 'head.epochs'."),
        ({"options": {"tuning.rate": 3}}, OptionError, "Unknown option 'tuning.rate'. Valid: tuning.epochs, "),
        ({"stages": 9}, UsageError, "Received: 9."),
        ({"stages": 1, "unfreeze": "dense"}, UsageError, "Either --stages or --unfreeze says what trains."),
        ({"stages": "1"}, UsageError, "The number of stages is a whole number. Received: '1'. Valid: stages=1."),
        ({"stages": True}, UsageError, "The number of stages is a whole number. Received: True. Valid: stages=1."),
        ({"unfreeze": 5}, UsageError, "What is unfrozen is a layer's name. Received: 5. Valid: unfreeze='conv5'."),
        ({"data": None}, UsageError, "Data are a path, or a sequence of sources with labels. Received: None."),
        ({"callbacks": print}, UsageError, "Callbacks are a list of callbacks of Keras. Received: <built-in function"),
        ({"callbacks": ["EarlyStopping"]}, UsageError, "callbacks of Keras. Received: 'EarlyStopping'. Valid: callb"),
        ({"callbacks": "EarlyStopping"}, UsageError, "callbacks of Keras. Received: 'EarlyStopping'. Valid: callb"),
    ],
)
def test_what_does_not_fit_leaves_the_model_as_it_was(loaded, data, arguments, error, message):
    before = loaded.predict(data)
    with pytest.raises(error) as raised:
        loaded.fine_tune(**{"data": data, **arguments})
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert loaded.info["strategy"] == "features"
    assert loaded.predict(data) == before


def test_what_does_not_fit_is_known_before_any_work(data, monkeypatch):
    from tlplug.training import fine_tune

    monkeypatch.setattr(fine_tune, "embed_data", lambda *_, **__: pytest.fail("it was embedded"))
    wrong = [
        {"stages": "1"},
        {"stages": 9},
        {"unfreeze": "deep"},
        {"options": {"tuning.lora": 4}},
        {"callbacks": print},
        {"callbacks": ["EarlyStopping"]},
    ]
    for arguments in wrong:
        with pytest.raises(UsageError):
            tlplug.train(data, strategy="fine-tune", **arguments)


def test_what_does_not_fit_is_known_before_the_data_are_read(loaded, tmp_path):
    for arguments in ({"stages": 0}, {"options": {"tuning.rate": 3}}, {"callbacks": print}):
        with pytest.raises(TlplugError) as raised:
            loaded.fine_tune(tmp_path / "nothing", **arguments)
        assert "nothing" not in str(raised.value)


def test_other_classes_and_other_data_are_refused(loaded, dots, data, vectors, tmp_path):
    shutil.move(data / "high", data / "low2")
    with pytest.raises(DataError) as raised:
        loaded.fine_tune(data)
    assert f"Received: {str(data)!r} with low2 and without high. Valid: high, low, wide; for" in str(raised.value)
    with pytest.raises(UsageError, match=r"The model takes dots\. Received: vector data\."):
        loaded.fine_tune(arrays())


def test_other_weights_of_the_name_are_refused(loaded, data):
    loaded.info["backbone"] = {**loaded.info["backbone"], "weights_digest": "0" * 64}
    with pytest.raises(WeightsError, match=r"The weights 'fixed' of 'net' are not those that the model was trained"):
        loaded.fine_tune(data)


def test_a_backbone_that_is_not_there_is_named(dots, dots_run, data, tmp_path):
    from tlplug.registry import registry

    registry.cache_clear()
    tlplug.load_plugin(dots.dots)  # the preprocess alone
    with pytest.raises(UnknownNameError, match="Unknown backbone 'net'"):
        tlplug.load(dots_run).fine_tune(data)
