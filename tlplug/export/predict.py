"""Answers for files with the model beside it: python predict.py FILE... README.md says what it needs; not tlplug."""

import os
import re
import sys
from pathlib import Path

try:
    import network
    import preprocess
except ImportError as error:
    if __name__ != "__main__":
        raise
    sys.exit(f"{error}. network.py and preprocess.py say at their beginning what they need.")

USAGE = "Usage: python predict.py FILE...; it ends with 1 where a file cannot be read"


def classify(source):
    """Return the probability of each class for a file, by its path, or what else preprocess.py reads.

    A text that is one word and ends like a file name is the path of a file, which must be there.
    """
    about = network.ABOUT
    if isinstance(source, str):
        if os.path.isfile(source):
            source = Path(source)
        elif re.fullmatch(r"\S+\.[A-Za-z]\w*", source):
            raise FileNotFoundError(f"No such file: {source!r}")
    (probabilities,) = network.load()(preprocess.prepare(preprocess.read(source, about), about))
    return dict(zip(about["classes"], map(float, probabilities), strict=True))


def main(files):
    """Print the class of each file and its probability; return how many could not be read."""
    failed = 0
    try:
        network.load()
    except Exception as error:  # noqa: BLE001 - whatever its runtime raises
        sys.exit(f"The model cannot be loaded: {str(error).partition(chr(10))[0] or type(error).__name__}")
    for name in files:
        try:
            found = classify(Path(name))
        except (OSError, ValueError) as error:
            failed += 1
            print(name.replace("\n", " "), "error", *str(error).splitlines()[:1], sep="\t", file=sys.stderr)
            continue
        except ImportError as error:
            sys.exit(f"{error}. preprocess.py says at its beginning what it needs.")
        best = max(found, key=found.get)
        print(name.replace("\n", " "), " ".join(best.split()), f"{found[best]:.3f}", sep="\t")
    return failed


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    if sys.argv[1:2] in (["-h"], ["--help"]):
        print(USAGE)
    elif not sys.argv[1:]:
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    else:
        sys.exit(main(sys.argv[1:]) > 0)
