"""Repositories of Hugging Face: its own cache on this machine first, else a download file by file."""

from __future__ import annotations

import contextlib
import os
import shutil
import urllib.error
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from tlplug import progress
from tlplug.specs import Source
from tlplug.weights.download import offline

ENDPOINT = "https://huggingface.co"
"""Where repositories are, unless the variable HF_ENDPOINT names a mirror, as for Hugging Face's own programs."""


def cached_repository(source: Source) -> Path | None:
    """Where Hugging Face's own cache has all the files that a source needs; None where it has not."""
    repository, _, revision = source.location.partition("@")
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    folder = hub / f"models--{repository.replace('/', '--')}"
    revision = revision or "main"
    with contextlib.suppress(OSError, ValueError):  # a commit itself has no reference
        revision = (folder / "refs" / revision).read_text(encoding="ascii").strip()
    snapshot = folder / "snapshots" / revision
    needed = [name for name, optional in files_of(source) if not optional]
    return snapshot if all((snapshot / name).is_file() for name in needed) else None


def files_of(source: Source) -> list[tuple[str, bool]]:
    """The files that a source names, and whether a repository may lack them."""
    return [(name.removesuffix("?"), name.endswith("?")) for name in source.member.split(",")]


def fetch_repository(source: Source, folder: Path, fetch: Callable[[str, Path], None]) -> None:
    """Bring the files of a repository into a folder.

    A file that a repository may lack can be missing in Hugging Face's own cache because no program has asked for it
    so far. It is asked for then, since it may change what the network is; where that cannot be, this is said.

    Args:
        source: of the kind ``hf``.
        folder: where to.
        fetch: downloads an address to a path.

    Raises:
        whatever `fetch` does, but for the answer that there is no such file, where a repository may lack it.
    """
    folder.mkdir(exist_ok=True)
    snapshot = cached_repository(source)
    repository, _, revision = source.location.partition("@")
    revision = snapshot.name if snapshot else revision or "main"
    endpoint = (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    address = f"{endpoint}/{quote(repository)}/resolve/{quote(revision)}"
    unknown = []
    for name, optional in files_of(source):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if snapshot and (snapshot / name).is_file():
            shutil.copyfile(snapshot / name, target)
        elif snapshot and (snapshot.parents[1] / ".no_exist" / revision / name).is_file():
            continue
        elif snapshot and offline():
            unknown.append(name)
        else:
            try:
                fetch(f"{address}/{quote(name)}", target)
            except urllib.error.HTTPError as error:
                if error.code != 404 or not optional:
                    raise
            except OSError:
                if snapshot is None:
                    raise
                unknown.append(name)
    if unknown:
        progress.note(f"Hugging Face's cache of {repository} lacks, as the repository may: {', '.join(unknown)}.")
    for parent in sorted(folder.rglob("*"), reverse=True):
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
