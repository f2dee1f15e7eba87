"""Answers with the model beside it: python predict.py FILE... README.md says what it needs; tlplug is not."""

import os
import sys
from pathlib import Path

import network
import preprocess


def classify(source):
    """Return the probability of each class for a file, by its path, or what else preprocess.py reads."""
    about = network.ABOUT
    raw = preprocess.read(Path(source) if isinstance(source, str) and os.path.isfile(source) else source, about)
    answer = network.load_raw()(raw) if about["raw"] else network.load()(preprocess.prepare(raw, about))
    return dict(zip(about["classes"], map(float, answer[0]), strict=True))


if __name__ == "__main__":
    for item in sys.argv[1:]:
        found = classify(item)
        best = max(found, key=found.get)
        print(item, best, f"{found[best]:.3f}", sep="\t")
