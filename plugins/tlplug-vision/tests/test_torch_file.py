"""The reader of legacy .pth files: tensors and nothing else, whatever the file says."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tlplug_vision.torch_file import MAGIC, PROTOCOL, read_tensors

FACTS = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Saved:
    """A tensor as PyTorch would pickle it."""

    def __init__(self, storage, shape, strides, offset=0):
        self.storage, self.shape, self.strides, self.offset = storage, shape, strides, offset

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self.storage, self.offset, self.shape, self.strides, False, OrderedDict())


class Storage:
    def __init__(self, key, kind, array, length=None):
        self.key, self.kind, self.array = key, kind, array
        self.length = len(array) if length is None else length


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        return ("storage", getattr(sys.modules["torch"], value.kind), value.key, "cpu", value.length, None)


@pytest.fixture(scope="module")
def dump():
    """Write a state dict as PyTorch did before 1.6."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in ("FloatStorage", "LongStorage", "StrangeStorage"):
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*arguments):
        raise AssertionError("called")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2

    def write(state, storages=(), facts=FACTS, magic=MAGIC):
        file = io.BytesIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "torch", torch)
            patch.setitem(sys.modules, "torch._utils", utils)
            for value in (magic, PROTOCOL, facts, state, [storage.key for storage in storages]):
                Pickler(file, protocol=2).dump(value)
        for storage in storages:
            file.write(struct.pack("<q", len(storage.array)) + storage.array.tobytes())
        return file.getvalue()

    return write


@pytest.fixture(scope="module")
def good(dump):
    numbers = Storage("1", "FloatStorage", np.arange(6, dtype="<f4"))
    count = Storage("2", "LongStorage", np.array([7], dtype="<i8"))
    state = OrderedDict(
        plain=Saved(numbers, (2, 3), (3, 1)), turned=Saved(numbers, (3, 2), (1, 3)), count=Saved(count, (), ())
    )
    state._metadata = OrderedDict({"": {"version": 1}})
    return dump(state, [numbers, count])


@pytest.fixture
def read(tmp_path):
    def read(content, **limits):
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        return read_tensors(path, **limits)

    return read


def refused(read, content, reason, **limits):
    with pytest.raises(ValueError, match=reason) as caught:
        read(content, **limits)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("'weights.pth'")


def test_tensors_are_read_with_their_strides(read, good):
    tensors = read(good)
    np.testing.assert_array_equal(tensors["plain"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors["turned"], [[0, 3], [1, 4], [2, 5]])
    assert tensors["count"].dtype == np.int64
    assert tensors["count"] == 7
    tensors["plain"][0, 0] = 9
    assert tensors["turned"][0, 0] == 0


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((7,), (1,), 0), ((6,), (1,), 1), ((1 << 29,), (0,), 0), ((2, 2), (5, 1), 1), ((2,), (-1,), 1), ((2, 3), (1,), 0)],
)
def test_a_tensor_beyond_its_storage_is_refused(shape, strides, offset, read, dump):
    storage = Storage("1", "FloatStorage", np.arange(6, dtype="<f4"))
    content = dump({"bad": Saved(storage, shape, strides, offset)}, [storage])
    refused(read, content, "reaches beyond|a size or offset is|not described as tensors are")


def test_nothing_that_a_file_names_is_called(read, dump, tmp_path):
    class Call:
        def __reduce__(self):
            return (tmp_path / "called").mkdir, ()

    refused(read, dump({"bad": Call()}), "holds more than tensors|it calls")
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("state", [{"text": "x"}, {"nested": {}}, [1], {"number": 1.5}, {1: 2}, {"name": len}])
def test_anything_but_tensors_is_refused(state, read, dump):
    refused(read, dump(state), "cannot be read")


def test_an_unknown_storage_is_refused(read, dump):
    storage = Storage("1", "StrangeStorage", np.arange(6, dtype="<f4"))
    refused(read, dump({"a": Saved(storage, (6,), (1,))}, [storage]), "a storage of an unknown kind")


def test_a_storage_that_lies_about_its_length_is_refused(read, dump):
    storage = Storage("1", "FloatStorage", np.arange(6, dtype="<f4"), length=600)
    refused(read, dump({"a": Saved(storage, (600,), (1,))}, [storage]), "has 6 elements, not 600")


def test_one_key_for_two_storages_is_refused(read, dump):
    first = Storage("1", "FloatStorage", np.arange(6, dtype="<f4"))
    second = Storage("1", "LongStorage", np.arange(6, dtype="<i8"))
    state = {"a": Saved(first, (6,), (1,)), "b": Saved(second, (6,), (1,))}
    refused(read, dump(state, [first]), "two tensors disagree|has 6 elements|ends in the middle")


def test_missing_storages_other_machines_and_other_files_are_refused(read, dump):
    storage = Storage("1", "FloatStorage", np.arange(6, dtype="<f4"))
    refused(read, dump({"a": Saved(storage, (6,), (1,))}), "list of storages")
    refused(read, dump({}, facts={**FACTS, "little_endian": False}), "little-endian")
    refused(read, dump({}, magic=1), "does not start")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", "")
    refused(read, archive.getvalue(), "cannot be read")


def test_a_memo_index_costs_no_memory(read):
    # The unpickler of the standard library would make room for as many entries.
    refused(read, b"\x80\x02Nr\xff\xff\xff\x7f.", "does not start")


def test_a_larger_file_than_allowed_is_refused(read, good):
    refused(read, good, r"Valid: at most 100", max_bytes=100)


def test_a_file_cut_anywhere_is_refused(read, good):
    for length in range(len(good)):
        refused(read, good[:length], "cannot be read")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_changed_anywhere_gives_arrays_or_one_line(data, read, good):
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        tensors = read(bytes(content))
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert all(isinstance(tensor, np.ndarray) for tensor in tensors.values())
