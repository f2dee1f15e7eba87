"""The format ``litert``: one file for phones and small machines, in four precisions."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import quiet
from tlplug.errors import UsageError
from tlplug.export.halving import halve_weights
from tlplug.export.litert_metadata import describe
from tlplug.export.network import Exportable
from tlplug.specs import Tolerance

TOLERANCES = {
    "float32": Tolerance(),
    "float16": Tolerance(5e-3),
    "dynamic": Tolerance(None, 0.01),
    "int8": Tolerance(None, 0.01),
}
"""What each precision may change; the last two are judged by their accuracy."""

OF_AN_EXAMPLE = 4
"""Windows of it at most that int8 is calibrated on, spread over it."""


def export(model: Exportable, path: Path, options: Mapping[str, Any]) -> Tolerance:
    """Write a ``.tflite`` file, with the class names and the preprocess' options in it.

    ``float16`` halves large weights; ``dynamic`` holds weights as int8 and computes in floats where it must; ``int8``
    computes in int8, calibrated on training examples, and takes pictures as uint8.

    Raises:
        UsageError: there is nothing to calibrate on, or the network takes texts as they are.
    """
    import tensorflow as tf

    model.refuse_strings("litert")
    precision = options["precision"]
    settings: dict[str, Any] = {}
    if precision in {"dynamic", "int8"}:
        settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "int8":
        if not model.source.training:
            raise UsageError(
                "int8 is calibrated on training examples, and the run keeps none. Valid: --precision dynamic."
            )
        settings["target_spec"] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]}
        windows = _windows(model)
        settings["representative_dataset"] = lambda: (w if len(w) > 1 else list(w.values()) for w in windows)
        if all(spec.dtype == "uint8" for spec in model.source.inputs):
            settings["inference_input_type"] = tf.uint8
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the converter itself calls
        model.network.export(str(path), format="litert", verbose=False, **settings)
    if precision == "float16":
        halve_weights(path, {math.prod(variable.shape) for variable in model.network.weights})
    about = dict(model.about)
    describe(
        path, f"{about['backbone']} with a {about['head']} head", model.labels, json.dumps(about, indent=2).encode()
    )
    return TOLERANCES[precision]


def _windows(model: Exportable) -> list[dict[str, NDArray[Any]]]:
    """Windows of training examples, a row each, all of one shape, as the calibration asks for."""
    found = list[dict[str, NDArray[Any]]]()
    for example in model.source.training:
        arrays = model.source.arrays(example)
        rows = len(next(iter(arrays.values())))
        for row in range(min(rows, OF_AN_EXAMPLE)):
            found.append({name: array[row * rows // min(rows, OF_AN_EXAMPLE)] for name, array in arrays.items()})
    longest = {name: np.max([window[name].shape for window in found], axis=0) for name in found[0]}
    return [{name: _padded(array, longest[name])[None] for name, array in window.items()} for window in found]


def _padded(array: NDArray[Any], shape: NDArray[Any]) -> NDArray[Any]:
    return np.pad(array, [(0, most - own) for own, most in zip(array.shape, shape, strict=True)])
