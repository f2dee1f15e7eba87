"""The family ``file:<model.keras>``: any Keras model file that returns a pooled embedding."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from tlplug.errors import UsageError
from tlplug.specs import Backbone, Source, Weights

if TYPE_CHECKING:
    import keras


def resolve(rest: str, modality: str | None) -> Backbone:
    """Return the backbone that a ``.keras`` file is.

    Raises:
        UsageError: there is no such file, it has another ending, or the modality is not known.
    """
    path = Path(rest).expanduser()
    if path.suffix != ".keras" or not path.is_file():
        raise UsageError(f"No such Keras model file: {rest!r}. Valid: file:PATH.keras.")
    if modality is None:
        raise UsageError(f"What 'file:{rest}' takes cannot be told from the file: add --modality.")
    return Backbone(
        name=f"file:{rest}",
        modality=modality,
        build=functools.partial(build, path),
        weights={"file": Weights(sources=(Source(kind="file", location=str(path.absolute())),))},
        summary="A Keras model file",
    )


def build(path: Path, weights: Path | None) -> keras.Model:
    """Load the file in Keras' safe mode; without weights, return its network as newly initialised."""
    import keras

    model = keras.saving.load_model(weights or path, compile=False, safe_mode=True)
    return model if weights else keras.models.clone_model(model)
