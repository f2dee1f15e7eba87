"""The commands that list, keep and demonstrate, and what every command has in common."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tlplug.cli.commands import COMMANDS
from tlplug.registry import PLURALS

MAIN = "from tlplug.cli import main; main()"
GROUPS = ("plugins", "weights", "cache")
SUBCOMMANDS = [
    *([name] for name in COMMANDS),
    *(["plugins", name] for name in ("list",)),
    *(["weights", name] for name in ("list", "get", "add", "verify")),
    *(["cache", name] for name in ("info", "clear", "prune")),
]


@pytest.mark.parametrize("command", SUBCOMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(cli, command):
    result = cli(*command, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Usage: tlplug")
    example = re.search(r"Example:\n +(tlplug .*)", result.out)
    assert example, result.out
    assert example[1].startswith(f"tlplug {command[0]}")
    assert cli(*command, "-h").out == result.out


@pytest.mark.parametrize("command", [c for c in SUBCOMMANDS if len(c) > 1 or c[0] not in GROUPS], ids=" ".join)
def test_every_command_has_the_common_options(cli, command):
    out = cli(*command, "--help").out
    for option in ("--json", "--plugin", "--offline", "--trust", "--debug"):
        assert option in out


def test_the_help_lists_every_command(cli):
    result = cli("--help")
    assert result.code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", result.out, re.MULTILINE)
    assert set(PLURALS.values()) < set(COMMANDS)


def test_the_entry_point_serves_more_than_once(python):
    process = python(
        """
        import contextlib, tlplug.cli
        for _ in range(2):
            with contextlib.suppress(SystemExit):
                tlplug.cli.main(["--version"])
        """
    )
    output, errors = process.communicate(timeout=30)
    assert (errors, len(output.splitlines())) == ("", 2)


def test_the_version_is_that_of_the_distribution(cli):
    result = cli("--version")
    assert re.fullmatch(r"tlplug \d+\.\d+\.\d+\S*\n", result.out)
    assert result.code == 0


@pytest.mark.parametrize("plural", PLURALS.values())
def test_a_listing_is_a_table_or_a_list_of_objects(cli, dots, plural):
    rows = cli(plural, "--json", *dots.plugins).json
    table = cli(plural, *dots.plugins)
    assert (table.code, table.err) == (0, "")
    for row in rows:
        assert {"name", "modality", "plugin", "version"} <= set(row)
        assert row["name"] in table.out
    if not rows:
        assert re.fullmatch(r"No (exporter|augmentation) is installed\.\n", table.out)


@pytest.mark.parametrize(("plural", "name"), [("backbones", "net"), ("preprocesses", "dots"), ("heads", "mlp")])
def test_one_part_is_shown_with_its_options(cli, dots, plural, name):
    shown = cli(plural, name, *dots.plugins)
    described = cli(plural, name, "--json", *dots.plugins).json
    assert described["name"] == name
    assert re.search(rf"^name +{name}$", shown.out, re.MULTILINE)
    for option in described["options"]:
        assert option["name"] in shown.out
        assert option["help"] in shown.out


def test_backbones_are_listed_by_modality(cli, dots):
    names = [row["name"] for row in cli("backbones", "--modality", "dots", "--json", *dots.plugins).json]
    assert [name for name in names if ":" not in name] == ["net"]
    assert "file:<model.keras>" in names


def test_the_stages_of_a_backbone_are_shown_without_its_weights(cli, dots):
    weights = dots.net.with_name("net.npy")
    hidden = weights.rename(weights.with_suffix(".hidden"))
    try:
        shown = cli("backbones", "net", "--stages", *dots.plugins)
        listed = cli("backbones", "net", "--stages", "--json", *dots.plugins)
    finally:
        hidden.rename(weights)
    assert (shown.code, shown.err) == (0, "")
    header, row = shown.out.splitlines()
    assert header.split() == ["stage", "above", "layers", "parameters"]
    assert row.split()[:3] == ["1", "the", "inputs"]
    assert row.split()[-1] == "144"
    (stage,) = listed.json
    assert (stage["number"], stage["name"], len(stage["layers"]), stage["parameters"]) == (1, "", 1, 144)


STATED = """
import tlplug

