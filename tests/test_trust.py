"""``--trust``: said once for a process, never by a file."""

from __future__ import annotations

import pytest

import tlplug


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("yes", True), ("0", False), ("", False), ("no", False)])
def test_it_is_what_the_variable_says(monkeypatch, value, expected):
    monkeypatch.setenv("TLPLUG_TRUST", value)
    assert tlplug.trusted() is expected


PLUGIN = """
import tlplug

@tlplug.register_preprocess("plain", modality="word", suffixes=[".word"])
def make(options, files):
    return lambda source: {"text": source.read_text()}

@tlplug.register_backbone("careful", modality="word")
def build(weights=None):
    raise tlplug.UsageError(f"trusted: {tlplug.trusted()}")
"""


def test_a_command_says_it(cli, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin")
    (tmp_path / "careful.py").write_text(PLUGIN)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.word").write_text("a")
    command = ("embed", tmp_path / "data", "--out", tmp_path / "x.csv", "--plugin", tmp_path / "careful.py")
    assert cli(*command).err == "Error: trusted: False\n"
    assert cli(*command, "--trust").err == "Error: trusted: True\n"
