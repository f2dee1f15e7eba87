"""The store of embeddings: nothing in it is ever wrong, and nothing about it stops a run."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tlplug.features import FeatureStore
from tlplug.storage import CacheWarning, read_json


def digest(text):
    return hashlib.sha256(str(text).encode()).digest()


def digests(*names):
    return [digest(name) for name in names]


def rows(count, size=3, start=0.0):
    return np.arange(start, start + count * size, dtype="float32").reshape(count, size)


@pytest.fixture
def stored(tmp_path):
    """A store of a, b and c in one shard, as a new process opens it."""
    FeatureStore("print", 3, {"name": "net"}, tmp_path).write(digests("a", "b", "c"), rows(3))
    return lambda: FeatureStore("print", 3, folder=tmp_path)


def shards(folder):
    return sorted(folder.rglob("*.arrow"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(
    data=st.data(),
    size=st.integers(1, 5),
    blocks=st.lists(st.lists(st.integers(0, 20), min_size=1, unique=True), min_size=1, max_size=4),
)
def test_what_is_written_is_read_bit_by_bit(tmp_path, data, size, blocks):
    folder = tmp_path / "round"
    shutil.rmtree(folder, ignore_errors=True)
    store, expected = FeatureStore("print", size, folder=folder), {}
    for block in blocks:
        values = data.draw(arrays.arrays(np.float32, (len(block), size)))
        store.write(digests(*block), values)
        for name, row in zip(block, values, strict=True):
            expected.setdefault(name, row)
    order = data.draw(st.permutations([*expected, *expected]))
    for opened in (store, FeatureStore("print", size, folder=folder)):
        assert len(opened) == len(expected)
        read, _ = opened.read(digests(*order))
        assert read.tobytes() == b"".join(expected[name].tobytes() for name in order)


def test_what_is_not_there_is_not_there(stored):
    store = stored()
    assert digest("a") in store
    assert digest("d") not in store
    assert len(store) == 3
    with pytest.raises(KeyError):
        store.read(digests("a", "d"))
    assert store.read([])[0].shape == (0, 3)


def test_what_is_known_is_not_written_again(stored, tmp_path):
    store = stored()
    store.write(digests("a", "b"), rows(2, start=100))
    assert len(shards(tmp_path)) == 1
    store.write(digests("b", "d", "d"), rows(3, start=100))
    assert len(shards(tmp_path)) == 2
    assert np.array_equal(stored().read(digests("b", "d"))[0][0], rows(3)[1])
    assert len(stored()) == 4


def test_an_empty_block_writes_nothing(tmp_path):
    FeatureStore("print", 3, folder=tmp_path).write([], rows(0))
    assert list(tmp_path.iterdir()) == []


def test_it_lies_below_the_cache_and_says_what_it_is(cache):
    FeatureStore("print", 3, {"name": "Bäckbone"}).write(digests("a"), rows(1))
    folder = cache / "features" / "print"
    assert read_json(folder / "about.json") == {"name": "Bäckbone"}
    (shard,) = shards(folder)
    assert shard.stem == hashlib.sha256(shard.read_bytes()).hexdigest()
    assert {path.name for path in folder.iterdir()} == {"about.json", shard.name}


def test_fingerprints_are_kept_apart(tmp_path):
    FeatureStore("one", 3, folder=tmp_path).write(digests("a"), rows(1))
    assert digest("a") not in FeatureStore("other", 3, folder=tmp_path)


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "grown"])
def test_a_damaged_shard_is_ignored_and_written_anew(stored, tmp_path, damage):
    (shard,) = shards(tmp_path)
    data = shard.read_bytes()
    flipped = bytes([data[len(data) // 2] ^ 1])
    damaged = {
        "truncated": data[:-1],
        "empty": b"",
        "flipped": data[: len(data) // 2] + flipped + data[len(data) // 2 + 1 :],
        "grown": data + b"\0",
    }
    shard.write_bytes(damaged[damage])
    store = stored()
    assert len(store) == 0
    store.write(digests("a", "b", "c"), rows(3))
    assert np.array_equal(stored().read(digests("c", "a"))[0], rows(3)[[2, 0]])


def test_a_shard_without_permission_or_target_is_ignored(stored, tmp_path):
    (shard,) = shards(tmp_path)
    shard.rename(tmp_path / "elsewhere")
    shard.symlink_to("nowhere")
    assert len(stored()) == 0
    shard.unlink()
    shard.mkdir()
    assert len(stored()) == 0


def test_what_others_put_there_is_ignored(stored, tmp_path):
    folder = tmp_path / "print"
    (shard,) = shards(folder)
    shutil.copy(shard, folder / "copy.arrow")
    shutil.copy(shard, folder / f".{shard.name}.1-a.partial")
    (folder / "notes.txt").write_text("mine")
    shard.unlink()
    assert len(stored()) == 0


def test_files_with_the_right_name_that_are_no_shard_are_ignored(stored, tmp_path):
    for data in (b"no arrow file", b""):
        (tmp_path / "print" / f"{hashlib.sha256(data).hexdigest()}.arrow").write_bytes(data)
    assert len(stored()) == 3


def test_a_full_disk_is_one_warning_and_no_more_writing(disk):
    folder = disk()
    FeatureStore("print", 300, folder=folder).write(digests("kept"), rows(1, 300))
    store = FeatureStore("print", 300, folder=folder)
    with pytest.warns(CacheWarning, match="No space left on device") as caught:
        store.write(digests(*range(500)), rows(500, 300))
    assert len(caught) == 1
    assert str(caught[0].message).startswith(f"Cannot keep features in {folder}: ")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.write(digests("small"), rows(1, 300))
    assert digest("small") not in store
    assert np.array_equal(store.read(digests("kept"))[0], rows(1, 300))
    assert len(FeatureStore("print", 300, folder=folder)) == 1
    assert [path for path in folder.rglob("*") if path.name.endswith(".partial")] == []


def test_a_read_only_disk_is_read(disk):
    folder = disk()
    FeatureStore("print", 3, folder=folder).write(digests("a"), rows(1))
    disk(read_only=True)
    store = FeatureStore("print", 3, folder=folder)
    assert np.array_equal(store.read(digests("a"))[0], rows(1))
    with pytest.warns(CacheWarning, match="Read-only file system"):
        store.write(digests("b"), rows(1))
    with pytest.warns(CacheWarning, match="Read-only file system"):
        FeatureStore("other", 3, folder=folder).write(digests("b"), rows(1))


def test_a_file_where_the_folder_should_be_is_a_warning(tmp_path):
    (tmp_path / "print").write_text("a file")
    store = FeatureStore("print", 3, folder=tmp_path)
    with pytest.warns(CacheWarning):
        store.write(digests("a"), rows(1))


def test_two_writers_do_not_disturb_each_other(tmp_path):
    first, second = (FeatureStore("print", 3, folder=tmp_path) for _ in range(2))
    first.write(digests("a", "b"), rows(2))
    second.write(digests("b", "c"), rows(2, start=3))
    assert digest("c") not in first
    both = FeatureStore("print", 3, folder=tmp_path)
    assert np.array_equal(both.read(digests("a", "b", "c"))[0], rows(3))


def test_a_store_that_is_removed_meanwhile_is_written_anew(stored, tmp_path):
    store = stored()
    shutil.rmtree(tmp_path / "print")
    store.write(digests("d"), rows(1))
    assert digest("d") in stored()


def test_opening_a_store_notes_its_use(stored, tmp_path):
    os.utime(tmp_path / "print", (0, 0))
    stored()
    assert (tmp_path / "print").stat().st_mtime > 1e9