@tlplug.register_backbone("deep", modality="dots", stages=["low", {second!r}], preprocess="dots")
def build(weights=None):
    import keras
    names = ("low", "middle", "high")
    return keras.Sequential([keras.Input((8,)), *(keras.layers.Dense(4, name=name) for name in names)])
"""


def test_the_stages_that_a_record_states_are_shown(cli, dots, tmp_path):
    file = tmp_path / "deep.py"
    file.write_text(STATED.format(second="middle"))
    rows = cli("backbones", "deep", "--stages", "--json", "--plugin", file, *dots.plugins).json
    assert [(row["name"], row["layers"]) for row in rows] == [("middle", ["high"]), ("low", ["middle"]), ("", ["low"])]
    file.write_text(STATED.format(second="midle"))
    result = cli("backbones", "deep", "--stages", "--plugin", file, *dots.plugins)
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert "begin at 'midle', where the network cannot be cut. Did you mean 'middle'?" in result.err


def test_stages_are_those_of_one_backbone(cli):
    result = cli("backbones", "--stages")
    message = "Error: --stages shows those of one backbone. Type: tlplug backbones NAME --stages"
    assert (result.code, result.lines) == (2, [message])


def test_an_unknown_part_has_a_hint(cli, dots):
    result = cli("backbones", "nett", *dots.plugins)
    assert (result.code, result.out, len(result.lines)) == (2, "", 1)
    assert "Unknown backbone 'nett'. Did you mean 'net'?" in result.err


def test_broken_plugins_are_shown_and_the_exit_code_is_zero(cli, site):
    site.install("broken-plugin", "raise SystemExit(3)")
    site.install_backbone("good-plugin", "small")
    result = cli("plugins", "list", "--json")
    assert (result.code, result.err) == (0, "")
    rows = {row["name"]: row for row in result.json}
    assert list(rows["good-plugin"]) == ["name", "distribution", "version", "hooks", "names", "error"]
    assert rows["broken-plugin"]["error"] == "import failed: SystemExit: 3"
    assert rows["good-plugin"]["error"] is None
    assert "import failed: SystemExit: 3" in cli("plugins", "list").out
    assert "import failed: SystemExit: 3" in cli("backbones", "smalll").err


def test_plugins_can_be_switched_off_and_a_switch_for_nothing_is_told(cli, site, monkeypatch):
    site.install_backbone("one-plugin", "one")
    site.install_backbone("two-plugin", "two")
    monkeypatch.setenv("TLPLUG_DISABLE_PLUGINS", "one-plugin,nobody")
    result = cli("plugins", "list", "--json")
    rows = {row["name"]: row["error"] for row in result.json}
    assert (rows["one-plugin"], rows["two-plugin"]) == ("switched off by TLPLUG_DISABLE_PLUGINS", None)
    assert result.err == (
        "Warning: TLPLUG_PLUGINS or TLPLUG_DISABLE_PLUGINS names 'nobody', which no plugin is called.\n"
    )
    names = {row["name"] for row in cli("backbones", "--json").json}
    assert "two" in names
    assert "one" not in names


RIVAL = """
from tlplug import Runtime, hookimpl

def compile(model, folder):
    raise RuntimeError("no such chip")

@hookimpl
def runtime():
    return [Runtime(name="rival", priority=100, available=lambda: True, compile=compile, open=compile)]
