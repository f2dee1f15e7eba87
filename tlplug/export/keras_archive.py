"""The format ``keras``: the network as Keras saves it, with the code of layers that are not Keras' own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlplug.backbones import quiet
from tlplug.errors import ExportError, UsageError
from tlplug.export.network import Exportable
from tlplug.export.travel import files_with, place
from tlplug.specs import Tolerance

_OTHERS = ("keras", "keras_hub")
"""Packages that bring layers and can be installed without tlplug."""


def export(model: Exportable, path: Path, options: Mapping[str, Any]) -> Tolerance:  # noqa: ARG001 - has none
    """Write a ``.keras`` file, and the modules of layers that neither Keras nor KerasHub has.

    Raises:
        UsageError: these need tlplug.
    """
    with quiet():
        model.network.save(path)
    modules = sorted({type(layer).__module__ for layer in model.network._flatten_layers()})
    model.about["modules"] = [module for module in modules if module.partition(".")[0] not in _OTHERS]
    model.about["packages"] = [name for name in _OTHERS[1:] if any(module.startswith(f"{name}.") for module in modules)]
    for module in model.about["modules"]:
        try:
            place(files_with(module), path.parent)
        except ExportError as error:
            others = "savedmodel" if model.takes_texts else "savedmodel, litert or onnx"
            raise UsageError(
                f"The format 'keras' cannot hold layers of {module!r}: {error} Valid: --format {others}."
            ) from error
    return Tolerance()
