"""``tlplug demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tlplug import progress
from tlplug.cli.options import common
from tlplug.cli.output import clean, print_json


@click.command(short_help="Train on a small data set that a plugin brings.")
@click.argument("modality", required=False)
@click.option("--folder", default="tlplug-demo", show_default=True, help="Where the data and the run go.")
@common
def demo(modality: str | None, *, folder: str, as_json: bool) -> None:
    """Train on a small data set that a plugin brings, measure the result, and predict with it.

    \b
    Example:
      tlplug demo image
    """
    from tlplug.cli.train import print_summary, summary, train_run
    from tlplug.specs import load_reference
    from tlplug.storage import new_folder

    record = _demo_record(modality)
    data = Path(folder) / record.modality
    if not data.exists():
        with progress.task(f"Writing the {record.modality} demo data"), new_folder(data) as temporary:
            description = load_reference(record.demo)(temporary)
            (temporary / ".about.txt").write_text(description + "\n", encoding="utf-8")
    about = data / ".about.txt"
    progress.note(f"Data: {data}" + (f" ({about.read_text(encoding='utf-8').strip()})" if about.exists() else ""))
    model = train_run(
        str(data),
        out=None,
        folder=Path(folder),
        data_options={"modality": record.modality},
        options={},
        seed=0,
    )
    examples = _some_test_sources(Path(str(model.path)))
    predictions = model.predict(examples)
    if as_json:
        print_json({**summary(model), "predictions": [prediction.to_json() for prediction in predictions]})
        return
    print_summary(model)
    click.echo()
    click.echo("Some held-out examples:")
    for prediction in predictions:
        click.echo(f"  {clean(prediction.source)}: {prediction.label} {prediction.probability:.1%}")


def _demo_record(modality: str | None) -> Any:
    from tlplug.errors import UsageError
    from tlplug.registry import registry

    records = {e.record.modality: e.record for e in registry().entries("preprocess") if e.record.demo}
    if modality is None and len(records) == 1:
        modality = next(iter(records))
    if modality not in records:
        valid = ", ".join(sorted(records)) or "none before a plugin with one is installed, see the README"
        received = "none" if modality is None else repr(modality)
        raise UsageError(f"No demo for the modality received: {received}. Valid: {valid}.")
    return records[modality]


def _some_test_sources(run: Path, count: int = 5) -> list[str]:
    import csv

    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        sources = [row["source"] for row in csv.DictReader(file)]
    return sources[:: max(1, len(sources) // count)][:count]
