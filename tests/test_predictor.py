"""What is in a run's model folder: loaded whole or refused, and predicting as the model did that was saved."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest

import tlplug
from tlplug.errors import DamagedRunError, PluginError, RunError
from tlplug.predictor import FORMAT, Prediction, Predictor
from tlplug.registry import registry
from tlplug.storage import read_json, write_json, write_manifest

FILES = [
    "model.json",
    "head.npz",
    "backbone/model.tflite",
    "backbone/model.keras",
    "backbone/network.json",
    "backbone/manifest.json",
]


@pytest.fixture
def folder(dots_run, tmp_path, dots):
    """A copy of a run's model folder, with what it needs loaded."""
    dots.load()
    return shutil.copytree(dots_run / "model", tmp_path / "model")


def edit(folder, **values):
    """Change model.json as another version of tlplug would have written it."""
    about = read_json(folder / "model.json")
    about.update(values)
    write_json(folder / "model.json", about)
    write_manifest(folder)


def test_everything_that_predicting_needs_is_in_the_folder(folder):
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == sorted([*FILES, "manifest.json"])
    assert set(read_json(folder / "manifest.json")["files"]) == set(FILES)
    about = read_json(folder / "model.json")
    assert about["format"] == FORMAT
    assert about["classes"] == ["high", "low", "wide"]
    assert about["modality"] == "dots"
    assert about["preprocess"]["name"] == "dots"
    assert about["head"] == {"name": "linear", "form": "arrays"}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
