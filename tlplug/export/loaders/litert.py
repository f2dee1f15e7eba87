"""Answers with model.tflite. Needs numpy and ai-edge-litert: python predict.py FILE..."""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))


def load():
    """Return a function of a dict of arrays [rows, ...] that returns probabilities [n, classes]."""
    runner = Interpreter(str(FOLDER / ABOUT["file"])).get_signature_runner()
    return lambda arrays: next(iter(runner(**arrays).values()))


if __name__ == "__main__":
    from preprocess import prepare, read

    network = load()
    for source in sys.argv[1:]:
        probabilities = np.asarray(network(prepare(read(source, ABOUT), ABOUT)))[0]
        print(source, ABOUT["classes"][probabilities.argmax()], f"{probabilities.max():.3f}", sep="\t")
