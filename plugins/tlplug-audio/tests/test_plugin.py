"""What the plugin brings, that asking for it costs nothing, and the whole way from files to answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tlplug_audio import synthesis
from tlplug_audio.audio import HOP
from tlplug_audio.formats import SUFFIXES
from tlplug_audio.waveform import MAX_SECONDS
from tlplug_audio.yamnet import SAMPLES

from tlplug.plugins import PluginHost

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def test_the_entry_point_brings_yamnet_and_the_preprocess():
    ((name, value),) = PROJECT["entry-points"]["tlplug"].items()
    host = PluginHost([metadata.EntryPoint(name, value, "tlplug")], environ={})
    assert host.failures == []
    records = {kind: record for kind, owner, record in host.records if owner.name == name}
    assert records["backbone"].name == "yamnet"
    assert records["backbone"].input_shape == (SAMPLES,)
    assert list(records["backbone"].weights) == ["audioset", "audioset-h5"]
    assert records["preprocess"].default_backbone == "yamnet"
    assert records["preprocess"].suffixes == SUFFIXES
    options = {option.name: option.default for option in records["preprocess"].options}
    assert options["hop"] == HOP
    assert options["max_seconds"] == MAX_SECONDS


def test_importing_it_imports_nothing_heavy():
    source = (
        "import sys; from tlplug_audio import plugin; plugin.backbone(); plugin.preprocess(); plugin.augmentation();"
        "names = 'keras tensorflow numpy soundfile soxr librosa numba scipy h5py PIL'.split();"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_from_files_to_answers(command, tmp_path, encode):
    synthesis.write(tmp_path / "sounds")
    (tmp_path / "sounds" / "rain" / "text.wav").write_text("no sound")
    (tmp_path / "sounds" / "bells" / "silent.flac").write_bytes(encode(np.zeros(20_000), 16_000, "FLAC"))
    trained = command("train", tmp_path / "sounds", "--out", tmp_path / "run", "--json")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["metrics"]["test"]["accuracy"] > 0.9
    details = json.loads((tmp_path / "run" / "run.json").read_text())
    assert details["remarks"] == {"silent": 1}
    assert any(item["source"].endswith("text.wav") for item in details["skipped"])
    clips = [tmp_path / "sounds" / "birds" / "00.wav", tmp_path / "long.mp3", tmp_path / "sounds" / "rain" / "text.wav"]
    rain, rate = soundfile.read(tmp_path / "sounds" / "rain" / "01.wav")
    clips[1].write_bytes(encode(np.tile(rain[:, None], (10, 2)), rate, "MP3"))
    after = "sys.stderr.write(str({'tensorflow', 'keras', 'librosa', 'numba'} & set(sys.modules)))"
    predicted = command("predict", tmp_path / "run", *clips, "--json", after=after)
    assert predicted.returncode == 0, predicted.stderr
    bird, long, text = json.loads(predicted.stdout)
    assert bird["label"] == "birds"
    assert long["label"] == "rain"
    assert re.match(r"[^\n]*no sound file", text["error"])
    assert predicted.stderr.strip().endswith("set()")


@pytest.mark.slow
def test_from_files_to_answers_by_tensorflow(command, tmp_path):
    synthesis.write(tmp_path / "sounds")
    arguments = ("--runtime", "tensorflow", "--out", tmp_path / "run", "--json")
    trained = command("train", tmp_path / "sounds", *arguments)
    assert json.loads(trained.stdout)["metrics"]["test"]["accuracy"] > 0.9, trained.stderr
    (answer,) = json.loads(
        command("predict", tmp_path / "run", tmp_path / "sounds" / "birds" / "00.wav", "--json").stdout
    )
    assert answer["label"] == "birds"
