"""``tlplug predict``."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from tlplug.cli.options import common
from tlplug.cli.output import print_json, print_table


@click.command(short_help="Predict files, folders or patterns with a run.")
@click.argument("run")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@common
def predict(run: str, inputs: tuple[str, ...], *, as_csv: bool, as_json: bool) -> int:
    """Predict each INPUT, a file, a folder or a pattern, with RUN.

    An input that cannot be read gets its reason and the others are predicted; the exit code is 1 when none could be.

    \b
    Example:
      tlplug predict runs/photos new.jpg holiday/ 'scans/*.png'
    """
    from tlplug.data import suffixes_of
    from tlplug.errors import UsageError
    from tlplug.model import load

    if as_json and as_csv:
        raise UsageError("Both --json and --csv were given. Valid: one of them.")
    model = load(run)
    predictions = model.predict(inputs)
    if not any(
        item.error is None or Path(item.source).is_file() or not Path(item.source).exists() for item in predictions
    ):
        modality = model.predictor.modality
        raise UsageError(
            f"No {modality} file in {', '.join(map(repr, inputs))}. Valid: {' '.join(sorted(suffixes_of(modality)))}."
        )
    if as_json:
        print_json([prediction.to_json() for prediction in predictions])
    elif as_csv:
        writer = csv.writer(sys.stdout)
        classes = model.classes
        writer.writerow(["source", "label", "probability", *(f"probability of {name}" for name in classes), "error"])
        for item in predictions:
            shares = item.probabilities or {}
            values = [
                f"{value:.6f}"
                for value in (item.probability, *(shares.get(name) for name in classes))
                if value is not None
            ]
            values += [""] * (len(classes) + 1 - len(values))
            writer.writerow([item.source, item.label or "", *values, item.error or ""])
    else:
        rows = [
            [item.source, item.label or "-", "" if item.probability is None else f"{item.probability:.1%}", item.error]
            for item in predictions
        ]
        print_table(["source", "label", "probability", ""], rows)
    return 0 if any(item.error is None for item in predictions) else 1
