"""Runs on texts as files of other formats: the same answers, frozen or trained."""

from __future__ import annotations

import shutil
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
    """The proof's differences, and a file within 2% of the weights."""
    for found in (export.proof.arrays, export.proof.raw):
        assert found.changed == 0
        assert found.difference < difference
    assert export.about["bytes"] < 1.02 * export.about["weights_bytes"]


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


@pytest.mark.parametrize(("options", "formats"), [({}, ("onnx",)), ({"tuning.lora": 4}, ("litert",))])
def test_headlines_of_a_network_that_was_trained(articles, minilm, tmp_path, settings, options, formats):
    for path in articles.rglob("*.txt"):
        path.write_text(path.read_text(encoding="utf-8").partition("\n")[0], encoding="utf-8")
    options = {"tuning.epochs": 1, "tuning.patience": 0, "tuning.learning_rate": 1e-4, **options}
    data = tlplug.load_data(articles, holdout=0.2)
    model = tlplug.train(data, backbone=f"hf-bert:{minilm}", strategy="fine-tune", stages=2, options=options)
    assert model.info["tuning"]["epochs_trained"] == 1
    for name in formats:
        check(model.export(tmp_path / name, format=name))


def test_a_tokenizer_that_has_no_graph_leaves_prepared_arrays(articles, minilm, tmp_path, settings):
    from tokenizers import Tokenizer, models, processors

    tokenizer = Tokenizer(models.Unigram([("[CLS]", 0.0), ("[SEP]", 0.0), ("a", -1.0), ("e", -1.5), (" ", -1.0)], 0))
    ends = [("[CLS]", 0), ("[SEP]", 1)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    folder = shutil.copytree(minilm, tmp_path / "unigram")
    tokenizer.save(str(folder / "tokenizer.json"))
    model = tlplug.train(tlplug.load_data(articles, holdout=0.2), backbone=f"hf-bert:{folder}")
    export = model.export(tmp_path / "export", format="savedmodel")
    assert export.about["raw"] is None
    check(export)


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
