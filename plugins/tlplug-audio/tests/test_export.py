"""A run on sounds as exports of every format, proven on the sounds themselves in a process without tlplug."""

from __future__ import annotations

import json

import pytest
from tlplug_audio import synthesis

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(command, tmp_path_factory):
    """A run that pools the windows of a recording to mean and deviation."""
    folder = tmp_path_factory.mktemp("sounds")
    synthesis.write(folder / "data")
    done = command("train", folder / "data", "--out", folder / "run", "--set", "preprocess.pool=mean_deviation")
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.mark.parametrize("format", ["savedmodel", "litert", "onnx", "keras"])
def test_every_format_gives_the_answers_of_the_run(command, run, format, tmp_path):
    done = command("export", run, "--format", format, "--out", tmp_path / "export", "--json")
    assert done.returncode == 0, done.stderr
    about = json.loads(done.stdout)
    for found in (about["proof"]["arrays"], about["proof"]["raw"]):
        assert found["examples"] == 30
        assert found["changed"] == 0
        assert found["difference"] < 1e-5
    assert about["rows"] == "the windows of one example"
    assert (about["raw"] is not None) == (format == "savedmodel")
