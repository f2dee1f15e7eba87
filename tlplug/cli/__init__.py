"""The command line: one module a command, each imported when it is needed."""

from tlplug.cli.main import main

__all__ = ["main"]
