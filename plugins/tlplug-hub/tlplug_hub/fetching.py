"""Modules from addresses and from Kaggle: fetched, unpacked, validated; damaged caches are purged."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
import urllib.parse
from pathlib import Path

from tlplug import DownloadError, download
from tlplug_hub.archives import LARGEST, SUFFIXES, unpack
from tlplug_hub.modules import PARTS, UnsupportedError, check, locate

CACHE = "TFHUB_CACHE_DIR"
"""Where the library tensorflow_hub keeps what it has fetched; looked into when the variable is set."""

ATTEMPTS = 2


def fetch(location: str, target: Path, *, offline: bool) -> None:
    """Fetch a module into a new folder, or a preprocessor and an encoder into folders of these names.

    Args:
        location: an http or https address or a Kaggle handle; or two of them with a comma between.
        target: the folder to make; what has arrived of an archive lies beside it until it is complete.
        offline: never touch the network.

    Raises:
        DownloadError: offline, or Kaggle does not give it.
        ValueError: what arrives is damaged, twice, or is no module.
        OSError: the connection breaks, or the disk does not take it.
    """
    handles = location.split(",")
    shutil.rmtree(target, ignore_errors=True)
    for number, handle in enumerate(handles):
        folder = target if len(handles) == 1 else target / PARTS[number]
        if handle.startswith(("http://", "https://")):
            _from_address(handle, folder, target.with_name(f"{target.name}.{number}.tar"), offline=offline)
        else:
            _from_kaggle(handle, folder, offline=offline)


def _from_address(address: str, folder: Path, archive: Path, *, offline: bool) -> None:
    if (kept := _kept(address)) is not None:
        shutil.copytree(kept, folder)
        return
    if offline:
        raise DownloadError("offline, where nothing is fetched: leave out --offline and TLPLUG_OFFLINE")
    for attempt in range(1, ATTEMPTS + 1):
        download(_archive_address(address), archive, limit=LARGEST)
        try:
            unpack(archive, folder)
            _check_all(folder)
        except ValueError:
            shutil.rmtree(folder, ignore_errors=True)
            if attempt == ATTEMPTS:
                raise
        else:
            return
        finally:
            archive.unlink(missing_ok=True)


def _archive_address(address: str) -> str:
    """The address that answers with an archive: what TensorFlow Hub and Kaggle are asked with, unless it names one."""
    parts = urllib.parse.urlsplit(address)
    if parts.path.lower().endswith(SUFFIXES):
        return address
    query = {**dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True)), "tf-hub-format": "compressed"}
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(query)))


def _kept(address: str) -> Path | None:
    """The module that the library tensorflow_hub has fetched from an address; a damaged one is removed."""
    if not (cache := os.environ.get(CACHE)):
        return None
    folder = Path(cache) / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    if not folder.is_dir():
        return None
    try:
        check(folder)
    except UnsupportedError:  # another program may need it
        raise
    except ValueError:
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}.descriptor.txt").unlink(missing_ok=True)
        return None
    return folder


def _from_kaggle(handle: str, folder: Path, *, offline: bool) -> None:
    if offline:
        raise DownloadError("offline, where nothing is fetched: leave out --offline and TLPLUG_OFFLINE")
    if importlib.util.find_spec("kagglehub") is None:
        raise DownloadError("it takes the package kagglehub: pip install 'tlplug-hub[kaggle]'")
    import kagglehub
    import requests  # which kagglehub reaches Kaggle with

    for attempt in range(1, ATTEMPTS + 1):
        try:
            # The second time whatever Kaggle's own cache holds is thrown away.
            path = Path(kagglehub.model_download(handle, force_download=attempt > 1))
        except (requests.ConnectionError, requests.Timeout) as error:
            raise DownloadError("no connection to Kaggle") from error
        except Exception as error:
            raise DownloadError(f"Kaggle: {(str(error).strip() or type(error).__name__).splitlines()[0]}") from error
        try:
            _check_all(path)
        except ValueError:
            if attempt == ATTEMPTS:
                raise
        else:
            shutil.copytree(path, folder)
            return


def check_weights(path: Path) -> None:
    """Check the module or pair of modules in a folder or archive.

    Raises:
        ValueError: there is none, it is damaged, or the archive is none that is unpacked.
        OSError: the disk does not take what is unpacked.
    """
    if path.is_dir():
        _check_all(path)
        return
    with tempfile.TemporaryDirectory(prefix="tlplug-hub-") as folder:
        unpack(path, Path(folder, "module"))
        _check_all(Path(folder, "module"))


def _check_all(folder: Path) -> None:
    """Check the module in a folder, or both modules of a pair."""
    for module in locate(folder).values():
        check(module)
