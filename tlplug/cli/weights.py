"""``tlplug weights``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlplug import progress
from tlplug.cli.options import common
from tlplug.cli.output import print_json, print_table, size
from tlplug.storage import size_of

if TYPE_CHECKING:
    from tlplug.registry import Entry


@click.group(short_help="List, fetch, add and verify pretrained weights.")
def weights() -> None:
    """List, fetch, add and verify pretrained weights. NAME is a backbone, or backbone/set.

    \b
    Example:
      tlplug weights get efficientnet_lite0
    """


@weights.command("list", short_help="List the weight sets and which are there.")
@common
def list_(*, as_json: bool) -> None:
    """List every weight set: where it comes from, how large it is, and whether it is there.

    \b
    Example:
      tlplug weights list
    """
    from tlplug.registry import registry
    from tlplug.weights import WeightsStore, weight_sets

    store, rows = WeightsStore(), []
    for entry, name, record in weight_sets(registry().entries("backbone")):
        stored = store.find(entry, name)
        rows.append(
            {
                "name": f"{entry.name}/{name}",
                "modality": entry.record.modality,
                "plugin": entry.plugin.distribution,
                "version": entry.plugin.version,
                "stored": stored is not None,
                "size": size_of(stored.path) if stored else record.size or None,
                "sources": [str(source) for source in record.sources],
                "licence": record.licence,
                "path": str(stored.path) if stored else None,
            }
        )
    if as_json:
        print_json(rows)
        return
    print_table(
        ["name", "there", "size", "licence", "sources"],
        [
            [
                row["name"],
                "yes" if row["stored"] else "",
                size(row["size"]) if row["size"] else "",
                row["licence"],
                row["sources"][0],
            ]
            for row in rows
        ],
    )


@weights.command(short_help="Fetch weights.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@common
def get(names: tuple[str, ...], *, as_json: bool) -> None:
    """Fetch weight sets that are not there, and verify those that are.

    \b
    Example:
      tlplug weights get efficientnet_lite0 mobilenet_v2/dog-breeds
    """
    from tlplug.weights import WeightsStore

    rows = []
    for entry, name in map(_find, names):
        stored = WeightsStore().get(entry, name)
        rows.append({"name": f"{entry.name}/{name}", "path": str(stored.path), "sha256": stored.sha256})
    _print_rows(rows, as_json=as_json)


@weights.command(short_help="Take weights from a file that you have.")
@click.argument("name")
@click.argument("path")
@common
def add(name: str, path: str, *, as_json: bool) -> None:
    """Take the weights NAME from the file at PATH, for machines that cannot fetch them.

    \b
    Example:
      tlplug weights add mobilenet_v2/imagenet ~/mobilenet_v2_no_top.h5
    """
    from tlplug.weights import WeightsStore

    entry, set_name = _find(name)
    stored = WeightsStore().add(entry, set_name, Path(path).expanduser())
    row = {"name": f"{entry.name}/{set_name}", "path": str(stored.path), "sha256": stored.sha256}
    _print_rows([row], as_json=as_json)


@weights.command(short_help="Check the stored weights against their hashes.")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@common
def verify(names: tuple[str, ...], *, as_json: bool) -> int:
    """Check stored weight sets against their hashes: those named, or all. The exit code is 1 when one is damaged.

    \b
    Example:
      tlplug weights verify
    """
    from tlplug.registry import registry
    from tlplug.weights import WeightsStore, weight_sets

    store = WeightsStore()
    every = [(entry, name) for entry, name, _ in weight_sets(registry().entries("backbone"))]
    rows = []
    for entry, name in map(_find, names) if names else every:
        if stored := store.find(entry, name):
            problem = store.verify(entry, name)
            rows.append({"name": f"{entry.name}/{name}", "path": str(stored.path), "problem": problem})
        elif names:
            rows.append({"name": f"{entry.name}/{name}", "path": None, "problem": "it is not stored"})
    _print_rows(rows, as_json=as_json)
    for row in rows:
        if row["problem"]:
            progress.note(f"{row['name']}: {row['problem']}. Type: tlplug weights get {row['name']}")
    return 1 if any(row["problem"] for row in rows) else 0


def _find(name: str) -> tuple[Entry, str]:
    """Return the backbone and weight set that ``backbone``, ``backbone/set`` or ``distribution/backbone/set`` means."""
    from tlplug.errors import UnknownNameError, UsageError
    from tlplug.registry import registry
    from tlplug.weights import WeightsStore, default_set

    backbone, slash, set_name = name.rpartition("/")
    try:
        entry = registry().get("backbone", name)
        set_name = default_set(entry) or ""
    except UnknownNameError:
        if not slash:
            raise
        entry = registry().get("backbone", backbone)
    if not set_name:
        raise UsageError(f"The backbone {entry.name!r} has no weight sets: it is used as built.")
    WeightsStore().weights(entry, set_name)
    return entry, set_name


def _print_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        click.echo("No weights are stored. Type: tlplug weights get NAME")
