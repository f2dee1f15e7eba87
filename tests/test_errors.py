"""What bad input gets: one line that says what is wrong and what is valid, the right exit code, nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

import pytest

VALID = "a folder with one subfolder per class and files in each, or a table with a column of labels."
MAIN = "from tlplug.cli import main; main()"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # beside plugin files, which is no work of tlplug's


@pytest.fixture
def here(tmp_path):
    return tmp_path / "here"


@pytest.fixture
def refused(cli, here):
    """Run a command that must fail: one line, nothing on standard output, nothing written. Returns the line."""

    def run(code, *arguments):
        before = names(here)
        result = cli(*arguments)
        assert (result.code, result.out) == (code, ""), result.err
        assert len(result.lines) == 1, result.err
        assert result.err.startswith("Error: ")
        assert result.err.endswith((".\n", "?\n", ")\n", " --help\n", "PATH\n", "FILE\n")), result.err
        assert "Unexpected" not in result.err
        assert "Traceback" not in result.err
        assert names(here) == before
        return result.err

    return run


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def spread(folder, **classes):
    """Write files of some text: ``spread(folder, a=["1", "x"])``."""
    for label, texts in classes.items():
        (folder / label).mkdir(parents=True)
        for number, text in enumerate(texts):
            (folder / label / f"{number}.dots").write_text(text)
    return folder


def rows(count, start=0):
    return [" ".join(str(start + number + place) for place in range(8)) for number in range(count)]


def test_no_such_folder(refused, dots):
    line = refused(2, "train", "nowhere", *dots.plugins)
    assert f"No such data: 'nowhere'. Valid: {VALID}" in line


def test_a_file_where_a_folder_should_be(refused, here, dots):
    (here / "photo.dots").write_text("1")
    assert VALID in refused(2, "train", "photo.dots", *dots.plugins)


def test_an_empty_folder(refused, here, dots):
    (here / "data").mkdir()
    assert "No examples in 'data'. Valid: " in refused(1, "train", "data", *dots.plugins)
    (here / "data" / "a").mkdir()
    (here / "data" / "b").mkdir()
    assert "No examples in 'data'. Valid: " in refused(1, "train", "data", *dots.plugins)


def test_files_without_class_folders(refused, here, dots):
    spread(here, data=rows(4))
    line = refused(1, "train", "data", *dots.plugins)
    assert "No class folders in 'data'. Received: 4 files directly in it. Valid: one subfolder per class" in line


def test_split_folders_with_others_beside_them(refused, here, dots):
    for folder in ("train", "test", "rest"):
        spread(here / "data" / folder, a=rows(2), b=rows(2, 9))
    line = refused(1, "train", "data", *dots.plugins)
    assert "'data' has folders for splits (test, train) and others beside them: 'rest'. Valid: " in line


def test_one_class(refused, here, dots):
    spread(here / "data", only=rows(4))
    line = refused(1, "train", "data", *dots.plugins)
    assert "at least two classes. Received: 'data' with the one class 'only'." in line


def test_a_class_with_one_example(refused, here, dots):
    spread(here / "data", a=rows(4), b=rows(1, 9))
    assert "The class 'b' has one example" in refused(1, "train", "data", *dots.plugins)
    spread(here / "more", a=rows(4), b=[rows(1, 9)[0]] * 3)
    assert "The class 'b' has one example" in refused(1, "train", "more", *dots.plugins)


def test_files_that_nothing_reads(refused, here, dots):
    for label in "ab":
        (here / "data" / label).mkdir(parents=True)
        (here / "data" / label / "notes.odd").write_text(label)
    line = refused(1, "train", "data", *dots.plugins)
    assert "No file in 'data' can be read. Received: files with .odd. Valid: " in line
    assert "dots (.dots)" in line


def test_files_that_are_not_what_their_names_say(refused, here, dots):
    spread(here / "data", a=["no", "nor", "not"], b=["none", "never", "nothing"])
    assert "6 of 6 examples in 'data' cannot be read, more than 10%" in refused(1, "train", "data", *dots.plugins)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "a.wav", None, "run/a.wav"), "No space left on device: run/a.wav"),
        (
            shutil.Error([("a/x", "run/x", "[Errno 28] No space left on device: 'a/x' -> 'run/x'"), ("b", "c", "d")]),
            "No space left on device: run/x",
        ),
    ],
)
def test_a_full_disk_says_which_and_what_helps(refused, here, dots, monkeypatch, error, said):
    def full(*_, **__):
        raise error

    dots.write(here / "data")
    monkeypatch.setattr("tlplug.model.write_run", full)
    line = refused(1, "train", "data", "--out", "run", *dots.plugins)
    assert line == f"Error: {said}. Make room there, or write to another place with --out.\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(refused, here, dots):
    spread(here / "data", a=rows(4), b=rows(4, 9))
    (here / "data" / "a").chmod(0)
    refused(1, "train", "data", *dots.plugins)
    (here / "data" / "a").chmod(0o755)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbone", "nett"], "Unknown backbone 'nett'. Did you mean 'net'? (tlplug backbones lists all "),
        (["--head", "linaer"], "Unknown head 'linaer'. Did you mean 'linear'? Valid: linear, mlp, prototype."),
        (["--strategy", "fine"], "Unknown strategy 'fine'. Did you mean 'fine-tune'? Valid: features, "),
        (["--weights", "best"], "The backbone 'net' has no weights 'best'. Valid: fixed, random."),
        (["--runtime", "openvino"], "Unknown runtime 'openvino'."),
        (["--modality", "smell"], "Unknown modality 'smell'. Valid: "),
        (["--against", "chance"], "measured against 'random'. Received: 'chance'."),
        (["--set", "head.depth=3"], "Unknown option 'head.depth'. Valid: head.class_weight, head.penalty, head.scale."),
        (["--set", "depth=3"], "An option is set by its part and name. Received: 'depth'."),
        (["--set", "head.penalty"], "--set takes PART.NAME=VALUE. Received: 'head.penalty'."),
        (["--set", "head.penalty=much"], "Option 'penalty' takes a number. Received: 'much'."),
        (["--set", "head.penalty=nan"], "Option 'penalty' takes a number. Received: 'nan'."),
        (["--set", "head.penalty=-1"], "Option 'penalty' is 1e-06 or more. Received: '-1'."),
        (["--set", "head.class_weight=some"], "Option 'class_weight' cannot be 'some'. Valid: none, balanced."),
        (["--set", "reader.depth=1"], "Unknown option 'reader.depth'. Valid: none"),
        (["--epochs", "0", "--head", "mlp"], "Option 'epochs' is 1 or more. Received: 0."),
        (["--holdout", "0"], "The held-out share is between 0 and 1. Received: 0.0."),
        (["--holdout", "nan"], "The held-out share is between 0 and 1. Received: nan."),
        (["--seed", "-1"], "seed"),
        (["--seed", "99999999999"], "seed"),
        (["--max-unreadable", "-0.1"], "unreadable"),
        (["--max-unreadable", "nan"], "unreadable"),
        (["--test", "nowhere"], "No such data: 'nowhere'."),
        (["--plugin", "nowhere.py"], "No such plugin file: 'nowhere.py'."),
        (["--seed", "first"], "Invalid value for '--seed'"),
        (["--hedd", "mlp"], "No such option '--hedd'"),
        (["more"], "Got unexpected extra argument (more) Type: tlplug train --help"),
        (["--backbone", "file:model.h5", "--modality", "dots"], "Valid: file:PATH.keras."),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(refused, here, dots, cache, arguments, message):
    spread(here / "data", a=rows(4), b=rows(4, 9))
    assert message in refused(2, "train", "data", *dots.plugins, *arguments)
    assert not (cache / "features").exists()


def test_a_bad_option_for_another_head_is_refused(refused, here, dots):
    spread(here / "data", a=rows(4), b=rows(4, 9))
    line = refused(2, "train", "data", "--head", "mlp", "--set", "head.hidden=wide", *dots.plugins)
    assert "takes sizes such as 256,64, or none. Received: 'wide'." in line


@pytest.mark.parametrize("what", ["run", "folder", "file"])
def test_a_run_that_is_there_already(refused, here, dots, what):
    spread(here / "data", a=rows(4), b=rows(4, 9))
    if what == "file":
        (here / "out").write_text("mine")
    else:
        (here / "out").mkdir()
        (here / "out" / ("run.json" if what == "run" else "mine")).write_text("{}")
    line = refused(2, "train", "data", "--out", "out", *dots.plugins)
    assert f"There is {'a run' if what == 'run' else 'something'} at 'out' already." in line


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_run_folder_that_is_none(refused, here, command):
    spread(here / "data", a=rows(2))
    assert "No such run: 'nowhere'." in refused(2, command, "nowhere", "data")
    assert "'data' is no run: it has no run.json" in refused(2, command, "data", "data")
    (here / "run").mkdir()
    (here / "run" / "run.json").write_text("{}")
    assert "manifest.json is missing" in refused(1, command, "run", "data")
    (here / "run" / "run.json").write_text("[]")
    assert "The run 'run' is damaged: its run.json has no JSON object" in refused(1, command, "run", "data")
    (here / "other.partial").mkdir()
    assert "There is an unfinished one: 'other.partial'." in refused(2, command, "other", "data")


def test_evaluating_on_nothing(refused, dots, dots_run):
    assert "No such data: 'nowhere'." in refused(2, "evaluate", dots_run, "nowhere", "--plugin", dots.dots)


BACKBONE = """
from tlplug import Backbone, Source, Weights, hookimpl
from tlplug import Preprocess

