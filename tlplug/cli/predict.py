"""``tlplug predict``."""

from __future__ import annotations

import csv
import itertools
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from tlplug.cli.options import common, reader_option, reader_settings
from tlplug.cli.output import print_json, print_table

if TYPE_CHECKING:
    from tlplug.predictor import Prediction

_WIDEST = 100
"""Characters of a source that the table shows; a text can be a long one."""


@click.command(short_help="Predict files, folders or patterns with a run.")
@click.argument("run")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--windows", is_flag=True, help="Predict each window of a source, such as each second of a recording.")
@reader_option
@click.option("--input", "input_column", metavar="COLUMN", help="Of a table: the column of texts or paths.")
@click.option("--set", "settings", multiple=True, metavar="reader.NAME=VALUE", help="Set an option of the reader.")
@common
def predict(
    run: str,
    inputs: tuple[str, ...],
    *,
    as_csv: bool,
    windows: bool,
    reader: str | None,
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
    options = reader_settings(settings, reader__input=input_column)
    predictions = model.predict(inputs, reader=reader, options=options, windows=windows)
    if not any(item.error is None or not os.path.isdir(item.source) for item in predictions):  # noqa: PTH112 - takes any text
        modality = model.predictor.modality
        valid = " ".join(sorted(reads_of(modality).suffixes))
        raise UsageError(f"No {modality} file in {', '.join(map(repr, inputs))}. Valid: {valid}.")
    if as_json:
        print_json([prediction.to_json() for prediction in predictions])
    elif as_csv:
        _print_csv(predictions, model.classes, windows=windows)
    elif windows:
        print_table(["source", "from", "to", "label", "probability", ""], _stretches(predictions))
    else:
        rows = [[_shown(item.source), *_figures([item])] for item in predictions]
        print_table(["source", "label", "probability", ""], rows)
    return 0 if any(item.error is None for item in predictions) else 1


def _print_csv(predictions: Sequence[Prediction], classes: Sequence[str], *, windows: bool) -> None:
    writer = csv.writer(sys.stdout)
    place = ["start", "end", "unit"] if windows else []
    names = [f"probability of {name}" for name in classes]
    writer.writerow(["source", *place, "label", "probability", *names, "error"])
    for item in predictions:
        shares = item.probabilities or {}
        values = [item.probability, *(shares.get(name) for name in classes)]
        figures = ["" if value is None else f"{value:.6f}" for value in values]
        span = [f"{value:g}" if isinstance(value, float) else value for value in item.span or ("", "", "")]
        writer.writerow([item.source, *span[: len(place)], item.label or "", *figures, item.error or ""])


def _stretches(predictions: Sequence[Prediction]) -> list[list[str]]:
    """One row for windows of a source that follow each other and have the same label."""
    rows = []
    for (source, _, _), group in itertools.groupby(predictions, lambda item: (item.source, item.label, item.error)):
        items = list(group)
        first, last = items[0].span, items[-1].span
        where = [_place(first[0], first[2]), _place(last[1], last[2])] if first and last else ["", ""]
        rows.append([_shown(source), *where, *_figures(items)])
    return rows


def _place(value: float, unit: str) -> str:
    return f"{value} {unit}" if isinstance(value, int) else f"{value:.2f} {unit}"


def _figures(items: Sequence[Prediction]) -> list[str]:
    """The label of some predictions that share it, their mean probability, and what is to say."""
    known = [item.probability for item in items if item.probability is not None]
    probability = f"{sum(known) / len(known):.1%}" if known else ""
    return [items[0].label or "-", probability, items[0].error or items[0].remark]


def _shown(source: str) -> str:
    return source if len(source) <= _WIDEST else f"{source[: _WIDEST - 1]}…"
