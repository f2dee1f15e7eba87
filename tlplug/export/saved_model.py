"""The format ``savedmodel``: raw sources and prepared arrays in one program of plain TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlplug.backbones import import_keras, quiet
from tlplug.export.network import Exportable
from tlplug.specs import Tolerance

RAW, ARRAYS, ANSWER = "serving_default", "arrays", "probabilities"
"""The two signatures, and what both return."""

LABELS = "labels.txt"
"""The asset with the class names, one a line."""


def export(model: Exportable, path: Path, options: Mapping[str, Any]) -> Tolerance:  # noqa: ARG001 - has none
    """Write a SavedModel with the signatures ``serving_default``, for raw sources, and ``arrays``.

    Where the preprocess has no graph, ``serving_default`` takes arrays as well.
    """
    keras = import_keras()
    import tensorflow as tf

    network = model.network

    def answer(arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {ANSWER: model.answer(arrays)}

    with quiet(), tempfile.TemporaryDirectory(prefix="tlplug-labels-") as folder:
        labels = Path(folder) / LABELS
        labels.write_text("".join(f"{' '.join(name.splitlines())}\n" for name in model.classes), encoding="utf-8")
        archive = keras.export.ExportArchive()
        # Variables follow by themselves, and would be written twice if the layers were tracked as well; of other
        # resources, such as tables, only layers that are not Keras' own can have any.
        for layer in network._flatten_layers(include_self=False):
            if not type(layer).__module__.startswith("keras."):
                archive.track(layer)
        archive.track(tf.saved_model.Asset(str(labels)))
        archive.add_endpoint(ARRAYS, answer, [model.specs])
        raw = model.raw()
        if raw is None:
            archive.add_endpoint(RAW, answer, [model.specs])
        else:
            for resource in raw.resources:
                archive.track(resource)
            archive.add_endpoint(RAW, lambda given: {ANSWER: raw.answer(given)}, [raw.spec])
        archive.write_out(
            str(path), options=tf.saved_model.SaveOptions(experimental_debug_stripper=True), verbose=False
        )
    return Tolerance()
