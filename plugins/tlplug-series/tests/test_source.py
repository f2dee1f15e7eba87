"""Files with one series: tables of numbers, NumPy's files, and what only looks like one of them."""

from __future__ import annotations

import io
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_series.source import read
from tlplug_series.values import SeriesError


def refused(source):
    with pytest.raises(SeriesError, match=r"^[^\n]+$") as caught:
        read(source)
    return str(caught.value)


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4.5\n",
        "a,b\n1,2\n3,4.5",
        "1;2\n3;4.5",
        "\ufeffa\tb\r\n1\t2\r\n3\t4.5\r\n",
        "  1.0e+00  2.0e+00\n  3.0e+00  4.5e+00\n",
        "time,a,b\n2020-01-01,1,2\n2020-01-02,3,4.5\n",
        "a,Timestamp,b\n1,0,2\n3,0,4.5\n",
        ",a,b\n0,1,2\n1,3,4.5\n",
        "\n\n1, 2\n\n 3 ,4.5\n\n",
        '"a","b"\n"1","2"\n3,4.5\n',
        "0,1\n1,2\n3,4.5\n"[4:],
    ],
)
def test_a_row_is_a_step_and_a_column_a_channel(text):
    assert read(text.encode()).tolist() == [[1, 2], [3, 4.5]]


def test_one_column():
    assert read(b"1\n2\n\n3\n").tolist() == [[1], [2], [3]]
    assert read(b"x\n1\n2\n").tolist() == [[1], [2]]
    assert read(b'"x"\n"1"\n2\n').tolist() == [[1], [2]]


def test_missing_values():
    values = read(b"a,b\n1,\n,NaN\nNA,?\nnull,4\nnone,N/A\n")
    np.testing.assert_array_equal(values, [[1, np.nan]] + [[np.nan] * 2] * 2 + [[np.nan, 4], [np.nan] * 2])


def test_numbers_in_the_first_row_are_no_header_unless_they_count():
    assert read(b"1.5,2.5\n3,4\n").shape == (2, 2)
    assert read(b"hours,0,1\n1,2,3\n4,5,6\n").shape == (2, 3)
    assert refused(b"1.5,abc\n3,4\n") == "Line 1, column 2: 'abc' is no number."


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The file is empty."),
        (b"\n \n", "The file is empty."),
        (b"a,b\n", "The file has a header and no steps."),
        (b"a,b\n1,2\n3,x\n", "Line 3, column 2 (b): 'x' is no number."),
        (b"a,b\n1,2\n3,1_0\n", "Line 3, column 2 (b): '1_0' is no number."),
        (b"1,2\n3\n", "Line 2 has 1 values, the first 2."),
        (b"1;2\n1,5;3\n", "Line 2, column 1: '1,5' is no number, write decimals with a point."),
        (b"a,b\n1,inf\n", "Step 1 of channel 2 (b) is infinite."),
        (b"a,b\n1,1e999\n", "Step 1 of channel 2 (b) is infinite."),
        (b"a,b\n1,1e39\n", "Step 1 of channel 2 (b) is beyond 3.4e38"),
        (b"a,B\n1,\n2,\n", "Channel 2 (B) has no value, all are missing."),
        (b'c,"a\nb"\n1,2\n\n3,x\n', "Line 5, column 2 (a b): 'x' is no number."),
        (b"x" * 500 + b"\n1\ny\n", f"Line 3, column 1 ({'x' * 40}): 'y' is no number."),
        (b"time,date\n1,2\n", "It has no channel. Received the columns: time, date."),
        (b"x,label\n1,2\n", "It has a column 'label', which is no channel but would give the answer away."),
        (b'1,"2\n3,4\n', "Line 3 cannot be read: unexpected end of data."),
        (b"1,2\0\n", "It is no text file: character 4 is NUL."),
        (b"\xff\xfe1", "It is no text file: it is not the UTF-16 that its byte order mark says."),
        (b"\x89PNG\r\n\x1a\n", "Line 2, column 1 (\x89PNG): '\\x1a' is no number."),
        (b"some text\nand more\n", "Line 2, column 1 (some): 'and' is no number."),
        (",".join(map(str, range(2000))).encode(), "The series has 2,000 channels."),
    ],
)
def test_what_is_no_series_says_where(data, reason):
    assert refused(data).startswith(reason)


def test_encodings():
    text = "Höhe,x\n1,2\n"
    for encoding in ("utf-8", "utf-8-sig", "latin-1", "utf-16"):
        assert read(text.encode(encoding)).tolist() == [[1, 2]]


def test_paths(tmp_path):
    (tmp_path / "a.csv").write_text("1\n2\n")
    np.save(tmp_path / "b.npy", np.arange(3))
    assert read(tmp_path / "a.csv").shape == (2, 1)
    assert read(str(tmp_path / "b.npy")).shape == (3, 1)
    os.mkfifo(tmp_path / "pipe.csv")
    assert refused(tmp_path / "pipe.csv") == "It is not a regular file."
    assert refused(tmp_path) == "It is not a regular file."
    assert refused(tmp_path / "c.csv") == "There is no such file."
    assert refused("a\0b") == "There is no such file."


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1\n")
    path.chmod(0)
    assert refused(path) == "The file cannot be read: Permission denied."


def test_too_many_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("tlplug_series.source.MAX_BYTES", 10)
    (tmp_path / "a.csv").write_text("1\n" * 6)
    assert refused(tmp_path / "a.csv") == "The file has more than 10 bytes."


@pytest.mark.parametrize("array", [np.arange(6), np.arange(12.0).reshape(6, 2), np.ones((3, 1), ">f4")])
def test_numpy_files(array):
    np.testing.assert_array_equal(read(npy(array)), array.reshape(len(array), -1))


def header(description, version=(1, 0)):
    text = description.encode("latin-1") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (npy(np.array([1, "a", None], object), allow_pickle=True), "It holds Python objects, which are never loaded."),
        (npy(np.arange(1000))[:500], "It is cut off: its array takes 8,000 bytes, and the file has 372."),
        (npy(np.array(["a"])), "A series is an array of real numbers [time] or [time, channels]. Received: <U1 [1]."),
        (npy(np.zeros((2, 2, 2))), "A series is an array of real numbers"),
        (npy(np.zeros(0)), "The series is empty."),
        (b"\x93NUMPY", "It is no NumPy file, or a damaged one: its header cannot be read."),
        (b"\x93NUMPY\x09\x00", "The file has version 9.0 of NumPy's format."),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"), "Its array of float64 "),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (9, -1)}"), "It is a damaged NumPy file"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9)}"), "The series is empty."),
        (header("{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000,)}"), "Its values of type <U0 take no"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", (2, 0)), "It holds Python objects"),
        (header("(" * 3000), "It is no NumPy file, or a damaged one"),
        (header("__import__('os').system('true')"), "It is no NumPy file, or a damaged one"),
    ],
)
def test_headers_are_checked_before_anything_is_allocated(data, reason):
    assert refused(data).startswith(reason)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda data: b"\x93NUMPY\x01\x00" + data))
def test_any_bytes_are_a_series_or_one_line(one_line, data):
    with one_line(SeriesError):
        assert read(data).ndim == 2


@settings(deadline=None)
@given(st.text(alphabet="0123456789.,;\t \n\"-+eEnainf?xt\r'_", max_size=80))
def test_any_table_is_a_series_or_one_line(one_line, text):
    with one_line(SeriesError):
        assert read(text.encode()).size