def test_a_damaged_file_is_named(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            content[: len(content) // 2] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1])
        )
    word = "missing" if damage == "missing" else "damaged"
    with pytest.raises(
        DamagedRunError, match=f"cannot be used: {name} is {word}. Train again, or restore the folder.$"
    ):
        Predictor.load(folder)


def test_a_missing_or_damaged_manifest_is_an_error(folder):
    (folder / "manifest.json").write_text('{"files": ')
    with pytest.raises(DamagedRunError, match=r"manifest\.json is damaged"):
        Predictor.load(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(DamagedRunError, match=r"manifest\.json is missing"):
        Predictor.load(folder)
    shutil.rmtree(folder)
    with pytest.raises(DamagedRunError, match=r"manifest\.json is missing"):
        Predictor.load(folder)


def test_a_newer_format_says_what_to_upgrade(folder):
    edit(folder, format=FORMAT + 1)
    with pytest.raises(RunError, match="made by a newer tlplug: pip install --upgrade tlplug") as error:
        Predictor.load(folder)
    assert not isinstance(error.value, DamagedRunError)


@pytest.mark.parametrize(
    "values",
    [{"format": "one"}, {"classes": None}, {"preprocess": {"name": "dots"}}, {"preprocess": {"more": 1}}, {"head": {}}],
)
def test_a_model_file_that_says_something_else_is_one_line(folder, values):
    edit(folder, **values)
    with pytest.raises(DamagedRunError, match="cannot be read: ") as error:
        Predictor.load(folder)
    assert len(str(error.value).splitlines()) == 1


def test_an_unknown_form_of_head_is_an_error(folder):
    edit(folder, head={"name": "linear", "form": "forest"})
    with pytest.raises(RunError, match=r"has the form 'forest'.*Upgrade"):
        Predictor.load(folder)


def test_a_head_of_pickled_objects_is_never_opened(folder, tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    np.savez(folder / "head.npz", kernel=np.array([Harm()], dtype=object), bias=np.zeros(3))
    write_manifest(folder)
    with pytest.raises(DamagedRunError, match=r"cannot be read: .*allow_pickle"):
        Predictor.load(folder)
    assert not (tmp_path / "harm").exists()


def test_it_predicts_as_the_model_that_was_saved(dots, tmp_path):
    dots.load()
    model = tlplug.train(dots.write(tmp_path / "data"))
    other = dots.write(tmp_path / "other", seed=5)
    before = model.predict([other])
    after = tlplug.load(model.save(tmp_path / "run")).predict([other])
    assert after == before
    assert len(after) == 42
    for prediction in after:
        assert prediction.label == max(prediction.probabilities, key=prediction.probabilities.get)
        assert prediction.probability == max(prediction.probabilities.values())
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert list(prediction.probabilities) == ["high", "low", "wide"]


def test_an_answer_never_depends_on_its_neighbours(folder, dots, tmp_path):
    predictor = Predictor.load(folder)
    files = sorted(dots.write(tmp_path / "other", seed=5).rglob("*.dots"))
    together = predictor.predict(files)
    assert [predictor.predict([file])[0] for file in files[:5]] == together[:5]
    assert predictor.predict(files[::-1]) == together[::-1]


def test_what_cannot_be_read_has_its_reason_and_the_others_their_answers(folder, dots, tmp_path):
    good = sorted(dots.write(tmp_path / "other", {"a": 2}).rglob("*.dots"))
    (tmp_path / "words.dots").write_text("no numbers")
    (tmp_path / "few.dots").write_text("1 2 3")
    (tmp_path / "empty.dots").touch()
    inputs = [good[0], tmp_path / "words.dots", tmp_path / "few.dots", tmp_path / "gone.dots", good[1]]
    predictions = Predictor.load(folder).predict([*inputs, tmp_path / "empty.dots"])
    assert [prediction.error for prediction in predictions[1:3]] == [
        "these are no numbers",
        "eight numbers are needed, there are 3",
    ]
    assert "No such file" in predictions[3].error
    assert predictions[5].error == "eight numbers are needed, there are 0"
    assert [prediction.error for prediction in (predictions[0], predictions[4])] == [None, None]
    assert predictions[0].label in {"high", "low", "wide"}


def test_a_text_that_is_no_path_is_for_the_preprocess(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    predictor, zeros = Predictor.load(folder), np.zeros(8, np.float32)
    texts = [" ".join(["0"] * 8), " ".join(["0." + "0" * 700] * 8), "0 0 0 0 0 0 0 0\0", "really?", "gone.dots"]
    short, long, no_text, question, gone = predictor.predict(texts)
    assert short.label == long.label == predictor.predict([zeros])[0].label
    assert [prediction.source for prediction in (short, long, no_text)] == texts[:3]
    assert no_text.error == question.error == "these are no numbers"
    assert "No such file" in gone.error


def test_nothing_readable_gives_reasons_only(folder, tmp_path):
    probabilities, features = Predictor.load(folder).probabilities([tmp_path / "gone.dots"] * 3)
    assert np.isnan(probabilities).all()
    assert probabilities.shape == (3, 3)
    assert sorted(features.failures) == [0, 1, 2]


def test_nothing_gives_nothing(folder):
    assert Predictor.load(folder).predict([]) == []


def test_sources_that_are_no_files_are_called_by_kind_and_position(folder):
    arrays = list(np.random.default_rng(0).normal(0, 1, (2, 8)).astype(np.float32))
    predictions = Predictor.load(folder).predict([*arrays, np.zeros(3, np.float32)])
    assert [prediction.source for prediction in predictions] == ["ndarray 0", "ndarray 1", "ndarray 2"]
    assert predictions[2].error == "eight numbers are needed, there are 3"


def test_the_preprocess_must_be_there_and_the_error_says_what_to_pass(folder, dots):
    registry.cache_clear()
    registry().load_file(dots.net)
    with pytest.raises(PluginError, match=r"'dots' of dots.py is needed .*--plugin dots.py"):
        Predictor.load(folder).predict([np.zeros(8, np.float32)])


def test_the_backbones_plugin_is_not_needed(folder, dots):
    registry.cache_clear()
    registry().load_file(dots.dots)
    assert Predictor.load(folder).predict([np.zeros(8, np.float32)])[0].error is None


def test_a_prediction_as_json_has_an_answer_or_an_error():
    answer = Prediction("a", "x", 0.75, {"x": 0.75, "y": 0.25})
    assert answer.to_json() == {
        "source": "a",
        "label": "x",
        "probability": 0.75,
        "probabilities": {"x": 0.75, "y": 0.25},
    }
    assert Prediction("a", error="broken").to_json() == {"source": "a", "error": "broken"}


def test_predicting_warns_of_nothing(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Predictor.load(folder).predict([np.zeros(8, np.float32)])
