"""Parts registered without packaging: decorators in a notebook or script, and plugin files."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

import tlplug
from tlplug.errors import AmbiguousNameError, PluginError, UnknownNameError
from tlplug.registry import registry
from tlplug.specs import Option, Source, Weights

DECORATED = """
import tlplug

@tlplug.register_backbone("mine", modality="image", input_shape=(8, 8, 3))
def build(weights=None):
    return "first"
"""
HOOKED = """
from tlplug import Head, hookimpl

@hookimpl
def head():
    return [Head(name="hooked", build="m:f")]
"""


@pytest.fixture
def plugin_file(tmp_path):
    """Write a plugin file; what it leaves among the imported modules is removed again."""
    before = set(sys.modules)

    def write(source, name="my_plugin.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def backbone(name, **fields):
    """Register a backbone from here, and return its entry."""
    tlplug.register_backbone(name, modality="image", **fields)(lambda weights=None: None)
    return registry().get("backbone", name)


def test_a_decorated_function_is_a_backbone_and_stays_a_function():
    @tlplug.register_backbone("mine", modality="image", input_shape=[8, 8, 3], preprocess="other", summary="Small")
    def build(weights=None):
        return "built"

    record = registry().get("backbone", "mine").record
    assert build() == "built"
    assert record.build is build
    assert (record.input_shape, record.preprocess, record.summary) == ((8, 8, 3), "other", "Small")
    assert dict(record.weights) == {}


def test_the_owner_is_the_file_that_registers():
    entry = backbone("mine")
    assert entry.qualified == f"{Path(__file__).name}/mine"
    assert entry.plugin.names == ["mine"]
    assert entry.identity.startswith(f"{Path(__file__).name}#")


def test_a_notebook_is_an_owner_without_identity():
    source = "import tlplug\n@tlplug.register_head('mine')\ndef build(embedding_size, outputs): pass"
    exec(source, {"__name__": "__main__"})  # noqa: S102 - as a notebook runs a cell: without __file__
    entry = registry().get("head", "mine")
    assert entry.qualified == "notebook/mine"


def test_registering_again_replaces():
    backbone("mine", summary="old")
    assert backbone("mine", summary="new").record.summary == "new"
    assert [entry.name for entry in registry().entries("backbone")].count("mine") == 1


def test_a_name_of_tlplug_itself_is_claimed_not_taken():
    tlplug.register_head("linear")(lambda embedding_size, outputs: None)
    with pytest.raises(AmbiguousNameError, match=r"claimed by tlplug \S+ and test_registration.py"):
        registry().get("head", "linear")
    assert registry().get("head", "tlplug/linear").record.fit


def test_weights_given_as_a_path_are_one_absolute_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in ("net.h5", Path("net.h5")):
        (name, weights), *more = backbone("mine", weights=given).record.weights.items()
        assert (name, more) == ("default", [])
        assert weights.sources == (Source(kind="file", location=str(tmp_path / "net.h5")),)


def test_weights_given_as_a_record_are_the_default_set():
    weights = Weights(sources=[Source(kind="url", location="https://example.org/net.h5")], size=3)
    assert dict(backbone("mine", weights=weights).record.weights) == {"default": weights}


def test_weights_given_by_name_keep_their_names_and_order():
    weights = Weights(sources=[Source(kind="file", location="/net.h5")])
    assert list(backbone("mine", weights={"small": weights, "large": weights}).record.weights) == ["small", "large"]


def test_a_head_and_a_preprocess_take_lists_for_tuples():
    option = Option(name="size", type=int, default=3)
    tlplug.register_head("mine", options=[option], tasks=["classification"])(lambda embedding_size, outputs: None)
    tlplug.register_preprocess("mine", modality="numbers", suffixes=[".num"], options=[option])(
        lambda options, files: None
    )
    assert registry().get("head", "mine").record.options == (option,)
    record = registry().get("preprocess", "mine").record
    assert (record.modality, record.suffixes, record.options) == ("numbers", (".num",), (option,))


def test_a_record_that_fails_its_checks_registers_nothing():
    with pytest.raises(ValueError, match="A Backbone name has lower-case letters"):
        backbone("Not A Name")
    with pytest.raises(TypeError, match="colour"):
        backbone("mine", colour="red")
    with pytest.raises(UnknownNameError):
        registry().get("backbone", "mine")


def test_nothing_registered_by_another_test_is_left():
    assert "mine" not in {
        entry.name for kind in ("backbone", "head", "preprocess") for entry in registry().entries(kind)
    }


def test_a_file_may_have_decorators(plugin_file):
    plugin = registry().load_file(plugin_file(DECORATED))
    entry = registry().get("backbone", "mine")
    assert entry.plugin is plugin
    assert (entry.qualified, plugin.error, plugin.hooks) == ("my_plugin.py/mine", None, ["backbone"])
    assert entry.record.build() == "first"


def test_a_file_may_have_hook_functions(plugin_file):
    plugin = registry().load_file(plugin_file(HOOKED))
    entry = registry().get("head", "hooked")
    assert entry.plugin is plugin
    assert (entry.qualified, plugin.names) == ("my_plugin.py/hooked", ["hooked"])


def test_a_file_may_have_both(plugin_file):
    plugin = registry().load_file(plugin_file(DECORATED + HOOKED))
    assert registry().get("backbone", "mine").plugin is registry().get("head", "hooked").plugin is plugin
    assert (sorted(plugin.hooks), sorted(plugin.names)) == (["backbone", "head"], ["hooked", "mine"])
    assert [other.name for other in registry().host.plugins].count("my_plugin.py") == 1


@pytest.mark.parametrize("source", [DECORATED, HOOKED, DECORATED + HOOKED])
def test_a_file_loaded_twice_is_there_once(plugin_file, source):
    path = plugin_file(source)
    names = list(registry().load_file(path).names)
    assert registry().load_file(path).names == names
    entries = [entry.name for kind in ("backbone", "head") for entry in registry().entries(kind)]
    assert [name for name in entries if name in ("mine", "hooked")] == names
    assert [plugin.name for plugin in registry().host.plugins].count("my_plugin.py") == 1


def test_a_file_loaded_again_after_a_change_replaces_what_it_gave(plugin_file):
    registry().load_file(plugin_file(DECORATED))
    before = registry().get("backbone", "mine").identity
    registry().load_file(plugin_file(DECORATED.replace("first", "the second")))
    entry = registry().get("backbone", "mine")
    assert entry.record.build() == "the second"
    assert entry.identity != before


def test_two_files_of_one_name_do_not_share_an_identity(plugin_file):
    registry().load_file(plugin_file(DECORATED, "one/plug.py"))
    before = registry().get("backbone", "mine").identity
    registry().load_file(plugin_file(HOOKED, "two/plug.py"))
    assert registry().get("backbone", "mine").identity == before


@pytest.mark.parametrize(("source", "kind", "name"), [(DECORATED, "backbone", "mine"), (HOOKED, "head", "hooked")])
def test_two_files_of_one_name_do_not_replace_what_the_other_gave(plugin_file, source, kind, name):
    for folder in ("one", "two"):
        registry().load_file(plugin_file(source, f"{folder}/plug.py"))
    with pytest.raises(AmbiguousNameError, match=r"claimed by plug\.py and plug\.py"):
        registry().get(kind, name)
    files = [Path(entry.plugin.module.__file__) for entry in registry().entries(kind) if entry.name == name]
    assert [file.parent.name for file in files] == ["one", "two"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "failed: ZeroDivisionError: division by zero."),
        ("import sys\nsys.exit('bye')", "failed: SystemExit: bye."),
        ("def build(:", "failed: SyntaxError: invalid syntax"),
        ("x = 1", "implements no hook. Valid: backbone, preprocess, head"),
        (HOOKED.replace("head()", "heads()"), "unknown hook 'heads'. Valid: backbone"),
        (HOOKED.replace("head()", "head(size)"), "cannot be registered: hookimpl definition: head(size)"),
        (HOOKED.replace("[Head(", "1 / 0, [Head("), "hook 'head' failed: ZeroDivisionError"),
        ("TLPLUG_API = 9\n" + HOOKED, "was written for TLPLUG_API 9"),
        (DECORATED.replace('"mine"', '"Not A Name"'), "failed: ValueError: A Backbone name"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_in_one_line(plugin_file, source, reason):
    path = plugin_file(source)
    with pytest.raises(PluginError) as error:
        registry().load_file(path)
    assert str(error.value).startswith(f"The plugin file {str(path)!r}")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_can_be_loaded_once_it_is_mended(plugin_file):
    with pytest.raises(PluginError):
        registry().load_file(plugin_file(HOOKED + "1 / 0\n"))
    registry().load_file(plugin_file(HOOKED))
    assert registry().get("head", "hooked").record.build == "m:f"


def test_ctrl_c_in_a_file_goes_through(plugin_file):
    with pytest.raises(KeyboardInterrupt):
        registry().load_file(plugin_file("raise KeyboardInterrupt"))
