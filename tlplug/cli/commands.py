"""The entry point: finds the command, runs it, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import re
import shutil
import sys
import traceback
import warnings
from collections.abc import Mapping
from typing import Any

import click

from tlplug import progress
from tlplug.cli import INTERRUPTED
from tlplug.errors import TlplugError, TlplugWarning, did_you_mean, first_line

COMMANDS: Mapping[str, str] = {
    "train": "tlplug.cli.train:train",
    "evaluate": "tlplug.cli.evaluate:evaluate",
    "predict": "tlplug.cli.predict:predict",
    "export": "tlplug.cli.export:export",
    "embed": "tlplug.cli.embed:embed",
    "demo": "tlplug.cli.demo:demo",
    "backbones": "tlplug.cli.listing:backbones",
    "preprocesses": "tlplug.cli.listing:preprocesses",
    "heads": "tlplug.cli.listing:heads",
    "runtimes": "tlplug.cli.listing:runtimes",
    "exporters": "tlplug.cli.listing:exporters",
    "readers": "tlplug.cli.listing:readers",
    "augmentations": "tlplug.cli.listing:augmentations",
    "plugins": "tlplug.cli.plugins:plugins",
    "weights": "tlplug.cli.weights:weights",
    "cache": "tlplug.cli.cache:cache",
}
"""Each command and where it is, in the order of the help page."""


class _Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        del ctx
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:  # for which click would print an empty line
            raise click.Abort(*error.args) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f"Unknown command {args[0]!r}.{hint} (tlplug --help lists all.)", ctx)
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        click.echo(f"tlplug {metadata.version('tlplug')}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def tlplug() -> None:
    """Turn labelled examples of any modality into a measured, deployable classifier.

    \b
    tlplug train photos/
    tlplug predict runs/photos-20261125-0731 new.jpg
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 when all went well, 2 for a request that does not fit, 1 for a failure."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # file names need not be valid text
    progress.use(progress.Bars() if sys.stderr.isatty() else progress.Lines())
    if debug:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("tlplug").setLevel(logging.DEBUG)
    else:
        _one_line_warnings()
    sys.exit(_run(arguments, debug=debug))


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        result = tlplug.main(args=arguments, prog_name="tlplug", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else error.format_message())
        return 0
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "tlplug"
        return _say(f"{_sentence(error.format_message())} Type: {command} --help", 2)
    except click.ClickException as error:
        return _say(_sentence(error.format_message()), error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        hint = str(error)
        if not hint and arguments[0] in ("train", "embed", "evaluate", "demo"):
            hint = "Features that were extracted are kept: the same command goes on from there."
        return _say(f"Interrupted. {hint}".rstrip(), INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains when it flushes at exit
        return 1
    except TlplugError as error:
        if debug:
            traceback.print_exc()
        return _say(str(error), error.exit_code)
    except OSError as error:
        if debug:
            traceback.print_exc()
        return _say(_refused(error), 1)
    except Exception as error:  # noqa: BLE001 - a bug, too, ends in one line
        if debug:
            traceback.print_exc()
        return _say(f"Unexpected {first_line(error)} (--debug shows where.)", 1)
    return result if isinstance(result, int) else 0


def _refused(error: OSError) -> str:
    """Say what the operating system refused, where, and what helps."""
    reason, place = error.strerror, error.filename2 or error.filename  # of a copy, where it was to go
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of several, the first
        _, place, why = error.args[0][0]
        found = re.match(r"\[Errno \d+\] ([^:]+)", str(why))
        reason = found[1] if found else str(why)
    if reason in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)):
        return f"{reason}{f': {place}' if place else ''}. Make room there, or write to another place with --out."
    return f"{reason or first_line(error)}: {place or 'the operating system refused'}."


def _say(message: str, code: int) -> int:
    from tlplug.cli.output import clean

    click.echo(f"Error: {clean(message)}", err=True)
    return code


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!", ")")) else f"{text}."


def _one_line_warnings() -> None:
    """Say tlplug's own warnings in one line each; those of other packages are for their developers."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("once", TlplugWarning)

    def show(message: Warning | str, *_: Any) -> None:
        progress.note(f"Warning: {message}")

    warnings.showwarning = show  # type: ignore[assignment]
