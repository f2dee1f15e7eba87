"""The family of checkpoints in folders."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tlplug_text.folder import resolve
from tlplug_text.text import make

from tlplug import UsageError
from tlplug.plugins import Plugin
from tlplug.registry import Entry
from tlplug.weights import WeightsStore


def test_a_folder_becomes_a_backbone(checkpoint, padded):
    folder = checkpoint(kind="distilbert")
    record = resolve(str(folder), None)
    assert (record.name, record.modality) == (f"hf-bert:{folder}", "text")
    assert dict(record.files) == {
        "config": "config.json",
        "tokenizer_config": "tokenizer_config.json",
        "vocabulary": "vocab.txt",
    }
    assert dict(record.preprocess_options) == {"max_length": 32}
    files = {name: folder / file for name, file in record.files.items()}
    (arrays,) = make(record.preprocess_options, files)("The cats sat")
    assert arrays.pop("span") == (0, 4, "tokens")
    assert arrays["token_ids"].tolist()[:6] == [2, 5, 6, 8, 7, 3]
    model = record.build(folder, pooling="cls")
    assert model({name: array[None] for name, array in arrays.items()}).shape == (1, 8)
    assert model.count_params() == record.parameters


def test_minilm_as_a_folder_is_minilm(minilm, golden, padded):
    record = resolve(str(minilm), "text")
    assert record.files["tokenizer"] == "tokenizer.json"
    assert "vocabulary" not in record.files
    ids = golden[0]["token_ids"]
    received = record.build(minilm)(padded(ids, 16)).numpy()[0]
    np.testing.assert_allclose(received, golden[0]["embedding"], rtol=0, atol=6e-7)


def test_the_pooling_of_the_checkpoint_is_the_default(checkpoint):
    folder = checkpoint()
    assert resolve(str(folder), None).options[0].default == "mean"
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    assert resolve(str(folder), None).options[0].default == "cls"


def test_a_folder_below_the_present_one_and_the_home(checkpoint, monkeypatch):
    folder = checkpoint()
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    for name in ("checkpoint", "~/checkpoint"):
        assert resolve(name, None).weights["folder"].sources[0].location == str(folder)


@pytest.mark.parametrize(
    ("without", "message"),
    [
        (["config.json"], r"^Cannot read config\.json of 'checkpoint': No such file or directory\.$"),
        (["model.safetensors"], r"^'checkpoint' has no model\.safetensors\.$"),
        (["vocab.txt"], r"^'checkpoint' has no tokenizer\. Valid: tokenizer\.json or vocab\.txt\.$"),
    ],
)
def test_what_a_folder_lacks_is_said_in_one_line(checkpoint, without, message):
    folder = checkpoint()
    for name in without:
        (folder / name).unlink()
    with pytest.raises(UsageError, match=message):
        resolve(str(folder), None)


@pytest.mark.parametrize("rest", ["bert-base-uncased", "/some/where", "~/model", "a/b/c", "../model"])
def test_what_is_neither_folder_nor_repository_is_one_line(rest):
    with pytest.raises(UsageError, match=r"^No such folder: '[^\n]*'\. Valid: hf-bert:FOLDER, [^\n]*$"):
        resolve(rest, None)


def test_a_repository_in_the_cache_of_hugging_face_is_used_as_it_is(minilm, golden, padded, monkeypatch, tmp_path):
    snapshot = tmp_path / "models--some--minilm" / "snapshots" / "main"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(minilm, target_is_directory=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TLPLUG_OFFLINE", "1")
    record = resolve("some/minilm", None)
    entry = Entry("backbone", record, Plugin("text", "tlplug-text", "0.1.0"))
    folder = WeightsStore(tmp_path / "store").get(entry, "hugging-face").path
    received = record.build(folder)(padded(golden[0]["token_ids"], 16)).numpy()[0]
    np.testing.assert_allclose(received, golden[0]["embedding"], rtol=0, atol=6e-7)
    assert (folder / record.files["tokenizer"]).is_file()
    with pytest.raises(ValueError, match="what network it is stands in the checkpoint"):
        record.build(None)


def test_a_pickle_is_refused_in_one_line(checkpoint):
    folder = checkpoint()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"pytorch_model\.bin is a pickle, which can run code and is never loaded"):
        resolve(str(folder), None)
