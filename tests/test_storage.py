"""Files that are never half-written: under exceptions, full disks, killed processes and rivals."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
import warnings
from pathlib import Path

import pytest

from tlplug.storage import (
    CacheWarning,
    cache_dir,
    clear_partial,
    file_digest,
    folder_size,
    is_disk_trouble,
    manifest_problem,
    new_folder,
    read_json,
    read_source,
    replace_file,
    warn_cache,
    write_json,
    write_manifest,
)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "below" / "file"
    for text in ("old", "new"):
        with replace_file(path) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text
    assert names(tmp_path) == ["below", "below/file"]


def test_the_old_file_is_there_until_the_block_ends(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with replace_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error), replace_file(path) as temporary:  # noqa: PT012 - the block is what is tested
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_what_was_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = []

    def record(descriptor):
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, (tmp_path / "new").exists()))

    monkeypatch.setattr(os, "fsync", record)
    with replace_file(tmp_path / "new") as file:
        file.write_text("new")
    assert synced == [(file.name, False), (tmp_path.name, True)]
    (tmp_path / "new").unlink()
    synced.clear()
    with new_folder(tmp_path / "new") as folder:
        (folder / "one").write_text("1")
    assert synced == [("one", False), (folder.name, False), (tmp_path.name, True)]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replace_file(path):
        pass
    assert path.read_text() == "old"


def test_a_folder_appears_as_a_whole(tmp_path):
    with new_folder(tmp_path / "a" / "b") as temporary:
        (temporary / "one").write_text("1")
        assert not (tmp_path / "a" / "b").exists()
    assert names(tmp_path) == ["a", "a/b", "a/b/one"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_no_folder(tmp_path, error):
    with pytest.raises(error), new_folder(tmp_path / "b") as temporary:  # noqa: PT012 - the block is what is tested
        (temporary / "one").write_text("1")
        raise error
    assert names(tmp_path) == []


def test_the_faster_of_two_folders_is_kept(tmp_path):
    with new_folder(tmp_path / "b") as slow:
        (slow / "who").write_text("slow")
        with new_folder(tmp_path / "b") as fast:
            (fast / "who").write_text("fast")
    assert (tmp_path / "b" / "who").read_text() == "fast"
    assert names(tmp_path) == ["b", "b/who"]


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "b").write_text("a file")
    with pytest.raises(OSError, match="Not a directory"), new_folder(tmp_path / "b") as temporary:
        (temporary / "one").write_text("1")
    assert names(tmp_path) == ["b"]


def test_a_full_disk_leaves_the_old_file_and_no_rest(disk):
    path = disk() / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left") as error, replace_file(path) as temporary:
        temporary.write_bytes(os.urandom(1 << 20))
    assert error.value.errno == errno.ENOSPC
    assert path.read_text() == "old"
    with pytest.raises(OSError, match="No space left"), new_folder(disk() / "folder") as temporary:
        (temporary / "large").write_bytes(os.urandom(1 << 20))
    assert names(disk()) == ["file"]


def test_a_limit_on_file_sizes_leaves_the_old_file_and_no_rest(tmp_path, python):
    path = tmp_path / "file.json"
    write_json(path, "old")
    process = python(
        """
        import resource, sys
        from pathlib import Path
        from tlplug.storage import write_json
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_json(Path(sys.argv[1]), "new" * 10_000)
        except OSError as error:
            print(error.strerror)
        """,
        path,
    )
    output, errors = process.communicate(timeout=30)
    assert output == "File too large\n", errors
    assert read_json(path) == "old"
    assert names(tmp_path) == ["file.json"]


@pytest.mark.parametrize("writer", ["replace_file", "new_folder"])
def test_a_killed_process_leaves_what_was_there_and_a_rest_that_is_cleared(tmp_path, python, writer):
    path = tmp_path / "thing"
    if writer == "replace_file":
        path.write_text("old")
    process = python(
        """
        import sys, time
        from pathlib import Path
        from tlplug import storage
        with getattr(storage, sys.argv[1])(Path(sys.argv[2])) as temporary:
            file = temporary / "part" if temporary.is_dir() else temporary
            file.write_text("half")
            print("writing", flush=True)
            time.sleep(60)
        """,
        writer,
        path,
    )
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.wait()
    before = {"thing"} if writer == "replace_file" else set()
    (rest,) = {child.name for child in tmp_path.iterdir()} - before
    assert rest.startswith(".thing.")
    assert rest.endswith(".partial")
    assert path.exists() is bool(before)
    assert not before or path.read_text() == "old"
    assert clear_partial(tmp_path, time.time() + 1) == len("half")
    assert {child.name for child in tmp_path.iterdir()} == before


def test_readers_and_a_kill_at_any_time_find_a_whole_file(tmp_path, python):
    path = tmp_path / "file.json"
    process = python(
        """
        import itertools, sys
        from pathlib import Path
        from tlplug.storage import write_json
        for number in itertools.count():
            write_json(Path(sys.argv[1]), [number] * 50_000)
        """,
        path,
    )
    wait_for(path.exists)
    seen = set()
    while len(seen) < 4:
        assert process.poll() is None, process.stderr.read()
        numbers = read_json(path)
        assert len(numbers) == 50_000
        assert len(set(numbers)) == 1
        seen.add(numbers[0])
    process.kill()
    process.wait()
    assert len(set(read_json(path))) == 1
    assert {child.suffix for child in tmp_path.iterdir()} <= {".json", ".partial"}


def test_two_processes_that_make_one_folder_leave_one_whole_folder(tmp_path, python):
    go, folder = tmp_path / "go", tmp_path / "folder"
    processes = [
        python(
            """
            import sys, time
            from pathlib import Path
            from tlplug.storage import new_folder
            me, go, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
            with new_folder(folder) as temporary:
                for number in range(20):
                    (temporary / str(number)).write_text(me)
                print("ready", flush=True)
                while not go.exists():
                    time.sleep(0.001)
            print(len(list(folder.iterdir())))
            """,
            me,
            go,
            folder,
        )
        for me in "ab"
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n", "ready\n"]
    go.touch()
    assert [process.communicate(timeout=30) for process in processes] == [("20\n", "")] * 2
    assert {path.name for path in tmp_path.iterdir()} == {"go", "folder"}
    assert len({path.read_text() for path in folder.iterdir()}) == 1


def test_json_is_read_as_it_was_written(tmp_path):
    value = {"ä": [1, 2.5, None, True, "\n"], "empty": {}}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "ä" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("-inf")]}, {1, 2}])
def test_what_json_does_not_have_is_refused_and_nothing_is_written(tmp_path, value):
    write_json(tmp_path / "a.json", "old")
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == "old"
    assert names(tmp_path) == ["a.json"]


def test_a_digest_is_the_usual_one(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert file_digest(tmp_path / "a", "md5") == hashlib.md5(b"x" * 3_000_000, usedforsecurity=False).hexdigest()


@pytest.fixture
def kept(tmp_path):
    """A folder with a manifest."""
    folder = tmp_path / "kept"
    (folder / "sub").mkdir(parents=True)
    for name in ("a", "sub/b", "sub/manifest.json"):
        (folder / name).write_text("content")
    write_manifest(folder)
    return folder


def test_an_unchanged_folder_has_no_problem(kept):
    assert manifest_problem(kept) is None
    assert read_json(kept / "manifest.json")["files"]["sub/b"] == {
        "sha256": hashlib.sha256(b"content").hexdigest(),
        "size": 7,
    }


@pytest.mark.parametrize("name", ["a", "sub/b", "sub/manifest.json"])
@pytest.mark.parametrize("change", ["changed", "truncated", "missing"])
def test_a_file_that_is_not_as_it_was_written_is_named(kept, name, change):
    if change == "missing":
        (kept / name).unlink()
    else:
        (kept / name).write_text({"changed": "CONTENT", "truncated": "cont"}[change])
    assert manifest_problem(kept) == f"{name} is {'missing' if change == 'missing' else 'damaged'}"


def test_a_missing_manifest_is_a_problem(kept):
    (kept / "manifest.json").unlink()
    assert manifest_problem(kept) == "manifest.json is missing"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"files": []}',
        '{"files": null}',
        '{"files": {"a": {}}}',
        '{"files": {"a": 1}}',
        "\xff",
    ],
)
def test_a_damaged_manifest_is_a_problem(kept, text):
    (kept / "manifest.json").write_text(text, encoding="latin-1")
    assert manifest_problem(kept) == "manifest.json is damaged"


def test_only_old_rests_are_cleared(tmp_path):
    for name, age in ((".old.1-a.partial", 100), (".new.1-a.partial", 0), ("kept.partial", 100), (".kept", 100)):
        (tmp_path / name).write_text("12345")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    folder = tmp_path / "deep" / ".folder.1-a.partial"
    folder.mkdir(parents=True)
    (folder / "file").write_text("123")
    os.utime(folder, (time.time() - 100,) * 2)
    assert clear_partial(tmp_path, time.time() - 50) == 5 + 3
    assert names(tmp_path) == [".kept", ".new.1-a.partial", "deep", "kept.partial"]
    assert clear_partial(tmp_path / "missing", time.time()) == 0


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"45")
    assert folder_size(tmp_path) == 5
    assert folder_size(tmp_path / "missing") == 0


def test_the_cache_is_where_the_variable_says_or_the_platform(cache, monkeypatch):
    assert cache_dir() == cache
    monkeypatch.delenv("TLPLUG_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_dir() == Path("/somewhere/tlplug")


def test_a_warning_says_what_could_not_be_done_and_goes_on():
    error = OSError(errno.ENOSPC, "No space left on device")
    with pytest.warns(CacheWarning, match=r"^Cannot keep it: No space left on device\. Going on without the cache\.$"):
        warn_cache("Cannot keep it", error)


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO", "ENOTDIR", "EISDIR"])
def test_what_keeps_files_from_being_written_is_trouble_of_the_disk(name):
    assert is_disk_trouble(OSError(getattr(errno, name), "not written"))


@pytest.mark.parametrize(
    "error", [OSError("no number"), OSError(errno.ENOENT, "gone"), ConnectionResetError(errno.ECONNRESET, "reset")]
)
def test_what_else_an_operating_system_says_is_not(error):
    assert not is_disk_trouble(error)


def test_one_reason_warns_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            warn_cache("Cannot keep it", OSError(json.dumps("no room")))
    assert len(caught) == 1


def test_a_source_is_read_until_its_limit_shows(tmp_path):
    path = tmp_path / "example"
    path.write_bytes(b"12345")
    assert [read_source(path, limit) for limit in (3, 5, 9)] == [b"1234", b"12345", b"12345"]


def test_a_source_that_cannot_be_read_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    wrong = {"missing": "There is no such file.", "pipe": "It is not a regular file.", ".": "It is not a regular file."}
    for name, said in wrong.items():
        with pytest.raises(ValueError, match=f"^{said}$"):
            read_source(tmp_path / name, 10)
    with pytest.raises(ValueError, match=r"^The file cannot be read: File name too long\.$"):
        read_source(tmp_path / ("x" * 5000), 10)
