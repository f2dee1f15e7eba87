"""From names to records: one owner a name, families, the nearest name, and plugin files."""

from __future__ import annotations

import pytest

from tlplug.errors import AmbiguousNameError, PluginError, UnknownNameError, UsageError
from tlplug.plugins import Plugin, PluginHost
from tlplug.registry import PLURALS, Registry, plugin_identity
from tlplug.specs import KINDS, Backbone, BackboneFamily, Head

FAMILY = """
from tlplug import Backbone, BackboneFamily, hookimpl

def resolve(rest, modality):
    return Backbone(name="shelf:" + rest, modality=modality, build="never.imported:build")

@hookimpl
def backbone():
    return [BackboneFamily(prefix="shelf", resolve=resolve, pattern="<handle>")]
"""


def empty():
    """A registry with tlplug's own records only."""
    return Registry(PluginHost(entry_points=[]))


def head(name="mine", build="m:f"):
    return Head(name=name, build=build)


def test_every_kind_has_a_listing_command():
    assert list(PLURALS) == list(KINDS)


def test_entries_are_sorted_and_of_one_kind():
    names = [entry.name for entry in empty().entries("head")]
    assert names == sorted(names) == ["linear", "mlp", "prototype"]


def test_a_name_gives_its_record_and_its_plugin(site):
    site.install_backbone("my-plugin", "small_cnn", version="2.0")
    entry = Registry(PluginHost()).get("backbone", "small_cnn")
    assert (entry.record.modality, entry.plugin.version) == ("image", "2.0")
    assert entry.qualified == "my-plugin/small_cnn"


def test_a_misspelled_name_gets_the_nearest_one_and_all_where_they_are_few():
    with pytest.raises(UnknownNameError) as error:
        empty().get("head", "liner")
    assert str(error.value) == "Unknown head 'liner'. Did you mean 'linear'? Valid: linear, mlp, prototype."


def test_where_names_are_many_the_error_has_the_command_that_lists_them():
    registry = empty()
    for number in range(4, 9):
        registry.add("head", head(f"own-{number}"), registry.owner("my.py"))
    with pytest.raises(UnknownNameError, match=r" Valid: linear, mlp, own-4, own-5, own-6, own-7, own-8, prototype\.$"):
        registry.get("head", "liner")
    registry.add("head", head("own-9"), registry.owner("my.py"))
    with pytest.raises(UnknownNameError, match=r" Did you mean 'linear'\? \(tlplug heads lists all 9\.\)$"):
        registry.get("head", "liner")


def test_no_name_is_suggested_where_none_is_near():
    with pytest.raises(UnknownNameError) as error:
        empty().get("head", "zzz")
    assert "Did you mean" not in str(error.value)


def test_the_error_says_when_there_is_nothing_of_a_kind():
    with pytest.raises(UnknownNameError, match=r"^Unknown preprocess 'image'\. No preprocess is installed\.$"):
        empty().get("preprocess", "image")


def test_the_error_points_to_the_plugins_that_could_not_be_used(site, monkeypatch):
    site.install("broken", "import no_such_package", version="0.3")
    site.install_backbone("off", "mine")
    monkeypatch.setenv("TLPLUG_DISABLE_PLUGINS", "off")
    with pytest.raises(UnknownNameError) as error:
        Registry(PluginHost()).get("backbone", "mine")
    assert "broken (broken 0.3): import failed: ModuleNotFoundError: No module named" in str(error.value)
    assert "off (off 1.0): switched off by TLPLUG_DISABLE_PLUGINS" in str(error.value)


def test_a_name_that_two_distributions_claim_belongs_to_neither(site):
    site.install_backbone("first", "shared", version="1.0")
    site.install_backbone("second", "shared", version="2.0")
    registry = Registry(PluginHost())
    assert [entry.qualified for entry in registry.entries("backbone") if entry.name == "shared"] == [
        "first/shared",
        "second/shared",
    ]
    with pytest.raises(AmbiguousNameError) as error:
        registry.get("backbone", "shared")
    assert str(error.value) == (
        "The backbone 'shared' is claimed by first 1.0 and second 2.0. Choose with 'first/shared' or 'second/shared'."
    )
    assert registry.get("backbone", "second/shared").plugin.version == "2.0"


def test_one_name_may_stand_for_a_head_and_for_a_backbone(site):
    site.install_backbone("first", "linear")
    registry = Registry(PluginHost())
    assert registry.get("backbone", "linear").plugin.distribution == "first"
    assert registry.get("head", "linear").plugin.distribution == "tlplug"


@pytest.mark.parametrize("name", ["tlplug/liner", "elsewhere/linear", "/linear", "tlplug/", ""])
def test_a_qualified_name_must_fit_in_both_parts(name):
    with pytest.raises(UnknownNameError):
        empty().get("head", name)