"""


def test_debugging_shows_why_a_runtime_refused_a_network(python, dots, tmp_path):
    rival = tmp_path / "rival.py"
    rival.write_text(RIVAL)
    command = ["train", dots.write(tmp_path / "data"), "--out", tmp_path / "run", "--debug", "--plugin", rival]
    process = python(MAIN, *command, *dots.plugins)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "net runs on litert: rival fails with RuntimeError: no such chip\n" in errors
    assert "tlplug.features.compilation: rival refused net\nTraceback (most recent call last):\n" in errors
    assert f'File "{rival}", line 5, in compile' in errors


def test_a_plugin_file_may_be_given_to_every_command(cli, dots):
    names = {row["name"] for row in cli("plugins", "list", "--json", *dots.plugins).json}
    assert {"net.py", "dots.py"} <= names


def test_weights_are_listed_fetched_and_verified(cli, dots):
    path = dots.net.with_name("net.npy")
    (row,) = [row for row in cli("weights", "list", "--json", *dots.plugins).json if row["name"] == "net/fixed"]
    assert (row["stored"], row["size"], row["path"]) == (True, path.stat().st_size, str(path))
    assert row["plugin"] == "net.py"
    (got,) = cli("weights", "get", "net", "--json", *dots.plugins).json
    assert list(got) == ["name", "path", "sha256"]
    assert (got["name"], got["path"]) == ("net/fixed", str(path))
    assert cli("weights", "get", "net/fixed", "--json", *dots.plugins).json == [got]
    verified = cli("weights", "verify", "net", "--json", *dots.plugins)
    assert (verified.code, verified.json) == (0, [{"name": "net/fixed", "path": str(path), "problem": None}])


SERVED = """
from tlplug import Backbone, Source, Weights, hookimpl

@hookimpl
def backbone():
    weights = Weights(sources=(Source(kind="url", location="{url}"),), sha256="{sha256}")
    return [Backbone(name="served", modality="dots", build="m:f", weights=dict(only=weights))]
"""


@pytest.fixture
def served(server, tmp_path, cache):
    """A plugin file with a backbone whose weights the test's server has: its path, and the file by hand."""
    file = tmp_path / "w.bin"
    file.write_bytes(b"weights" * 100)
    url = server.put("/w.bin", file.read_bytes())
    plugin = tmp_path / "served.py"
    plugin.write_text(SERVED.format(url=url, sha256=hashlib.sha256(file.read_bytes()).hexdigest()))
    return plugin, file


def test_weights_that_are_damaged_are_said_and_fetched_anew(cli, served, cache):
    plugin, _ = served
    assert cli("weights", "verify", "served", "--plugin", plugin).code == 1
    (row,) = cli("weights", "get", "served", "--json", "--plugin", plugin).json
    assert cli("weights", "verify", "--json", "--plugin", plugin).code == 0
    with Path(row["path"]).open("r+b") as file:
        file.write(b"W")
    result = cli("weights", "verify", "served", "--json", "--plugin", plugin)
    assert (result.code, result.json[0]["problem"]) == (1, "the file has changed since it was stored")
    assert result.err.endswith("Type: tlplug weights get served/only\n")
    assert cli("weights", "get", "served", "--plugin", plugin).code == 0
    assert cli("weights", "verify", "served", "--plugin", plugin).code == 0


def test_weights_are_added_by_hand_where_there_is_no_network(cli, served):
    plugin, file = served
    result = cli("weights", "get", "served", "--offline", "--plugin", plugin)
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert result.err.endswith("tlplug weights add served/only PATH\n")
    assert cli("weights", "add", "served/only", file, "--offline", "--plugin", plugin).code == 0
    assert cli("weights", "get", "served", "--offline", "--plugin", plugin).code == 0


def test_a_file_that_is_not_the_weights_is_refused(cli, served, cache):
    plugin, file = served
    file.write_bytes(b"other")
    result = cli("weights", "add", "served", file, "--plugin", plugin)
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert "is not the file of served/only: its sha256 is " in result.err
    assert not list(cache.rglob("w.bin"))


def test_weights_of_a_backbone_that_has_none_or_of_an_unknown_set(cli, vectors, dots, tmp_path):
    file = tmp_path / "vectors.py"
    result = cli("weights", "get", "tanh", "--plugin", file)
    assert (result.code, result.err) == (2, "Error: The backbone 'tanh' has no weight sets: it is used as built.\n")
    result = cli("weights", "get", "net/best", *dots.plugins)
    assert (result.code, len(result.lines)) == (2, 1)
    assert "no weights 'best'. Valid: fixed, random" in result.err


