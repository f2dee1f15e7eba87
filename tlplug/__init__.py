"""tlplug turns labelled examples of any modality into a measured, deployable classifier; every step is a plugin.

The public names are loaded at first use, so ``import tlplug`` costs next to nothing and never imports TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlplug.errors import TlplugError as TlplugError
    from tlplug.hookspecs import hookimpl as hookimpl
    from tlplug.registration import register_augmentation as register_augmentation
    from tlplug.registration import register_backbone as register_backbone
    from tlplug.registration import register_head as register_head
    from tlplug.registration import register_preprocess as register_preprocess
    from tlplug.specs import Augmentation as Augmentation
    from tlplug.specs import Backbone as Backbone

_HOMES = {
    "tlplug.errors": (
        "AmbiguousNameError",
        "DataError",
        "DownloadError",
        "ExportError",
        "OptionError",
        "PluginError",
        "RunError",
        "TlplugError",
        "TrainingError",
        "UnknownNameError",
        "UsageError",
        "WeightsError",
    ),
    "tlplug.specs": (
        "Augmentation",
        "Backbone",
        "BackboneFamily",
        "Example",
        "Exporter",
        "Head",
        "HeadFit",
        "Option",
        "Preprocess",
        "Reader",
        "Runtime",
        "Source",
        "Tolerance",
        "Weights",
    ),
    "tlplug.hookspecs": ("hookimpl",),
    "tlplug.registration": ("register_augmentation", "register_backbone", "register_head", "register_preprocess"),
    "tlplug.storage": ("read_source",),
    "tlplug.weights": ("download", "fetch_wheel", "trusted"),
    "tlplug.backbones": ("import_keras",),
    "tlplug.data": ("Dataset", "load_data"),
    "tlplug.model": ("Model", "load", "train"),
    "tlplug.catalogue": (
        "backbone",
        "list_augmentations",
        "list_backbones",
        "list_exporters",
        "list_heads",
        "list_plugins",
        "list_preprocesses",
        "list_readers",
        "list_runtimes",
        "load_plugin",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - one table says where every public name lives


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tlplug' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
