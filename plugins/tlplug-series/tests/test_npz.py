"""NumPy's archives."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_series import npz

from tlplug import DataError

X = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        np.savez_compressed(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    return write


def refused(path):
    with pytest.raises(DataError, match=r"^[^\n]+$") as caught:
        list(npz.read(path, {}))
    return str(caught.value)


def test_x_and_y(save):
    path = save(X=X, y=np.array(["up", "down", "up"]))
    assert npz.sniff(path) == 0.9
    found = list(npz.read(path, {}))
    assert [one.label for one in found] == ["up", "down", "up"]
    assert found[1].source.tolist() == [[4], [5], [6], [7]]
    assert found[1].source.dtype == np.float32
    assert (found[1].name, found[1].split) == (f"{path}:X[1]", None)


def test_parts_keep_their_split(save):
    path = save(x_train=X, y_train=np.arange(3), x_test=X[:2, :, None] + 1, y_test=np.arange(2), other=np.zeros(3))
    assert npz.sniff(path) == 0.9
    assert [(one.split, one.label) for one in npz.read(path, {})] == [
        ("train", "0"),
        ("train", "1"),
        ("train", "2"),
        ("test", "0"),
        ("test", "1"),
    ]
    path = save(X_train=X, y_train=np.arange(3), X_val=X, y_val=np.arange(3))
    assert [one.split for one in npz.read(path, {})] == ["train"] * 3 + ["validation"] * 3


def test_channels(save):
    (one,) = npz.read(save(X=np.arange(6).reshape(1, 3, 2), y=[[1]]), {})
    assert one.source.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (np.array([1.0, 2.0, np.nan]), ["1", "2", None]),
        (np.array([1.5, 2.0, np.inf]), ["1.5", "2.0", None]),
        (np.array([b"a", b"", b"\xff"]), ["a", None, "\ufffd"]),
        (np.array([True, False, True]), ["True", "False", "True"]),
        (np.array([[3], [4], [5]], ">i2"), ["3", "4", "5"]),
    ],
)
def test_labels(save, y, labels):
    assert [one.label for one in npz.read(save(X=X, y=y), {})] == labels


def test_without_y_there_are_no_labels(save):
    path = save(X=X)
    assert npz.sniff(path) == 0.6
    assert [one.label for one in npz.read(path, {})] == [None] * 3


def test_missing_values_at_the_end_are_no_steps(save):
    x = np.array([[1, np.nan, 2, np.nan], [np.nan] * 4, [1, 2, np.inf, 4]])
    short, none, bad = npz.read(save(X=x, y=np.arange(3)), {})
    np.testing.assert_array_equal(short.source[:, 0], [1, np.nan, 2])
    assert none.problem == "The series has no value, all are missing"
    assert bad.problem == "Step 3 of channel 1 is infinite"


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"a": X}, "It has no X. Received: a. Valid: X and y, or X_train"),
        ({"X": X, "y": np.arange(2)}, "X has 3 series, and there are 2 labels."),
        (
            {"X": X, "y": np.eye(3)},
            "y is float64 [3, 3]. Valid: a number or text for each series, [n]. Of one",
        ),
        ({"X": X[0], "y": np.arange(4)}, "X is float64 [4]. Valid: numbers [n, time] or [n, time, channels]"),
        ({"X": np.array([["a"]]), "y": [1]}, "X is <U1 [1, 1]."),
        ({"X": X[0, 0], "y": [1]}, "X is float64 []."),
        ({"X": X, "x": X, "y": [1]}, "It has 'x' twice: x."),
        ({"X": np.array([[1], [1, 2]], object), "y": [1, 2]}, "X: It holds Python objects, which are never loaded."),
        ({"X": X, "y": np.array(["a", None, 1], object)}, "y: It holds Python objects, which are never loaded."),
    ],
)
def test_what_is_no_data_set_is_one_line(save, arrays, reason):
    path = save(**arrays)
    assert refused(path).startswith(f"{str(path)!r} cannot be read: {reason}")


def raw(tmp_path, **members):
    path = tmp_path / "raw.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def header(shape, descr="<f4"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def test_headers_are_checked_before_anything_is_unpacked(tmp_path):
    path = raw(tmp_path, X=header((1 << 40, 4)), y=header((1,)) + bytes(4))
    assert "X: Its array of float32 [1099511627776, 4] takes" in refused(path)
    path = raw(tmp_path, X=header((1000, 4)) + bytes(100), y=header((1,)) + bytes(4))
    assert "X: It is cut off: its array takes 16,000 bytes, and the file has 100." in refused(path)
    path = raw(tmp_path, X=b"no array", y=header((1,)) + bytes(4))
    assert "X: It is no NumPy file, or a damaged one" in refused(path)
    path = raw(tmp_path, X=header((1, 4)) + bytes(16), y=header((1 << 40,), "<U0"))
    assert "y: Its values of type <U0 take no space." in refused(path)


def test_a_bomb_takes_no_memory(tmp_path):
    """More than a gibibyte of zeros in a few megabytes."""
    path = tmp_path / "bomb.npz"
    packed = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with packed as archive, archive.open("X.npy", "w") as file:
        file.write(header((1 << 18, 1025)))
        for _ in range(1025):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        assert "takes 1,074,790,400 bytes. Valid: at most 1,073,741,824." in refused(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_damaged_archives_are_one_line(one_line, save, tmp_path):
    data = save(X=np.random.default_rng(0).normal(size=(50, 100)), y=np.arange(50)).read_bytes()
    path = tmp_path / "damaged.npz"
    for start in range(0, len(data), len(data) // 40):
        path.write_bytes(data[:start] + bytes(8) + data[start + 8 :])
        with one_line(DataError):
            list(npz.read(path, {}))
    path.write_bytes(data[: len(data) // 2])
    assert "is no NumPy archive, or a damaged one" in refused(path)
    assert npz.sniff(path) == 0
    assert "cannot be read: No such file" in refused(tmp_path / "none.npz")


def test_other_packing_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("X.npy", header((1, 4)) + bytes(16))
    assert "X: It is packed in a way that NumPy does not use." in refused(path)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=40))
def test_any_bytes_are_examples_or_one_line(tmp_path_factory, member, tail):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00" + member)
    path.write_bytes(buffer.getvalue() + tail)
    assert npz.sniff(path) in (0, 0.6)
    with pytest.raises(DataError, match=r"^[^\n]+$"):
        list(npz.read(path, {}))
    path.write_bytes(member)
    assert npz.sniff(path) == 0
