"""A folder that is written under another name and is complete when it has its own: runs, exports."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import filelock

from tlplug.errors import RunError
from tlplug.storage import partial_name, sync, sync_folder

PARTIAL = ".partial"

LOCK = "lock"
"""The file in an unfinished folder that the process which writes it has locked."""


class RunBusyError(RunError):
    """Another process is writing the folder."""


def partial_path(path: Path) -> Path:
    """What a folder is called until it is complete."""
    return path.with_name(path.name + PARTIAL)


@contextlib.contextmanager
def claimed(
    path: Path,
    check_free: Callable[[Path], None],
    what: str,
    *,
    unfinished: Sequence[str] = (),
    resumable: Callable[[Path], bool] = lambda _: False,
) -> Iterator[Path]:
    """Yield the folder to write into, with what a killed process has left of it; it gets its name when all went well.

    An error removes the folder, and those above that were made for it.

    Args:
        path: that it is to have.
        check_free: raises an error where something has this name; called first, with the lock, and last.
        what: is written, in words.
        unfinished: names in the folder that only an unfinished one has; removed once it has its own name, as a process
            that is killed before must find them.
        resumable: whether the folder is one to go on with, so that an error leaves it.

    Raises:
        RunError: it cannot be written.
        RunBusyError: another process is writing it.
    """
    check_free(path)
    partial = partial_path(path)
    made = [parent for parent in partial.parents if not parent.exists()]
    try:
        partial.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot write {what} to {str(path)!r}: {error.strerror}. Choose another place with --out."
        ) from error
    lock = filelock.FileLock(partial / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RunBusyError(
            f"Another process is writing {str(path)!r}. Wait for it, or write to another name."
        ) from None
    except (FileNotFoundError, FileExistsError):  # another process has just failed, and removes the folder
        raise RunBusyError(f"Another process was writing {str(path)!r}. Try again.") from None
    try:
        check_free(path)  # another process may have finished a moment ago
        yield partial
        sync_folder(partial)
        check_free(path)
        partial.rename(path)
        for name in (*unfinished, LOCK):
            discard(path / name)
        sync(path.parent)
    except BaseException:
        if not resumable(partial):
            _remove(partial, made)  # while it is locked: the next one may begin the moment it is not
        raise
    finally:
        lock.release()


def is_claimed(partial: Path) -> bool:
    """Whether a process is writing an unfinished folder."""
    lock = filelock.FileLock(partial / LOCK)
    try:
        lock.acquire(timeout=0)
    except (filelock.Timeout, OSError):
        return True
    lock.release()
    return False


def _remove(partial: Path, made: list[Path]) -> None:
    """Remove it under another name, so that the next one finds all of it or nothing, and empty parents."""
    doomed = partial_name(partial)
    with contextlib.suppress(OSError):
        partial.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        for parent in made:
            parent.rmdir()


def empty(folder: Path, kept: tuple[str, ...] = (LOCK,)) -> None:
    """Remove what is in a folder but for some names."""
    for item in folder.iterdir():
        if item.name not in kept:
            discard(item)


def discard(item: Path) -> None:
    """Remove a file or folder, if it is there."""
    if item.is_dir() and not item.is_symlink():
        shutil.rmtree(item)
    else:
        item.unlink(missing_ok=True)
