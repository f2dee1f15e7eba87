"""``tlplug backbones`` and the other commands that list what there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from tlplug.cli.options import common
from tlplug.cli.output import clean, print_json, print_table
from tlplug.errors import UsageError

Row = dict[str, Any]
_SHOWN = 3


def _show(kind: str, name: str | None, rows: Sequence[Row], columns: Sequence[str], *, as_json: bool) -> None:
    if name is not None:
        from tlplug.catalogue import describe
        from tlplug.registry import registry

        detail = describe(registry().get(kind, name))
        if as_json:
            print_json(detail)
        else:
            _print_detail(detail)
    elif as_json:
        print_json(list(rows))
    elif rows:
        print_table(columns, [[_cell(row, column) for column in columns] for row in rows])
    else:
        click.echo(f"No {kind} is installed.")


def _cell(row: Row, column: str) -> Any:
    value = row.get("plugin" if column == "plugin" else column)
    if column == "plugin":
        return f"{value} {row['version']}".strip()
    if isinstance(value, list):
        more = f" and {len(value) - _SHOWN} more" if len(value) > _SHOWN else ""
        return ", ".join(map(str, value[:_SHOWN])) + more
    return value


def _print_detail(detail: Row) -> None:
    for key, value in detail.items():
        if key == "options" or value in (None, "", []):
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{key:12} {clean(f'{shown:,}' if isinstance(shown, int) else str(shown))}")
    if detail.get("options"):
        click.echo()
        rows = [
            [option["name"], option["type"], option["default"], _valid(option), option["help"]]
            for option in detail["options"]
        ]
        print_table(["option", "type", "default", "valid", ""], rows)


def _valid(option: Row) -> str:
    if option["choices"]:
        return ", ".join(map(str, option["choices"]))
    bounds = (("from", option["minimum"]), ("to", option["maximum"]))
    return " ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


@click.command(short_help="List the backbones, or show one.")
@click.argument("name", required=False)
@click.option("--modality", metavar="NAME", help="Only those of this modality.")
@click.option("--stages", is_flag=True, help="Show what fine-tuning can unfreeze of one; builds its network.")
@common
def backbones(name: str | None, *, modality: str | None, stages: bool, as_json: bool) -> None:
    """List the backbones, or show one with its options and weights.

    \b
    Example:
      tlplug backbones --modality image
      tlplug backbones NAME --stages
    """
    from tlplug.catalogue import list_backbones, list_stages

    if stages:
        if name is None:
            raise UsageError("--stages shows those of one backbone. Type: tlplug backbones NAME --stages")
        _show_stages(list_stages(name, modality=modality), as_json=as_json)
        return
    columns = ["name", "modality", "parameters", "weights", "plugin"]
    _show("backbone", name, [] if name else list_backbones(modality), columns, as_json=as_json)


def _show_stages(rows: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        print_json(list(rows))
        return
    cells = []
    for row in rows:
        layers = row["layers"]
        shown = f"{layers[0]} to {layers[-1]}" if len(layers) > 1 else "".join(layers)
        cells.append([row["number"], row["name"] or "the inputs", shown, row["parameters"]])
    print_table(["stage", "above", "layers", "parameters"], cells)


def _listing(kind: str, plural: str, columns: Sequence[str], rows: Callable[[], Sequence[Row]]) -> click.Command:
    @click.command(plural, short_help=f"List the {plural}, or show one.")
    @click.argument("name", required=False)
    @common
    def command(name: str | None, *, as_json: bool) -> None:
        _show(kind, name, [] if name else rows(), columns, as_json=as_json)

    command.help = f"List the {plural}, or show one with its options.\n\n\b\nExample:\n  tlplug {plural}"
    return command


def _rows_of(function: str) -> Callable[[], Sequence[Row]]:
    def rows() -> Sequence[Row]:
        from tlplug import catalogue

        listed: Sequence[Row] = getattr(catalogue, function)()
        return listed

    return rows


heads = _listing("head", "heads", ["name", "summary", "plugin"], _rows_of("list_heads"))
preprocesses = _listing(
    "preprocess", "preprocesses", ["name", "modality", "suffixes", "plugin"], _rows_of("list_preprocesses")
)
runtimes = _listing(
    "runtime", "runtimes", ["name", "priority", "available", "summary", "plugin"], _rows_of("list_runtimes")
)
exporters = _listing("exporter", "exporters", ["name", "suffix", "summary", "plugin"], _rows_of("list_exporters"))
readers = _listing("reader", "readers", ["name", "summary", "plugin"], _rows_of("list_readers"))
augmentations = _listing(
    "augmentation",
    "augmentations",
    ["name", "modality", "light", "strong", "summary", "plugin"],
    _rows_of("list_augmentations"),
)
