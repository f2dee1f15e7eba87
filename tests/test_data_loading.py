"""From folders and sequences to data sets: contents told apart, parts held out, leaks removed."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

import tlplug
from tlplug.data import Dataset, align_labels, content_digests, load_data, load_examples, source_name
from tlplug.errors import DataError, OptionError, TlplugWarning, UnknownNameError, UsageError
from tlplug.plugins import Plugin
from tlplug.registry import registry
from tlplug.specs import Example, Reader

LEAK = "the same content is in a part that is held out"


@pytest.fixture
def folder(tmp_path, vectors):
    """Write files given as a mapping of paths to contents."""

    def write(files, name="data"):
        for path, content in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(str(content))
        return tmp_path / name

    return write


def numbered(*parts, count=5):
    """Files of different content for each part, such as ``train/a``."""
    return {f"{part}/{i}.vec": f"{part} {i}" for part in parts for i in range(count)}


def names(dataset, folder):
    return {source.relative_to(folder).as_posix() for source in dataset.sources}


def test_a_share_of_every_class_is_held_out(folder):
    data = load_data(folder(numbered("a", "b", "c", count=10)), holdout=0.3)
    assert (len(data), len(data.train), len(data.validation), len(data.test)) == (30, 21, 0, 9)
    assert data.test.counts() == {"a": 3, "b": 3, "c": 3}
    assert (data.classes, data.modality, data.origin) == (("a", "b", "c"), "vector", str(folder({})))


def test_the_split_is_that_of_the_seed(folder):
    path = folder(numbered("a", "b", count=20))
    splits = [load_data(path, seed=seed).splits.tolist() for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_the_digest_is_that_of_the_file(folder):
    data = load_data(folder(numbered("a", "b")))
    assert data.digests[0] == hashlib.sha256(b"a 0").digest()


def test_copies_stay_on_one_side(folder):
    files = numbered("a", "b", count=6) | {f"{c}/copy {i}.vec": f"{c} {i}" for c in "ab" for i in range(6)}
    for seed in range(10):
        data = load_data(folder(files), seed=seed)
        assert not set(data.train.digests) & set(data.test.digests)
        assert len(data) == 24


def test_a_class_whose_files_are_all_copies_cannot_be_split(folder):
    files = numbered("a") | {f"b/{i}.vec": "same" for i in range(5)}
    with pytest.raises(DataError, match=r"^The class 'b' has one example, .* at least 2 different ones per class"):
        load_data(folder(files))


def test_one_content_under_two_labels_is_on_one_side(folder):
    files = numbered("a", "b", count=8) | {"a/shared.vec": "shared", "b/shared.vec": "shared"}
    sides = set()
    for seed in range(20):
        with pytest.warns(TlplugWarning, match="has two labels"):
            data = load_data(folder(files), seed=seed)
        parts = {data.splits[i] for i, source in enumerate(data.sources) if source.name == "shared.vec"}
        assert len(parts) == 1
        sides |= parts
    assert sides == {"train", "test"}


def test_one_content_under_two_labels_is_a_warning_where_the_data_is_loaded(folder):
    path = folder(numbered("a", "b") | {"a/one.vec": "shared", "a/two.vec": "shared", "b/one.vec": "shared"})
    with pytest.warns(TlplugWarning) as caught:
        load_data(path)
    assert [str(warning.message) for warning in caught] == [
        f"The same content has two labels: '{path / 'a' / 'one.vec'}' and '{path / 'b' / 'one.vec'}'."
    ]
    assert caught[0].filename == __file__


def test_a_test_folder_is_the_held_out_part_and_validation_stays(folder):
    path = folder(numbered("train/a", "train/b", "validation/a", "validation/b", "test/a", "test/b", count=3))
    data = load_data(path, holdout=0.9)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 6, 6]
    assert {name.split("/")[0] for name in names(data.test, path)} == {"test"}


@pytest.mark.parametrize("name", ["val", "validation", "valid"])
def test_without_a_test_folder_validation_is_held_out(folder, name):
    path = folder(numbered("train/a", "train/b", f"{name}/a", f"{name}/b", count=3))
    data = load_data(path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 0, 6]
    assert {part.split("/")[0] for part in names(data.test, path)} == {name}


def test_with_a_training_folder_alone_a_share_is_held_out(folder):
    data = load_data(folder(numbered("train/a", "train/b", count=10)))
    assert [len(part) for part in (data.train, data.test)] == [16, 4]


def test_a_test_set_of_its_own_leaves_all_of_the_data_to_train(folder):
    train = folder(numbered("train/a", "train/b", "validation/a", "test/b", count=3))
    test = folder({"a/1.vec": "x", "b/2.vec": "y"}, "other")
    data = load_data(train, test=test)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [12, 0, 2]
    assert names(data.test, test) == {"a/1.vec", "b/2.vec"}


def test_a_test_set_may_lack_classes_but_not_have_others(folder):
    train = folder(numbered("a", "b", "c"))
    data = load_data(train, test=folder({"c/1.vec": "x", "a/1.vec": "y"}, "few"))
    assert data.test.counts() == {"a": 1, "b": 0, "c": 1}
    more = folder({"a/1.vec": "x", "dog/1.vec": "y"}, "more")
    with pytest.raises(DataError) as error:
        load_data(train, test=more)
    assert str(error.value) == f"'{more}' has classes that were not trained on: dog. Valid: a, b, c."


def test_of_a_test_set_with_parts_only_its_test_part_is_used(folder):
    path = folder(numbered("train/a", "train/b", "test/a", "test/b", count=2), "parts")
    assert names(load_examples(path), path) == {f"test/{c}/{i}.vec" for c in "ab" for i in range(2)}
    assert len(load_examples(folder(numbered("a", "b"), "plain"))) == 10


def test_leaks_are_left_out_of_training_with_the_reason(folder):
    files = numbered("train/a", "train/b", "val/a", "val/b", "test/a", "test/b", count=3)
    files |= {"train/a/leak.vec": "test/b 1", "train/b/seen.vec": "val/a 2", "val/a/leak.vec": "test/a 0"}
    path = folder(files)
    with pytest.warns(TlplugWarning, match="has two labels"):
        data = load_data(path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 6, 6]
    assert {(item.source, item.reason) for item in data.skipped} == {
        (str(path / name), LEAK) for name in ("train/a/leak.vec", "train/b/seen.vec", "val/a/leak.vec")
    }


def test_leaks_between_two_data_sets_are_left_out(folder):
    train = folder(numbered("a", "b") | {"a/leak.vec": "secret"})
    data = load_data(train, test=folder({"a/1.vec": "secret", "b/1.vec": "other"}, "test"))
    assert [(item.source, item.reason) for item in data.skipped] == [(str(train / "a/leak.vec"), LEAK)]
    assert len(data.test) == 2


def test_a_class_of_which_only_leaks_train_is_an_error(folder):
    files = numbered("train/a", "test/a", "test/b") | {"train/b/1.vec": "test/b 1"}
    with pytest.raises(
        DataError, match=r"^The training part of .* has no example of: b. Taken out .*: 1 example\. Valid: "
    ):
        load_data(folder(files))


def test_a_class_that_only_the_test_part_has_is_an_error(folder):
    with pytest.raises(DataError, match="has no example of: c"):
        load_data(folder(numbered("train/a", "train/b", "test/a", "test/c")))


def test_a_class_that_only_validation_has_is_an_error(folder):
    with pytest.raises(DataError, match="has no example of: c"):
        load_data(folder(numbered("train/a", "train/b", "test/a", "val/c")))


@pytest.mark.parametrize("holdout", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(folder, holdout):
    with pytest.raises(
        UsageError, match=r"^The held-out share is between 0 and 1\. Received: .* Valid: --holdout 0\.2\.$"
    ):
        load_data(folder(numbered("a", "b")), holdout=holdout)


def test_arrays_with_labels_are_a_data_set(vectors):
    arrays = [np.full(8, i, "float32") for i in range(10)]
    data = load_data(arrays, [1, 0] * 5, modality="vector", holdout=0.4)
    assert (data.classes, len(data.train), len(data.test), data.origin) == (("0", "1"), 6, 4, "10 sources")
    assert data.name(3) == "ndarray 3"
    assert data.sources[3] is arrays[3]


@pytest.mark.parametrize("labels", [None, [1, 2]])
def test_every_source_needs_a_label(vectors, labels):
    received = "none" if labels is None else "2"
    with pytest.raises(UsageError) as error:
        load_data([b"a"], labels, modality="vector")
    assert str(error.value) == f"Every source needs a label: 1 sources. Received: {received} labels."


def test_a_path_brings_its_own_labels(folder):
    with pytest.raises(UsageError, match=r"^Labels are for a sequence of sources"):
        load_data(folder(numbered("a", "b")), ["a"])


def test_sources_that_are_no_files_need_a_modality_that_exists(vectors):
    with pytest.raises(UsageError, match=r"^Sources that are no files need a modality\. Valid: vector\.$"):
        load_data([b"a"], ["x"])
    with pytest.raises(UsageError, match=r"^Unknown modality 'smell'\. Valid: vector\.$"):
        load_data([b"a"], ["x"], modality="smell")


def test_no_sources_are_one_line(vectors):
    with pytest.raises(tlplug.errors.TlplugError):
        load_data([], [], modality="vector")


def test_texts_that_end_like_files_are_files(folder):
    path = folder(numbered("a", "b"))
    sources = [str(path / name) for name in numbered("a", "b")]
    data = load_data(sources, ["a"] * 5 + ["b"] * 5)
    assert names(data, path) == set(numbered("a", "b"))


def test_a_reader_and_its_options_are_chosen(folder):
    path = folder(numbered("a", "b"))
    assert len(load_data(path, reader="folder")) == 10
    with pytest.raises(UnknownNameError, match=r"^Unknown reader 'folders'. Did you mean 'folder'"):
        load_data(path, reader="folders")
    with pytest.raises(OptionError, match=r"^Unknown option 'reader\.depth'"):
        load_data(path, options={"depth": 1})


def test_equal_contents_have_equal_digests_and_kinds_differ(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    array = np.arange(6, dtype="float32")
    same = content_digests([b"content", path, array, array[::-1][::-1], np.asfortranarray(array)])
    assert same[0] == same[1]
    assert same[2] == same[3] == same[4]
    others = [b"content", "content", array, array.reshape(2, 3), array.astype("int32"), array.astype(">f4"), array + 1]
    assert len(set(content_digests(others))) == len(others)


@pytest.mark.parametrize("source", [3, None, {"a": 1}, np.array([None])])
def test_a_source_of_another_kind_is_a_type_error(source):
    with pytest.raises(TypeError, match=r"^A source is a path, bytes, a text or an array. Received: "):
        content_digests([source])


def test_examples_are_taken_by_mask_and_position():
    data = Dataset(
        sources=["w", "x", "y", "z"],
        labels=np.array([0, 1, 1, 0]),
        classes=("a", "b", "c"),
        digests=[b"0", b"1", b"2", b"3"],
        splits=np.array(["train", "test", "validation", "train"]),
        modality="vector",
    )
    taken = data.take(np.array([2, 0]))
    assert (taken.sources, taken.labels.tolist(), taken.digests) == (["y", "w"], [1, 0], [b"2", b"0"])
    assert taken.splits.tolist() == ["validation", "train"]
    assert data.take(data.labels == 1).sources == ["x", "y"]
    assert (data.train.sources, data.validation.sources, data.test.sources) == (["w", "z"], ["y"], ["x"])
    assert data.counts() == {"a": 2, "b": 2, "c": 0}
    assert len(data.part("none")) == 0
    assert data.part("none").counts() == {"a": 0, "b": 0, "c": 0}


def test_labels_are_positions_in_other_class_names():
    data = Dataset(["x", "y"], np.array([0, 1]), ("a", "b"), [b"0", b"1"], np.array(["test"] * 2), "vector")
    labels = align_labels(data, ["c", "b", "a"])
    assert labels.tolist() == [2, 1]
    assert data.relabelled(labels, ("c", "b", "a")).counts() == {"c": 0, "b": 1, "a": 1}
    assert source_name(b"x", 3) == "bytes 3"


def test_a_pipe_among_the_files_is_left_out_and_waited_for_by_nobody(vectors, tmp_path):
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "data" / label / f"{number}.vec").write_text(f"{label} {number}")
    os.mkfifo(tmp_path / "data" / "a" / "pipe.vec")
    data = tlplug.load_data(tmp_path / "data")
    assert len(data) == 6
    assert [(item.source.rpartition("/")[2], item.reason) for item in data.skipped] == [
        ("pipe.vec", "cannot be read: it is no regular file")
    ]


def test_a_reader_can_say_what_its_sources_are(vectors, tmp_path):
    def read(path, options):
        for number, row in enumerate(np.loadtxt(path, dtype="float32")):
            yield Example(source=row[1:], label=f"class {row[0]:.0f}", name=f"{path.name}:{number}")

    record = Reader(name="rows", modality="vector", sniff=lambda path: float(path.suffix == ".rows"), read=read)
    registry().add("reader", record, Plugin("rows", "rows", "1.0"))
    rows = np.random.default_rng(0).normal(size=(12, 9)).astype("float32")
    rows[:, 0] = np.arange(12) % 2
    np.savetxt(tmp_path / "data.rows", rows)
    data = load_data(tmp_path / "data.rows")
    assert (data.modality, data.classes, len(data)) == ("vector", ("class 0", "class 1"), 12)
    assert {data.name(position) for position in range(12)} == {f"data.rows:{number}" for number in range(12)}
