"""TensorFlow and LiteRT write to the process's own output streams while they start; this keeps them quiet."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send what native code prints meanwhile to nowhere, unless ``TF_CPP_MIN_LOG_LEVEL`` is set to something lower.

    Python exceptions pass as always. Whatever Python code prints inside is lost too, so keep the block small.
    """
    if os.environ.get(_LEVEL, "3") < "3":
        yield
        return
    with contextlib.ExitStack() as stack:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nowhere)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        for descriptor in (1, 2):
            try:
                kept = os.dup(descriptor)
            except OSError:  # the process was started with this stream closed
                continue
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, descriptor)
            os.dup2(nowhere, descriptor)
        yield


def import_keras() -> Any:
    """Import Keras on TensorFlow, quietly, and return it."""
    if "keras" not in sys.modules:
        os.environ.setdefault(_LEVEL, "3")
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        with quiet():
            import tensorflow  # noqa: F401 - the noisy part
    import keras

    return keras
