"""Loads the SavedModel. Needs tensorflow."""

import functools
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))


def load():
    """Return a function of a dict of arrays [rows, ...] that returns probabilities [n, classes]."""
    _program()
    return lambda arrays: _call("arrays", **{name: tf.constant(array) for name, array in arrays.items()})


def load_raw():
    """Return a function of what `read` of preprocess.py gives that returns probabilities [1, classes]."""
    name, dtype = ABOUT["raw"]["name"], ABOUT["raw"]["dtype"]
    return lambda raw: _call("serving_default", **{name: tf.constant(raw, dtype)[None]})


@functools.cache
def _program():
    return tf.saved_model.load(str(FOLDER / ABOUT["file"]))


def _call(signature, **inputs):
    return _program().signatures[signature](**inputs)["probabilities"].numpy()
