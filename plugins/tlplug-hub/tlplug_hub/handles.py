"""Handles of modules: folders, archives, addresses and Kaggle's names."""

from __future__ import annotations

import functools
import re
import tempfile
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from tlplug import Backbone, Source, UsageError, Weights, list_preprocesses
from tlplug_hub.archives import SUFFIXES, unpack
from tlplug_hub.hub import build
from tlplug_hub.options import MODALITIES, options_of
from tlplug_hub.signatures import modality_of

FETCH = "tlplug_hub.fetching:fetch"
CHECK = "tlplug_hub.fetching:check_weights"
KAGGLE = re.compile(r"[\w.-]+/[\w.-]+/tensorflow2/[\w.-]+/\d+", re.IGNORECASE)
"""A Kaggle handle: owner, model, framework, variation, version."""

_VALID = (
    "hub:HANDLE, which is a folder, a .tar.gz file, a file://, http:// or https:// address, or a Kaggle handle such as "
    "google/yamnet/tensorFlow2/yamnet/1; or two addresses with a comma between them, preprocessor and encoder"
)
_PLUGINS = {"image": "tlplug-vision", "audio": "tlplug-audio"}


def resolve(rest: str, modality: str | None) -> Backbone:
    """Return the backbone that a handle means.

    TensorFlow is only imported where the module itself must say what it takes.

    Args:
        rest: the handle.
        modality: of the data; what the module's signature says when None.

    Raises:
        UsageError: there is no such module, or what it takes cannot be told.
    """
    path = local_path(rest)
    if path is not None:
        source = Source(kind="file", location=str(path))
        modality = modality or _look(path, _recognise)
    elif all(is_remote(handle) for handle in rest.split(",")) and rest.count(",") < 2:
        source = Source(kind="hub", location=rest, fetch=FETCH, check=CHECK)
    else:
        raise UsageError(_unknown(rest))
    if modality is None:
        raise UsageError(f"What 'hub:{rest}' takes cannot be told before it is there: add --modality.")
    if modality not in MODALITIES:
        raise UsageError(f"Modules take {', '.join(MODALITIES)}. Received: {modality} for 'hub:{rest}'.")
    if not any(row["modality"] == modality for row in list_preprocesses()):
        raise UsageError(
            f"Nothing that is installed reads {modality} data. Type: pip install {_PLUGINS.get(modality, 'tlplug-hub')}"
        )
    return Backbone(
        name=f"hub:{rest}",
        modality=modality,
        build=functools.partial(build, modality),
        preprocess=MODALITIES[modality],
        weights={"module": Weights(sources=(source,))},
        network_in_weights=True,
        options=options_of(modality),
        summary="A TensorFlow 2 SavedModel",
    )


def local_path(handle: str) -> Path | None:
    """Return the folder or archive on this machine that a handle means; None when it means none.

    >>> local_path("https://tfhub.dev/google/yamnet/1") is None
    True
    """
    path = _existing(handle)
    return path if path and (path.is_dir() or path.name.lower().endswith(SUFFIXES)) else None


def _existing(handle: str) -> Path | None:
    """The folder or file that a handle names, whatever it is."""
    if handle.startswith("file://"):
        address = urllib.parse.urlsplit(handle)
        if address.netloc not in ("", "localhost"):
            return None
        handle = urllib.parse.unquote(address.path)
    try:
        path = Path(handle).expanduser().absolute()
        return path if handle and (path.is_dir() or path.is_file()) else None
    except (OSError, RuntimeError, ValueError):  # a name too long or odd for a file, or ~ of nobody
        return None


def _unknown(handle: str) -> str:
    """Say why a handle is none, and what to type."""
    path = _existing(handle)
    if path is None:
        return f"No such module: {handle!r}. Valid: {_VALID}."
    if path.suffix.lower() == ".keras":
        return f"{handle!r} is a Keras file, no SavedModel. Type: file:{path}"
    return (
        f"{handle!r} is no archive that a module is taken from. Valid: {', '.join(SUFFIXES)}, or the folder that is "
        "in it, unpacked."
    )


def is_remote(handle: str) -> bool:
    """Whether a handle is an address or a Kaggle handle."""
    return handle.startswith(("http://", "https://")) or KAGGLE.fullmatch(handle) is not None


def _look(path: Path, look: Callable[[Path], str | None]) -> str | None:
    """What `look` says of the folder at a path, or of what the archive there holds."""
    if path.is_dir():
        return look(path)
    with tempfile.TemporaryDirectory(prefix="tlplug-hub-") as folder:
        try:
            unpack(path, Path(folder, "module"))
        except ValueError as error:
            raise UsageError(str(error)) from error
        return look(Path(folder, "module"))


def _recognise(folder: Path) -> str | None:
    try:
        return modality_of(folder)
    except ValueError as error:
        raise UsageError(str(error)) from error
