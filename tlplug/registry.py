"""From names to records: one owner a name, families by prefix, and plugin files."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tlplug.errors import AmbiguousNameError, PluginError, UnknownNameError, UsageError, did_you_mean, first_line
from tlplug.plugins import Plugin, PluginHost
from tlplug.specs import Backbone, BackboneFamily, Record, load_reference

PLURALS = {
    "backbone": "backbones",
    "preprocess": "preprocesses",
    "head": "heads",
    "runtime": "runtimes",
    "exporter": "exporters",
    "reader": "readers",
    "augmentation": "augmentations",
}
"""Each kind of record, and the command that lists it."""

_FEW = 8
"""Names that a message lists rather than sending people to another command."""


@dataclass(frozen=True)
class Entry:
    """A record, and the plugin that brings it."""

    kind: str
    record: Any
    plugin: Plugin

    @property
    def name(self) -> str:
        return str(self.record.name)

    @property
    def qualified(self) -> str:
        """The name that can belong to nobody else: ``tlplug-vision/mobilenet_v2``."""
        return f"{self.plugin.distribution}/{self.name}"

    @property
    def identity(self) -> str | None:
        """What tells one state of the code behind this record from another; None where nothing can."""
        return plugin_identity(self.plugin)


class Registry:
    """All records of a host by kind and name."""

    def __init__(self, host: PluginHost) -> None:
        self.host = host
        self._entries = [Entry(kind, record, plugin) for kind, plugin, record in host.records]

    def entries(self, kind: str) -> list[Entry]:
        """All entries of a kind, by name, those with a taken name included."""
        return sorted(self.in_order(kind), key=lambda entry: (entry.name, entry.qualified))

    def in_order(self, kind: str) -> list[Entry]:
        """All entries of a kind, as they were registered: distribution by distribution, each as its hook lists them."""
        return [entry for entry in self._entries if entry.kind == kind]

    def get(self, kind: str, name: str, *, modality: str | None = None) -> Entry:
        """Return the entry that `name` means.

        Args:
            kind: ``backbone``, ``preprocess``, ``head``, ``runtime``, ``exporter``, ``reader`` or ``augmentation``.
            name: a bare name, ``distribution/name``, or ``prefix:rest`` for a backbone family.
            modality: of the data, for families whose backbones fit any.

        Raises:
            UnknownNameError: nobody has registered it; the message has the nearest name.
            AmbiguousNameError: more than one distribution has.
        """
        prefix, colon, rest = name.partition(":")
        if colon:
            found = self._matches(kind, prefix, families=True)
            if found:
                return self._resolve(self._only(kind, name, found), rest, modality)
        found = self._matches(kind, name, families=False)
        if not found:
            raise UnknownNameError(self._unknown(kind, name))
        return self._only(kind, name, found)

    def add(self, kind: str, record: Record, plugin: Plugin) -> None:
        """Register a record by hand; the same owner registering the same name again replaces it."""
        self._entries = [
            entry
            for entry in self._entries
            if not (entry.kind == kind and entry.name == record.name and entry.plugin is plugin)
        ]
        self._entries.append(Entry(kind, record, plugin))
        if record.name not in plugin.names:
            plugin.names.append(record.name)
        if kind not in plugin.hooks:
            plugin.hooks.append(kind)

    def owner(self, source: str, file: str | None = None) -> Plugin:
        """Return the plugin that stands for a file or module in which people register things themselves."""
        for plugin in self.host.plugins:
            if plugin.distribution == source and getattr(plugin.module, "__file__", file) == file:
                return plugin
        plugin = Plugin(name=source, distribution=source)
        self.host.plugins.append(plugin)
        return plugin

    def load_file(self, path: Path) -> Plugin:
        """Run a plugin file: its ``@tlplug.register_...`` functions and its ``@hookimpl`` functions are registered.

        Raises:
            UsageError: there is no such file.
            PluginError: it fails.
        """
        if not path.is_file() or path.suffix != ".py":
            raise UsageError(f"No such plugin file: {str(path)!r}. Valid: a Python file, --plugin my_plugin.py.")
        name = f"tlplug_file_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise PluginError(f"Cannot load the plugin file {str(path)!r}.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        plugin = self.owner(path.name, module.__file__)
        plugin.module = module
        try:
            spec.loader.exec_module(module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(f"The plugin file {str(path)!r} failed: {first_line(error)}.") from error
        self.host.forget(name)
        hooked = replace(plugin, name=name, hooks=[], names=[], errors=[])
        known = len(self.host.records)
        self.host.add_module(module, hooked)
        self.host.plugins.remove(hooked)
        for kind, _, record in self.host.records[known:]:
            self.add(kind, record, plugin)
        problems = [error for error in hooked.errors if not (plugin.names and error.startswith("implements no hook"))]
        if problems:
            raise PluginError(f"The plugin file {str(path)!r}: {problems[0]}.")
        return plugin

    def _matches(self, kind: str, name: str, *, families: bool) -> list[Entry]:
        distribution, slash, bare = name.rpartition("/")
        found = []
        for entry in self._entries:
            record = entry.record
            if entry.kind != kind or isinstance(record, BackboneFamily) != families:
                continue
            known = record.prefix if isinstance(record, BackboneFamily) else record.name
            if known == name or (slash and known == bare and entry.plugin.distribution == distribution):
                found.append(entry)
        return found

    @staticmethod
    def _only(kind: str, name: str, found: list[Entry]) -> Entry:
        if len(found) > 1:
            owners = " and ".join(str(entry.plugin) for entry in found)
            choices = " or ".join(repr(f"{entry.plugin.distribution}/{name}") for entry in found)
            raise AmbiguousNameError(f"The {kind} {name!r} is claimed by {owners}. Choose with {choices}.")
        return found[0]

    @staticmethod
    def _resolve(entry: Entry, rest: str, modality: str | None) -> Entry:
        family: BackboneFamily = entry.record
        backbone = load_reference(family.resolve)(rest, family.modality or modality)
        if not isinstance(backbone, Backbone):
            raise PluginError(f"The family {family.prefix!r} of {entry.plugin} returned no Backbone: {backbone!r:.80}.")
        return Entry(entry.kind, backbone, entry.plugin)

    def _unknown(self, kind: str, name: str) -> str:
        names = sorted({entry.name for entry in self._entries if entry.kind == kind})
        hint = did_you_mean(name, names)
        if not names:
            listing = f" No {kind} is installed."
        elif len(names) <= _FEW:
            listing = f" Valid: {', '.join(names)}."
        else:
            listing = f" (tlplug {PLURALS[kind]} lists all {len(names)}.)"
        failed = "; ".join(f"{plugin.name} ({plugin}): {plugin.error}" for plugin in self.host.failures)
        broken = f" Not all plugins could be used, so it may be missing for that reason: {failed}." if failed else ""
        return f"Unknown {kind} {name!r}.{hint}{listing}{broken}"


@functools.cache
def registry() -> Registry:
    """The registry of this process; plugins are discovered at the first call."""
    return Registry(PluginHost())


def plugin_identity(plugin: Plugin) -> str | None:
    """Distribution and version; for editable and file plugins a hash of their source; None where there is none."""
    if plugin.version and not plugin.editable:
        return f"{plugin.distribution}=={plugin.version}"
    source = getattr(plugin.module, "__file__", None)
    if source is None:
        return None
    digest = hashlib.sha256()
    for path in _source_files(Path(source), whole_package=plugin.editable):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{plugin.distribution}#{digest.hexdigest()}"


def _source_files(module: Path, *, whole_package: bool) -> Iterable[Path]:
    return sorted(module.parent.rglob("*.py")) if whole_package else [module]
