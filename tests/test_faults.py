"""Faults while training: kills, full and read-only disks, damaged caches, rivals. The next run is complete."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import time

import pytest

MAIN = "from tlplug.cli import main; main()"


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def info(run):
    return json.loads((run / "run.json").read_text())


def same(one, two):
    return all((one / name).read_bytes() == (two / name).read_bytes() for name in ("metrics.json", "model/head.npz"))


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """Where processes of the test wait until ``go`` is there; ``gate(DOTS_STOP=20)`` sets where."""
    folder = tmp_path / "gate"
    folder.mkdir()
    monkeypatch.setenv("DOTS_GO", str(folder / "go"))

    def use(**variables):
        return folder, {**os.environ, **{name: str(value) for name, value in variables.items()}}

    return use


@pytest.fixture(scope="session")
def many(compiled_dots, tmp_path_factory):
    """More examples than go into one shard."""
    return compiled_dots.write(tmp_path_factory.mktemp("many") / "data", {"high": 700, "low": 600}, noise=1.0)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_was_extracted_before_a_kill_is_used_by_the_next_run(python, cli, dots, many, gate, cache, tmp_path, how):
    waiting, environment = gate(DOTS_STOP=1100)
    process = python(MAIN, "train", many, "--out", tmp_path / "run", *dots.plugins, env=environment)
    wait_for(waiting / "decoding", process)
    process.send_signal(how)
    if how == signal.SIGINT:
        (waiting / "go").touch()
    process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "run.partial").exists() == (how == signal.SIGKILL)  # interrupted, it has no checkpoints
    assert len(list(cache.glob("features/*/*.arrow"))) == 1
    assert cli("train", many, "--out", tmp_path / "run", *dots.plugins).code == 0
    assert info(tmp_path / "run")["features_computed"] == 1300 - 1024
    assert not (tmp_path / "run.partial").exists()
    shutil.rmtree(cache / "features")
    assert cli("train", many, "--out", tmp_path / "whole", *dots.plugins).code == 0
    assert info(tmp_path / "whole")["features_computed"] == 1300
    assert same(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("damage", ["changed", "truncated", "empty", "removed", "no permission"])
def test_what_was_damaged_is_computed_anew_and_nothing_else(cli, dots, many, cache, tmp_path, damage):
    if damage == "no permission" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    assert cli("train", many, "--out", tmp_path / "whole", *dots.plugins).code == 0
    shards = sorted(cache.glob("features/*/*.arrow"), key=lambda path: path.stat().st_size)
    content = shards[0].read_bytes()
    assert len(shards) == 2
    if damage == "removed":
        shards[0].unlink()
    elif damage == "no permission":
        shards[0].chmod(0)
    else:
        middle = len(content) // 2
        changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        shards[0].write_bytes({"changed": changed, "truncated": content[:middle], "empty": b""}[damage])
    result = cli("train", many, "--out", tmp_path / "run", *dots.plugins)
    assert result.code == 0
    assert info(tmp_path / "run")["features_computed"] == 1300 - 1024
    assert same(tmp_path / "run", tmp_path / "whole")
    assert shards[0].read_bytes() == content
    assert cli("train", many, "--out", tmp_path / "again", *dots.plugins).code == 0
    assert info(tmp_path / "again")["features_computed"] == 0


def test_a_kill_while_the_run_is_written_leaves_no_half_run(python, cli, dots, gate, tmp_path):
    data = dots.write(tmp_path / "data", noise=3)
    waiting, environment = gate(DOTS_SHOW=1)
    process = python(MAIN, "train", data, "--out", tmp_path / "run", *dots.plugins, env=environment)
    wait_for(waiting / "showing", process)
    assert (tmp_path / "run.partial" / "run.json").exists()
    process.kill()
    process.wait()
    assert not (tmp_path / "run").exists()
    result = cli("predict", tmp_path / "run", data, *dots.plugins)
    assert (result.code, len(result.lines)) == (2, 1)
    assert "There is an unfinished one" in result.err
    (tmp_path / "run.partial" / "left over").write_text("old")
    assert cli("train", data, "--out", tmp_path / "run", *dots.plugins).code == 0
    assert info(tmp_path / "run")["features_computed"] == 0
    assert not (tmp_path / "run" / "left over").exists()
    assert cli("predict", tmp_path / "run", data, *dots.plugins).code == 0


def test_of_two_processes_with_one_name_one_succeeds(python, cli, dots, gate, tmp_path):
    data = dots.write(tmp_path / "data")
    waiting, environment = gate(DOTS_STOP=20)
    process = python(MAIN, "train", data, "--out", tmp_path / "run", *dots.plugins, env=environment)
    wait_for(waiting / "decoding", process)
    result = cli("train", data, "--out", tmp_path / "run", *dots.plugins)
    assert (result.code, result.out, len(result.lines)) == (2, "", 1)
    assert "Another process is writing" in result.err
    (waiting / "go").touch()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert cli("predict", tmp_path / "run", data, *dots.plugins).code == 0
    assert not (tmp_path / "run.partial").exists()


def test_two_processes_on_the_same_new_data_both_succeed_and_share_what_they_make(python, cli, dots, cache, tmp_path):
    shutil.rmtree(cache)
    data = dots.write(tmp_path / "data")
    processes = [python(MAIN, "train", data, *dots.plugins, cwd=tmp_path) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    one, two = (tmp_path / "runs").iterdir()
    assert same(one, two)
    assert len([path for path in (cache / "compiled").iterdir() if path.is_dir()]) == 1
    assert not [path for path in cache.rglob("*") if path.name.endswith(".partial")]
    assert cli("train", data, "--out", tmp_path / "third", *dots.plugins).code == 0
    assert info(tmp_path / "third")["features_computed"] == 0
    assert same(one, tmp_path / "third")


def fill(folder, left=0):
    """Fill a disk but for some bytes."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - left))


