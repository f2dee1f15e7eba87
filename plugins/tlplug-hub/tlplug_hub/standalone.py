"""Reads texts as in training, for a network that takes them as they are. Needs numpy."""

from pathlib import Path

from tlplug_hub import strings


def read(source, about):
    """Return a text: a str as it is, else that of a file, by its Path, or of its bytes."""
    if isinstance(source, Path):
        if source.exists() and not source.is_file():
            raise ValueError("It is not a regular file.")
        with source.open("rb") as file:
            source = file.read(strings.MAX_BYTES + 1)
    return strings.read(source, about["preprocess"]["options"]["encoding"])


def prepare(raw, about):
    """Return {"text": str [1]}, an array of objects."""
    return {"text": strings.make(about["preprocess"]["options"], {})(raw)["text"][None]}
