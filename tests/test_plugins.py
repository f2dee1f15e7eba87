"""Discovery and isolation: real ``.dist-info`` folders on the path, and plugins that fail in every way."""

from __future__ import annotations

import pytest

from tlplug.plugins import PluginHost

RECORD = 'Backbone(name="mine", modality="image", build="never.imported:build")'
HEADER = "from tlplug import Backbone, hookimpl\n"

FAILURES = {
    "import error": ("import no_such_package", "import failed: ModuleNotFoundError: No module named 'no_such_package'"),
    "syntax error": ("def backbone(:", "import failed: SyntaxError: invalid syntax"),
    "exit at import": ("raise SystemExit(3)", "import failed: SystemExit: 3"),
    "lines in the message": ("raise RuntimeError('first\\nsecond')", "import failed: RuntimeError: first"),
    "bad signature": (
        HEADER + "@hookimpl\ndef backbone(size): return []",
        "cannot be registered: hookimpl definition: backbone(size) Argument(s) {'size'} are declared in the hookimpl",
    ),
    "misspelled hook": (HEADER + "@hookimpl\ndef backbones(): return []", "unknown hook 'backbones'. Valid: backbone,"),
    "raising hook": (HEADER + "@hookimpl\ndef backbone(): 1 / 0", "hook 'backbone' failed: ZeroDivisionError"),
    "exit in a hook": (HEADER + "@hookimpl\ndef backbone(): raise SystemExit", "hook 'backbone' failed: SystemExit"),
    "hook without a list": (
        HEADER + "@hookimpl\ndef backbone(): pass",
        "hook 'backbone' failed: TypeError: 'NoneType'",
    ),
    "bad record": (
        HEADER + "@hookimpl\ndef head(): return [{'name': 'mine'}]",
        "hook 'head' returned {'name': 'mine'}, which is no Head",
    ),
    "record of another hook": (
        HEADER + f"@hookimpl\ndef head(): return [{RECORD}]",
        "hook 'head' returned Backbone(name='mine'",
    ),
    "record that fails its checks": (
        HEADER + "@hookimpl\ndef backbone(): return [Backbone(name='Not A Name', modality='image', build='m:f')]",
        "hook 'backbone' failed: ValueError: A Backbone name has lower-case letters",
    ),
    "a name twice": (
        HEADER + f"@hookimpl\ndef backbone(): return [{RECORD}, {RECORD}]",
        "hook 'backbone' returned the name 'mine' twice",
    ),
    "interface too new": (
        HEADER + "TLPLUG_API = 2\n@hookimpl\ndef backbone(): return []",
        "was written for TLPLUG_API 2, this tlplug has 1: upgrade tlplug",
    ),
    "interface too old": (
        HEADER + "TLPLUG_API = 0\n@hookimpl\ndef backbone(): return []",
        "was written for TLPLUG_API 0, this tlplug has 1: upgrade the plugin",
    ),
    "interface no number": ("TLPLUG_API = 'one'", "TLPLUG_API is a whole number. Received: 'one'"),
    "no hooks": ("x = 1", "implements no hook. Valid: backbone, preprocess, head, runtime, exporter, reader"),
    "lazy attributes that fail": (
        "def __getattr__(name): raise ImportError(f'cannot load {name}')",
        "cannot load TLPLUG_API",
    ),
    "interface that cannot be compared": (
        "class Odd:\n    def __eq__(self, other): raise RuntimeError('odd')\nTLPLUG_API = Odd()",
        "odd",
    ),
    "record that cannot be shown": (
        HEADER + "class Odd:\n    def __repr__(self): raise RuntimeError('odd')\n"
        "@hookimpl\ndef backbone(): return [Odd()]",
        "hook 'backbone' returned",
    ),
    "record shown in lines": (
        HEADER + "class Odd:\n    def __repr__(self): return 'one\\ntwo'\n@hookimpl\ndef backbone(): return [Odd()]",
        "hook 'backbone' returned",
    ),
}


def plugin_of(host, name):
    (plugin,) = [plugin for plugin in host.plugins if plugin.name == name]
    return plugin


