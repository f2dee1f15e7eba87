"""The whole way: headlines of real articles, trained on, kept, and predicted without TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tlplug_text.bbc import write

import tlplug


@pytest.fixture(scope="module")
def headlines(tmp_path_factory):
    """A folder of headlines, 30 of sports and 30 of business."""
    folder = tmp_path_factory.mktemp("bbc")
    write(folder / "articles")
    for label in ("sports", "business"):
        (folder / "headlines" / label).mkdir(parents=True)
        for path in sorted((folder / "articles" / label).iterdir())[:30]:
            lines = path.read_text(encoding="utf-8").splitlines()
            (folder / "headlines" / label / path.name).write_text(lines[0], encoding="utf-8")
    return folder / "headlines"


@pytest.mark.slow
def test_headlines(headlines, minilm, tmp_path, monkeypatch):
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin,text")
    (headlines / "sports" / "empty.txt").touch()
    model = tlplug.train(tlplug.load_data(headlines), backbone=f"hf-bert:{minilm}")
    assert model.metrics["test"]["accuracy"] >= 0.8
    assert [(item["source"].rpartition("/")[2], item["reason"]) for item in model.info["skipped"]] == [
        ("empty.txt", "The text is empty.")
    ]
    run = model.save(tmp_path / "run")
    texts = ["England win the test match by five wickets", "", "Bank shares fall as profits shrink " * 2000]
    source = (
        "import json, sys, tlplug;"
        "answers = [answer.to_json() for answer in tlplug.load(sys.argv[1]).predict(json.loads(sys.argv[2]))];"
        "print(json.dumps([answers, [name for name in ('tensorflow', 'keras') if name in sys.modules]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(run), json.dumps(texts)], capture_output=True, text=True, check=True
    )
    (first, empty, long), imported = json.loads(done.stdout)
    assert imported == []
    assert first["label"] == "sports"
    assert empty["error"] == "The text is empty."
    assert long["label"] == "business"
    assert long["remark"] == "cut after 4,064 tokens"
