"""The whole way: examples, a module, a run, and its answers in a new process without the module's folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture
def command(tmp_path):
    """Run ``tlplug`` in a process of its own, which has plugins by name, and end it with a line of Python."""

    def run(*arguments, plugins="builtin,hub", code=0, **environment):
        done = subprocess.run(
            [sys.executable, "-c", "from tlplug.cli import main; main()", *map(str, arguments)],
            env={**os.environ, "TLPLUG_PLUGINS": plugins, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.fixture
def reviews(tmp_path):
    """A folder of short texts, 15 good ones and 15 bad ones."""
    draw = np.random.default_rng(0)
    for label, words in (("liked", ("good", "fine")), ("disliked", ("bad", "poor"))):
        (tmp_path / "reviews" / label).mkdir(parents=True)
        for number in range(15):
            text = " ".join([*draw.choice(words, 4), "film", f"number{number}"])
            (tmp_path / "reviews" / label / f"{number}.txt").write_text(text)
    return tmp_path / "reviews"


def check_answers(command, run, **environment):
    answers = json.loads(
        command("predict", run, "a good fine film", "poor poor film", "", "--json", **environment).stdout
    )
    assert [answer.get("label") for answer in answers] == ["liked", "disliked", None]
    assert answers[2]["error"] == "The text is empty."


@pytest.mark.parametrize("name", ["use", pytest.param("pair", marks=pytest.mark.slow)])
def test_texts_on_a_folder(command, reviews, copied, tmp_path, name):
    folder = copied(name)
    trained = command(
        "train", reviews, "--backbone", f"hub:{folder}", "--against", "random", "--out", tmp_path / "run", "--json"
    )
    report = json.loads(trained.stdout)
    assert report["backbone"] == f"hub:{folder}"
    assert report["metrics"]["test"]["accuracy"] == 1
    assert "random_weights" in report["metrics"]
    shutil.rmtree(folder)
    shutil.rmtree(tmp_path / "cache")
    check_answers(command, tmp_path / "run")


def test_an_address_is_fetched_once_and_never_offline(command, reviews, server, pack, tmp_path):
    address = server.put("/google/use/4", pack("use").read_bytes())
    options = ("train", reviews, "--backbone", f"hub:{address}", "--json")
    refused = command(*options, "--out", tmp_path / "none", "--offline", code=1)
    assert re.fullmatch(
        r"Error: No source gave the weights [^\n]*: offline, where nothing is fetched[^\n]*\n", refused.stderr
    )
    assert server.asked == []
    command(*options, "--out", tmp_path / "run")
    command(*options, "--out", tmp_path / "again", "--offline", "--set", "head.penalty=1")
    assert len(server.asked) == 1
    check_answers(command, tmp_path / "run", TLPLUG_OFFLINE="1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "name"),
    [("universal_sentence_encoder", "use"), ("hub_bert", "pair")],
)
def test_one_with_a_name_takes_what_was_got_otherwise(command, reviews, modules, pack, tmp_path, backbone, name):
    command("weights", "add", backbone, pack(name) if name == "use" else modules / name)
    command("train", reviews, "--backbone", backbone, "--out", tmp_path / "run", "--offline")
    check_answers(command, tmp_path / "run")


@pytest.mark.slow
def test_an_untrusted_module_takes_a_word_each_time_it_runs(command, reviews, modules, tmp_path):
    options = ("train", reviews, "--backbone", f"hub:{modules / 'writer'}", "--out", tmp_path / "run")
    refused = command(*options, code=2)
    assert refused.stderr == (
        "Error: The module 'writer' is not run: beside computing it can use WriteFile. If you trust who made it, add "
        "--trust (in Python: set TLPLUG_TRUST=1).\n"
    )
    assert not (modules / "written").exists()
    command(*options, "--trust")
    (modules / "written").unlink()
    refused = command("predict", tmp_path / "run", "a good film", code=1)
    assert re.fullmatch(
        r"Error: [^\n]*beside computing it can use WriteFile\. [^\n]*add --trust[^\n]*\n", refused.stderr
    )
    assert not (modules / "written").exists()
    check_answers(command, tmp_path / "run", TLPLUG_TRUST="1")
    (modules / "written").unlink()


def test_the_wrong_kind_of_data_is_one_line(command, reviews, modules, tmp_path):
    refused = command("train", reviews, "--backbone", f"hub:{modules / 'image'}", "--out", tmp_path / "run", code=2)
    assert re.fullmatch(
        r"Error: The module takes float32 \[\?, \?, \?, 3\], the data is text\. [^\n]*\n", refused.stderr
    )


@pytest.mark.slow
def test_a_damaged_module_is_one_line_without_the_type_of_an_exception(command, reviews, copied, tmp_path):
    folder = copied("use")
    (folder / "variables" / "variables.index").write_bytes(b"no checkpoint")
    refused = command("train", reviews, "--backbone", f"hub:{folder}", "--out", tmp_path / "run", code=1)
    assert re.fullmatch(r"Error: The module 'use' cannot be loaded: [^\n]+\n", refused.stderr)
    assert "ValueError" not in refused.stderr


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures, 12 red ones and 12 blue ones."""
    pillow = pytest.importorskip("PIL.Image")
    draw = np.random.default_rng(0)
    for label, colour in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(draw.normal(colour, 40, (24, 24, 3)), 0, 255).astype(np.uint8)
            pillow.fromarray(pixels).save(tmp_path / "images" / label / f"{number}.png")
    return tmp_path / "images"