def test_the_cache_is_shown_and_cleared_by_kind(cli, dots, cache, tmp_path):
    cli("train", dots.write(tmp_path / "data"), "--out", tmp_path / "run", *dots.plugins)
    info = cli("cache", "info", "--json").json
    assert info["path"] == str(cache)
    kinds = {kind["name"]: kind for kind in info["kinds"]}
    assert {name: kind["entries"] for name, kind in kinds.items()} == {"weights": 0, "compiled": 2, "features": 1}
    assert str(cache) in cli("cache", "info").out
    assert cli("cache", "clear", "features", "--json").json == {"freed": kinds["features"]["bytes"]}
    assert not (cache / "features").exists()
    assert (cache / "compiled").exists()
    assert cli("cache", "clear").code == 0
    assert sum(kind["bytes"] for kind in cli("cache", "info", "--json").json["kinds"]) == 0
    assert (tmp_path / "run" / "run.json").exists()


def test_only_what_was_not_used_for_long_is_pruned(cli, dots, cache, tmp_path):
    cli("train", dots.write(tmp_path / "data"), "--out", tmp_path / "run", *dots.plugins)
    assert cli("cache", "prune", "--json").json == {"freed": 0}
    (store,) = (cache / "features").iterdir()
    os.utime(store, (0, 0))
    assert cli("cache", "prune", "--json").json["freed"] > 0
    assert not store.exists()
    assert len([path for path in (cache / "compiled").iterdir() if path.is_dir()]) == 2


def test_an_empty_cache_is_no_error(cli, cache):
    for command in (["info"], ["clear"], ["prune"]):
        assert cli("cache", *command).code == 0


def test_the_demo_trains_measures_and_predicts(cli, dots, tmp_path):
    result = cli("demo", "dots", "--folder", tmp_path / "demo", "--json", *dots.plugins)
    assert result.code == 0
    assert {"run", "backbone", "head", "strategy", "metrics", "seconds", "predictions"} == set(result.json)
    assert result.json["metrics"]["test"]["accuracy"] == 1
    assert 1 <= len(result.json["predictions"]) <= 5
    assert result.err == f"Data: {tmp_path / 'demo' / 'dots'} (40 files of numbers)\n"
    again = cli("demo", "dots", "--folder", tmp_path / "demo", *dots.plugins)
    assert again.code == 0
    assert "Some held-out examples:" in again.out


def test_progress_is_for_terminals_and_never_on_standard_output(dots, tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", MAIN, "train", dots.write(tmp_path / "data"), "--out", tmp_path / "run", "--json"]
    with subprocess.Popen([*command, *dots.plugins], stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        output, _ = process.communicate(timeout=60)
    shown = b""
    with contextlib.suppress(OSError):  # what reading a terminal without a process gives
        while more := os.read(ours, 1 << 16):
            shown += more
    os.close(ours)
    assert process.returncode == 0
    assert json.loads(output)["backbone"] == "net"
    assert b"Extracting features" in shown


def test_a_reader_that_goes_away_is_no_traceback(python):
    process = python(f"import time\n{MAIN}", "backbones", "--json")
    process.stdout.close()
    assert process.wait(timeout=30) in (0, 1)
    assert process.stderr.read() == ""


def test_json_is_json_where_the_output_takes_ascii_only(python, dots, tmp_path):
    data = dots.write(tmp_path / "ü")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = python(MAIN, "train", data, "--out", tmp_path / "run-ä", "--json", *dots.plugins, env=environment)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert json.loads(output)["run"] == str(tmp_path / "run-ä")


def test_the_bare_command_shows_its_help(cli):
    for arguments in ([], ["weights"]):
        result = cli(*arguments)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith("Usage: tlplug")
