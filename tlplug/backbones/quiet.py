"""TensorFlow and LiteRT write to the process's own output streams while they start; this keeps them quiet."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


_lock = threading.Lock()
_inside = 0
_restore = contextlib.ExitStack()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send what native code prints meanwhile to nowhere, unless ``TF_CPP_MIN_LOG_LEVEL`` is set to something lower.

    Python exceptions pass as always. Whatever Python code prints inside is lost too, so keep the block small. Several
    threads may be inside; the last one to leave gives the streams back.
    """
    global _inside, _restore  # noqa: PLW0603 - the streams belong to the whole process
    if os.environ.get(_LEVEL, "3") < "3":
        yield
        return
    with _lock:
        if not _inside:
            _restore = _silence()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _restore.close()


def _silence() -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    stack.callback(os.close, nowhere)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    for descriptor in (1, 2):
        try:
            kept = os.dup(descriptor)
        except OSError:  # the process was started with this stream closed
            continue
        stack.callback(os.close, kept)
        stack.callback(os.dup2, kept, descriptor)
        os.dup2(nowhere, descriptor)
    return stack


def import_keras() -> Any:
    """Import Keras on TensorFlow, quietly, and return it."""
    if "keras" not in sys.modules:
        os.environ.setdefault(_LEVEL, "3")
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        with quiet():
            import tensorflow  # noqa: F401 - the noisy part
        # Each network that trains has functions of its own, which TensorFlow takes for one that changes all the time.
        logging.getLogger("tensorflow").addFilter(lambda record: "tf.function retracing" not in str(record.msg))
    import keras

    return keras
