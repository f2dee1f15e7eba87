"""Reads texts, for a network that takes them as they are. Needs numpy."""

from pathlib import Path

import numpy as np


def read(source, about):
    """Return a text: a str as it is, else that of a file or of its bytes."""
    if not isinstance(source, str):
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        source = data.decode(about["preprocess"]["options"]["encoding"])
    return source.removeprefix("\ufeff")


def prepare(raw, about):
    """Return {"text": str [1]}, an array of objects."""
    if not raw.strip():
        raise ValueError("The text has no words.")
    return {"text": np.array([raw[: about["preprocess"]["options"]["max_characters"]]], object)}
