"""What there is: listings of every kind of part, and backbones by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tlplug
from tlplug import catalogue
from tlplug.errors import OptionError, PluginError, UnknownNameError, UsageError
from tlplug.registry import PLURALS, registry

LISTS = [
    tlplug.list_augmentations,
    tlplug.list_backbones,
    tlplug.list_exporters,
    tlplug.list_heads,
    tlplug.list_preprocesses,
    tlplug.list_readers,
    tlplug.list_runtimes,
]


@pytest.fixture(autouse=True)
def _only_what_the_tests_bring(monkeypatch):
    monkeypatch.setenv("TLPLUG_PLUGINS", "none-but-the-hosts-own")
    registry.cache_clear()


@pytest.mark.parametrize("function", LISTS)
def test_every_row_says_what_it_is_and_who_brings_it(dots, function):
    dots.load()
    rows = function()
    for row in rows:
        assert {"name", "modality", "plugin", "version"} <= set(row)
    assert json.loads(json.dumps(rows)) == rows
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)


def test_the_hosts_own_parts_are_listed():
    assert [row["name"] for row in tlplug.list_heads()] == ["linear", "mlp", "prototype"]
    assert [row["name"] for row in tlplug.list_runtimes()] == ["litert", "tensorflow"]
    assert [row["name"] for row in tlplug.list_readers()] == ["folder", "table"]
    assert [row["name"] for row in tlplug.list_backbones()] == ["file:<model.keras>"]
    assert tlplug.list_preprocesses() == []
    assert tlplug.list_augmentations() == []
    assert {row["plugin"] for row in tlplug.list_heads()} == {"tlplug"}


def test_every_kind_has_a_list():
    assert {function.__name__ for function in LISTS} == {f"list_{plural}" for plural in PLURALS.values()}


def test_a_record_is_described_in_full(dots):
    dots.load()
    (row,) = [row for row in tlplug.list_backbones() if row["name"] == "net"]
    assert row == {
        "name": "net",
        "modality": "dots",
        "plugin": "net.py",
        "version": "",
        "summary": "",
        "licence": "",
        "reference": "",
        "parameters": None,
        "input_shape": [8],
        "weights": ["fixed"],
        "options": [],
    }
    (row,) = tlplug.list_preprocesses()
    assert row["suffixes"] == [".dots"]
    assert row["options"] == [
        {
            "name": "preprocess.scale",
            "type": "float",
            "default": 1.0,
            "choices": [],
            "minimum": None,
            "maximum": None,
            "help": "what every number is multiplied by",
        }
    ]


def test_options_are_named_as_they_are_set():
    (mlp,) = [row for row in tlplug.list_heads() if row["name"] == "mlp"]
    names = [option["name"] for option in mlp["options"]]
    assert "head.dropout" in names
    assert all(option["help"] for option in mlp["options"])


def test_backbones_are_listed_by_modality_with_those_for_any(dots, vectors):
    dots.load()
    assert [row["name"] for row in tlplug.list_backbones("dots")] == ["file:<model.keras>", "net"]
    assert "net" not in [row["name"] for row in tlplug.list_backbones(modality="vector")]
    assert [row["name"] for row in tlplug.list_backbones("smell")] == ["file:<model.keras>"]


def test_runtimes_say_whether_they_can_run():
    assert {row["name"]: row["available"] for row in tlplug.list_runtimes()} == {"litert": True, "tensorflow": True}


def test_plugins_are_listed_with_what_is_wrong(site, monkeypatch):
    monkeypatch.delenv("TLPLUG_PLUGINS")
    site.install("broken-plugin", "raise RuntimeError('no luck')", version="0.3")
    site.install_backbone("good-plugin", "small", version="2.0")
    registry.cache_clear()
    rows = {row["name"]: row for row in tlplug.list_plugins()}
    assert rows["broken-plugin"] == {
        "name": "broken-plugin",
        "distribution": "broken-plugin",
        "version": "0.3",
        "hooks": [],
        "names": [],
        "error": "import failed: RuntimeError: no luck",
    }
    good = rows["good-plugin"]
    assert (good["version"], good["hooks"], good["names"], good["error"]) == ("2.0", ["backbone"], ["small"], None)
    assert rows["builtin"]["distribution"] == "tlplug"


def test_a_loaded_file_is_a_plugin(dots):
    plugin = tlplug.load_plugin(str(dots.net))
    assert plugin.names == ["net"]
    assert [row["distribution"] for row in tlplug.list_plugins()][-1] == "net.py"


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (None, UsageError, "No such plugin file"),
        ("raise SystemExit('stop')", PluginError, "failed: SystemExit: stop"),
        ("1 +", PluginError, "failed: SyntaxError"),
        ("x = 1", PluginError, "implements no hook"),
    ],
)
def test_a_file_that_is_no_plugin_is_one_clear_error(tmp_path, source, error, message):
    path = tmp_path / "plugin.py"
    if source is not None:
        path.write_text(source)
    with pytest.raises(error) as raised:
        tlplug.load_plugin(path)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_backbone_by_name_is_known_before_it_is_built(dots):
    dots.load()
    handle = tlplug.backbone("net")
    assert (handle.name, handle.modality, handle.plugin) == ("net", "dots", "net.py")
    assert handle.record.input_shape == (8,)


def test_a_backbone_is_built_with_its_weights_or_random_ones(dots):
    dots.load()
    model = tlplug.backbone("net.py/net").build()
    expected = np.load(dots.net.with_name("net.npy"))
    np.testing.assert_array_equal(model.get_weights()[0], expected)
    assert model(np.zeros((2, 8), np.float32)).shape == (2, 16)
    assert not model.trainable
    built = tlplug.backbone("net", weights="random").built()
    assert built.embedding_size == 16
    assert built.parameters == 8 * 16 + 16
    assert not np.array_equal(built.model.get_weights()[0], expected)
    again = tlplug.backbone("net", weights="random").built()
    assert again.digest == built.digest


def test_what_a_backbone_does_not_have_is_said(dots):
    dots.load()
    with pytest.raises(UnknownNameError, match="Did you mean 'net'"):
        tlplug.backbone("nett")
    with pytest.raises(OptionError, match=r"Unknown option 'backbone\.size'"):
        tlplug.backbone("net", size=3)
    with pytest.raises(UnknownNameError, match="no weights 'best'"):
        tlplug.backbone("net", weights="best")
    with pytest.raises(UsageError, match="takes dots, the data is vector"):
        tlplug.backbone("net", modality="vector")


def test_every_installed_record_can_be_described(monkeypatch):
    monkeypatch.delenv("TLPLUG_PLUGINS")
    registry.cache_clear()
    for kind in PLURALS:
        for entry in registry().entries(kind):
            described = catalogue.describe(entry)
            assert json.loads(json.dumps(described, allow_nan=False)) == described


def test_public_names_are_all_there():
    assert sorted(tlplug.__all__) == list(tlplug.__all__)
    for name in tlplug.__all__:
        assert getattr(tlplug, name) is not None
        assert name in dir(tlplug)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tlplug.nothing  # noqa: B018 - the access is what is tested
