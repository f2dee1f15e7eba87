"""Answers with model.onnx. Needs numpy and onnxruntime; python predict.py FILE... answers"""

import functools
import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))


@functools.cache
def load():
    """Return a function of a dict of arrays [rows, ...] that returns probabilities [n, classes]."""
    session = onnxruntime.InferenceSession(str(FOLDER / ABOUT["file"]), providers=["CPUExecutionProvider"])
    return lambda arrays: session.run(None, dict(arrays))[0]


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
