"""The reader of folders: classes, splits, and what lies about in the folders of people."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tlplug.data import load_data
from tlplug.data.folder import read, sniff
from tlplug.errors import DataError, UsageError

VALID = "a folder with one subfolder per class and files in each, or a table with a column of labels."


def tree(folder, *paths):
    """Write files whose content is their own path; a path that ends with a slash is a folder."""
    for path in paths:
        target = folder / path
        if path.endswith("/"):
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path)
    return folder


def found(folder):
    return [(e.source.relative_to(folder).as_posix(), e.label, e.split) for e in read(folder, {})]


def labels(folder):
    return sorted({example.label for example in read(folder, {})})


def test_a_subfolder_is_a_class_and_files_come_by_name(tmp_path):
    tree(tmp_path, "b/2.vec", "b/1.vec", "a/x.vec", "README.txt")
    assert found(tmp_path) == [("a/x.vec", "a", None), ("b/1.vec", "b", None), ("b/2.vec", "b", None)]


def test_files_are_found_however_deep(tmp_path):
    tree(tmp_path, "a/2020/may/1.vec", "a/2.vec", "a/2021/3.vec")
    assert found(tmp_path) == [("a/2.vec", "a", None), ("a/2020/may/1.vec", "a", None), ("a/2021/3.vec", "a", None)]


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("val", "validation"),
        ("valid", "validation"),
        ("VALIDATION", "validation"),
        ("Test", "test"),
        ("testing", "test"),
    ],
)
def test_folders_with_the_names_of_splits_are_splits(tmp_path, folder, split):
    tree(tmp_path, "train/a/1.vec", f"{folder}/a/2.vec", f"{folder}/b/3.vec")
    assert {(label, part) for path, label, part in found(tmp_path) if path.startswith(folder + "/")} >= {
        ("a", split),
        ("b", split),
    }


@pytest.mark.parametrize("name", ["train", "test", "Val"])
def test_one_class_called_as_a_split_is_among_other_classes_a_class(tmp_path, name):
    tree(tmp_path, f"{name}/deep/1.vec", "cat/2.vec", "dog/3.vec")
    assert set(found(tmp_path)) == {
        (f"{name}/deep/1.vec", name, None),
        ("cat/2.vec", "cat", None),
        ("dog/3.vec", "dog", None),
    }


def test_folders_beside_those_of_splits_are_refused_and_named(tmp_path):
    tree(tmp_path, "train/a/1.vec", "train/b/2.vec", "Test/a/3.vec", "extra/4.vec", "more/")
    with pytest.raises(DataError) as error:
        found(tmp_path)
    assert str(error.value) == (
        f"'{tmp_path}' has folders for splits (test, train) and others beside them: 'extra', 'more'. "
        "Valid: only train, validation and test folders with the classes inside, or only class folders."
    )


@pytest.mark.parametrize(
    ("folders", "received"),
    [(["val", "test"], "test, val"), (["validation", "Valid"], "Valid, validation"), (["testing"], "testing")],
)
def test_splits_without_one_to_train_on_are_refused(tmp_path, folders, received):
    tree(tmp_path, *(f"{folder}/{label}/1.vec" for folder in folders for label in "ab"))
    with pytest.raises(DataError) as error:
        found(tmp_path)
    assert str(error.value) == (
        f"'{tmp_path}' has no train folder. Received: {received}. Valid: train, validation and test folders with the "
        "classes inside, or one folder per class."
    )


@pytest.mark.parametrize(("files", "said"), [(["1.vec"], "1 file"), (["1.vec", "b.txt", ".hidden"], "2 files")])
def test_files_beside_the_class_folders_are_said(tmp_path, notes, files, said):
    tree(tmp_path, "a/1.vec", *files)
    assert labels(tmp_path) == ["a"]
    assert notes == [f"In no class folder, so left out: {said} directly in '{tmp_path}'."]


def test_inside_a_split_a_folder_called_test_is_a_class(tmp_path):
    tree(tmp_path, "train/test/1.vec", "train/cat/2.vec", "test/test/3.vec")
    assert ("train/test/1.vec", "test", "train") in found(tmp_path)
    assert ("test/test/3.vec", "test", "test") in found(tmp_path)


@pytest.mark.parametrize(
    "name", ["two words", " leading", "Katzen & Hunde", "ひまわり", "naïve", "e\u0301", "a,b;c", "-x"]
)
def test_any_name_is_a_class_as_it_is(tmp_path, name):
    tree(tmp_path, f"{name}/{name}.vec", "other/1.vec")
    assert (f"{name}/{name}.vec", name, None) in found(tmp_path)


def test_names_that_are_no_unicode_are_read(tmp_path):
    (tmp_path / "a").mkdir()
    path = os.fsencode(tmp_path / "a") + b"/caf\xe9.vec"
    with open(path, "w") as file:  # noqa: PTH123 - the name is bytes
        file.write("1")
    (example,) = read(tmp_path, {})
    assert example.source.read_text() == "1"


def test_hidden_files_and_those_of_operating_systems_are_passed_over(tmp_path):
    tree(tmp_path, ".git/config", "__MACOSX/a/1.vec", "a/.DS_Store", "a/Thumbs.db", "a/desktop.ini", "a/._1.vec")
    tree(tmp_path, "a/.thumbnails/1.vec", "a/$RECYCLE.BIN/1.vec", "System Volume Information/x", "a/1.vec")
    assert found(tmp_path) == [("a/1.vec", "a", None)]


def test_a_loop_of_links_ends(tmp_path):
    tree(tmp_path, "a/1.vec", "a/deep/2.vec", "b/3.vec")
    (tmp_path / "a" / "deep" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "deep" / "self").symlink_to("self")
    paths = [path for path, label, _ in found(tmp_path) if label == "a"]
    assert [path for path in paths if not path.endswith("self")] == ["a/1.vec", "a/deep/2.vec"]


def test_a_folder_that_links_lead_to_is_read_once(tmp_path):
    elsewhere = tree(tmp_path / "elsewhere", "1.vec")
    data = tree(tmp_path / "data", "a/", "b/2.vec")
    for name in ("first", "second"):
        (data / "a" / name).symlink_to(elsewhere)
    assert found(data) == [("a/first/1.vec", "a", None), ("b/2.vec", "b", None)]


def test_a_class_may_be_a_link(tmp_path):
    elsewhere = tree(tmp_path / "elsewhere", "1.vec")
    data = tree(tmp_path / "data", "b/2.vec")
    (data / "a").symlink_to(elsewhere)
    assert found(data) == [("a/1.vec", "a", None), ("b/2.vec", "b", None)]


def test_a_folder_is_sniffed(tmp_path):
    tree(tmp_path, "full/a/1.vec", "empty/", "hidden/.a/1.vec", "file.csv")
    assert sniff(tmp_path / "full") > sniff(tmp_path / "empty") > sniff(tmp_path / "file.csv") == 0
    assert sniff(tmp_path / "hidden") == sniff(tmp_path / "empty")


def test_endings_count_in_any_case_and_other_files_are_named(vectors, tmp_path):
    data = tree(tmp_path / "data", "a/1.vec", "a/2.VEC", "a/notes.txt", "b/3.Vec", "b/4.vec", "b/LICENSE")
    loaded = load_data(data)
    assert sorted(source.name for source in loaded.sources) == ["1.vec", "2.VEC", "3.Vec", "4.vec"]
    assert {(os.path.basename(item.source), item.reason) for item in loaded.skipped} == {  # noqa: PTH119 - a text
        ("notes.txt", "no vector file: its ending is '.txt'"),
        ("LICENSE", "it has no ending"),
    }


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], f"No examples in '{{}}'. Valid: {VALID}"),
        (
            ["1.vec"],
            "No class folders in '{}'. Received: 1 file directly in it. Valid: one subfolder per class, files in each.",
        ),
        (["a/", "b/"], f"No examples in '{{}}'. Valid: {VALID}"),
        (
            ["a/1.vec", "a/2.vec"],
            "A classifier needs at least two classes. Received: '{}' with the one class 'a'. "
            "Valid: one subfolder per class, or a column with two labels at least.",
        ),
        (
            ["a/1.vec", "a/2.vec", "b/1.vec"],
            "The class 'b' has one example, and one cannot be both trained on and tested on. "
            "Valid: at least 2 different ones per class; add some, or remove the class.",
        ),
        (
            ["a/1.txt", "a/2", "b/1.txt"],
            "No file in '{}' can be read. Received: files with .txt, no ending. Valid: vector (.vec).",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line(vectors, tmp_path, paths, message):
    data = tmp_path / "data"
    data.mkdir()
    with pytest.raises(DataError) as error:
        load_data(tree(data, *paths))
    assert str(error.value) == message.format(data)


def test_no_such_folder_is_one_line(vectors, tmp_path):
    with pytest.raises(UsageError) as error:
        load_data(tmp_path / "missing")
    assert str(error.value) == f"No such data: '{tmp_path / 'missing'}'. Valid: {VALID}"


def test_a_file_instead_of_a_folder_is_one_line(vectors, tmp_path):
    tree(tmp_path, "a.vec")
    with pytest.raises(UsageError) as error:
        load_data(tmp_path / "a.vec")
    assert str(error.value) == f"No reader takes '{tmp_path / 'a.vec'}'. Valid: {VALID}"


def test_a_file_that_cannot_be_opened_is_left_out_with_its_reason(vectors, tmp_path):
    data = tree(tmp_path / "data", "a/1.vec", "a/2.vec", "b/3.vec", "b/4.vec")
    (data / "a" / "gone.vec").symlink_to("nowhere.vec")
    loaded = load_data(data)
    assert len(loaded) == 4
    (item,) = loaded.skipped
    assert (item.source, item.reason) == (str(data / "a" / "gone.vec"), "cannot be read: No such file or directory")


SHOW = """
import sys
import tlplug
from pathlib import Path
from tlplug import progress
from tlplug.errors import TlplugError
from tlplug.registry import registry

