"""``tlplug cache``."""

from __future__ import annotations

import click

from tlplug.cache import KINDS, cache_usage, clear_cache, prune_cache
from tlplug.cli.options import common
from tlplug.cli.output import print_json, print_table, size
from tlplug.storage import cache_dir


@click.group(short_help="Show and clear what is kept between runs.")
def cache() -> None:
    """Show and clear what is kept between runs: weights, compiled backbones and features.

    It lives in the platform's cache folder, or where TLPLUG_CACHE_DIR says.

    \b
    Example:
      tlplug cache info
    """


@cache.command(short_help="Show what is kept and how large it is.")
@common
def info(*, as_json: bool) -> None:
    """Show what is kept and how large it is.

    \b
    Example:
      tlplug cache info
    """
    usage = cache_usage()
    if as_json:
        print_json({"path": str(cache_dir()), "kinds": usage})
        return
    click.echo(cache_dir())
    print_table(["kind", "entries", "size"], [[row["name"], row["entries"], size(row["bytes"])] for row in usage])


@cache.command(short_help="Remove what is kept.")
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS), metavar="[weights|compiled|features]...")
@common
def clear(kinds: tuple[str, ...], *, as_json: bool) -> None:
    """Remove everything, or only the kinds named; it is fetched and computed anew when needed.

    \b
    Example:
      tlplug cache clear features
    """
    freed = clear_cache(kinds or KINDS)
    print_json({"freed": freed}) if as_json else click.echo(f"{size(freed)} freed")


@cache.command(short_help="Remove what has not been used for long.")
@click.option("--older-than", type=click.FloatRange(0), default=30.0, show_default=True, help="Days without use.")
@common
def prune(*, older_than: float, as_json: bool) -> None:
    """Remove features and compiled backbones that have not been used for some days, and what killed runs left.

    \b
    Example:
      tlplug cache prune --older-than 7
    """
    freed = prune_cache(older_than)
    print_json({"freed": freed}) if as_json else click.echo(f"{size(freed)} freed")
