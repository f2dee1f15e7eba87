"""The store of weights: fetched once, verified, one folder a weight set."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import filelock

from tlplug.errors import UnknownNameError, UsageError, WeightsError
from tlplug.registry import Entry
from tlplug.specs import Weights
from tlplug.storage import (
    PARTIAL,
    cache_dir,
    content_digest,
    files_below,
    is_disk_trouble,
    make_cache_folder,
    partial_name,
    read_json,
    replace_file,
    replace_folder,
    size_of,
    warn_cache,
    write_json,
)
from tlplug.weights.download import offline
from tlplug.weights.sources import NotReachedError, SourceError, fetch, mismatch, needs_network, refusal

_RECORD = "record.json"
_BY_HAND = "added by hand"


def default_set(entry: Entry) -> str | None:
    """The weight set that a backbone takes when none is named; None when it has none."""
    return next(iter(entry.record.weights), None)


@dataclass(frozen=True)
class StoredWeights:
    """A weight set that is there: its file or folder, its sha256 in hex, and the source it came from."""

    path: Path
    sha256: str
    source: str


class WeightsStore:
    """Weights by backbone and set.

    Args:
        folder: where they are kept; below the cache folder when left out.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_dir() / "weights"

    def weights(self, entry: Entry, name: str) -> Weights:
        """Return the record of a weight set.

        Raises:
            UnknownNameError: the backbone has no such set.
        """
        try:
            return entry.record.weights[name]  # type: ignore[no-any-return]
        except KeyError:
            valid = ", ".join([*entry.record.weights, "random"])
            raise UnknownNameError(f"The backbone {entry.name!r} has no weights {name!r}. Valid: {valid}.") from None

    def find(self, entry: Entry, name: str) -> StoredWeights | None:
        """Return a weight set that is there already, without reading the file; None when it must be fetched."""
        weights = self.weights(entry, name)
        local = _local_file(weights)
        if local and local.is_dir():
            _check_links(local)
        if local and (_only_files(weights) or not mismatch(local, weights)):
            return StoredWeights(local, _digest_of_own(local), f"file:{local}")
        folder = self._folder(entry, name)
        try:
            record = read_json(folder / _RECORD)
            stored = StoredWeights(folder / record["file"], record["sha256"], record["source"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not stored.path.exists() or (weights.sha256 and stored.sha256 != weights.sha256):
            return None
        if not weights.sha256 and stored.source not in {_BY_HAND, *map(str, weights.sources)}:
            return None
        return stored

    def digest(self, entry: Entry, name: str) -> str | None:
        """Return the sha256 of a weight set as far as it is known without fetching it."""
        weights = self.weights(entry, name)
        if weights.sha256:
            return weights.sha256
        stored = self.find(entry, name)
        return stored.sha256 if stored else None

    def get(self, entry: Entry, name: str) -> StoredWeights:
        """Return a weight set, fetching it from the first source that answers; what is there is verified.

        Raises:
            UnknownNameError: the backbone has no such set.
            WeightsError: no source gave the file; the message has each one's reason.
        """
        weights = self.weights(entry, name)
        stored = self.find(entry, name)
        if stored and _local_file(weights) == stored.path and not mismatch(stored.path, weights):
            return stored  # its digest has just been computed
        if stored and content_digest(stored.path) == stored.sha256 and not mismatch(stored.path, weights):
            return stored
        if _local_file(weights) and _only_files(weights):
            reason = mismatch(stored.path, weights) if stored else "changed while it was read"
            raise WeightsError(f"The weights {name!r} of {entry.name!r} are not as they should be: {reason}.")
        folder = self._folder(entry, name)
        try:
            make_cache_folder(folder)
            with filelock.FileLock(folder.with_name(folder.name + ".lock")):
                stored = self.find(entry, name)  # another process may have fetched it meanwhile
                if stored and content_digest(stored.path) == stored.sha256:
                    return stored
                return self._fetch(entry, name, weights, folder)
        except OSError as error:
            if not is_disk_trouble(error):
                raise
            warn_cache(f"Cannot keep weights in {self.folder}", error)
        temporary = Path(tempfile.mkdtemp(prefix="tlplug-weights-"))
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        try:
            return self._fetch(entry, name, weights, temporary)
        except OSError as error:
            raise WeightsError(
                f"The weights {name!r} of {entry.name!r} can be kept nowhere: {error}. Free some disk space, or set "
                "TLPLUG_CACHE_DIR to a folder with room."
            ) from error

    def add(self, entry: Entry, name: str, path: Path) -> StoredWeights:
        """Take a file or folder that the user has got otherwise.

        Raises:
            UsageError: there is no such file.
            WeightsError: it is not the one that the record describes.
        """
        weights = self.weights(entry, name)
        if not path.is_file() and not path.is_dir():
            raise UsageError(
                f"No such file: {str(path)!r}. Valid: a file or folder with the weights {name!r} of {entry.name!r}."
            )
        if path.is_dir():
            _check_links(path)
        if reason := mismatch(path, weights):
            raise WeightsError(f"{str(path)!r} is not the file of {entry.name}/{name}: {reason}.")
        try:
            reason = refusal(path, weights.sources)
        except OSError as error:
            raise WeightsError(f"{str(path)!r} cannot be checked: {error.strerror or error}.") from error
        if reason:
            raise WeightsError(f"{str(path)!r} has no weights {name!r} of {entry.name!r}: {reason}.")
        folder, filename = self._folder(entry, name), path.resolve().name
        if filename in ("", _RECORD):
            filename = f"weights-{filename}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(folder.with_name(folder.name + ".lock")):
                self._copy(path, folder / filename)
                return self._record(folder, filename, _BY_HAND)
        except OSError as error:
            raise WeightsError(f"{str(path)!r} cannot be kept in {self.folder}: {error.strerror or error}.") from error

    @staticmethod
    def _copy(path: Path, target: Path) -> None:
        if not path.is_dir():
            with replace_file(target) as temporary:
                shutil.copyfile(path, temporary)
            return
        temporary = partial_name(target)
        try:
            shutil.copytree(path, temporary)
            replace_folder(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def verify(self, entry: Entry, name: str) -> str | None:
        """Say what is wrong with a stored weight set; None when nothing is, or when it is not stored."""
        stored = self.find(entry, name)
        if stored is None:
            return None
        if content_digest(stored.path) != stored.sha256:
            return "the file has changed since it was stored"
        weights = self.weights(entry, name)
        return mismatch(stored.path, weights) or refusal(stored.path, weights.sources)

    def _folder(self, entry: Entry, name: str) -> Path:
        return self.folder / entry.plugin.distribution / quote(entry.name, safe="") / name

    def _fetch(self, entry: Entry, name: str, weights: Weights, folder: Path) -> StoredWeights:
        reasons = []
        for source in weights.sources:
            if offline() and needs_network(source):
                reasons.append(f"{source}: offline")
                continue
            filename = source.filename
            arriving = folder / f".{filename}{PARTIAL}"
            try:
                fetch(source, weights, arriving)
                if reason := mismatch(arriving, weights, source) or refusal(arriving, [source]):
                    raise SourceError(reason)
            except SourceError as error:
                reasons.append(f"{source}: {error}")
                if not isinstance(error, NotReachedError):
                    _remove(arriving)
                continue
            except OSError:
                _remove(arriving)
                raise
            if arriving.is_dir():
                replace_folder(arriving, folder / filename)
            else:
                with replace_file(folder / filename) as temporary:
                    arriving.replace(temporary)
            for rest in folder.glob(f".*{PARTIAL}*"):
                _remove(rest)
            return self._record(folder, filename, str(source))
        prefix, colon, _ = entry.name.partition(":")
        typed = f"--backbone {prefix}:PATH" if colon else f"tlplug weights add {entry.name}/{name} PATH"
        raise WeightsError(
            f"No source gave the weights {name!r} of {entry.name!r}: {'; '.join(reasons)}. Get the file yourself and "
            f"type: {typed}"
        )

    @staticmethod
    def _record(folder: Path, filename: str, source: str) -> StoredWeights:
        path = folder / filename
        digest = content_digest(path)
        write_json(folder / _RECORD, {"file": filename, "sha256": digest, "size": size_of(path), "source": source})
        return StoredWeights(path, digest, source)


def _check_links(folder: Path) -> None:
    try:
        files_below(folder)
    except FileNotFoundError as error:
        raise WeightsError(
            f"The weights in {str(folder)!r} cannot be read: {error.filename} {error.strerror}."
        ) from error


def _digest_of_own(path: Path) -> str:
    """The digest of what lies at a path, read again only when a size or time has changed."""
    files = files_below(path) if path.is_dir() else [path]
    states = [(str(file), file.stat()) for file in files]
    return _digest_at(path, tuple((name, status.st_size, status.st_mtime_ns) for name, status in states))


@functools.lru_cache(maxsize=64)
def _digest_at(path: Path, state: tuple[tuple[str, int, int], ...]) -> str:  # noqa: ARG001 - it is a part of the key
    return content_digest(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _only_files(weights: Weights) -> bool:
    """Whether there is nowhere else to turn to when the user's own file is not as it should be."""
    return all(source.kind == "file" for source in weights.sources)


def _local_file(weights: Weights) -> Path | None:
    """A weight set that is a file or folder of the user's own is used where it lies."""
    for source in weights.sources:
        if source.kind == "file" and Path(source.location).exists():
            return Path(source.location)
    return None


def weight_sets(entries: list[Entry]) -> Iterator[tuple[Entry, str, Weights]]:
    """All weight sets of some backbones."""
    for entry in entries:
        for name, weights in getattr(entry.record, "weights", {}).items():
            yield entry, name, weights
