"""Files of the archives, and folders with the parts of a data set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_series import ucr

from tlplug import DataError, UsageError

TS = "@univariate true\n@classLabel true 1 2\n@data\n"
ARFF = "@relation r\n@attribute t0 numeric\n@attribute t1 numeric\n@attribute target {1,2}\n@data\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "A").mkdir()
    for part, first in (("TRAIN", 0), ("TEST", 5)):
        rows = [(first + number, first, number % 2 + 1) for number in range(3)]
        (tmp_path / "A" / f"A_{part}.ts").write_text(TS + "".join(f"{a},{b}:{c}\n" for a, b, c in rows))
        (tmp_path / "A" / f"A_{part}.arff").write_text(ARFF + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
        (tmp_path / "A" / f"A_{part}.tsv").write_text("".join(f"{c}\t{a}\t{b}\n" for a, b, c in rows))
    return tmp_path / "A"


def test_a_folder_keeps_its_split(folder):
    (folder / "README.md").write_text("about")
    assert ucr.sniff(folder) == 0.9
    examples = list(ucr.read(folder, {}))
    assert [one.split for one in examples] == ["train"] * 3 + ["test"] * 3
    assert examples[0].name == f"{folder}/A_TRAIN.ts:4"
    assert [one.source[0, 0] for one in examples] == [0, 1, 2, 5, 6, 7]


def test_every_format_gives_the_same_and_one_is_preferred(folder):
    expected = list(ucr.read(folder, {}))
    for gone, left in ((".ts", ".arff"), (".arff", ".tsv")):
        for path in folder.glob(f"*{gone}"):
            path.unlink()
        found = list(ucr.read(folder, {}))
        assert all(left in one.name for one in found)
        for one, other in zip(found, expected, strict=True):
            assert (one.label, one.split) == (other.label, other.split)
            np.testing.assert_array_equal(one.source, other.source)


def test_one_file_has_no_split(folder):
    for suffix in (".ts", ".arff", ".tsv"):
        path = folder / f"A_TRAIN{suffix}"
        assert ucr.sniff(path) == (0.7 if suffix == ".tsv" else 0.9)
        assert [one.split for one in ucr.read(path, {})] == [None] * 3


def test_the_data_set_that_is_called_like_the_folder_is_meant(folder):
    for part in ("TRAIN", "TEST"):
        (folder / f"A_eq_{part}.ts").write_text(TS)
    assert len(list(ucr.read(folder, {}))) == 6
    other = folder.rename(folder.with_name("B"))
    assert ucr.sniff(other) == 0.9
    with pytest.raises(UsageError, match=r"^[^\n]+Received: several: A, A_eq\.[^\n]+$"):
        list(ucr.read(other, {}))


def test_a_folder_without_a_training_part_is_none(folder, tmp_path):
    for path in folder.glob("*_TRAIN*"):
        path.unlink()
    assert ucr.sniff(folder) == 0
    with pytest.raises(UsageError, match=r"Received: none\."):
        list(ucr.read(folder, {}))
    assert ucr.sniff(tmp_path) == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ts", b"interface Series { data: number[] }\n"),
        ("a.ts", bytes([0x47, 0x40, 0, 0x10]) * 47 * 100),
        ("a.ts", b""),
        ("a.arff", b"@relation r\n"),
        ("a.tsv", b"label\t0\t1\n1\t2\t3\n"),
        ("a.tsv", b"good\t1\t2\n"),
        ("a.tsv", b"1\t2\n"),
        ("a.tsv", b"\xff\xfe\xfd"),
        ("a.tsv", b""),
        ("a.csv", b"1\t2\t3\n"),
        ("a", b"@data\n"),
    ],
)
def test_other_files_are_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert ucr.sniff(tmp_path / name) == 0


def test_utf_16_is_seen(tmp_path):
    (tmp_path / "a.ts").write_text(TS, encoding="utf-16")
    assert ucr.sniff(tmp_path / "a.ts") == 0.9


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"is no file of the UCR archive\. Valid endings: \.ts, \.arff, \.tsv\.$"):
        list(ucr.read(tmp_path / "a.csv", {}))
    for name in ("a.ts", "a.arff", "a.tsv"):
        with pytest.raises(DataError, match=r"^'.*' cannot be read: it is no regular file\.$"):
            list(ucr.read(tmp_path / name, {}))


def test_tsv_rows(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("1\t0.5\t1\tNaN\tNaN\r\n-1\t?\t2\tNaN\t3\n\nup\t1\tx\n2\n\t1\t2\n")
    first, second, bad, empty, unlabelled = ucr.read(path, {})
    assert first.source[:, 0].tolist() == [0.5, 1]
    np.testing.assert_array_equal(second.source[:, 0], [np.nan, 2, np.nan, 3])
    assert (first.label, second.label) == ("1", "-1")
    assert (bad.problem, bad.name) == ("step 2: 'x' is no number", f"{path}:4")
    assert empty.problem == "The series is empty"
    assert (unlabelled.label, unlabelled.problem) == (None, "")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100), st.sampled_from([".ts", ".arff", ".tsv"]))
def test_any_bytes_are_examples_or_one_line(one_line, tmp_path_factory, data, suffix):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(data)
    assert ucr.sniff(path) in (0, 0.7, 0.9)
    with one_line(DataError, UsageError):
        for one in ucr.read(path, {}):
            assert "\n" not in one.problem