def test_images_on_an_archive_run_without_tensorflow(command, pictures, pack, tmp_path, python):
    pytest.importorskip("tlplug_vision")
    options = ("--backbone", f"hub:{pack('image')}", "--set", "backbone.image_size=32", "--out", tmp_path / "run")
    trained = command("train", pictures, *options, "--json", plugins="builtin,hub,vision")
    assert json.loads(trained.stdout)["metrics"]["test"]["accuracy"] == 1
    source = (
        "import sys, tlplug; (answer,) = tlplug.load(sys.argv[1]).predict([sys.argv[2]]);"
        "print(answer.label, {'tensorflow', 'keras'} & set(sys.modules))"
    )
    assert python(source, tmp_path / "run", pictures / "blue" / "3.png").strip() == "blue set()"


@pytest.mark.slow
def test_sounds_on_a_folder(command, modules, tmp_path):
    pytest.importorskip("tlplug_audio")
    import soundfile

    for label, pitch in (("low", 200), ("high", 2500)):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for number in range(10):
            wave = 0.5 * np.sin(np.arange(16_000) * 2 * np.pi * (pitch + 3 * number) / 16_000)
            soundfile.write(tmp_path / "sounds" / label / f"{number}.wav", wave, 16_000)
    options = ("--backbone", f"hub:{modules / 'yamnet'}", "--out", tmp_path / "run", "--json")
    trained = command("train", tmp_path / "sounds", *options, plugins="builtin,hub,audio")
    assert json.loads(trained.stdout)["metrics"]["test"]["accuracy"] == 1


@pytest.mark.slow
def test_texts_are_exported_with_their_tables(command, reviews, copied, tmp_path):
    folder, run = copied("use"), tmp_path / "run"
    command("train", reviews, "--backbone", f"hub:{folder}", "--out", run, "--strategy", "full", "--epochs", "1")
    (tmp_path / "new.txt").write_text("\ufeffa good fine film")
    answers = json.loads(command("predict", run, tmp_path / "new.txt", "--json").stdout)
    shutil.rmtree(folder)
    command("export", run, "--format", "savedmodel", "--out", tmp_path / "export")
    about = json.loads((tmp_path / "export" / "export.json").read_text())
    for found in (about["proof"]["arrays"], about["proof"]["raw"]):
        assert found["examples"] == 6
        assert found["changed"] == 0
        assert found["difference"] < 1e-5
    data = tmp_path / "export" / "model" / "1" / "variables" / "variables.data-00000-of-00001"
    assert data.stat().st_size < about["weights_bytes"] + 2000  # each variable once, and what the file says of itself
    done = subprocess.run(
        [sys.executable, "-B", tmp_path / "export" / "predict.py", tmp_path / "new.txt"],
        capture_output=True,
        text=True,
        check=True,
    )
    _, label, probability = done.stdout.split()
    assert label == answers[0]["label"]
    assert float(probability) == pytest.approx(answers[0]["probability"], abs=1e-3)
    for other in ("keras", "litert", "onnx"):
        refused = command("export", run, "--format", other, "--out", tmp_path / other, code=2)
        assert re.fullmatch(rf"Error: The format '{other}' [^\n]*Valid: --format savedmodel\.\n", refused.stderr)
        assert not (tmp_path / other).exists()


@pytest.mark.slow
def test_images_are_exported(command, pictures, copied, tmp_path):
    pytest.importorskip("tlplug_vision")
    folder, run, plugins = copied("image"), tmp_path / "run", "builtin,hub,vision"
    options = ("--backbone", f"hub:{folder}", "--set", "backbone.image_size=32", "--out", run)
    command("train", pictures, *options, plugins=plugins)
    shutil.rmtree(folder)
    for name in ("savedmodel", "litert"):
        command("export", run, "--format", name, "--out", tmp_path / name, plugins=plugins)
        about = json.loads((tmp_path / name / "export.json").read_text())
        for found in (about["proof"]["arrays"], about["proof"]["raw"]):
            assert found["changed"] == 0
            assert found["difference"] < 1e-4
