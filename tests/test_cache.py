"""The cache as a whole, and what commands print of it and of everything else."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest

from tlplug import cache as whole
from tlplug.cache import KINDS, cache_usage, clear_cache, prune_cache
from tlplug.cli.output import clean, print_json, print_table, size

DAY = 24 * 3600


def put(path, content=b"12345", days=0.0):
    """Write a file, and make it and its folder as old as that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    for item in (path, path.parent):
        os.utime(item, (time.time() - days * DAY,) * 2)
    return path


@pytest.fixture
def filled(cache):
    put(cache / "weights" / "plugin" / "net" / "default" / "record.json", days=100)
    put(cache / "weights" / "plugin" / "net" / "default" / "net.h5", days=100)
    for kind, file in (("compiled", "model.tflite"), ("features", "a.arrow")):
        put(cache / kind / "old" / file, days=40)
        put(cache / kind / "new" / file, days=1)
    put(cache / "compiled" / "old.lock", b"")
    return cache


def rest(cache):
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file())


def test_usage_counts_entries_and_bytes(filled):
    assert cache_usage() == [
        {"name": "weights", "entries": 1, "bytes": 10},
        {"name": "compiled", "entries": 2, "bytes": 10},
        {"name": "features", "entries": 2, "bytes": 10},
    ]


def test_no_cache_is_empty(cache):
    assert [(row["entries"], row["bytes"]) for row in cache_usage()] == [(0, 0)] * 3
    assert clear_cache(KINDS) == prune_cache(0) == 0
    assert not cache.exists()


def test_what_is_half_written_is_no_entry(filled):
    put(filled / "features" / ".b.1-a.partial" / "x")
    assert cache_usage()[2]["entries"] == 2


def test_only_the_kinds_named_are_cleared(filled):
    assert clear_cache(["features", "compiled"]) == 20
    assert rest(filled) == ["weights/plugin/net/default/net.h5", "weights/plugin/net/default/record.json"]
    assert clear_cache(KINDS) == 10
    assert rest(filled) == []


def test_a_link_in_the_place_of_the_cache_is_not_followed_out(filled, tmp_path):
    put(tmp_path / "mine" / "thesis.txt")
    (filled / "features" / "link").symlink_to(tmp_path / "mine")
    clear_cache(KINDS)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_what_was_not_used_for_long_is_pruned_and_weights_stay(filled):
    assert prune_cache(30) == 10
    assert {"compiled/new/model.tflite", "features/new/a.arrow"} <= set(rest(filled))
    assert not {"compiled/old/model.tflite", "features/old/a.arrow"} & set(rest(filled))
    assert prune_cache(30) == 0
    assert prune_cache(0) == 10
    assert [name for name in rest(filled) if not name.endswith(".lock")] == [
        "weights/plugin/net/default/net.h5",
        "weights/plugin/net/default/record.json",
    ]


def test_what_killed_processes_left_is_pruned_unless_it_is_young(filled):
    put(filled / "features" / "new" / ".x.arrow.1-a.partial", b"123", days=1)
    put(filled / "compiled" / ".y.1-a.partial" / "model.tflite", b"1234567", days=1)
    young = put(filled / "features" / "new" / ".z.arrow.1-b.partial", b"123")
    assert prune_cache(365) == 10
    assert [name for name in rest(filled) if "partial" in name] == [young.relative_to(filled).as_posix()]


def test_what_another_process_removes_meanwhile_is_no_error(filled, monkeypatch):
    listed = whole._entries

    def gone(kind):
        entries = listed(kind)
        if kind == "features":
            clear_cache(["features"])
        return entries

    monkeypatch.setattr(whole, "_entries", gone)
    assert prune_cache(30) == 5
    assert [path.name for path in (filled / "compiled").iterdir() if path.is_dir()] == ["new"]


def test_what_is_half_fetched_is_pruned_unless_it_is_young(filled):
    folder = filled / "weights" / "plugin" / "net" / "default"
    put(folder / ".net.h5.partial", b"1234567", days=1)
    put(folder / ".wheel-x1y2.partial" / "net.whl", b"123", days=1)
    young = put(filled / "weights" / "plugin" / "net" / "other" / ".net.h5.partial", b"12345")
    assert prune_cache(365) == 10
    assert [name for name in rest(filled) if "partial" in name] == [young.relative_to(filled).as_posix()]
    assert (folder / "net.h5").exists()


def test_a_compiled_backbone_that_is_used_is_not_pruned(vectors, cache):
    from tlplug.backbones import RANDOM, select_backbone
    from tlplug.features import compile_backbone

    selection = select_backbone("tanh", modality="vector", weights=RANDOM)
    folder = compile_backbone(selection).folder
    os.utime(folder, (time.time() - 40 * DAY,) * 2)
    compile_backbone(selection)  # used today
    prune_cache(30)
    assert folder.exists()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü ひ", "plain ü ひ"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\u202eleft", "\\u202eleft"),
        ("\x9b31m", "\\x9b31m"),
        ("\udcff", "\\udcff"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_printed(text, shown):
    assert clean(text) == shown


def test_json_has_no_numbers_that_json_lacks(capsys):
    value = {1: (float("nan"), float("inf"), -0.5), "ü\x1b": [None, True, {"a": float("-inf")}]}
    print_json(value)
    output = capsys.readouterr().out
    assert json.loads(output) == {"1": [None, None, -0.5], "ü\x1b": [None, True, {"a": None}]}
    assert "ü" in output
    assert "\x1b" not in output


def test_json_takes_the_numbers_of_numpy(capsys):
    print_json({"share": np.float64(0.5), "nan": np.float64("nan")})
    assert json.loads(capsys.readouterr().out) == {"share": 0.5, "nan": None}


def test_a_table_has_columns(capsys):
    print_table(["name", "size", "share", "note"], [["a", 1234567, 0.5, None], ["long name", 5, 0.25, "x\x1b[0m"]])
    assert capsys.readouterr().out.splitlines() == [
        "name            size  share  note",
        "a          1,234,567  0.500",
        "long name          5  0.250  x\\x1b[0m",
    ]


def test_a_table_without_rows_is_its_header(capsys):
    print_table(["a", "b"], [])
    assert capsys.readouterr().out == "a  b\n"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (18_800_000, "18.8 MB"), (2_500_000_000, "2.5 GB")],
)
def test_a_size_is_readable(count, text):
    assert size(count) == text
