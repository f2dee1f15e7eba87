"""LoRA: what trains, that it has low rank, and that what is saved is the network that was trained."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tlplug import load_plugin
from tlplug.backbones import build_backbone, load_keras, select_backbone
from tlplug.training.lora import Updates

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

PLUGIN = """
import numpy as np
import tlplug

@tlplug.register_preprocess("steps", modality="steps", suffixes=(".npy",), default_backbone="attentive")
def make(options, files):
    return lambda source: {"steps": np.load(source)}

@tlplug.register_backbone("attentive", modality="steps", input_shape=(10, 6))
def build(weights=None):
    import keras
    from keras import layers
    x = inputs = keras.Input((10, 6), name="steps")
    for number in range(2):
        seen = layers.MultiHeadAttention(2, 4, name=f"attention{number}")(x, x)
        x = layers.LayerNormalization(name=f"norm{number}")(layers.Add(name=f"sum{number}")([x, seen]))
    return keras.Model(inputs, layers.GlobalAveragePooling1D()(x), name="attentive")

@tlplug.register_backbone("blind", modality="steps", input_shape=(10, 6))
def blind(weights=None):
    import keras
    inputs = keras.Input((10, 6), name="steps")
    dense = keras.layers.Dense(4, name="dense")(inputs)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(dense), name="blind")
"""

QUICK = ("--set", "tuning.patience=0", "--epochs", 4, "--learning-rate", 0.02)


@pytest.fixture
def steps(tmp_path, cache, monkeypatch):
    """Steps that rise and fall together, and others that do not: 20 of each."""
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin")
    (tmp_path / "steps.py").write_text(PLUGIN)
    generator = np.random.default_rng(0)
    for name in ("same", "other"):
        (tmp_path / "steps" / name).mkdir(parents=True)
        for number in range(20):
            values = generator.normal(size=(10, 6)).astype(np.float32)
            if name == "same":
                values[:, 3:] = values[:, :3]
            np.save(tmp_path / "steps" / name / f"{number}.npy", values)
    return tmp_path / "steps"


@pytest.fixture
def train(cli, steps, tmp_path):
    def run(*arguments):
        plugin = ("--plugin", tmp_path / "steps.py", "--out", tmp_path / "run")
        return cli("train", steps, "--set", "tuning.lora=2", *plugin, *arguments)

    return run


@pytest.fixture
def network(steps, tmp_path):
    """Build the network as it was before."""
    load_plugin(tmp_path / "steps.py")
    return lambda: build_backbone(select_backbone("attentive", modality="steps")).model


def test_queries_and_values_change_by_a_low_rank_and_nothing_else(train, network, tmp_path):
    done = train("--strategy", "full", *QUICK)
    assert done.code == 0, done.err
    assert "all of it tuned by LoRA of rank 2 for 4 epochs" in done.out
    saved = load_keras(tmp_path / "run" / "model" / "backbone" / "model.keras")
    before, after = ({v.path: np.asarray(v.value) for v in model.weights} for model in (network(), saved))
    assert before.keys() == after.keys()  # the updates are in the weights, not beside them
    moved = {path for path, value in before.items() if not np.array_equal(value, after[path])}
    assert moved == {f"attention{n}/{name}/kernel" for n in range(2) for name in ("query", "value")}
    for path in moved:
        update = (after[path] - before[path]).reshape(-1, after[path].shape[-1])
        assert np.linalg.matrix_rank(update, tol=1e-5) == 2 < min(update.shape)
    tuning = json.loads((tmp_path / "run" / "run.json").read_text())["tuning"]
    assert (tuning["lora"], tuning["parameters_trained"]) == (2, 2 * 2 * (6 * 2 * 2 + 2 * 4))


@pytest.mark.slow
def test_interrupted_it_goes_on_to_the_same_weights(steps, tmp_path):
    import keras

    import tlplug

    class Interruption(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    load_plugin(tmp_path / "steps.py")
    options = {"tuning.lora": 2, "tuning.patience": 0, "tuning.epochs": 4, "tuning.learning_rate": 0.02}
    whole = tlplug.train(steps, strategy="full", options=options)
    settings = {"strategy": "full", "options": options, "checkpoints": tmp_path / "kept"}
    with pytest.raises(KeyboardInterrupt):
        tlplug.train(steps, callbacks=[Interruption()], **settings)
    resumed = tlplug.train(steps, **settings)
    for number, model in enumerate((whole, resumed)):
        model.save(tmp_path / f"run-{number}")
    networks = [load_keras(tmp_path / f"run-{number}" / "model" / "backbone" / "model.keras") for number in (0, 1)]
    assert all(np.array_equal(a, b) for a, b in zip(*(n.get_weights() for n in networks), strict=True))


@pytest.mark.slow
def test_only_the_topmost_stage_has_updates_where_only_that_trains(train, network, tmp_path):
    assert train("--strategy", "fine-tune", "--stages", 1, *QUICK).code == 0
    saved = load_keras(tmp_path / "run" / "model" / "backbone" / "model.keras")
    pairs = zip(network().weights, saved.weights, strict=True)
    moved = {a.path for a, b in pairs if not np.array_equal(np.asarray(a.value), np.asarray(b.value))}
    assert moved == {"attention1/query/kernel", "attention1/value/kernel"}


def test_merged_it_answers_as_it_did(network):
    model, fresh, rows = network(), network(), np.random.default_rng(0).normal(size=(5, 10, 6)).astype(np.float32)
    before = np.asarray(model(rows))
    model.trainable = True
    updates = Updates.added(model, model, rank=3)
    assert len(model.trainable_variables) == 2 * 2 * 2
    np.testing.assert_array_equal(np.asarray(model(rows)), before)  # an update is nothing at first
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    fresh.set_weights(updates.merged())
    after = np.asarray(model(rows))
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(np.asarray(fresh(rows)), after, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--strategy", "full", "--backbone", "blind"), "The backbone 'blind' has no weights that can train by LoRA,"),
        (("--strategy", "scratch"), "LoRA changes pretrained weights, scratch has none. Valid: --strategy full."),
        (("--strategy", "full", "--set", "tuning.lora=0"), "Option 'tuning.lora' is 1 or more. Received: '0'."),
    ],
)
def test_what_does_not_fit_is_one_line(train, arguments, message):
    done = train(*arguments)
    assert done.code == 2
    assert message in done.err.splitlines()[-1]
