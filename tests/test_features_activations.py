"""What lies under a cut: kept window by window, of whatever shapes, and found again."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tlplug import storage
from tlplug.features.activations import ActivationStore
from tlplug.storage import CacheWarning

KEYS = [bytes([number]) * 32 for number in range(8)]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
WINDOWS = st.lists(
    st.fixed_dictionaries(
        {
            "cut": SHAPES.flatmap(lambda shape: arrays.arrays(np.float32, shape)),
            "mask": SHAPES.flatmap(lambda shape: arrays.arrays(np.int32, shape)),
            "text": st.text(max_size=9).map(lambda text: np.array(text, object)),
        }
    ).map(lambda window: {name: window[name] for name in ("cut", "mask", "text")}),
    min_size=1,
    max_size=4,
)


@given(st.lists(WINDOWS, min_size=1, max_size=5))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_arrays_come_back_as_they_were(examples):
    store = ActivationStore(None, {})
    half = len(examples) // 2 + 1
    for part in (range(half), range(half, len(examples))):
        if part:
            store.write([(KEYS[number], examples[number]) for number in part])
    for number, windows in enumerate(examples):
        found = store.windows(KEYS[number], number)
        assert [window.example for window in found] == [number] * len(windows)
        for window, expected in zip(found, windows, strict=True):
            assert window.shapes == tuple(array.shape for array in expected.values())
            received = store.read([window, window])
            assert list(received) == list(expected)
            for name, array in expected.items():
                assert received[name].dtype == array.dtype
                np.testing.assert_array_equal(received[name], np.stack([array, array]))


def test_another_process_finds_them_and_nothing_that_is_damaged(cache):
    for number in (0, 1):
        ActivationStore("print", {"name": "net"}).write([(KEYS[number], [{"x": np.arange(3.0)}])])
    again = ActivationStore("print", {})
    assert [key in again for key in KEYS[:3]] == [True, True, False]
    shard = sorted((cache / "features" / "print").glob("*.arrow"))[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    assert sum(key in ActivationStore("print", {}) for key in KEYS) == 1


def test_on_a_full_disk_they_stay_in_memory(cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    store = ActivationStore("print", {})
    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.warns(CacheWarning, match="No space left"):
        store.write([(KEYS[0], [{"x": np.arange(3.0)}])])
    store.write([(KEYS[1], [{"x": np.arange(4.0)}])])
    for key, size in ((KEYS[0], 3), (KEYS[1], 4)):
        np.testing.assert_array_equal(store.read(store.windows(key, 0))["x"], [np.arange(size)])
    assert list((cache / "features").rglob("*.arrow")) == []