progress.use(progress.Lines())
registry().load_file(Path(sys.argv[2]))
try:
    data = tlplug.load_data(sys.argv[1])
    print(len(data), *(f"{Path(item.source).name}: {item.reason}" for item in data.skipped), sep="\\n")
except (TlplugError, OSError) as error:
    print(error)
"""


def load_as_a_plain_user(data, plugin):
    """Load a folder without the rights of an administrator; what was said, and then what was printed."""
    prefix = ()
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("an administrator may read everything, and there is no setpriv")
        rights = "-dac_override,-dac_read_search"
        prefix = ("setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}")
    command = [*prefix, sys.executable, "-c", SHOW, str(data), plugin.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [*done.stderr.splitlines(), *done.stdout.splitlines()]


@pytest.fixture
def locked():
    """Take the rights away from a path, and give them back for the cleaning."""
    paths = []

    def lock(path):
        paths.append(path)
        path.chmod(0)

    yield lock
    for path in paths:
        path.chmod(0o700)


def test_a_file_without_permission_is_left_out_with_its_reason(vectors, tmp_path, locked):
    data = tree(tmp_path / "data", "a/1.vec", "a/2.vec", "a/3.vec", "b/4.vec", "b/5.vec")
    locked(data / "a" / "2.vec")
    assert load_as_a_plain_user(data, vectors) == ["4", "2.vec: cannot be read: Permission denied"]


@pytest.mark.parametrize("name", ["c", "b/deep"])
def test_a_folder_without_permission_is_said_and_left_out(vectors, tmp_path, locked, name):
    data = tree(tmp_path / "data", "a/1.vec", "a/2.vec", "b/4.vec", "b/5.vec", f"{name}/6.vec", f"{name}/7.vec")
    locked(data / name)
    assert load_as_a_plain_user(data, vectors) == [
        f"Left out, because it cannot be read: '{data / name}' (Permission denied).",
        "4",
    ]


def test_a_data_folder_without_permission_is_one_line(vectors, tmp_path, locked):
    data = tree(tmp_path / "data", "a/1.vec", "b/2.vec")
    locked(data)
    (line,) = load_as_a_plain_user(data, vectors)
    assert "Permission denied" in line
