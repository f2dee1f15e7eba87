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


def test_the_report_has_the_course_and_what_was_better(train, tmp_path):
    done = train("run", "--strategy", "full", "--learning-rate", 0.02, "--epochs", 3)
    assert done.code == 0, done.err
    tuning = read_json(tmp_path / "run" / "run.json")["tuning"]
    report = (tmp_path / "run" / "report.html").read_text()
    assert report.count("<svg") == 1 + bool(tuning["epochs_trained"])
    assert "Choosing the number of epochs: the mean loss of each epoch" in report
    chosen = tuning["epochs_trained"] or "none"
    assert f"; learning rate 2.0e-02; batches of 32; at most 3 epochs, {chosen} chosen; " in report
    equal = tuning["frozen_accuracy"] == tuning["tuned_accuracy"]
    said = f", log loss {tuning['frozen_log_loss']:.3f} and {tuning['tuned_log_loss']:.3f}"
    assert (said in report) == equal


def test_few_examples_of_a_class_are_noted(cli, dots, tmp_path):
    data = dots.write(tmp_path / "few", {"high": 12, "low": 11, "wide": 30})
    done = cli("train", data, "--out", tmp_path / "few-run", *dots.plugins, "--strategy", "full", "--epochs", 1)
    assert done.code == 0, done.err
    assert "A class has fewer than 10 training examples: --strategy auto would leave the backbone frozen." in done.err
