"""Answers with the model beside it: python predict.py FILE... README.md says what it needs; tlplug is not."""

import os
import sys
from pathlib import Path

import network
import preprocess


def classify(source):
    """Return the probability of each class for a file, or what else preprocess.py reads."""
    about = network.ABOUT
    raw = preprocess.read(source, about)
    answer = network.load_raw()(raw) if about["raw"] else network.load()(preprocess.prepare(raw, about))
    return dict(zip(about["classes"], map(float, answer[0]), strict=True))


if __name__ == "__main__":
    for item in sys.argv[1:]:
        found = classify(Path(item) if os.path.isfile(item) else item)
        best = max(found, key=found.get)
        print(item, best, f"{found[best]:.3f}", sep="\t")
