"""One CSV file with many series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_series import plugin, table

from tlplug import DataError, UsageError

WIDE = "label,0,1,2\nup,1,2,3\ndown,3,2,1\n"
LONG = "id,time,x,y,label\na,1,2,20,up\nb,0,5,50,down\na,0,1,10,up\nb,1,6,60,down\na,2,3,30,up\n"


def options(**given):
    (record,) = (one for one in plugin.reader() if one.name == "series-table")
    return {option.name: option.default for option in record.options} | given


@pytest.fixture
def path(tmp_path):
    def write(text, name="a.csv"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_wide(path):
    file = path(WIDE)
    assert table.sniff(file) == 0.7
    up, down = table.read(file, options())
    assert up.source.tolist() == [[1], [2], [3]]
    assert up.source.dtype == np.float32
    assert (up.label, up.name, up.split) == ("up", f"{file}:2", None)
    assert (down.label, down.name) == ("down", f"{file}:3")


def test_long(path):
    file = path(LONG)
    assert table.sniff(file) == 0.7
    a, b = table.read(file, options())
    assert a.source.tolist() == [[1, 10], [2, 20], [3, 30]]
    assert b.source.tolist() == [[5, 50], [6, 60]]
    assert (a.label, a.name, b.label, b.name) == ("up", f"{file}:a", "down", f"{file}:b")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_marks(path, delimiter):
    file = path("\ufeff" + WIDE.replace(",", delimiter).replace("\n", "\r\n"), "a.tsv")
    assert table.sniff(file) == 0.7
    assert [one.label for one in table.read(file, options())] == ["up", "down"]


def test_a_split_column(path):
    file = path("split,class,a,b\ntrain,up,1,2\nTest,up,3,4\n,up,5,6\nval,up,7,8\nother,up,9,0\n")
    found = list(table.read(file, options()))
    assert [one.split for one in found] == ["train", "test", None, "validation", None]
    assert found[-1].problem == "its 'split' is 'other', not train, validation or test"
    file = path("id,split,class,a\n1,train,up,1\n1,,,2\n2,test,down,1\n2,train,down,1\n")
    one, two = table.read(file, options())
    assert (one.split, one.label, len(one.source)) == ("train", "up", 2)
    assert two.problem == "line 5: its label or split is another than in the rows before"


def test_empty_cells_at_the_end_make_a_series_shorter_and_others_are_missing(path):
    found = list(table.read(path("label,a,b,c\nup,1,,\nup,,2,3\nup,,,\n"), options()))
    assert found[0].source.tolist() == [[1]]
    np.testing.assert_array_equal(found[1].source[:, 0], [np.nan, 2, 3])
    assert found[2].problem == "The series has no value, all are missing"
    (one,) = table.read(path("id,label,a\n1,up,1\n1,up,\n"), options())
    np.testing.assert_array_equal(one.source[:, 0], [1, np.nan])


def test_numbers_of_rows_are_no_steps(path):
    found = list(table.read(path(",label,a,b\n0,up,1,2\n1,down,3,4\n"), options()))
    assert [one.source.tolist() for one in found] == [[[1], [2]], [[3], [4]]]
    found = list(table.read(path("id,index,a\nx,1,20\nx,0,10\n"), options()))
    assert found[0].source.tolist() == [[10], [20]]


def test_a_row_of_numbered_steps_is_a_series_whatever_comes_back(path):
    file = path("id,label,0,1,2\nann,up,1,2,3\nann,up,4,5,6\n")
    assert [one.source[:, 0].tolist() for one in table.read(file, options())] == [[1, 2, 3], [4, 5, 6]]
    (one,) = table.read(file, options(layout="long"))
    assert one.source.shape == (2, 3)


def test_the_layout_may_be_stated(path):
    file = path("id,label,a,b\nann,up,1,2\nann,up,4,5\n")
    assert next(table.read(file, options())).source.shape == (2, 2)
    assert [len(one.source) for one in table.read(file, options(layout="wide"))] == [2, 2]
    with pytest.raises(UsageError, match=r"^A long table needs a column of ids\. Received: label, a, b\. "):
        list(table.read(path("label,a,b\nup,1,2\n"), options(layout="long")))


def test_a_wide_table_may_have_times(path):
    file = path("time,label,a,b\n0,up,1,2\n0,down,4,5\n")
    assert table.sniff(file) == 0.3
    assert [len(one.source) for one in table.read(file, options(layout="wide"))] == [2, 2]


def test_ids_that_come_back_late_and_dates_of_rows(path):
    rows = [f"{series},{step},{series * step}" for step in range(3) for series in range(1500)]
    found = list(table.read(path("\n".join(["id,time,x", *rows])), options()))
    assert len(found) == 1500
    assert found[2].source[:, 0].tolist() == [0, 2, 4]
    one, two = table.read(path("id,date,label,h0,h1\na,2020-01-01,x,1,2\nb,2020-01-02,y,3,4\n"), options())
    assert (one.source[:, 0].tolist(), two.label) == ([1, 2], "y")


def test_times_are_sorted_as_numbers_or_dates(path):
    file = path("id,date,x\na,2020-01-10,3\na,2020-01-09T23:00:00Z,2\na,2020-01-09 08:00,1\n")
    assert next(table.read(file, options())).source[:, 0].tolist() == [1, 2, 3]
    file = path("id,t,x\na,10,3\na,9,2\na,-1e3,1\n")
    assert next(table.read(file, options())).source[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a,noon,1\n", "its time 'noon' is neither a number nor an ISO date"),
        ("a,nan,1\n", "its time 'nan' is neither a number nor an ISO date"),
        ("a,1,1\na,2020-01-01,1\n", "its time '2020-01-01' is of another kind than those before"),
        ("a,1,one\n", "line 2, column 'x': 'one' is no number"),
        ("a,1,inf\n", "Step 1 of channel 1 is infinite"),
    ],
)
def test_a_bad_step_costs_its_series(path, rows, reason):
    bad, good = table.read(path("id,time,x\n" + rows + "b,1,1\nb,2,2\n"), options())
    assert bad.problem == reason
    assert (good.problem, good.source.shape) == ("", (2, 1))


def test_rows_that_belong_to_no_series(path):
    file = path("id,time,x\na,1,1\na,2\n,3,3\na,4,4\n")
    found = list(table.read(file, options()))
    assert [(one.problem, one.name) for one in found] == [
        ("it has 2 cells, the header 3", f"{file}:3"),
        ("its 'id' is empty", f"{file}:4"),
        ("", f"{file}:a"),
    ]


def test_a_bad_row_costs_only_itself(path):
    file = path("label,a,b\nup,1,x\nup,1\nup,1,2\n,3,4\nup,1,1e40\n")
    assert table.sniff(file) == 0.7
    found = list(table.read(file, options()))
    assert [one.problem for one in found] == [
        "column 'b': 'x' is no number",
        "it has 2 cells, the header 3",
        "",
        "",
        "Step 2 of channel 1 is beyond 3.4e38, which single precision cannot hold",
    ]
    assert found[3].label is None


def test_columns_may_be_stated(path):
    file = path("who,when,kind,x\n1,2,a,20\n1,1,a,10\n2,1,b,5\n2,2,b,6\n")
    assert table.sniff(file) == 0.1
    found = list(table.read(file, options(id="who", time="when", label="kind")))
    assert [(one.label, one.source[:, 0].tolist()) for one in found] == [("a", [10, 20]), ("b", [5, 6])]
    with pytest.raises(UsageError, match=r"has no column 'name' for reader\.id\. Valid: who, when, kind, x\.$"):
        list(table.read(file, options(id="name")))


def test_an_encoding_may_be_stated(path):
    file = path("label,a,b\nhöher,1,2\n".encode("latin-1"))
    assert table.sniff(file) == 0.7
    with pytest.raises(DataError, match=r"is not utf-8: the byte 0xf6 in line 2 cannot be read"):
        list(table.read(file, options()))
    (one,) = table.read(file, options(encoding="latin-1"))
    assert one.label == "höher"
    with pytest.raises(UsageError, match=r"^Unknown encoding 'none'\."):
        list(table.read(file, options(encoding="none")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "label,text\nup,hello\n",
        "label,a,b\nup,hello,world\ndown,what,now\n",
        "label,a,text\nup,1,hello\ndown,2,world\n",
        "label,path\nup,a.csv\n",
        "label,a\nup,1\n",
        "1,2,3\n4,5,6\n",
        "who,what,a\nx,y,1\n",
        "label,a,b\n",
        "label,a,b\nup,,\n",
        'label,a,b\n"up,1,2\n',
    ],
)
def test_other_tables_are_none(path, text):
    assert table.sniff(path(text)) == 0
    assert table.sniff(path(WIDE, "a.txt")) == 0


@pytest.mark.parametrize("text", ["a,b,c\n1,2,3\n4,5,6\n", "time,a,b\n0,1,2\n1,3,4\n", "kind,a,b\nup,1,2\ndown,3,4\n"])
def test_mostly_numbers_may_be_series_under_other_names(path, text):
    assert table.sniff(path(text)) == 0.1


def test_what_cannot_be_guessed_says_what_to_state(path):
    with pytest.raises(UsageError, match=r"^Which rows of [^\n]* cannot be told: [^\n]*reader\.id=COLUMN[^\n]*$"):
        list(table.read(path("time,label,x,y\n0,up,1,2\n1,up,1,2\n"), options()))
    for text, reason in (
        ("label\nup\n", "has no columns of values. Received: label."),
        ("1,2\n3,4\n", "has no header."),
        ("", "is empty."),
        ('label,a,b\n"up,1,2\n', "cannot be read from line"),
        ("label,label,a,b\n1,2,3,4\n", "has more than one column 'label'."),
    ):
        with pytest.raises(DataError, match=r"^[^\n]+$") as caught:
            list(table.read(path(text), options()))
        assert reason in str(caught.value)


CELLS = st.sampled_from(["label", "id", "time", "split", "1", "x", "", '"', "2020-01-01", "nan", "train", "é"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELLS, max_size=5).map(",".join), max_size=6).map("\n".join), st.binary(max_size=20))
def test_any_content_gives_examples_or_one_line(one_line, tmp_path_factory, text, data):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(text.encode() + data)
    assert table.sniff(path) in (0, 0.1, 0.3, 0.7)
    with one_line(DataError, UsageError):
        for one in table.read(path, options()):
            assert one.problem or one.source.size
            assert "\n" not in one.problem


def test_a_table_is_read_like_an_earlier_one(path):
    """By the columns that it was read by, where this one has them."""
    earlier = path("kind,label,who,when,x\na,1,p,2,5\na,1,p,1,6\n", "earlier.csv")
    stated = {"label": "kind", "id": "who", "time": "when"}
    known = table.follow(earlier, stated, {})
    assert known == {**stated, "layout": None}
    later = path("id,kind,label,who,when,x\n9,a,1,p,2,5\n9,a,1,p,1,6\n")
    assert table.follow(later, {}, known) == known
    assert table.follow(later, {"label": "label"}, known) == {**known, "label": "label"}
    other = path("id,class,time,x\np,a,2,5\np,a,1,6\n")
    assert table.follow(other, {}, known) == {**known, "label": "class", "id": "id", "time": "time"}
    assert table.follow(other, {}, {}) == table.follow(other, {}, known)
