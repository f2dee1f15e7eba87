"""What the plugin brings, and that asking for it costs nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from tlplug_hub import plugin
from tlplug_hub.handles import is_remote

from tlplug.plugins import PluginHost
from tlplug.registry import registry

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
NAMED = {
    "universal_sentence_encoder": "text",
    "hub_bert": "text",
    "hub_yamnet": "audio",
    "vggish": "audio",
    "hub_mobilenet_v2": "image",
    "hub_efficientnet_b0": "image",
    "hub_resnet50_v2": "image",
}


def test_the_entry_point_brings_the_family_the_backbones_and_the_preprocess():
    ((name, value),) = PROJECT["entry-points"]["tlplug"].items()
    host = PluginHost([metadata.EntryPoint(name, value, "tlplug")], environ={})
    assert host.failures == []
    records = [(kind, record.name) for kind, owner, record in host.records if owner.name == name]
    assert {found for kind, found in records if kind == "backbone"} == {*NAMED, "hub:<handle>"}
    assert [found for kind, found in records if kind == "preprocess"] == ["strings"]


def test_importing_it_imports_nothing_heavy():
    heavy = ("keras", "tensorflow", "numpy", "kagglehub", "google.protobuf")
    source = (
        "import sys; from tlplug_hub import plugin; plugin.backbone(); plugin.preprocess();"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_named_module_says_what_people_need_to_know():
    records = {record.name: record for record in plugin.backbone() if hasattr(record, "build")}
    assert {name: record.modality for name, record in records.items()} == NAMED
    for record in records.values():
        assert record.summary
        assert record.reference
        assert record.licence == "Apache-2.0"
        (weights,) = record.weights.values()
        assert all(is_remote(handle) for source in weights.sources for handle in source.location.split(","))
    assert len(records["hub_bert"].weights["wiki-books"].sources[0].location.split(",")) == 2


def test_no_name_is_taken_by_another_plugin():
    taken = {}
    for entry in registry().entries("backbone"):
        taken.setdefault(entry.name, set()).add(entry.plugin.distribution)
    assert {name: owners for name, owners in taken.items() if len(owners) > 1} == {}


@pytest.mark.parametrize("kind", ["backbone", "preprocess"])
def test_texts_of_other_plugins_keep_their_own_preprocess(kind):
    from tlplug.backbones import select_backbone

    pytest.importorskip("tlplug_text")
    assert select_backbone("minilm", modality="text").preprocess.name == "text"
    assert registry().get(kind, {"backbone": "minilm", "preprocess": "strings"}[kind])