def backbones(host, distribution):
    return [record.name for kind, plugin, record in host.records if plugin.distribution == distribution]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_kept_with_its_reason_and_the_others_work(site, failure):
    source, reason = FAILURES[failure]
    site.install_backbone("a-good", "before")
    site.install("broken", source, version="2.3")
    site.install_backbone("z-good", "after")
    host = PluginHost()
    plugin = plugin_of(host, "broken")
    assert (plugin.distribution, plugin.version) == ("broken", "2.3")
    assert reason in plugin.error
    assert "\n" not in plugin.error
    assert plugin in host.failures
    assert backbones(host, "a-good") == ["before"]
    assert backbones(host, "z-good") == ["after"]
    assert plugin_of(host, "z-good").error is None


@pytest.mark.parametrize(
    "source", ["raise KeyboardInterrupt", HEADER + "@hookimpl\ndef head(): raise KeyboardInterrupt"]
)
def test_ctrl_c_goes_through(site, source):
    site.install("interrupted", source)
    with pytest.raises(KeyboardInterrupt):
        PluginHost()


def test_a_good_plugin_is_listed_with_hooks_and_names(site):
    site.install_backbone("my-plugin", "mine", version="4.5", names=["short"])
    plugin = plugin_of(PluginHost(), "short")
    assert (plugin.distribution, plugin.version, plugin.editable) == ("my-plugin", "4.5", False)
    assert (plugin.hooks, plugin.names, plugin.error) == (["backbone"], ["mine"], None)
    assert str(plugin) == "my-plugin 4.5"


def test_tlplug_brings_its_own_parts_the_same_way():
    plugin = plugin_of(PluginHost(entry_points=[]), "builtin")
    assert plugin.error is None
    assert {"linear", "mlp", "prototype", "litert", "tensorflow", "folder"} <= set(plugin.names)


def test_a_plugin_that_states_no_interface_version_is_taken_for_the_first(site):
    assert "TLPLUG_API" not in site.install_backbone("unstated", "mine").read_text()
    site.install("stated", HEADER + f"TLPLUG_API = 1\n@hookimpl\ndef backbone(): return [{RECORD}]")
    host = PluginHost()
    assert backbones(host, "unstated") == backbones(host, "stated") == ["mine"]


def test_the_good_records_of_a_half_broken_plugin_stay(site):
    site.install("half", HEADER + f"@hookimpl\ndef backbone(): return [{RECORD}, 7]\n@hookimpl\ndef head(): 1 / 0")
    host = PluginHost()
    assert backbones(host, "half") == ["mine"]
    assert plugin_of(host, "half").errors == [
        "hook 'backbone' returned 7, which is no Backbone or BackboneFamily",
        "hook 'head' failed: ZeroDivisionError: division by zero",
    ]


def test_every_misspelled_hook_is_named_and_the_right_ones_work(site):
    site.install(
        "spelling",
        HEADER + f"@hookimpl\ndef backbone(): return [{RECORD}]\n"
        "@hookimpl\ndef heads(): return []\n@hookimpl\ndef reeder(): return []",
    )
    host = PluginHost()
    assert [error.partition(".")[0] for error in plugin_of(host, "spelling").errors] == [
        "unknown hook 'heads'",
        "unknown hook 'reeder'",
    ]
    assert backbones(host, "spelling") == ["mine"]


def test_a_hook_function_may_have_another_name_when_it_says_which_hook_it_is(site):
    site.install("named", HEADER + f"@hookimpl(specname='backbone')\ndef our_networks(): return [{RECORD}]")
    host = PluginHost()
    assert backbones(host, "named") == ["mine"]
    assert plugin_of(host, "named").error is None


def test_a_plugin_name_has_one_owner(site):
    site.install_backbone("first-one", "mine", version="1.0", names=["shared"])
    site.install_backbone("second-one", "other", names=["shared"])
    host = PluginHost()
    first, second = [plugin for plugin in host.plugins if plugin.name == "shared"]
    assert (first.distribution, first.error) == ("first-one", None)
    assert (second.distribution, second.error) == ("second-one", "the plugin name 'shared' is taken by first-one 1.0")
    assert backbones(host, "second-one") == []