@pytest.mark.parametrize("left", [0, 8192, 40960])
@pytest.mark.parametrize("disk", ["768k"], indirect=True)
def test_a_full_disk_is_one_line_and_leaves_no_run(cli, dots, disk, tmp_path, left):
    data = dots.write(tmp_path / "data", noise=3)
    folder = disk()
    fill(folder, left)
    result = cli("train", data, "--out", folder / "run", *dots.plugins)
    assert (result.code in {1, 2}, result.out, len(result.lines)) == (True, "", 1)
    assert "No space left on device" in result.err
    assert "Unexpected" not in result.err
    assert [path.name for path in folder.iterdir()] == ["filler"]
    (folder / "filler").unlink()
    assert cli("train", data, "--out", folder / "run", *dots.plugins).code == 0


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_without_room_in_the_cache_training_succeeds_with_a_warning(
    cli, dots, disk, cache, tmp_path, monkeypatch, state
):
    data = dots.write(tmp_path / "data")
    shutil.copytree(cache, disk() / "cache")
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(disk() / "cache"))
    if state == "full":
        fill(disk())
    else:
        disk(read_only=True)
    result = cli("train", data, "--out", tmp_path / "run", "--json", *dots.plugins)
    assert result.code == 0
    assert result.json["run"] == str(tmp_path / "run")
    reason = {"full": "No space left on device", "read-only": "Read-only file system"}[state]
    assert result.lines == [
        f"Warning: Cannot keep features in {disk() / 'cache' / 'features'}: {reason}. Going on without the cache."
    ]
    assert cli("predict", tmp_path / "run", data, *dots.plugins).code == 0
    assert not list(disk().glob("cache/features/*/*"))


def test_without_any_cache_the_backbone_is_compiled_all_the_same(python, dots, disk, tmp_path, monkeypatch):
    data = dots.write(tmp_path / "data")
    folder = disk(read_only=True)
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = python(MAIN, "train", data, "--out", tmp_path / "run", "--json", *dots.plugins)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert json.loads(output)["backbone"] == "net"
    assert len(errors.splitlines()) == 2
    assert errors.splitlines()[0].startswith("Warning: Cannot keep the compiled backbone in ")
    assert errors.splitlines()[1].startswith("Warning: Cannot keep features in ")
    assert not list(tmp_path.glob("tlplug-compiled-*"))


def test_a_cache_folder_that_is_a_file_is_no_cache(cli, dots, cache, tmp_path):
    data = dots.write(tmp_path / "data")
    (cache / "features").write_text("")
    result = cli("train", data, "--out", tmp_path / "run", *dots.plugins)
    assert (result.code, len(result.lines)) == (0, 1)
    assert result.err.startswith("Warning: Cannot keep features in ")


def test_a_file_that_vanishes_meanwhile_is_left_out_with_its_reason(python, dots, gate, tmp_path):
    data = dots.write(tmp_path / "data", {"high": 100, "low": 100})
    waiting, environment = gate(DOTS_STOP=10)
    process = python(MAIN, "train", data, "--out", tmp_path / "run", *dots.plugins, env=environment)
    wait_for(waiting / "decoding", process)
    for path in sorted((data / "low").iterdir())[-5:]:
        path.unlink()
    (waiting / "go").touch()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    skipped = info(tmp_path / "run")["skipped"]
    assert len(skipped) == 5
    assert all("No such file" in item["reason"] for item in skipped)
    with (tmp_path / "run" / "split.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 195
