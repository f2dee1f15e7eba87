"""``tlplug evaluate``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tlplug import progress
from tlplug.cli.options import column_options, common, reader_option, reader_settings
from tlplug.cli.output import clean, print_json, print_table


@click.command(short_help="Measure a run on other labelled examples.")
@click.argument("run")
@click.argument("data")
@click.option("--predictions", metavar="FILE", help="Write every answer to this CSV file.")
@reader_option
@column_options
@click.option("--set", "settings", multiple=True, metavar="reader.NAME=VALUE", help="Set an option of the reader.")
@common
def evaluate(
    run: str,
    data: str,
    *,
    predictions: str | None,
    reader: str | None,
    input_column: str | None,
    label_column: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure RUN on DATA: its test part where it has one, else everything in it.

    \b
    Example:
      tlplug evaluate runs/photos more-photos/
    """
    from tlplug.cli.train import print_figures
    from tlplug.errors import UsageError
    from tlplug.evaluation import percent
    from tlplug.model import load
    from tlplug.run import trained_digests

    started = time.perf_counter()
    if predictions and Path(predictions).exists():
        raise UsageError(f"There is a file {predictions!r} already. Choose another --predictions, or remove it.")
    model = load(run)
    options = reader_settings(settings, reader__input=input_column, reader__label=label_column)
    evaluation = model.evaluate(data, reader=reader, options=options)
    known = trained_digests(Path(run), refitted=bool(model.info.get("refit"))) & {
        digest.hex() for digest in evaluation.data.digests
    }
    if known:
        progress.note(f"Warning: {len(known)} of these examples were trained on, so the figures are too good.")
    if predictions:
        evaluation.write_csv(Path(predictions))
    if as_json:
        info = model.info
        print_json(
            {
                "run": run,
                "backbone": info["backbone"]["name"],
                "head": info["head"]["name"],
                "strategy": info["strategy"],
                "metrics": {"test": evaluation.metrics},
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
        return
    print_figures({"test": evaluation.metrics}, "example")
    click.echo()
    rows = [
        [name, figures["examples"], *(percent(figures[what]) for what in ("precision", "recall", "f1"))]
        for name, figures in evaluation.metrics["per_class"].items()
        if figures["examples"]
    ]
    print_table(["class", "examples", "precision", "recall", "F1"], rows)
    for source, reason in evaluation.failures.items():
        click.echo(f"left out: {clean(source)}: {clean(reason)}", err=True)