def test_the_name_of_a_plugin_that_failed_is_free(site):
    site.install("first-one", "1 / 0", names=["shared"])
    site.install_backbone("second-one", "other", names=["shared"])
    assert backbones(PluginHost(), "second-one") == ["other"]


def test_one_module_under_two_names_counts_once(site):
    site.install_backbone("double", "mine", names=["one", "two"])
    host = PluginHost()
    assert backbones(host, "double") == ["mine"]
    assert plugin_of(host, "one").error is None
    assert "already registered under a different name" in plugin_of(host, "two").error


def test_a_distribution_without_metadata_breaks_nothing(site):
    site.install_backbone("a-good", "before")
    site.install_backbone("nameless", "mine", metadata=False)
    host = PluginHost()
    assert backbones(host, "a-good") == ["before"]
    assert plugin_of(host, "nameless").distribution


def test_only_the_plugins_asked_for_are_imported(site, monkeypatch):
    site.install_backbone("wanted", "mine")
    site.install("unwanted", "raise SystemExit")
    monkeypatch.setenv("TLPLUG_PLUGINS", " wanted , misspelled,")
    host = PluginHost()
    assert backbones(host, "wanted") == ["mine"]
    assert plugin_of(host, "unwanted").error == "switched off: not in TLPLUG_PLUGINS"
    assert host.unknown_switches == ["misspelled"]
    assert plugin_of(host, "builtin").error is None


def test_a_switched_off_plugin_is_not_imported_but_listed(site, monkeypatch):
    site.install("unwanted", "raise SystemExit", version="0.9")
    site.install_backbone("wanted", "mine")
    monkeypatch.setenv("TLPLUG_DISABLE_PLUGINS", "unwanted")
    host = PluginHost()
    plugin = plugin_of(host, "unwanted")
    assert (str(plugin), plugin.error) == ("unwanted 0.9", "switched off by TLPLUG_DISABLE_PLUGINS")
    assert backbones(host, "wanted") == ["mine"]
    assert host.unknown_switches == []


def test_tlplugs_own_parts_can_be_switched_off_too(site, monkeypatch):
    site.install_backbone("wanted", "mine")
    monkeypatch.setenv("TLPLUG_DISABLE_PLUGINS", "builtin")
    host = PluginHost()
    plugin = plugin_of(host, "builtin")
    assert (plugin.distribution, plugin.error) == ("tlplug", "switched off by TLPLUG_DISABLE_PLUGINS")
    assert backbones(host, "wanted") == ["mine"]
    assert "linear" not in {record.name for _, _, record in host.records}
    assert host.unknown_switches == []


@pytest.mark.parametrize(
    ("direct_url", "editable"),
    [
        ('{"dir_info": {"editable": true}, "url": "file:///src"}', True),
        ('{"url":"file:///src","dir_info":{"editable":true}}', True),
        ('{"dir_info": {}, "url": "file:///src"}', False),
        ('{"archive_info": {}, "url": "file:///src.whl"}', False),
        ("{damaged", False),
        (None, False),
    ],
)
def test_an_editable_installation_is_recognised(site, direct_url, editable):
    site.install_backbone("linked", "mine", direct_url=direct_url)
    assert plugin_of(PluginHost(), "linked").editable is editable


def test_listing_imports_no_heavy_package(site, python):
    site.install_backbone("my-plugin", "mine")
    process = python(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        from tlplug.registry import registry
        print([entry.name for entry in registry().entries("backbone") if entry.plugin.name == "my-plugin"])
        print(sorted({"tensorflow", "keras", "numpy", "scipy", "pyarrow", "sklearn"} & set(sys.modules)))
        print([name for name in sys.modules if name.startswith(("tlplug.heads", "tlplug.data", "tlplug.features"))])
        """,
        site.folder,
    )
    output, errors = process.communicate(timeout=60)
    assert output.splitlines() == ["['mine']", "[]", "[]"], errors
