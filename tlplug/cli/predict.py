"""``tlplug predict``."""

from __future__ import annotations

import csv
import os
import sys

import click

from tlplug.cli.options import common, reader_settings
from tlplug.cli.output import print_json, print_table

_WIDEST = 100
"""Characters of a source that the table shows; a text can be a long one."""


@click.command(short_help="Predict files, folders or patterns with a run.")
@click.argument("run")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--input", "input_column", metavar="COLUMN", help="Of a table: the column of texts or paths.")
@click.option("--set", "settings", multiple=True, metavar="reader.NAME=VALUE", help="Set an option of the reader.")
@common
def predict(
    run: str,
    inputs: tuple[str, ...],
    *,
    as_csv: bool,
    input_column: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Predict each INPUT, a file, a folder, a pattern or a table, with RUN.

    An input that cannot be read gets its reason and the others are predicted; the exit code is 1 when none could be.

    \b
    Example:
      tlplug predict runs/photos new.jpg holiday/ 'scans/*.png'
    """
    from tlplug.data import reads_of
    from tlplug.errors import UsageError
    from tlplug.model import load

    if as_json and as_csv:
        raise UsageError("Both --json and --csv were given. Valid: one of them.")
    model = load(run)
    predictions = model.predict(inputs, options=reader_settings(settings, reader__input=input_column))
    if not any(item.error is None or not os.path.isdir(item.source) for item in predictions):  # noqa: PTH112 - takes any text
        modality = model.predictor.modality
        valid = " ".join(sorted(reads_of(modality).suffixes))
        raise UsageError(f"No {modality} file in {', '.join(map(repr, inputs))}. Valid: {valid}.")
    if as_json:
        print_json([prediction.to_json() for prediction in predictions])
    elif as_csv:
        writer = csv.writer(sys.stdout)
        classes = model.classes
        writer.writerow(["source", "label", "probability", *(f"probability of {name}" for name in classes), "error"])
        for item in predictions:
            shares = item.probabilities or {}
            values = [item.probability, *(shares.get(name) for name in classes)]
            figures = ["" if value is None else f"{value:.6f}" for value in values]
            writer.writerow([item.source, item.label or "", *figures, item.error or ""])
    else:
        rows = []
        for item in predictions:
            probability = "" if item.probability is None else f"{item.probability:.1%}"
            source = item.source if len(item.source) <= _WIDEST else f"{item.source[: _WIDEST - 1]}…"
            rows.append([source, item.label or "-", probability, item.error or item.remark])
        print_table(["source", "label", "probability", ""], rows)
    return 0 if any(item.error is None for item in predictions) else 1
