"""Answers with the SavedModel. Needs numpy and tensorflow; python predict.py FILE... answers"""

import functools
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

FOLDER = Path(__file__).parent
ABOUT = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))


@functools.cache
def load(signature="arrays"):
    """Return a function of a dict of arrays [rows, ...] that returns probabilities [n, classes]."""
    program = tf.saved_model.load(str(FOLDER / ABOUT["file"]))

    def network(arrays):
        call = program.signatures[signature]
        return call(**{name: tf.constant(array) for name, array in arrays.items()})["probabilities"].numpy()

    return network


@functools.cache
def load_raw():
    """Return a function of what `read` of preprocess.py gives that returns probabilities [1, classes]."""
    network, raw_input = load("serving_default"), ABOUT["raw"]
    return lambda raw: network({raw_input["name"]: tf.constant(raw, raw_input["dtype"])[None]})


def classify(source):
    """Return the probability of each class for a file, or what else preprocess.py reads."""
    from preprocess import read

    probabilities = load_raw()(read(source, ABOUT))[0]
    return dict(zip(ABOUT["classes"], map(float, probabilities), strict=True))


if __name__ == "__main__":
    for item in sys.argv[1:]:
        found = classify(Path(item) if os.path.isfile(item) else item)
        best = max(found, key=found.get)
        print(item, best, f"{found[best]:.3f}", sep="\t")
