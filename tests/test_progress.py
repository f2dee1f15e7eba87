"""Progress: silent by default, lines in pipes, bars on terminals."""

from __future__ import annotations

import contextvars
import gc
import warnings

import pytest

from tlplug import progress


@pytest.fixture
def within():
    """Run a function with a reporter that no other test sees."""

    def run(reporter, function):
        def use_and_run():
            progress.use(reporter)
            function()

        contextvars.copy_context().run(use_and_run)

    return run


def work(label="Reading", total=4, unit="files", steps=(1, 3)):
    with progress.task(label, total=total, unit=unit) as advance:
        for step in steps:
            advance(step)
    progress.note("Done [here].")


def test_nothing_is_said_by_default(capfd):
    work()
    assert capfd.readouterr() == ("", "")


def test_a_reporter_serves_its_own_context_only(within, capfd):
    within(progress.Lines(), lambda: progress.note("inside"))
    progress.note("outside")
    assert capfd.readouterr() == ("", "inside\n")


def test_lines_say_how_far_long_work_is(within, capfd):
    within(progress.Lines(patience=0), work)
    assert capfd.readouterr() == ("", "Reading: 1 files of 4 files\nReading: 4 files of 4 files\nDone [here].\n")


def test_lines_do_not_say_anything_about_short_work(within, capfd):
    within(progress.Lines(patience=60), work)
    assert capfd.readouterr().err == "Done [here].\n"


@pytest.mark.parametrize(
    ("total", "unit", "line"),
    [(None, "", "Reading: 1,234,567\n"), (2_000_000, "bytes", "Reading: 1.2 MB of 2.0 MB\n")],
)
def test_amounts_are_readable(within, capfd, total, unit, line):
    within(progress.Lines(patience=0), lambda: work(total=total, unit=unit, steps=(1_234_567,)))
    assert capfd.readouterr().err.startswith(line)


@pytest.mark.parametrize(("total", "unit"), [(4, "files"), (4, "bytes"), (None, "")])
def test_a_bar_is_drawn_on_a_terminal(within, capfd, monkeypatch, total, unit):
    monkeypatch.setenv("FORCE_COLOR", "1")
    within(progress.Bars(), lambda: work(total=total, unit=unit))
    output, errors = capfd.readouterr()
    assert output == ""
    assert "Reading" in errors
    assert errors.endswith("Done [here].\n")


@pytest.mark.parametrize("label", ["Reading [/photos]", "Fetching weights[large]==1.0"])
def test_a_label_is_shown_as_it_is(within, capfd, monkeypatch, label):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    within(progress.Bars(), lambda: work(label))
    assert label in capfd.readouterr().err


@pytest.mark.parametrize("kind", [progress.Lines, progress.Bars])
def test_a_reporter_that_goes_leaves_nothing_open(within, capfd, kind):
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        within(kind(), work)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    assert "Done" in capfd.readouterr().err


@pytest.mark.parametrize("reporter", [progress.Silent, progress.Lines, progress.Bars])
def test_what_fails_inside_a_task_is_not_swallowed(within, reporter):
    def fail():
        with progress.task("Reading", total=2):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        within(reporter(), fail)
