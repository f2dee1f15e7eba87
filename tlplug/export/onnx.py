"""The format ``onnx``: one file for ONNX Runtime and what else reads the open format."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlplug.backbones import quiet
from tlplug.export.network import Exportable
from tlplug.specs import Tolerance


def export(model: Exportable, path: Path, options: Mapping[str, Any]) -> Tolerance:  # noqa: ARG001 - has none
    """Write an ``.onnx`` file, with the class names and the preprocess' options as its metadata."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the converter itself calls
        model.network.export(str(path), format="onnx", verbose=False)
        import onnx

        program = onnx.load(str(path))
        about = {"classes": json.dumps(model.classes), "about": json.dumps(dict(model.about))}
        for key, value in about.items():
            program.metadata_props.add(key=key, value=value)
        onnx.save(program, str(path))
    return Tolerance()