@pytest.mark.parametrize("rest", ["name", "https://example.org/a/b/1", "a:b", "/srv/models/x.keras", "a b"])
@pytest.mark.parametrize("prefix", ["shelf", "my-shelf/shelf"])
def test_a_family_makes_a_backbone_of_whatever_follows_the_colon(site, prefix, rest):
    site.install("my-shelf", FAMILY)
    entry = Registry(PluginHost()).get("backbone", f"{prefix}:{rest}", modality="audio")
    assert (entry.name, entry.record.modality) == (f"shelf:{rest}", "audio")
    assert entry.plugin.distribution == "my-shelf"


def test_the_modality_of_a_family_goes_before_that_of_the_data():
    registry = empty()
    family = BackboneFamily(
        prefix="my",
        modality="text",
        resolve=lambda rest, modality: Backbone(name=rest, modality=modality, build="m:f"),
    )
    registry.add("backbone", family, registry.owner("my.py"))
    assert registry.get("backbone", "my:own", modality="image").record.modality == "text"


def test_a_family_that_two_distributions_claim_is_chosen_by_what_the_error_says(site):
    site.install("first", FAMILY)
    site.install("second", FAMILY)
    registry = Registry(PluginHost())
    with pytest.raises(AmbiguousNameError, match=r"claimed by first 1\.0 and second 1\.0") as error:
        registry.get("backbone", "shelf:x", modality="image")
    assert "'second/shelf:x'" in str(error.value)
    assert registry.get("backbone", "second/shelf:x", modality="image").plugin.distribution == "second"


def test_a_family_that_returns_no_backbone_is_named():
    registry = empty()
    registry.add("backbone", BackboneFamily(prefix="my", resolve=lambda rest, modality: rest), registry.owner("my.py"))
    with pytest.raises(PluginError, match=r"^The family 'my' of my\.py returned no Backbone: 'own'\.$"):
        registry.get("backbone", "my:own")


def test_an_unknown_prefix_is_an_unknown_name():
    with pytest.raises(UnknownNameError, match="Unknown backbone 'hup:x'"):
        empty().get("backbone", "hup:x")


def test_the_same_owner_replaces_and_another_one_claims():
    registry = empty()
    first = registry.owner("first.py")
    registry.add("head", head(build="m:old"), first)
    registry.add("head", head(build="m:new"), first)
    assert registry.get("head", "mine").record.build == "m:new"
    assert (first.names, first.hooks) == (["mine"], ["head"])
    registry.add("head", head(build="m:other"), registry.owner("second.py"))
    assert registry.get("head", "first.py/mine").record.build == "m:new"
    with pytest.raises(AmbiguousNameError, match=r"claimed by first\.py and second\.py"):
        registry.get("head", "mine")


def test_replacing_leaves_a_record_of_another_kind_alone():
    registry = empty()
    owner = registry.owner("first.py")
    registry.add("head", head(), owner)
    registry.add("backbone", Backbone(name="mine", modality="image", build="m:f"), owner)
    assert registry.get("head", "mine").record.build == "m:f"


def test_an_owner_is_one_plugin_and_is_listed():
    registry = empty()
    assert registry.owner("my.py") is registry.owner("my.py")
    assert [plugin.name for plugin in registry.host.plugins].count("my.py") == 1


def test_a_release_is_told_by_its_version(site):
    site.install_backbone("released", "mine", version="1.2")
    assert Registry(PluginHost()).get("backbone", "mine").identity == "released==1.2"


def test_an_editable_plugin_is_told_by_its_whole_source(site):
    module = site.install_backbone(
        "linked", "mine", direct_url='{"dir_info": {"editable": true}, "url": "file:///src"}'
    )
    other = module.with_name("other.py")
    other.write_text("x = 1")
    plugin = Registry(PluginHost()).get("backbone", "mine").plugin
    first = plugin_identity(plugin)
    assert first.startswith("linked#")
    assert plugin_identity(plugin) == first
    other.write_text("x = 2")
    assert plugin_identity(plugin) != first


def test_sources_that_change_places_are_another_state(site):
    module = site.install_backbone(
        "linked", "mine", direct_url='{"dir_info": {"editable": true}, "url": "file:///src"}'
    )
    for folder, text in (("one", "x = 1"), ("two", "x = 2")):
        module.with_name(folder).mkdir()
        (module.with_name(folder) / "part.py").write_text(text)
    plugin = Registry(PluginHost()).get("backbone", "mine").plugin
    first = plugin_identity(plugin)
    module.with_name("one").rename(module.with_name("three"))
    module.with_name("two").rename(module.with_name("one"))
    assert plugin_identity(plugin) != first


def test_a_notebook_has_no_identity():
    assert plugin_identity(Plugin("notebook", "notebook")) is None


def test_an_entry_keeps_the_plugin_that_could_be_switched_off(site):
    site.install_backbone("my-plugin", "mine", names=["short"])
    assert Registry(PluginHost()).get("backbone", "mine").plugin.name == "short"


def test_no_plugin_file_is_a_mistake_of_the_user(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for path in (tmp_path / "missing.py", tmp_path / "notes.txt", tmp_path):
        with pytest.raises(UsageError, match=r"^No such plugin file: .* Valid: a Python file, --plugin my_plugin\.py"):
            empty().load_file(path)
