"""What is kept between runs, as a whole: how large it is, and how to be rid of it."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tlplug.storage import cache_dir, clear_partial, folder_size

KINDS = ("weights", "compiled", "features")
_HOUR = 3600.0
_DAY = 24 * _HOUR


def cache_usage() -> list[dict[str, Any]]:
    """Return for each kind its ``name``, its ``entries`` and its size in ``bytes``."""
    usage = []
    for kind in KINDS:
        folder = cache_dir() / kind
        usage.append({"name": kind, "entries": len(_entries(kind)), "bytes": folder_size(folder)})
    return usage


def clear_cache(kinds: Iterable[str]) -> int:
    """Remove some kinds; return the bytes freed."""
    freed = 0
    for kind in kinds:
        freed += _remove(cache_dir() / kind)
    return freed


def prune_cache(days: float) -> int:
    """Remove features and compiled backbones not used for some days, and what killed processes left.

    Weights stay: they are few, and cost a download. Returns the bytes freed.
    """
    before = time.time() - days * _DAY
    freed = clear_partial(cache_dir(), time.time() - _HOUR)
    for kind in ("compiled", "features"):
        for entry in (*_entries(kind), *(cache_dir() / kind).glob("*.refused")):
            with contextlib.suppress(FileNotFoundError):  # another process removes it at this moment
                if entry.stat().st_mtime < before:
                    freed += _remove(entry)
    return freed


def _entries(kind: str) -> list[Path]:
    folder = cache_dir() / kind
    if kind == "weights":
        return sorted(path.parent for path in folder.glob("*/*/*/record.json"))
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir())


def _remove(folder: Path) -> int:
    if not folder.is_dir():
        size = folder.stat().st_size if folder.exists() else 0
        folder.unlink(missing_ok=True)
        return size
    size = folder_size(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return size - folder_size(folder)
