"""The network: whether it may be touched, and downloads over HTTP that resume where they broke off."""

from __future__ import annotations

import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

from tlplug import progress
from tlplug.storage import read_json, write_json

OFFLINE = "TLPLUG_OFFLINE"
TIMEOUT = 30.0
ATTEMPTS = 4
_CHUNK = 1 << 18


def offline() -> bool:
    """Whether the network must not be touched."""
    return os.environ.get(OFFLINE, "").lower() not in ("", "0", "false", "no")


def download(url: str, target: Path, *, limit: int = 16 << 30, pause: float = 1.0) -> None:
    """Download `url` into `target`, going on from what is there already when it is the same file on the server.

    Args:
        url: an http or https address.
        target: a temporary name; what a broken attempt leaves there is the start of the next one. Beside it
            ``<target>.json`` keeps the server's validator of that start.
        limit: refuse more bytes than this.
        pause: seconds before the second attempt, doubled from then on.

    Raises:
        OSError: the server refuses, or the connection breaks four times without coming further. Includes
            `urllib.error.URLError`.
        ValueError: the address is neither http nor https, or the file is larger than `limit`.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"only http and https addresses can be downloaded, not {url!r}")
    failures = 0
    while True:
        before = target.stat().st_size if target.exists() else 0
        try:
            return _attempt(url, target, limit)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                target.unlink(missing_ok=True)
            elif error.code < 500:
                raise
            broken: OSError = error
        except http.client.InvalidURL as error:
            raise ValueError(str(error)) from error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            broken = error if isinstance(error, OSError) else ConnectionError(str(error))
        after = target.stat().st_size if target.exists() else 0
        failures = failures + 1 if after <= before else 1
        if failures >= ATTEMPTS or _is_final(broken):
            raise broken
        time.sleep(pause * 2 ** (failures - 1))


def _is_final(error: OSError) -> bool:
    """A name that cannot be looked up or a refused connection will not come back within seconds."""
    if isinstance(error, urllib.error.HTTPError) or not isinstance(error, urllib.error.URLError):
        return False
    return not isinstance(error.reason, TimeoutError)


def _attempt(url: str, target: Path, limit: int) -> None:
    validator_file = target.with_name(target.name + ".json")
    request = urllib.request.Request(url, headers={"User-Agent": "tlplug"})  # noqa: S310 - checked by the caller
    if target.exists() and validator_file.exists():
        try:
            known = read_json(validator_file)
            validator = known["validator"] if known["url"] == url else None
        except (ValueError, KeyError, TypeError):
            validator = None
        if validator:
            request.add_header("Range", f"bytes={target.stat().st_size}-")
            request.add_header("If-Range", validator)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        start = target.stat().st_size if resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        if total is not None and total > limit:
            raise ValueError(f"it has {total:,} bytes, more than the {limit:,} expected")
        if not resumed:
            etag = response.headers.get("ETag", "")
            validator = etag if not etag.startswith("W/") else ""
            write_json(validator_file, {"url": url, "validator": validator or response.headers.get("Last-Modified")})
        done = start
        with (
            target.open("ab" if resumed else "wb") as file,
            progress.task(f"Downloading {url.rpartition('/')[2]}", total, "bytes") as advance,
        ):
            advance(start)
            while chunk := response.read(_CHUNK):
                done += len(chunk)
                if done > limit:
                    raise ValueError(f"it has more than the {limit:,} bytes expected")
                file.write(chunk)
                advance(len(chunk))
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done:,} of {total:,} bytes")
    validator_file.unlink(missing_ok=True)
