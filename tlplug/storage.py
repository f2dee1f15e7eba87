"""Files that are never half-written, locks between processes, and where the cache lives."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import platformdirs

from tlplug.errors import TlplugWarning

CACHE_DIR = "TLPLUG_CACHE_DIR"
PARTIAL = ".partial"
"""The ending of what is being written; readers ignore it."""


class CacheWarning(TlplugWarning):
    """The cache cannot be used; the work goes on without it."""


class CacheFolderError(OSError):
    """A folder of the cache cannot be made."""


def cache_dir() -> Path:
    """The folder that holds weights, compiled backbones and features: ``TLPLUG_CACHE_DIR`` or the platform's own."""
    return Path(os.environ.get(CACHE_DIR) or platformdirs.user_cache_dir("tlplug", appauthor=False))


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hex digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def read_source(path: Path, limit: int) -> bytes:
    """Return what an example's file holds, and not more than one byte beyond a limit, by which it shows.

    Args:
        path: of the file; a device or pipe, which has no end, is refused.
        limit: in bytes.

    Raises:
        ValueError: there is no such file, it is no regular one, or it cannot be read; one line.

    Example::

        data = tlplug.read_source(Path("example.txt"), 1 << 20)
        if len(data) > 1 << 20:
            raise ValueError("The file has more than 1,048,576 bytes.")
    """
    try:
        if not path.is_file():
            raise ValueError("There is no such file." if not path.exists() else "It is not a regular file.")
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise ValueError(f"The file cannot be read: {error.strerror or error}.") from error


def content_digest(path: Path) -> str:
    """Return the sha256 of a file, or of the sorted lines ``<sha256>  <relative path>`` of a folder's files, in hex."""
    if not path.is_dir():
        return file_digest(path)
    lines = "".join(f"{file_digest(file)}  {file.relative_to(path).as_posix()}\n" for file in files_below(path))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Return every file below a folder, by its path; links are followed, to a folder once.

    Raises:
        FileNotFoundError: a link leads nowhere.
    """
    found: list[Path] = []
    for parent, _, files in walk_folders(folder):
        for name in files:
            file = Path(parent, name)
            if not file.exists():
                raise FileNotFoundError(errno.ENOENT, "a link that leads nowhere", str(file))
            found.append(file)
    return sorted(found, key=lambda file: file.relative_to(folder).as_posix())


def walk_folders(
    folder: Path, on_error: Callable[[OSError], None] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield what `os.walk` yields, links followed; a folder that links lead to again comes once."""
    seen: set[tuple[int, int]] = set()
    for parent, folders, files in os.walk(folder, onerror=on_error, followlinks=True):
        status = os.stat(parent)  # noqa: PTH116 - a device and inode pair tells where links lead
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
        else:
            seen.add((status.st_dev, status.st_ino))
            yield parent, folders, files


def size_of(path: Path) -> int:
    """Bytes in a file, or in all files of a folder."""
    return sum(file.stat().st_size for file in files_below(path)) if path.is_dir() else path.stat().st_size


def folder_size(folder: Path) -> int:
    """Bytes in all files below a folder; 0 when there is none."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def partial_name(path: Path) -> Path:
    """A name beside `path` that nobody else uses and that readers ignore."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PARTIAL}")


@contextlib.contextmanager
def replace_file(path: Path, named: Callable[[Path], str] | None = None) -> Iterator[Path]:
    """Yield a temporary path; what was written there gets the name `path` when the block ends well.

    The file is on disk before it is renamed, so at `path` there is the old file or the whole new one.

    Args:
        path: that the file is to have.
        named: says another name in the same folder, by what was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial_name(path)
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path.with_name(named(temporary)) if named else path)
        sync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace_folder(temporary: Path, path: Path) -> None:
    """Give a finished folder the name `path`, in place of what has it; a killed process leaves one of them or none."""
    sync_folder(temporary)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    temporary.rename(path)
    sync(path.parent)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; it gets the name `path` when the block ends well and nobody was faster.

    When `path` exists by then, it is kept and the temporary folder removed: for folders whose name says what is in
    them, both are the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial_name(path)
    temporary.mkdir()
    try:
        yield temporary
        sync_folder(temporary)
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
            shutil.rmtree(temporary)
        sync(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def sync(path: Path) -> None:
    """Have a file or folder written to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have everything below a folder written to disk."""
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def open_text(path: Path) -> TextIO:
    """Open a text file to write; of a file name that is no valid text the odd bytes are written out (``\\udcff``)."""
    return path.open("w", newline="", encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, atomically; numbers that JSON does not have are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_manifest(folder: Path, name: str = "manifest.json") -> None:
    """Write the sha256 and size of every file of a folder into it."""
    files = {
        path.relative_to(folder).as_posix(): {"sha256": file_digest(path), "size": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / name
    }
    write_json(folder / name, {"files": files})


def manifest_problem(folder: Path, name: str = "manifest.json") -> str | None:
    """Say what is wrong with a folder that has a manifest; None when every file is as it was written."""
    try:
        files = {
            relative: (expected["sha256"], expected["size"])
            for relative, expected in read_json(folder / name)["files"].items()
        }
    except FileNotFoundError:
        return f"{name} is missing"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{name} is damaged"
    for relative, (sha256, size) in files.items():
        path = folder / relative
        if not path.is_file():
            return f"{relative} is missing"
        if path.stat().st_size != size or file_digest(path) != sha256:
            return f"{relative} is damaged"
    return None


def clear_partial(folder: Path, older_than: float) -> int:
    """Remove what killed processes left below a folder; return the bytes freed.

    Args:
        folder: where to look.
        older_than: a time in seconds since the epoch; anything younger may still be written to.
    """
    freed = 0
    for path in sorted(folder.rglob(f".*{PARTIAL}*")):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < older_than:
                freed += folder_size(path) if path.is_dir() else path.stat().st_size
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return freed


def make_cache_folder(folder: Path) -> None:
    """Make a folder of the cache.

    Raises:
        CacheFolderError: it cannot be made, for whatever reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CacheFolderError(error.errno, error.strerror or "cannot be made", str(folder)) from error


def is_disk_trouble(error: OSError) -> bool:
    """Whether an error says that nothing can be written, and not that something else went wrong."""
    return isinstance(error, CacheFolderError) or error.errno in _DISK_TROUBLE


_DISK_TROUBLE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
}


def warn_cache(action: str, error: OSError) -> None:
    """Warn, once a run and reason, that the cache is not used."""
    warnings.warn(f"{action}: {error.strerror or error}. Going on without the cache.", CacheWarning, stacklevel=3)
