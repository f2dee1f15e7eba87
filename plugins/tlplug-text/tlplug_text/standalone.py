"""Reads texts and makes token numbers of them as in training. Needs numpy and tokenizers."""

import functools
import json
from pathlib import Path

import numpy as np

from tlplug_text import decoding
from tlplug_text.text import make

FILES = Path(__file__).parent / "files"


def read(source, about):
    """Return a text: a str as it is, else that of a file, by its Path, or of its bytes."""
    if isinstance(source, Path):
        if source.exists() and not source.is_file():
            raise ValueError("It is not a regular file.")
        with source.open("rb") as file:
            source = file.read(decoding.MAX_BYTES + 1)
    text, _ = decoding.read(source, about["preprocess"]["options"]["encoding"])
    return text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair, as broken JSON has, is no character


def prepare(raw, about):
    """Return {"token_ids": int32 [windows, length], "mask": int32 [windows, length]}."""
    made = _preprocess(json.dumps(about["preprocess"]["options"]))(raw)
    windows = made if isinstance(made, list) else [made]
    longest = max(len(window["mask"]) for window in windows)
    return {
        name: np.stack([np.pad(window[name], (0, longest - len(window[name]))) for window in windows])
        for name in ("token_ids", "mask")
    }


@functools.cache
def _preprocess(options):
    return make(json.loads(options), {path.name: path for path in FILES.iterdir()})
