"""What there is: backbones by name, and listings of every kind of part."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug.backbones import (
    RANDOM,
    BuiltBackbone,
    Selection,
    build_backbone,
    build_network,
    select_backbone,
    stages_of,
)
from tlplug.plugins import Plugin
from tlplug.registry import Entry, registry
from tlplug.specs import load_reference

if TYPE_CHECKING:
    import keras


_AMOUNTS = ("arrays", "light", "strong")
"""Of an augmentation."""


class BackboneHandle:
    """A backbone by name: what is known of it, and how to get it as a plain Keras model."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self.record = selection.entry.record
        self.name = selection.entry.name
        self.modality = self.record.modality
        self.plugin = str(selection.entry.plugin)

    def build(self) -> keras.Model:
        """Return the network with its weights: arrays in, pooled embedding out; for code of your own."""
        return self.built().model

    def built(self) -> BuiltBackbone:
        """Return the network with what is known of it."""
        return build_backbone(self._selection)


def backbone(name: str, *, modality: str | None = None, weights: str | None = None, **options: Any) -> BackboneHandle:
    """Find a backbone.

    Args:
        name: as ``tlplug backbones`` lists it.
        modality: for families whose backbones can take any.
        weights: name of a weight set, or ``random``.
        **options: of the backbone.

    Example::

        base = tlplug.backbone("mobilenet_v2", weights="random", image_size=96).build()
    """
    return BackboneHandle(select_backbone(name, modality=modality, weights=weights, options=options))


def list_backbones(modality: str | None = None) -> list[dict[str, Any]]:
    """List the backbones: dicts with ``name``, ``modality``, ``plugin``, ``version`` and more."""
    return [row for row in _rows("backbone") if modality in (None, row["modality"]) or row["modality"] is None]


def list_stages(name: str, *, modality: str | None = None) -> list[dict[str, Any]]:
    """List the stages of a backbone, the topmost first: dicts with ``number``, ``name``, ``layers``, ``parameters``.

    The network is built for it, with random weights where that is possible; so no weights are fetched. A stage begins
    above the layer ``name``; the lowest, whose name is empty, at the inputs.

    Args:
        name: of the backbone.
        modality: for families whose backbones can take any.
    """
    entry = registry().get("backbone", name, modality=modality)
    weights = RANDOM if entry.record.weights else None
    model = build_network(select_backbone(name, modality=modality, weights=weights))
    return [asdict(stage) for stage in stages_of(model, entry.record.stages)]


def list_heads() -> list[dict[str, Any]]:
    """List the heads."""
    return _rows("head")


def list_preprocesses() -> list[dict[str, Any]]:
    """List the preprocesses."""
    return _rows("preprocess")


def list_runtimes() -> list[dict[str, Any]]:
    """List the runtimes."""
    return [
        {**row, "available": bool(load_reference(entry.record.available)())}
        for row, entry in zip(_rows("runtime"), registry().entries("runtime"), strict=True)
    ]


def list_exporters() -> list[dict[str, Any]]:
    """List the exporters."""
    return _rows("exporter")


def list_readers() -> list[dict[str, Any]]:
    """List the readers."""
    return _rows("reader")


def list_augmentations() -> list[dict[str, Any]]:
    """List the augmentations."""
    return _rows("augmentation")


def list_plugins() -> list[dict[str, Any]]:
    """List the plugins, those that cannot be used included: ``error`` says why."""
    return [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "hooks": list(plugin.hooks),
            "names": list(plugin.names),
            "error": plugin.error,
        }
        for plugin in registry().host.plugins
    ]


def load_plugin(path: str | Path) -> Plugin:
    """Load a plugin file, as ``--plugin FILE`` does."""
    return registry().load_file(Path(path))


def describe(entry: Entry) -> dict[str, Any]:
    """Return what a record says of itself, as JSON can hold it."""
    record = entry.record
    described: dict[str, Any] = {
        "name": entry.name,
        "modality": getattr(record, "modality", None),
        "plugin": entry.plugin.distribution,
        "version": entry.plugin.version,
    }
    for name in ("summary", "licence", "reference", "parameters", "priority", "suffix", "suffixes", "tasks", *_AMOUNTS):
        if hasattr(record, name):
            value = getattr(record, name)
            described[name] = list(value) if isinstance(value, tuple) else value
    if getattr(record, "input_shape", None) is not None:
        described["input_shape"] = list(record.input_shape)
    if hasattr(record, "weights"):
        described["weights"] = list(record.weights)
    if hasattr(record, "options"):
        described["options"] = [
            {
                "name": f"{entry.kind}.{option.name}",
                "type": option.type.__name__,
                "default": option.default,
                "choices": list(option.choices),
                "minimum": option.minimum,
                "maximum": option.maximum,
                "help": option.help,
            }
            for option in record.options
        ]
    return described


def _rows(kind: str) -> list[dict[str, Any]]:
    return [describe(entry) for entry in registry().entries(kind)]
