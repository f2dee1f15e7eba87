"""A run folder appears as a whole, under errors, kills, interruptions and rivals."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import time

import filelock
import numpy as np
import pytest

from tlplug import claim, load_data, load_plugin, run
from tlplug.claim import partial_path
from tlplug.errors import DamagedRunError, RunError

WRITE = """
import sys
from pathlib import Path
from tlplug.run import new_run
with new_run(Path(sys.argv[1])) as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("half")
    print("writing", flush=True)
    sys.stdin.readline()
print("done", flush=True)
"""


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def check_refused(path, message):
    with pytest.raises(RunError, match=message), run.new_run(path):
        pytest.fail("the block ran")


@pytest.mark.parametrize(
    ("data", "stem"),
    [
        ("photos", "photos"),
        ("my photos/2026", "my-photos-2026"),
        ("ünï_1.0", "ünï_1.0"),
        ("..", "run"),
        ("", "run"),
        ("-x\n", "x"),
        ("../../etc", "etc"),
    ],
)
def test_a_run_is_called_after_its_data_and_the_time(data, stem):
    assert re.fullmatch(re.escape(stem) + r"-\d{8}-\d{4}", run.default_name(data))


def test_a_default_path_is_one_that_nothing_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "20261125-0731")
    first = run.default_path("data")
    assert str(first) == "runs/data-20261125-0731"
    first.mkdir(parents=True)
    second = run.default_path("data")
    assert second.name == "data-20261125-0731-2"
    partial_path(second).mkdir()
    assert run.default_path("data").name == "data-20261125-0731-3"


def test_a_run_has_its_name_when_all_is_there(tmp_path):
    path = tmp_path / "below" / "run"
    with run.new_run(path) as folder:
        assert folder == tmp_path / "below" / "run.partial"
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("1")
        assert not path.exists()
    assert names(tmp_path) == ["below", "below/run", "below/run/deep", "below/run/deep/file"]


@pytest.mark.parametrize("what", ["run", "folder", "file", "link"])
def test_a_name_that_something_has_is_refused(tmp_path, what):
    path = tmp_path / "run"
    if what == "file":
        path.write_text("mine")
    elif what == "link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.mkdir()
        (path / ("run.json" if what == "run" else "other")).write_text("{}")
    before = names(tmp_path)
    check_refused(path, f"There is {'a run' if what == 'run' else 'something'} at .* already.*--out")
    assert names(tmp_path) == before


def test_a_stale_partial_run_starts_afresh(tmp_path):
    stale = tmp_path / "run.partial"
    (stale / "model" / "deep").mkdir(parents=True)
    (stale / "model" / "deep" / "file").write_text("old")
    (stale / "run.json").write_text("old")
    with run.new_run(tmp_path / "run") as folder:
        assert [name for name in names(folder) if name != "lock"] == []
        (folder / "new").write_text("1")
    assert names(tmp_path) == ["run", "run/new"]


def unfinished(folder):
    """Write what a training that has a checkpoint has."""
    (folder / "checkpoints" / "0123").mkdir(parents=True)
    (folder / "checkpoints" / "0123" / "final-000001-00.npz").touch()
    (folder / "request.json").write_text("{}")


CHECKPOINTS = ["checkpoints", "checkpoints/0123", "checkpoints/0123/final-000001-00.npz"]


def test_checkpoints_are_there_for_the_next_one_of_the_name(tmp_path, notes):
    """Which then finds those that are of the same, whatever error ended one between."""
    stale = tmp_path / "run.partial"
    (stale / "model").mkdir(parents=True)
    unfinished(stale)
    for _ in range(2):
        with pytest.raises(ValueError, match="data"), run.new_run(tmp_path / "run") as folder:  # noqa: PT012
            assert names(folder) == [*CHECKPOINTS, "lock", "request.json"]
            raise ValueError("no such data")
    with run.new_run(tmp_path / "run"):
        pass
    assert notes == [f"There is an unfinished training in {str(stale)!r}: what fits of it is gone on from."] * 3
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize("error", [ValueError, SystemExit, MemoryError, KeyboardInterrupt])
def test_an_error_removes_the_partial_run(tmp_path, error):
    with pytest.raises(error), run.new_run(tmp_path / "run") as folder:  # noqa: PT012 - the block is what is tested
        (folder / "file").write_text("half")
        raise error
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_what_has_checkpoints(tmp_path, error):
    with pytest.raises(error), run.new_run(tmp_path / "run") as folder:  # noqa: PT012 - the block is tested
        unfinished(folder)
        (folder / "file").write_text("half")
        raise error
    assert (tmp_path / "run.partial" / "file").read_text() == "half"
    with run.new_run(tmp_path / "run", resume=True) as folder:
        assert names(folder) == [*CHECKPOINTS, "lock", "request.json"]
        (folder / "new").write_text("1")
    assert names(tmp_path) == ["run", "run/new"]


def test_until_it_has_its_name_a_run_can_be_gone_on_with(tmp_path, monkeypatch):
    """Killed at the last moment, it must not be one that is neither complete nor to go on with."""
    synced, seen = claim.sync_folder, []

    def sync_folder(folder):
        synced(folder)
        seen.extend(names(folder))

    monkeypatch.setattr(claim, "sync_folder", sync_folder)
    with run.new_run(tmp_path / "run") as folder:
        unfinished(folder)
    assert seen == [*CHECKPOINTS, "lock", "request.json"]
    assert names(tmp_path / "run") == []


def test_what_a_killed_process_left_is_noted(tmp_path, notes, monkeypatch):
    left = tmp_path / "my-data-20261125-0731.partial"
    unfinished(left)
    (left / "request.json").unlink()
    other = tmp_path / "my-data-other-20261125-0731.partial"
    unfinished(other)
    with run.new_default_run("my data", tmp_path):
        assert notes == []
    (left / "request.json").write_text("{}")
    lock = filelock.FileLock(left / "lock")
    with lock, run.new_default_run("my data", tmp_path):
        assert notes == []
    with run.new_default_run("my data", tmp_path):
        assert notes == [
            f"An unfinished training is in {str(left)!r}. To go on with it, type: tlplug train DATA --resume {left}"
        ]


def test_what_may_not_be_read_is_said(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "run").mkdir()
    monkeypatch.setattr(run, "read_json", refused)
    with pytest.raises(RunError, match=r"^The run '.*run' cannot be read: Permission denied\.$"):
        run.read_info(tmp_path / "run")


def test_an_unfinished_run_says_how_to_go_on(tmp_path):
    (tmp_path / "run.partial").mkdir()
    with pytest.raises(RunError, match=r"There is an unfinished one: '.*run.partial'\. Valid: "):
        run.read_info(tmp_path / "run")
    (tmp_path / "run.partial" / "request.json").write_text("{}")
    with pytest.raises(RunError, match=r"To go on with it, type: tlplug train DATA --resume .*run\. Valid: "):
        run.read_info(tmp_path / "run")


def test_what_another_process_finished_while_this_one_began_is_refused_at_once(tmp_path):
    path, checked = tmp_path / "run", run.check_free

    def check_free(name):
        checked(name)
        if not calls:
            path.mkdir()  # as another process does now
        calls.append(name)

    calls = []
    with pytest.raises(RunError, match="already"), claim.claimed(path, check_free, "a run"):
        pytest.fail("the work began")


def test_a_link_in_a_stale_partial_run_is_not_followed(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("1")
    stale = tmp_path / "run.partial"
    (stale / "model").mkdir(parents=True)
    for link, target in (("folder", mine), ("model/deep", mine), ("file", mine / "thesis.txt"), ("none", "nowhere")):
        (stale / link).symlink_to(target)
    with run.new_run(tmp_path / "run"):
        pass
    assert names(tmp_path) == ["mine", "mine/thesis.txt", "run"]


def test_a_folder_that_a_failing_process_removes_meanwhile_is_busy(tmp_path, monkeypatch):
    class Late(filelock.FileLock):
        def _acquire(self):
            shutil.rmtree(tmp_path / "run.partial")
            super()._acquire()

    monkeypatch.setattr(filelock, "FileLock", Late)
    check_refused(tmp_path / "run", r"^Another process was writing .*run'\. Try again\.$")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_partial_run_and_the_next_one_starts_afresh(tmp_path, python, how):
    process = python(WRITE, tmp_path / "run", stdin=-1)
    assert process.stdout.readline() == "writing\n"
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode == -how
    left = ["run.partial", "run.partial/deep", "run.partial/deep/file", "run.partial/lock"]
    assert names(tmp_path) == ([] if how == signal.SIGINT else left)  # interrupted, it has nothing to go on with
    with run.new_run(tmp_path / "run") as folder:
        assert not (folder / "deep").exists()
    assert names(tmp_path) == ["run"]


def test_a_name_that_another_process_is_writing_is_refused_and_left_alone(tmp_path, python):
    process = python(WRITE, tmp_path / "run", stdin=-1)
    assert process.stdout.readline() == "writing\n"
    check_refused(tmp_path / "run", r"Another process is writing .*run'\. Wait for it, or write to another name\.")
    assert (tmp_path / "run.partial" / "deep" / "file").exists()
    assert process.communicate("\n", timeout=30) == ("done\n", "")
    assert names(tmp_path) == ["run", "run/deep", "run/deep/file"]


def test_a_default_name_that_another_process_takes_is_passed_over(tmp_path, monkeypatch, python):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "20261125-0731")
    process = python(WRITE, "runs/data-20261125-0731", stdin=-1)
    assert process.stdout.readline() == "writing\n"
    with run.new_default_run("data") as (path, folder):
        assert (path.name, folder.name) == ("data-20261125-0731-2", "data-20261125-0731-2.partial")
    assert process.communicate("\n", timeout=30) == ("done\n", "")
    assert names(tmp_path / "runs")[:2] == ["data-20261125-0731", "data-20261125-0731-2"]


def test_a_failing_process_removes_nothing_of_the_next_one(tmp_path, python):
    failing = python(
        """
        import sys
        from pathlib import Path
        from tlplug.run import new_run
        with new_run(Path(sys.argv[1])) as folder:
            for number in range(4000):
                (folder / str(number)).touch()
            print("writing", flush=True)
            sys.stdin.readline()
            raise SystemExit("failed")
        """,
        tmp_path / "run",
        stdin=-1,
    )
    assert failing.stdout.readline() == "writing\n"
    failing.stdin.write("\n")
    failing.stdin.flush()
    deadline = time.monotonic() + 20
    while True:
        assert time.monotonic() < deadline
        try:
            with run.new_run(tmp_path / "run") as folder:
                (folder / "mine").write_text("1")
                assert failing.communicate(timeout=30) == ("", "failed\n")
            break
        except run.RunBusyError:
            continue
    assert names(tmp_path) == ["run", "run/mine"]


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "run"
    with pytest.raises(RunError, match="already"), run.new_run(path):  # noqa: PT012 - the block is what is tested
        path.mkdir()
        (path / "theirs").write_text("1")
    assert names(tmp_path) == ["run", "run/theirs"]


def test_where_nothing_can_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    check_refused(tmp_path / "file" / "run", r"Cannot write a run to .*/file/run': Not a directory\. Choose .* --out\.")


def test_a_read_only_disk_is_said(disk):
    folder = disk(read_only=True)
    check_refused(folder / "run", r"Cannot write a run to .*: Read-only file system\.")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "No such run: .*Valid: a folder that tlplug train has made."),
        (lambda path: path.with_name("run.partial").mkdir(), "No such run: .*There is an unfinished one: .*partial'"),
        (lambda path: path.mkdir(), "is no run: it has no run.json that can be read"),
        (lambda path: path.write_text("a file"), "is no run"),
        (lambda path: (path.mkdir(), (path / "run.json").write_text("{")), "is damaged: its run.json cannot be read"),
        (
            lambda path: (path.mkdir(), (path / "run.json").write_text("[]")),
            "run' is damaged: its run.json has no JSON object",
        ),
        (
            lambda path: (path.mkdir(), (path / "run.json").write_bytes(b"\xff")),
            "is damaged: its run.json cannot be read",
        ),
    ],
)
def test_a_folder_that_is_no_run_is_told(tmp_path, make, message):
    make(tmp_path / "run")
    with pytest.raises(RunError, match=message):
        run.read_info(tmp_path / "run")


def test_a_damaged_run_is_told_from_what_is_none(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("[]")
    with pytest.raises(DamagedRunError, match=r"is damaged: its run\.json has .*\. Train again, or restore it\.$"):
        run.read_info(tmp_path / "run")
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(RunError) as error:
        run.read_info(tmp_path / "run")
    assert (type(error.value), error.value.exit_code) == (RunError, 2)


def test_an_unfinished_run_is_told(tmp_path):
    with run.new_run(tmp_path / "run") as folder:
        (folder / "run.json").write_text("{}")
        with pytest.raises(RunError, match="is not finished"):
            run.read_info(folder)


@pytest.fixture
def split(tmp_path, vectors):
    """A data set of arrays, among them names that need quoting, and its split.csv."""
    labels = ['a "b", c', "d\ne"] * 4
    data = load_data(list(np.eye(8, dtype=np.float32)), labels=labels, modality="vector", holdout=0.25)
    run.write_split(tmp_path, data)
    return tmp_path, data


def test_the_split_is_written_in_full(split):
    folder, data = split
    with (folder / "split.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == [data.name(position) for position in range(8)]
    assert [row["sha256"] for row in rows] == [digest.hex() for digest in data.digests]
    assert [row["label"] for row in rows] == [data.classes[label] for label in data.labels]
    assert [row["split"] for row in rows] == list(data.splits)


def test_what_was_trained_on_is_read_back(split):
    folder, data = split
    assert run.trained_digests(folder) == {digest.hex() for digest in data.train.digests}
    assert len(data.train) == 6


@pytest.mark.parametrize("text", [None, "", "a,b\n1,2\n", "\0", b"\xff\xfe"])
def test_a_split_that_cannot_be_read_means_nothing_is_known(tmp_path, text):
    if isinstance(text, bytes):
        (tmp_path / "split.csv").write_bytes(text)
    elif text is not None:
        (tmp_path / "split.csv").write_text(text)
    assert run.trained_digests(tmp_path) == set()


def test_names_that_are_no_text_are_written(tmp_path, dots):
    data = dots.write(tmp_path / "data", {"a": 3, "b": 3})
    (data / "a" / "0000.dots").rename(data / "a" / os.fsdecode(b"\xff\n.dots"))
    load_plugin(dots.dots)
    loaded = load_data(data)
    run.write_split(tmp_path, loaded)
    assert len(run.trained_digests(tmp_path)) == len(loaded.train)
