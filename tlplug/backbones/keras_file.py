"""Keras model files: loading them, and the family ``file:<model.keras>`` of those that return a pooled embedding."""

from __future__ import annotations

import functools
import importlib
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug.backbones.quiet import import_keras, quiet
from tlplug.errors import PluginError, UsageError, first_line
from tlplug.registry import registry
from tlplug.specs import Backbone, Source, Weights

if TYPE_CHECKING:
    import keras


def resolve(rest: str, modality: str | None) -> Backbone:
    """Return the backbone that a ``.keras`` file is.

    Raises:
        UsageError: there is no such file, it has another ending, or the modality is not known.
    """
    path = Path(rest).expanduser()
    if path.suffix != ".keras" or not path.is_file():
        raise UsageError(f"No such Keras model file: {rest!r}. Valid: file:PATH.keras.")
    if modality is None:
        raise UsageError(f"What 'file:{rest}' takes cannot be told from the file: add --modality.")
    return Backbone(
        name=f"file:{rest}",
        modality=modality,
        build=functools.partial(build, path),
        weights={"file": Weights(sources=(Source(kind="file", location=str(path.absolute())),))},
        summary="A Keras model file",
    )


def build(path: Path, weights: Path | None) -> keras.Model:
    """Load the file in Keras' safe mode; without weights, return its network as newly initialised."""
    model = load_keras(weights or path)
    return model if weights else import_keras().models.clone_model(model)


def load_keras(path: Path) -> keras.Model:
    """Load a ``.keras`` file in Keras' safe mode.

    Keras knows a layer of somebody's own once the module of its class is imported. The file says which module that is;
    only modules inside the packages of active plugins are imported.

    Raises:
        PluginError: a layer's class is of none of these, or its module cannot be imported.
        OSError, ValueError: the file is damaged; whatever else Keras raises then.
    """
    keras = import_keras()
    packages = {_package(plugin.module.__name__) for plugin in registry().host.plugins if plugin.module}
    for module in sorted(set(_modules(_config(path)))):
        if module in sys.modules or _package(module) in _KERAS:
            continue
        if _package(module) not in packages:
            raise PluginError(
                f"The network {path.name!r} has layers of the module {module!r}, which no active plugin brings. "
                "Install or activate it (tlplug plugins list shows what there is)."
            )
        try:
            importlib.import_module(module)
        except Exception as error:
            raise PluginError(
                f"The layers of the module {module!r} cannot be imported: {first_line(error)}."
            ) from error
    with quiet():
        return keras.saving.load_model(path, compile=False, safe_mode=True)


_KERAS = {"keras", "keras_hub", "builtins"}
"""Packages whose classes Keras finds by itself."""


def _package(module: str) -> str:
    return module.partition(".")[0]


def _config(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{path.name} is no Keras model file") from error


def _modules(config: Any) -> Iterator[str]:
    """The modules of all classes that a configuration names."""
    if isinstance(config, Mapping):
        if isinstance(config.get("module"), str) and "class_name" in config:
            yield config["module"]
        for value in config.values():
            yield from _modules(value)
    elif isinstance(config, list):
        for value in config:
            yield from _modules(value)
