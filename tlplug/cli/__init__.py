"""The command line: one module a command, each imported when it is needed."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; Ctrl-C ends quietly while it is still being imported, too."""
    try:
        from tlplug.cli.commands import main as run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run(arguments)
