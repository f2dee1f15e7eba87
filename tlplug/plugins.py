"""Discovery of plugins, and isolation of those that fail.

A plugin that cannot be imported, that exits, that has a wrong signature, an unknown hook, a hook that raises, or a
record that is none never breaks the host: the reason is kept in its `Plugin` and shown by ``tlplug plugins list``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType
from typing import Any

import pluggy

from tlplug import builtin
from tlplug.errors import first_line
from tlplug.hookspecs import PROJECT, HookSpecs
from tlplug.specs import API, KINDS, Record

ONLY = "TLPLUG_PLUGINS"
DISABLED = "TLPLUG_DISABLE_PLUGINS"


@dataclass
class Plugin:
    """One plugin, whether it works or not.

    Attributes:
        name: of the entry point; the name to switch off.
        distribution: what brings it, such as ``tlplug-vision``.
        version: of the distribution.
        hooks: the hooks it implements.
        names: the names of its records.
        errors: why it, or a part of it, cannot be used.
        module: the imported module, if that went well.
        editable: installed as a link to a source folder, so that its version says nothing about its code.
    """

    name: str
    distribution: str
    version: str = ""
    hooks: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    module: ModuleType | None = None
    editable: bool = False

    @property
    def error(self) -> str | None:
        return "; ".join(self.errors) or None

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


class PluginHost:
    """Loads plugins one by one and collects their records.

    Args:
        entry_points: those to load; the installed ones of the group ``tlplug`` when left out.
        environ: where the off switches are looked up.
    """

    def __init__(
        self,
        entry_points: Iterable[metadata.EntryPoint] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.plugins: list[Plugin] = []
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(HookSpecs)
        self._records: list[tuple[str, Plugin, Record]] = []
        only, disabled = _names(environ.get(ONLY)), _names(environ.get(DISABLED))
        own = Plugin("builtin", PROJECT, _version(PROJECT))
        if own.name in disabled:
            own.errors.append(f"switched off by {DISABLED}")
            self.plugins.append(own)
        else:
            self.add_module(builtin, own)
        found = metadata.entry_points(group=PROJECT) if entry_points is None else entry_points
        for entry_point in sorted(found, key=_order):
            distribution = entry_point.dist
            plugin = Plugin(
                entry_point.name,
                _distribution_name(distribution),
                distribution.metadata["Version"] if distribution and "Version" in distribution.metadata else "",
                editable=distribution is not None and _is_editable(distribution),
            )
            if entry_point.name in disabled:
                plugin.errors.append(f"switched off by {DISABLED}")
            elif only and entry_point.name not in only:
                plugin.errors.append(f"switched off: not in {ONLY}")
            elif holder := self._manager.get_plugin(entry_point.name):
                owner = next(other for other in self.plugins if other.module is holder)
                plugin.errors.append(f"the plugin name {entry_point.name!r} is taken by {owner}")
            else:
                self._load(entry_point, plugin)
                continue
            self.plugins.append(plugin)
        known = {plugin.name for plugin in self.plugins}
        self.unknown_switches: list[str] = sorted((only | disabled) - known)

    @property
    def records(self) -> list[tuple[str, Plugin, Record]]:
        """All records as (kind, plugin, record)."""
        return list(self._records)

    @property
    def failures(self) -> list[Plugin]:
        """The plugins of which something cannot be used."""
        return [plugin for plugin in self.plugins if plugin.errors]

    def _load(self, entry_point: metadata.EntryPoint, plugin: Plugin) -> None:
        try:
            module = entry_point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit and whatever else an import can raise
            plugin.errors.append(f"import failed: {first_line(error)}")
            self.plugins.append(plugin)
            return
        self.add_module(module, plugin)

    def forget(self, name: str) -> None:
        """Unregister a module's hooks, so that a newer state of it can be added; its records stay."""
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)

    def add_module(self, module: ModuleType, plugin: Plugin) -> None:
        """Register a module's hooks and collect its records; whatever fails is noted in `plugin`."""
        self.plugins.append(plugin)
        plugin.module = module
        try:
            reason = _api_mismatch(module)
        except Exception as error:  # noqa: BLE001 - a module can define how its attributes are looked up
            reason = f"TLPLUG_API cannot be read: {first_line(error)}"
        if reason:
            plugin.errors.append(reason)
            return
        try:
            self._manager.register(module, name=plugin.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            plugin.errors.append(f"cannot be registered: {_validation_reason(error)}")
            if self._manager.get_plugin(plugin.name) is module:
                self._manager.unregister(module)
            return
        plugin.errors.extend(_unknown_hooks(self._manager, module))
        for kind in KINDS:
            caller = getattr(self._manager.hook, kind)
            for implementation in caller.get_hookimpls():
                if implementation.plugin is module:
                    plugin.hooks.append(kind)
                    self._collect(kind, plugin, implementation.function)
        if not plugin.hooks and not plugin.errors:
            plugin.errors.append(f"implements no hook. Valid: {', '.join(KINDS)}")

    def _collect(self, kind: str, plugin: Plugin, function: Callable[[], Iterable[Any]]) -> None:
        try:
            records: list[Any] = list(function())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - one raising plugin must not hide the others
            plugin.errors.append(f"hook {kind!r} failed: {first_line(error)}")
            return
        for record in records:
            if not isinstance(record, KINDS[kind]):
                valid = " or ".join(valid.__name__ for valid in KINDS[kind])
                plugin.errors.append(f"hook {kind!r} returned {_shown(record)}, which is no {valid}")
            elif any(
                other == kind and owner is plugin and known.name == record.name for other, owner, known in self._records
            ):
                plugin.errors.append(f"hook {kind!r} returned the name {record.name!r} twice")
            else:
                plugin.names.append(record.name)
                self._records.append((kind, plugin, record))


def _order(entry_point: metadata.EntryPoint) -> tuple[str, str]:
    return (_distribution_name(entry_point.dist), entry_point.name)


def _distribution_name(distribution: metadata.Distribution | None) -> str:
    """The name in its metadata, which an interrupted installation may lack."""
    if distribution is None or "Name" not in distribution.metadata:
        return "?"
    return distribution.metadata["Name"]


def _names(value: str | None) -> set[str]:
    return {name.strip() for name in (value or "").split(",") if name.strip()}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _is_editable(distribution: metadata.Distribution) -> bool:
    try:
        return json.loads(distribution.read_text("direct_url.json") or "{}")["dir_info"]["editable"] is True
    except (ValueError, KeyError, TypeError):
        return False


def _shown(value: object) -> str:
    try:
        return " ".join(repr(value).split())[:80]
    except Exception:  # noqa: BLE001 - not even showing a wrong record may break the host
        return f"a {type(value).__name__}"


def _api_mismatch(module: ModuleType) -> str | None:
    version = getattr(module, "TLPLUG_API", API)
    if version == API:
        return None
    if not isinstance(version, int):
        return f"TLPLUG_API is a whole number. Received: {version!r}"
    if version > API:
        return f"was written for TLPLUG_API {version}, this tlplug has {API}: upgrade tlplug"
    return f"was written for TLPLUG_API {version}, this tlplug has {API}: upgrade the plugin"


def _validation_reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    wanted = [line for line in lines if line.startswith(("Argument", "hookimpl definition", "Positional"))]
    return " ".join(wanted or lines[:1])


def _unknown_hooks(manager: pluggy.PluginManager, module: ModuleType) -> Iterator[str]:
    for name in dir(module):
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None and (hook := options.get("specname") or name) not in KINDS:
            yield f"unknown hook {hook!r}. Valid: {', '.join(KINDS)}"
