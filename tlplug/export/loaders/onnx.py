"""Loads model.onnx. Needs numpy and onnxruntime."""

import functools
import json
from pathlib import Path

import onnxruntime

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))


@functools.cache
def load():
    """Return a function of a dict of arrays [rows, ...] that returns probabilities [n, classes]."""
    session = onnxruntime.InferenceSession(str(FOLDER / ABOUT["file"]), providers=["CPUExecutionProvider"])
    return lambda arrays: session.run(None, dict(arrays))[0]
