"""Loads model.keras. Needs numpy, keras and tensorflow."""

import functools
import importlib.util
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))


@functools.cache
def load():
    """Return a function of a dict of arrays [rows, ...] that returns probabilities [n, classes]."""
    for name in ABOUT["packages"]:
        if importlib.util.find_spec(name) is None:
            raise ImportError(f"The model has layers of {name}. Type: pip install {name.replace('_', '-')}")
    for name in ABOUT["modules"]:  # of the layers that are not Keras' own; they lie beside this file
        importlib.import_module(name)
    model = keras.saving.load_model(FOLDER / ABOUT["file"], safe_mode=True)
    names = [item["name"] for item in ABOUT["inputs"]]
    call = tf.function(lambda arrays: model(arrays, training=False), reduce_retracing=True, autograph=False)
    return lambda arrays: np.asarray(
        call(keras.tree.pack_sequence_as(model.input, [tf.constant(arrays[name]) for name in names]))
    )
