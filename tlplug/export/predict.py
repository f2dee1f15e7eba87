"""Answers for files with the model beside it: python predict.py FILE... README.md says what it needs; not tlplug."""

import os
import sys
from pathlib import Path

import network
import preprocess


def classify(source):
    """Return the probability of each class for a file, by its path, or what else preprocess.py reads."""
    about = network.ABOUT
    raw = preprocess.read(Path(source) if isinstance(source, str) and os.path.isfile(source) else source, about)
    (probabilities,) = network.load()(preprocess.prepare(raw, about))
    return dict(zip(about["classes"], map(float, probabilities), strict=True))


def main(files):
    """Print the class of each file and its probability; return how many could not be read."""
    failed = 0
    for name in files:
        try:
            found = classify(Path(name))
        except (OSError, ValueError) as error:
            failed += 1
            print(name, "error", *str(error).splitlines()[:1], sep="\t", file=sys.stderr)
            continue
        except ImportError as error:
            sys.exit(str(error))
        best = max(found, key=found.get)
        print(name, " ".join(best.split()), f"{found[best]:.3f}", sep="\t")
    return failed


if __name__ == "__main__":
    if not sys.argv[1:] or sys.argv[1] in ("-h", "--help"):
        sys.exit("Usage: python predict.py FILE...")
    sys.exit(main(sys.argv[1:]) > 0)
