"""Loads model.tflite. Needs numpy and ai-edge-litert."""

import functools
import json
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))


@functools.cache
def load():
    """Return a function of a dict of arrays [rows, ...] that returns probabilities [n, classes]."""
    runner = Interpreter(str(FOLDER / ABOUT["file"])).get_signature_runner()
    return lambda arrays: next(iter(runner(**arrays).values()))
