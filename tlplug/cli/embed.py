"""``tlplug embed``."""

from __future__ import annotations

from pathlib import Path

import click

from tlplug.cli.options import backbone_options, column_options, common, parse_settings, reader_option
from tlplug.cli.output import clean, print_json


@click.command(short_help="Write the embeddings of a data set to a file.")
@click.argument("data")
@click.option("--out", required=True, metavar="FILE", help="A new .parquet, .arrow or .csv file.")
@reader_option
@column_options
@backbone_options
@common
def embed(
    data: str,
    *,
    out: str,
    reader: str | None,
    backbone: str | None,
    weights: str | None,
    modality: str | None,
    runtime: str | None,
    settings: tuple[str, ...],
    input_column: str | None,
    label_column: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Write the embedding of every example below DATA, with its source and label, to a table.

    \b
    Example:
      tlplug embed photos/ --backbone efficientnet_lite0 --out photos.parquet
    """
    from tlplug.backbones import select_backbone, split_options
    from tlplug.data import prevailing_modality, read_sources
    from tlplug.embedding import embed_to_file
    from tlplug.registry import registry

    options = split_options(parse_settings(settings, reader__input=input_column, reader__label=label_column))
    if modality is None:
        named = registry().get("backbone", backbone).record.modality if backbone and ":" not in backbone else None
        modality = named or prevailing_modality(Path(data), options["reader"], reader)
    examples, problems = read_sources(Path(data), modality, options["reader"], reader)
    selection = select_backbone(
        backbone,
        modality=modality,
        weights=weights,
        options=options["backbone"],
        preprocess_options=options["preprocess"],
        sources=[example.source for example in examples],
        seed=seed,
    )
    count, skipped = embed_to_file(examples, selection, Path(out), runtime=runtime)
    skipped = problems + skipped
    if as_json:
        left_out = [{"source": item.source, "reason": item.reason} for item in skipped]
        print_json({"out": out, "backbone": selection.entry.name, "examples": count, "skipped": left_out})
        return
    click.echo(f"{count:,} embeddings by {selection.entry.name} in {out}")
    for item in skipped:
        click.echo(f"left out: {clean(item.source)}: {clean(item.reason)}", err=True)