@hookimpl
def backbone():
    weights = Weights(sources=({source},), sha256="{sha256}")
    return [Backbone(name="odd", modality="dots", build="m:f", weights=dict(only=weights))]
"""


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        ('Source(kind="url", location="http://127.0.0.1:9/w.bin")', ["--offline"], "w.bin: offline. Get the file"),
        ('Source(kind="url", location="http://127.0.0.1:9/w.bin")', [], "http://127.0.0.1:9/w.bin: "),
        ('Source(kind="file", location="w.bin")', [], "its sha256 is "),
        ('Source(kind="file", location="gone.bin")', [], "gone.bin: it cannot be opened: No such file or directory."),
    ],
)
def test_weights_that_cannot_be_had(refused, here, dots, monkeypatch, source, arguments, message):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    spread(here / "data", a=rows(4), b=rows(4, 9))
    (here / "w.bin").write_bytes(b"damaged")
    (here / "odd.py").write_text(BACKBONE.format(source=source, sha256="0" * 64))
    plugins = ["--plugin", "odd.py", "--plugin", dots.dots]
    line = refused(1, "train", "data", "--backbone", "odd", *plugins, *arguments)
    assert message in line


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["trian"], 2, "Unknown command 'trian'. Did you mean 'train'?"),
        (["train"], 2, "Missing argument 'DATA'. Type: tlplug train --help"),
        (["predict", "run"], 2, "Missing argument 'INPUT...'. Type: tlplug predict --help"),
        (["embed", "data"], 2, "Missing option '--out'. Type: tlplug embed --help"),
        (["embed", "nowhere", "--out", "a.csv"], 2, "No such data: 'nowhere'."),
        (["cache", "clear", "all"], 2, "'all' is not one of 'weights', 'compiled', 'features'."),
        (["cache", "prune", "--older-than", "-1"], 2, "-1"),
        (["weights", "get", "nothing"], 2, "Unknown backbone 'nothing'."),
        (["weights", "add", "net", "nowhere.bin"], 2, "No such file: 'nowhere.bin'."),
        (["demo", "smell"], 2, "No demo for the modality received: 'smell'. Valid: "),
        (["heads", "linaer"], 2, "Unknown head 'linaer'. Did you mean 'linear'?"),
        (["backbones", "file:nowhere.keras"], 2, "No such Keras model file: 'nowhere.keras'."),
    ],
)
def test_other_commands_say_what_is_wrong(refused, dots, arguments, code, message):
    plugins = dots.plugins if len(arguments) > 1 or arguments == ["train"] else []
    assert message in refused(code, *arguments, *plugins)


def test_without_a_plugin_there_is_no_demo(refused, monkeypatch):
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin")
    line = refused(2, "demo")
    assert line == (
        "Error: No demo for the modality received: none. Valid: none before a plugin with one is installed, see the "
        "README.\n"
    )


def test_the_traceback_is_shown_with_debug_only(cli, dots):
    assert "Traceback" not in cli("train", "nowhere", *dots.plugins).err
    result = cli("train", "nowhere", "--debug", *dots.plugins)
    assert result.code == 2
    assert result.err.startswith("Traceback (most recent call last):\n")
    assert result.lines[-1] == f"Error: No such data: 'nowhere'. Valid: {VALID}"


def test_a_plugin_that_fails_at_work_is_one_line(refused, here, dots):
    spread(here / "data", a=rows(4), b=rows(4, 9))
    (here / "bad.py").write_text(BACKBONE.format(source='Source(kind="file", location="w.bin")', sha256=""))
    (here / "w.bin").write_bytes(b"weights")
    line = refused(1, "train", "data", "--backbone", "odd", "--plugin", "bad.py", "--plugin", dots.dots)
    assert "Cannot load 'm:f': ModuleNotFoundError: No module named 'm'." in line


def test_a_message_of_many_lines_and_colours_is_one_plain_line(refused, here):
    (here / "bad\x1b[31m\n.py").write_text("raise RuntimeError('first\\nsecond')")
    line = refused(1, "heads", "--plugin", "bad\x1b[31m\n.py")
    assert line.isprintable() or line[:-1].isprintable()


def test_an_interruption_is_one_line_and_its_own_exit_code(python, here, dots, monkeypatch):
    spread(here / "data", a=rows(40), b=rows(40, 90))
    monkeypatch.setenv("DOTS_STOP", "20")
    monkeypatch.setenv("DOTS_GO", str(here / "go"))
    process = python(f"{MAIN}", "train", "data", "--out", "run", *dots.plugins)
    while not (here / "decoding").exists():
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    (here / "go").touch()
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, len(errors.splitlines())) == (130, "", 1), errors
    assert errors.startswith("Error: Interrupted.")
    assert not (here / "run").exists()
    assert not (here / "run.partial").exists()  # nothing in it to go on with


CLICK = """
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(60)
"""


def test_an_interruption_before_all_is_imported_says_nothing(python, here):
    (here / "click.py").write_text(CLICK)
    process = python(f"import sys; sys.path.insert(0, {str(here)!r})\n{MAIN}", "heads")
    deadline = time.monotonic() + 30
    while not (here / "importing").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130


@pytest.mark.skipif(sys.platform != "linux", reason="closes descriptors by number")
@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_is_survived(python, here, dots, closed):
    spread(here / "data", a=rows(5), b=rows(5, 90))
    process = python(f"import os; os.close({closed})\n{MAIN}", "train", "data", "--out", "run", *dots.plugins)
    _, errors = process.communicate(timeout=60)
    assert (here / "run" / "run.json").exists(), errors
    assert "Traceback" not in errors
