"""What a run folder holds, written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlplug import run
from tlplug.evaluation import render_card, render_report
from tlplug.export import EXAMPLES, write_examples
from tlplug.storage import open_text, replace_file, write_json
from tlplug.training import Training, report_input


def write_run(
    folder: Path,
    path: Path,
    training: Training,
    metrics: Mapping[str, Any],
    info: Mapping[str, Any],
    *,
    examples: bool,
) -> None:
    """Write the files of a run.

    Args:
        folder: into which, see `tlplug.run.new_run`.
        path: what it will be called when all is there.
        training: what training gave.
        metrics: what metrics.json holds.
        info: what run.json holds.
        examples: whether copies of some examples are kept.
    """
    training.predictor.save(folder / run.MODEL, training.head)
    if examples:
        write_examples(folder / EXAMPLES, training.data, info["seed"])
    run.write_split(folder, training.data)
    training.evaluation.write_csv(folder / run.PREDICTIONS)
    write_json(folder / run.METRICS, metrics)
    write_json(folder / run.INFO, info)
    report = report_input(info, training, path)
    for name, text in ((run.REPORT, render_report(report)), (run.CARD, render_card(report, keeps_examples=examples))):
        with replace_file(folder / name) as temporary, open_text(temporary) as file:
            file.write(text)
