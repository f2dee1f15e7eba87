"""The strategy auto: what is tried, on which examples, what wins, and that the test part has no say in it."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tlplug
from tlplug.backbones import load_keras
from tlplug.data import TRAIN, VALIDATION, Dataset
from tlplug.errors import UsageError
from tlplug.training.auto import ENOUGH, held_out_parts

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

PLUGIN = """
import numpy as np
import tlplug

@tlplug.register_preprocess("waves", modality="wave", suffixes=(".npy",), default_backbone="net",
                            candidates=("net", "mean", "spectrum", "away"))
def make(options, files):
    return lambda source: {"wave": np.load(source)}

@tlplug.register_backbone("net", modality="wave", input_shape=(32, 1))
def net(weights=None):
    import keras
    from keras import layers
    x = inputs = keras.Input((32, 1), name="wave")
    for number, filters in enumerate((4, 8, 8)):
        x = layers.Conv1D(filters, 3, strides=2, padding="same", activation="relu", name=f"conv{number}")(x)
        x = layers.Dropout(0.05, name=f"drop{number}")(x)
    return keras.Model(inputs, layers.GlobalAveragePooling1D()(x))

@tlplug.register_backbone("mean", modality="wave", input_shape=(32, 1))
def mean(weights=None):
    import keras
    inputs = keras.Input((32, 1), name="wave")
    return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(inputs))

@tlplug.register_backbone("spectrum", modality="wave", input_shape=(32, 1))
def spectrum(weights=None):
    import keras
    inputs = keras.Input((32, 1), name="wave")
    angles = 2 * np.pi * np.outer(np.arange(32), np.arange(1, 16)) / 32
    flat = keras.layers.Flatten()(inputs)
    parts = [keras.ops.matmul(flat, keras.ops.convert_to_tensor(f(angles), "float32")) for f in (np.cos, np.sin)]
    return keras.Model(inputs, keras.ops.sqrt(parts[0] ** 2 + parts[1] ** 2 + 1e-6))

@tlplug.register_backbone("away", modality="wave", input_shape=(32, 1),
                          weights={"far": tlplug.Weights(sources=(tlplug.Source(kind="file", location="/no/such"),))})
def away(weights=None):
    raise AssertionError
