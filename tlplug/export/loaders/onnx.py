"""Answers with model.onnx. Needs numpy and onnxruntime: python predict.py FILE..."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))


def load():
    """Return a function of a dict of arrays [rows, ...] that returns probabilities [n, classes]."""
    session = onnxruntime.InferenceSession(str(FOLDER / ABOUT["file"]), providers=["CPUExecutionProvider"])
    return lambda arrays: session.run(None, dict(arrays))[0]


if __name__ == "__main__":
    from preprocess import prepare, read

    network = load()
    for source in sys.argv[1:]:
        probabilities = np.asarray(network(prepare(read(source, ABOUT), ABOUT)))[0]
        print(source, ABOUT["classes"][probabilities.argmax()], f"{probabilities.max():.3f}", sep="\t")
