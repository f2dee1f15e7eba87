"""Runs on texts as files of other formats: the same answers, frozen or trained."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tlplug_text.bbc import write

import tlplug

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def articles(tmp_path_factory):
    """A folder of news articles, 30 of each of five classes."""
    folder = tmp_path_factory.mktemp("bbc")
    write(folder)
    for label in folder.iterdir():
        for path in sorted(label.iterdir())[30:]:
            path.unlink()
    return folder


@pytest.fixture
def settings(monkeypatch, tmp_path):
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin,text")


def check(export, difference=1e-5):
    """The proof's differences, and a file hardly larger than the weights."""
    for found in (export.proof.arrays, export.proof.raw):
        assert found.changed == 0
        assert found.difference < difference
    assert export.about["bytes"] < 1.2 * export.about["weights_bytes"]


def test_articles(articles, minilm, tmp_path, settings):
    model = tlplug.train(tlplug.load_data(articles, holdout=0.2), backbone=f"hf-bert:{minilm}")
    assert model.metrics["test"]["accuracy"] >= 0.85
    run = tlplug.load(model.save(tmp_path / "run"))
    for name in ("savedmodel", "keras", "litert", "onnx"):
        check(run.export(tmp_path / name, format=name))
    path = next((articles / "sports").iterdir())
    (answer,) = run.predict([path])
    for name in ("savedmodel", "onnx"):
        done = subprocess.run(
            [sys.executable, "-B", tmp_path / name / "predict.py", path], capture_output=True, text=True, check=True
        )
        assert done.stdout.split("\t")[1:] == [answer.label, f"{answer.probability:.3f}\n"]
    check_batch(tmp_path / "savedmodel", run, path)


def check_batch(folder, run, path):
    """A batch in which one text has no words and another fifteen windows; the others are answered as alone."""
    import numpy as np
    import tensorflow as tf

    program = tf.saved_model.load(str(folder / "model" / "1"))
    text = path.read_text(encoding="utf-8")
    texts = [text, "", text * 15, "Shares fall."]
    made = program.signatures["serving_default"](text=tf.constant(texts))["probabilities"].numpy()
    expected = [list(answer.probabilities.values()) for answer in run.predict([texts[0], *texts[2:]])]
    np.testing.assert_allclose(made[[0, 2, 3]], expected, atol=1e-5)
    assert np.isfinite(made).all()
