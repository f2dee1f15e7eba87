"""The loading of SavedModels: what they can do is looked at first."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

from tlplug import UsageError, trusted
from tlplug_hub.modules import read_program
from tlplug_hub.operations import refused

_LIBRARY = "tensorflow_text"
_UNKNOWN = re.compile(r"Op type not registered '(\w+)'")

_trusted: set[str] = set()
"""Digests of the modules that this process has been told to trust, until it ends.

What was trained on one is saved and loaded again within the same process, and that has no word of its own.
"""


def load(folder: Path, digest: str, *, trust: bool = False) -> Any:
    """Load a SavedModel, unless it runs operations on files, processes or the network without being trusted.

    Args:
        folder: of the SavedModel.
        digest: of what is in it, see `tlplug_hub.modules.digest`.
        trust: whether it may run them; ``--trust`` says so for all.

    Raises:
        UsageError: it is not trusted, or needs operations of a library that is not installed.
        ValueError: it is damaged.
    """
    import tensorflow as tf

    program = read_program(folder)
    if trust:
        _trusted.add(digest)
    try:
        names = refused(program)
    except (IndexError, KeyError) as error:
        raise ValueError(f"The description of the module {folder.name!r} is damaged.") from error
    if names and digest not in _trusted and not trusted():
        raise UsageError(
            f"The module {folder.name!r} is not run: beside computing it can use {', '.join(names)}. If you trust who "
            "made it, add --trust (in Python: set TLPLUG_TRUST=1)."
        )
    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:
        # Of a damaged file TensorFlow raises whatever comes, KeyError and AttributeError among others.
        unknown = _UNKNOWN.search(str(error))
        if unknown is None:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ValueError(f"The module {folder.name!r} cannot be loaded: {reason[:300]}") from error
        if _LIBRARY in sys.modules or importlib.util.find_spec(_LIBRARY) is None:
            raise UsageError(
                f"The module {folder.name!r} needs the operation {unknown[1]}, which TensorFlow alone does not have. "
                "If it is one for texts, such as the preprocessor of a BERT, type: pip install 'tlplug-hub[bert]'"
            ) from error
    importlib.import_module(_LIBRARY)  # it registers its operations
    return load(folder, digest)
