"""What the plugin brings, and that asking for it costs nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from tlplug_text import plugin

from tlplug.plugins import PluginHost

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
NAMES = {"minilm", "bert_base_uncased", "bert_base_cased", "bert_base_multilingual", "distilbert"}


def test_the_entry_point_brings_the_backbones_the_family_and_the_preprocess():
    ((name, value),) = PROJECT["entry-points"]["tlplug"].items()
    host = PluginHost([metadata.EntryPoint(name, value, "tlplug")], environ={})
    assert host.failures == []
    records = [(kind, record.name) for kind, owner, record in host.records if owner.name == name]
    assert {found for kind, found in records if kind == "backbone"} == {*NAMES, "hf-bert:<folder or owner/name>"}
    assert [found for kind, found in records if kind == "preprocess"] == ["text"]


def test_importing_it_imports_nothing_heavy():
    heavy = ("keras", "tensorflow", "numpy", "keras_hub", "tokenizers", "safetensors")
    source = (
        "import sys; from tlplug_text import plugin; plugin.backbone(); plugin.preprocess(); plugin.augmentation();"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_record_says_what_people_need_to_know(entries):
    assert set(entries) == NAMES
    for entry in entries.values():
        record = entry.record
        assert record.summary
        assert record.reference
        assert record.licence == "Apache-2.0"
        assert record.parameters > 20_000_000
        assert record.input_shape == (None,)
        assert set(record.files) == {"tokenizer", "tokenizer_config", "config"}


def test_the_default_backbone_is_one_of_its_own(entries):
    (text,) = plugin.preprocess()
    assert text.default_backbone in entries
    assert text.strings


def test_named_checkpoints_come_from_hugging_face():
    (record,) = (record for record in plugin.backbone() if record.name == "bert_base_cased")
    first, second = record.weights["hugging-face"].sources
    assert (first.kind, first.location, first.filename) == ("hf", "google-bert/bert-base-cased", "bert-base-cased")
    assert second.location == "bert-base-cased"
    assert set(record.files.values()) < set(first.member.split(","))
