"""Answers with model.tflite. Needs numpy and ai-edge-litert; python predict.py FILE... answers"""

import functools
import json
import os
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))


@functools.cache
def load():
    """Return a function of a dict of arrays [rows, ...] that returns probabilities [n, classes]."""
    runner = Interpreter(str(FOLDER / ABOUT["file"])).get_signature_runner()
    return lambda arrays: next(iter(runner(**arrays).values()))


def classify(source):
    """Return the probability of each class for a file, or what else preprocess.py reads."""
    from preprocess import prepare, read

    probabilities = np.asarray(load()(prepare(read(source, ABOUT), ABOUT)))[0]
    return dict(zip(ABOUT["classes"], map(float, probabilities), strict=True))


if __name__ == "__main__":
    for item in sys.argv[1:]:
        found = classify(Path(item) if os.path.isfile(item) else item)
        best = max(found, key=found.get)
        print(item, best, f"{found[best]:.3f}", sep="\t")
