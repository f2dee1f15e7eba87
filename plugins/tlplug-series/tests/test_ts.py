"""The .ts format."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_series.ts import read_ts

from tlplug import DataError, UsageError

UNIVARIATE = "@problemName A\n@univariate true\n@classLabel true up down\n@data\n"


@pytest.fixture
def read(tmp_path):
    def function(text):
        path = tmp_path / "A.ts"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return list(read_ts(path))

    return function


def test_a_line_is_a_series(read, tmp_path):
    up, down = read("# about\n%more\n" + UNIVARIATE + "1,2.5,3:up\n\n 4 , 5e0 : down \n")
    np.testing.assert_array_equal(up.source, [[1], [2.5], [3]])
    assert up.source.dtype == np.float32
    assert (up.label, up.name, up.split) == ("up", f"{tmp_path}/A.ts:7", None)
    assert (down.label, down.name, down.source.shape) == ("down", f"{tmp_path}/A.ts:9", (2, 1))


def test_dimensions_are_channels(read):
    (one,) = read("@univariate false\n@dimensions 3\n@classLabel true a\n@data\n1,2:3,4:5,6:a\n")
    np.testing.assert_array_equal(one.source, [[1, 3, 5], [2, 4, 6]])


def test_missing_values_stay_in_their_place(read):
    (one,) = read(UNIVARIATE + "?,1,NaN,?:up\n")
    np.testing.assert_array_equal(one.source[:, 0], [np.nan, 1, np.nan, np.nan])


def test_of_steps_with_times_the_values_are_taken(read):
    head = "@timeStamps true\n@univariate {}\n@classLabel true 1 2\n@data\n"
    (one,) = read(head.format("true") + "(2007-01-01 00:00:00,241.5),(2007-01-01 00:01:00,?),(2,3) :1\n")
    np.testing.assert_array_equal(one.source[:, 0], [241.5, np.nan, 3])
    (two,) = read(head.format("false") + "(0,1),(1,2):(0,3),(1,4):2\n")
    np.testing.assert_array_equal(two.source, [[1, 3], [2, 4]])
    (bad,) = read(head.format("true") + "(0,1),1,2,(3,4):1\n")
    assert bad.problem == "'1,2,(3,4)' is not (time,value)"


def test_without_classes_there_are_no_labels(read):
    (one,) = read("@univariate true\n@classLabel false\n@data\n1,2\n")
    assert (one.label, one.problem, one.source.shape) == (None, "", (2, 1))
    (unknown,) = read(UNIVARIATE + "1,2:?\n")
    assert (unknown.label, unknown.problem) == (None, "")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2", "it has no ':', and so no class"),
        ("1,2:left", "its class 'left' is not one that @classLabel lists"),
        ("1,2:3,4:up", "it has 2 dimensions, not 1"),
        ("1,x:up", "step 2: 'x' is no number"),
        ("1,inf:up", "Step 2 of channel 1 is infinite"),
        ("1,-1e40:up", "Step 2 of channel 1 is beyond 3.4e38, which single precision cannot hold"),
        ("?,?:up", "The series has no value, all are missing"),
        (":up", "The series is empty"),
    ],
)
def test_a_bad_line_costs_only_itself(read, line, reason):
    good, bad, other = read(UNIVARIATE + f"1,2:up\n{line}\n3,4:down\n")
    assert (good.problem, other.problem) == ("", "")
    assert bad.problem == reason
    assert bad.name.endswith("A.ts:6")


def test_directives_are_held_against_the_data(read):
    head = "@univariate false\n@equalLength true\n@seriesLength 2\n@classLabel true a\n@data\n"
    problems = [one.problem for one in read(head + "1,2:3,4:a\n1,2,3:4,5,6:a\n1,2:a\n1,2:3:a\n")]
    assert problems == [
        "",
        "it has 3 steps, not 2",
        "it has 1 dimensions, not 2",
        "its dimensions have from 1 to 2 steps",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no @data: it is no .ts file of series."),
        ("@univariate true\n", "has no @data"),
        ("1,2:a\n@data\n", "has data before @data, in line 1."),
        ("@dimensions many\n@data\n", ":1: @dimensions takes a number from 1 on. Received: many."),
        ("@dimensions\n@data\n", ":1: @dimensions takes a number from 1 on. Received: nothing."),
        ("@equalLength maybe\n@data\n", ":1: @equalLength is true or false. Received: maybe."),
        ("@targetlabel true\n@data\n", ":1: it has numbers to predict (@targetlabel). Valid: classes, @classLabel."),
        (b"@problemName \xff\n@data\n", "is not utf-8: the byte 0xff in line 1 cannot be read."),
        (b"@problemName \0\n@data\n", "is no text file: line 1 has a NUL."),
    ],
)
def test_what_is_no_such_file_is_one_line(read, text, reason):
    with pytest.raises(DataError, match=r"^[^\n]+$") as caught:
        read(text)
    assert reason in str(caught.value)


def test_encodings(read):
    text = UNIVARIATE.replace("down", "größer") + "1,2:größer\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (one,) = read(text.encode(encoding))
        assert one.label == "größer"


DIRECTIVES = ["@data", "@dimensions 2", "@timeStamps true", "@classLabel true a"]
WORDS = st.sampled_from([*DIRECTIVES, "(0,1)", "1", ":", ",", "a", "\n", " ", "?"])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.lists(WORDS, max_size=30).map("".join))
def test_any_content_gives_examples_or_one_line(one_line, tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.ts"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with one_line(DataError, UsageError):
        for one in read_ts(path):
            assert one.problem or one.source.size
            assert "\n" not in one.problem
