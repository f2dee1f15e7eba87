"""``tlplug export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlplug.cli.options import common, parse_settings
from tlplug.cli.output import print_json, print_table, size

if TYPE_CHECKING:
    from tlplug.export import Export


@click.command(short_help="Write a run as a file that other systems load, proven to give the same answers.")
@click.argument("run")
@click.option(
    "--format", "format_name", metavar="NAME", help="The format (tlplug exporters); or by the ending of --out."
)
@click.option("--out", metavar="PATH", help="A new folder, or a file with the format's ending; RUN-FORMAT if left out.")
@click.option("--precision", metavar="NAME", help="Of litert: float32, float16, dynamic or int8.")
@click.option("--tolerance", type=float, help="The largest difference of a probability.")
@click.option("--force", is_flag=True, help="Keep the export even where it gives other answers.")
@click.option("--set", "settings", multiple=True, metavar="exporter.NAME=VALUE", help="Set an option of the format.")
@common
def export(
    run: str,
    *,
    format_name: str | None,
    out: str | None,
    precision: str | None,
    tolerance: float | None,
    force: bool,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write RUN in another format, and prove that it gives the same answers.

    The export is run in a process without tlplug, on the held-out examples that the run keeps. Where its answers differ
    by more than the format explains, nothing is left of it.

    \b
    Example:
      tlplug export runs/photos --format litert --precision int8
    """
    from tlplug.errors import UsageError
    from tlplug.export import format_of
    from tlplug.model import load
    from tlplug.registry import registry

    if out == "":
        raise UsageError("The path of --out is empty. Valid: a new folder, or no --out.")
    if not format_name and not out:
        raise UsageError("A format is missing. Valid: --format savedmodel, keras, litert or onnx (tlplug exporters).")
    name = format_name or format_of(Path(str(out)))
    if precision and any(setting.startswith("exporter.precision=") for setting in settings):
        raise UsageError("The precision is stated twice. Valid: --precision alone.")
    if precision and not any(option.name == "precision" for option in registry().get("exporter", name).record.options):
        raise UsageError(f"The format {name!r} has no --precision. Valid: no --precision, or --format litert.")
    options = parse_settings(settings, exporter__precision=precision)
    model = load(run)
    exported = model.export(
        out or default_path(Path(run), name), format=name, options=options, tolerance=tolerance, force=force
    )
    if as_json:
        print_json({**exported.about, "path": str(exported.path), "file": str(exported.file)})
    else:
        _print(exported)


def default_path(run: Path, name: str) -> Path:
    """What an export of a run is called.

    >>> default_path(Path("runs/photos/"), "litert").as_posix()
    'runs/photos-litert'
    """
    whole = run.resolve() if run.name in ("", "..") else run
    return whole.with_name(f"{whole.name}-{name.rpartition('/')[2]}")


def _print(exported: Export) -> None:
    about, proof = exported.about, exported.proof
    rows = []
    for what, found in (("prepared arrays", proof.arrays), ("raw input", proof.raw)):
        if found:
            before, after = f"{found.accuracy_before:.1%}", f"{found.accuracy_after:.1%}"
            changed = f"{found.changed} of {found.examples}"
            rows.append([what, changed, f"{found.difference:.1e}", before, after, f"{found.milliseconds:.1f} ms"])
    print_table(["answers from", "changed", "difference", "accuracy before", "after", "an example"], rows)
    if proof.raw and proof.raw.unread:
        click.echo(f"\nOf the sources {proof.raw.unread} could not be read: {proof.raw.reason}")
    click.echo(f"\n{exported.file}: {size(about['bytes'])} for {size(about['weights_bytes'])} of weights")
    click.echo(f"{exported.path}: {', '.join(sorted(item.name for item in exported.path.iterdir()))}")