"""

LEARNS = ("--backbone", "net", "--epochs", 30, "--learning-rate", 0.02)


@pytest.fixture
def waves(tmp_path, cache, monkeypatch):
    """Fast waves and slow ones at any phase, in noise: 40 of each."""
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin")
    (tmp_path / "waves.py").write_text(PLUGIN)
    return write(tmp_path / "waves", 40)


def write(folder, count, parts=("",), noise=0.4):
    generator = np.random.default_rng(0)
    for part in parts:
        for name, turns in (("slow", 3), ("fast", 5)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                angles = 2 * np.pi * turns * np.arange(32) / 32 + generator.uniform(0, 6)
                wave = np.sin(angles) + generator.normal(0, noise, 32)
                np.save(folder / part / name / f"{number}.npy", wave[:, None].astype(np.float32))
    return folder


@pytest.fixture
def train(cli, waves, tmp_path):
    """Train on the waves by auto; return what the command printed."""

    def run(out, *arguments, data=waves):
        plugin = ("--plugin", tmp_path / "waves.py")
        return cli("train", data, "--strategy", "auto", *plugin, "--out", tmp_path / out, *arguments)

    return run


def tuning_of(run):
    return json.loads((run / "run.json").read_text())["tuning"]


def without_times(tried):
    return [{name: value for name, value in trial.items() if name != "seconds"} for trial in tried]


def test_more_stages_are_tried_as_long_as_they_are_better(train, tmp_path):
    done = train("run", *LEARNS, "--tensorboard", tmp_path / "board")
    assert done.code == 0, done.err
    tuning, metrics = tuning_of(tmp_path / "run"), json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [trial["stages"] for trial in tuning["tried"]] == [0, 1, 2, 3][: len(tuning["tried"])]
    taken = [trial for trial in tuning["tried"] if trial["taken"]]
    assert [trial["accuracy"] for trial in taken] == sorted(trial["accuracy"] for trial in taken)
    assert all(trial["confidence"] >= 0.8 for trial in taken[1:])
    assert taken[-1]["stages"] == tuning["stages"] >= 1
    assert all(trial["seconds"] > 0 for trial in tuning["tried"])
    assert metrics["validation"]["accuracy"] == taken[-1]["accuracy"]
    assert metrics["test"]["accuracy"] >= metrics["frozen"]["accuracy"] + 0.2
    table = [line for line in done.out.splitlines() if line.startswith(("net, frozen ", "net, top "))]
    assert len(table) == len(tuning["tried"])
    assert [line.endswith("chosen") for line in table].index(True) == tuning["tried"].index(taken[-1])
    assert "retracing" not in done.err
    trained = {f"stages-{trial['stages']}-fold-1" for trial in tuning["tried"][1:]}
    assert {path.name for path in (tmp_path / "board").iterdir()} >= {*trained, "final"}
    report = (tmp_path / "run" / "report.html").read_text()
    assert "What was tried" in report
    assert f"<td>{taken[-1]['parameters']:,}</td>" in report


def test_the_best_backbone_serves_where_none_is_named(train, tmp_path):
    done = train("run")
    assert done.code == 0, done.err
    assert "away was not tried: " in done.err
    assert (
        "It stays frozen: The backbone 'spectrum' has no weights that can train.\n" in done.err or "100.0%" in done.out
    )
    run = tmp_path / "run"
    tuning, metrics = tuning_of(run), json.loads((run / "metrics.json").read_text())
    assert [(t["backbone"], t["taken"]) for t in tuning["tried"]] == [
        ("net", True),
        ("mean", False),
        ("spectrum", True),
    ]
    assert all(remark in done.err for remark in tuning["remarks"])
    assert json.loads((run / "run.json").read_text())["backbone"]["name"] == "spectrum"
    assert metrics["test"]["accuracy"] >= metrics["default_backbone"]["accuracy"] + 0.2
    assert "default backbone" in done.out
    assert train("named", "--backbone", "mean").code == 0
    assert [trial["backbone"] for trial in tuning_of(tmp_path / "named")["tried"]] == ["mean"]


@pytest.mark.slow
def test_the_test_part_has_no_say(train, waves, tmp_path):
    """With all labels of the test part wrong, the same is tried, and the same is chosen."""
    parts = [write(tmp_path / name, 30, ("train", "test")) for name in ("right", "wrong")]
    (parts[1] / "test" / "slow").rename(parts[1] / "test" / "other")
    (parts[1] / "test" / "fast").rename(parts[1] / "test" / "slow")
    (parts[1] / "test" / "other").rename(parts[1] / "test" / "fast")
    done = [train(f"run-{data.name}", *LEARNS, "--stages", 3, "--json", data=data).json for data in parts]
    assert done[0]["metrics"]["test"]["accuracy"] == pytest.approx(1 - done[1]["metrics"]["test"]["accuracy"])
    right, wrong = (tuning_of(tmp_path / f"run-{data.name}") for data in parts)
    assert without_times(right["tried"]) == without_times(wrong["tried"])
    assert right["stages"] == 3


def test_a_validation_part_is_what_everything_is_compared_on(train, tmp_path):
    data = write(tmp_path / "parts", 20, ("train", "validation", "test"))
    assert train("run", *LEARNS, "--stages", 3, data=data).code == 0
    assert [trial["examples"] for trial in tuning_of(tmp_path / "run")["tried"]] == [40, 40]


def test_what_gets_worse_is_given_up(train, tmp_path):
    assert train("run", "--backbone", "net", "--stages", 3, "--epochs", 2, "--learning-rate", 20).code == 0
    tuning = tuning_of(tmp_path / "run")
    frozen, trained = tuning["tried"]
    assert trained["examples"] < frozen["examples"] == 64
    assert trained["confidence"] < 0.3
    assert (trained["taken"], tuning["stages"], tuning["epochs_trained"]) == (False, 0, 0)


@pytest.mark.parametrize(("batch", "tried"), [(8, 1), (64, 2)])
def test_what_becomes_no_number_is_given_up(train, tmp_path, batch, tried):
    """Its loss within the first epoch; or its answers after the only step of that."""
    settings = ("--backbone", "net", "--stages", 3, "--epochs", 1, "--set", f"tuning.batch_size={batch}")
    done = train("run", *settings, "--learning-rate", 1e38)
    assert done.code == 0, done.err
    assert ("What was tried last is given up: The loss became no number in epoch 1." in done.err) == (tried == 1)
    tuning = tuning_of(tmp_path / "run")
    assert (len(tuning["tried"]), tuning["stages"]) == (tried, 0)
    assert tuning["tried"][1:] == [] or tuning["tried"][1]["accuracy"] == 0


@pytest.mark.parametrize(("strategy", "before"), [("full", 1), pytest.param("auto", 3, marks=pytest.mark.slow)])
def test_what_was_better_but_comes_to_no_number_on_all_examples_stays_frozen(waves, tmp_path, notes, strategy, before):
    import keras

    class Spoiler(keras.callbacks.Callback):
        """Ruins the last training, which is on all examples."""

        trainings = 0

        def on_train_begin(self, logs=None):
            Spoiler.trainings += 1
            if Spoiler.trainings > before:
                kernel = self.model.trainable_variables[0]
                kernel.assign(np.full(kernel.shape, np.nan))

    tlplug.load_plugin(tmp_path / "waves.py")
    settings = {"backbone": "net", "options": {"tuning.epochs": 30, "tuning.learning_rate": 0.02}}
    stages = 3 if strategy == "auto" else None
    model = tlplug.train(waves, strategy=strategy, stages=stages, callbacks=[Spoiler()], **settings)
    assert Spoiler.trainings == before + 1
    assert notes[-1].startswith(
        "The loss became no number in epoch 1. Lower the rate: --learning-rate 0.0003, or auto."
    )
    assert notes[-1].endswith(" The frozen model remains.")
    assert model.info["tuning"]["epochs_trained"] == 0
    assert model.metrics["test"] == model.metrics["frozen"]
    assert "validation" not in model.metrics
    model.save(tmp_path / "run")
    assert "frozen, as tuning it on all examples came to no number" in (tmp_path / "run" / "README.md").read_text()
    assert "on all examples: The loss became no number in epoch 1." in (tmp_path / "run" / "report.html").read_text()


def test_stages_that_the_best_backbone_does_not_have_leave_it_frozen(train, tmp_path):
    done = train("run", "--stages", 3, data=write(tmp_path / "noisy", 40, noise=1.2))
    assert done.code == 0, done.err
    tuning = tuning_of(tmp_path / "run")
    assert [trial["backbone"] for trial in tuning["tried"] if trial["taken"]][-1] == "spectrum"
    (remark,) = [remark for remark in tuning["remarks"] if remark.startswith("It stays frozen: ")]
    assert remark in done.err
    assert (tuning["stages"], tuning["epochs_trained"]) == (0, 0)


def test_a_stage_that_no_backbone_has_is_known_before_any_work(waves, tmp_path, monkeypatch):
    from tlplug.training import auto

    tlplug.load_plugin(tmp_path / "waves.py")
    monkeypatch.setattr(auto, "embed_data", lambda *_, **__: pytest.fail("it was embedded"))
    for backbone in ("net", None):
        with pytest.raises(UsageError, match=r" has 3 stages\. Received: 9\. .*Type: tlplug backbones net --stages$"):
            tlplug.train(waves, strategy="auto", backbone=backbone, stages=9)


@pytest.mark.parametrize(
    ("count", "said"),
    [(2, "too few training examples to compare anything on"), (8, "A class has fewer than 10 training examples")],
)
def test_with_few_examples_the_backbone_stays_frozen(train, tmp_path, count, said):
    done = train("run", *LEARNS, data=write(tmp_path / "few", count))
    assert (done.code, said in done.err) == (0, True)
    assert "net, frozen, and the head linear" in done.out
    tuning = tuning_of(tmp_path / "run")
    assert tuning["epochs_trained"] == 0
    (remark,) = tuning["remarks"]
    assert said in remark
    assert remark in (tmp_path / "run" / "report.html").read_text()


def test_it_trains_all_epochs(train):
    done = train("run", "--set", "tuning.patience=3")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "The strategy 'auto' trains all epochs and has no patience." in done.err


def test_a_backbone_that_cannot_train_says_so(cli, waves, tmp_path):
    plugin = ("--plugin", tmp_path / "waves.py", "--out", tmp_path / "run")
    done = cli("train", waves, "--strategy", "full", "--backbone", "mean", *plugin)
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "Error: The backbone 'mean' has no weights that can train. Valid: --strategy features."
    )


START = "import sys; from tlplug.cli import main; sys.argv = ['tlplug', *sys.argv[1:]]; sys.exit(main())"


@pytest.mark.slow
def test_killed_between_two_folds_it_goes_on_to_the_same_weights(train, waves, tmp_path, python, cli):
    arguments = ("--strategy", "auto", "--plugin", tmp_path / "waves.py", *LEARNS, "--stages", 3)
    assert train("whole", *LEARNS, "--stages", 3).code == 0
    process = python(START, "train", waves, *arguments, "--out", tmp_path / "run")
    checkpoints = tmp_path / "run.partial" / "checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("*/judged-stages-3-fold-1-*")) or list(checkpoints.glob("*/stages-3-fold-1-*")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    resumed = cli("train", waves, "--plugin", tmp_path / "waves.py", "--resume", tmp_path / "run")
    assert resumed.code == 0, resumed.err
    networks = [load_keras(tmp_path / name / "model" / "backbone" / "model.keras") for name in ("whole", "run")]
    assert all(np.array_equal(a, b) for a, b in zip(*(n.get_weights() for n in networks), strict=True))
    tried = [without_times(tuning_of(tmp_path / name)["tried"]) for name in ("whole", "run")]
    assert tried[0] == tried[1]


@given(st.lists(st.integers(2, 400), min_size=2, max_size=4), st.integers(0, 5))
@settings(deadline=None, max_examples=40)
def test_the_parts_are_of_all_classes_and_do_not_overlap(counts, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    digests = [number.to_bytes(32, "big") for number in range(len(labels))]
    classes = tuple("abcd"[: len(counts)])
    data = Dataset(
        sources=list(range(len(labels))),
        labels=labels,
        classes=classes,
        digests=digests,
        splits=np.full(len(labels), TRAIN),
        modality="number",
        origin="numbers",
    )
    parts = held_out_parts(data, seed)
    held = np.sum(parts, axis=0) if parts else np.zeros(len(labels))
    assert held.max() <= 1
    assert held.sum() >= min(ENOUGH, len(labels) - len(counts)) or len(parts) == 0
    assert all(np.unique(labels[~part]).size == len(counts) for part in parts)
    validation = np.where(np.arange(len(labels)) == 0, VALIDATION, data.splits)
    assert len(held_out_parts(replace(data, splits=validation), seed)) == 1
