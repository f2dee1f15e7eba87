"""``tlplug plugins``."""

from __future__ import annotations

import click

from tlplug import progress
from tlplug.cli.options import common
from tlplug.cli.output import print_json, print_table


@click.group(short_help="Show the installed plugins.")
def plugins() -> None:
    """Show the installed plugins, those that cannot be used included.

    \b
    Example:
      tlplug plugins list
    """


@plugins.command("list", short_help="List the plugins and what is wrong with those that fail.")
@common
def list_(*, as_json: bool) -> None:
    """List the plugins: what each brings, and why it, or a part of it, cannot be used.

    TLPLUG_PLUGINS=a,b loads only these, TLPLUG_DISABLE_PLUGINS=a all but this.

    \b
    Example:
      tlplug plugins list
    """
    from tlplug.catalogue import list_plugins
    from tlplug.registry import registry

    for name in registry().host.unknown_switches:
        progress.note(f"Warning: TLPLUG_PLUGINS or TLPLUG_DISABLE_PLUGINS names {name!r}, which no plugin is called.")
    rows = list_plugins()
    if as_json:
        print_json(rows)
        return
    print_table(
        ["name", "distribution", "version", "hooks", "names", "error"],
        [
            [row["name"], row["distribution"], row["version"], ", ".join(row["hooks"]), len(row["names"]), row["error"]]
            for row in rows
        ],
    )
