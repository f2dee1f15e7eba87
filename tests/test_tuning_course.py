"""The course of a tuning: what the run keeps of it, and of a loss that became no number."""

from __future__ import annotations

import pytest

from tlplug.storage import read_json

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables


@pytest.fixture
def train(cli, dots, tmp_path):
    """Train on three classes of eight numbers; return what the command printed."""
    data = dots.write(tmp_path / "data")

    def run(out, *arguments):
        return cli("train", data, "--out", tmp_path / out, *dots.plugins, *arguments)

    return run


def test_a_loss_that_becomes_no_number_does_not_cost_the_run(train, tmp_path):
    done = train("run", "--strategy", "full", "--learning-rate", 1e38, "--epochs", 3)
    assert done.code == 0, done.err
    assert "the loss became no number in epoch" in done.err
    assert "the frozen model remains" in done.err
    tuning = read_json(tmp_path / "run" / "run.json")["tuning"]
    assert tuning["history"][-1] == {"loss": None}
    assert tuning["epochs_trained"] == 0


def test_a_network_that_answers_nothing_after_its_last_step_is_no_run(train, tmp_path):
    arguments = ("--epochs", 1, "--set", "tuning.batch_size=64", "--set", "tuning.patience=0")
    done = train("run", "--strategy", "full", "--learning-rate", 1e38, *arguments)
    assert done.code == 1, done.err
    assert done.err.splitlines()[-1].startswith("Error: What was trained answers with what is no number.")
    assert done.err.splitlines()[-1].endswith("Lower the rate: --learning-rate 0.0003, or auto.")
    assert not (tmp_path / "run").exists()
