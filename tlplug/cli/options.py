"""The options that commands share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from tlplug.errors import OptionError, UsageError

Function = TypeVar("Function", bound=Callable[..., Any])


def number_or_auto(context: click.Context, parameter: click.Parameter, value: str | None) -> float | str | None:
    """Return a value of an option as a number, or as ``auto``; for ``click.option(callback=...)``."""
    if value is None or value == "auto":
        return value
    try:
        return float(value)
    except ValueError:
        message = f"{value!r} is neither a number nor 'auto'. Valid: {parameter.opts[0]} 3e-4."
        raise click.BadParameter(message, context, parameter) from None


def common(function: Function) -> Function:
    """Add ``--json``, ``--plugin``, ``--offline``, ``--trust`` and ``--debug``; the command gets ``as_json``."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, everything else elsewhere.")
    @click.option("--plugin", "plugin_files", multiple=True, metavar="FILE", help="Load a plugin file first.")
    @click.option("--offline", is_flag=True, help="Never touch the network.")
    @click.option("--trust", is_flag=True, help="Let weights that are programs do whatever they want.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(function)
    def wrapped(*args: Any, plugin_files: Sequence[str], offline: bool, trust: bool, debug: bool, **kwargs: Any) -> Any:
        del debug  # read by main, which handles the errors
        if offline or trust:
            from tlplug.weights import OFFLINE, TRUST

            os.environ.update({name: "1" for name, said in ((OFFLINE, offline), (TRUST, trust)) if said})
        for file in plugin_files:
            from tlplug.registry import registry

            registry().load_file(Path(file))
        return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


def backbone_options(function: Function) -> Function:
    """Add ``--backbone``, ``--weights``, ``--modality``, ``--runtime``, ``--set`` and ``--seed``."""
    for option in reversed(
        (
            click.option("--backbone", metavar="NAME", help="The backbone; the modality's default when left out."),
            click.option("--weights", metavar="NAME", help="A weight set of the backbone, or 'random'."),
            click.option("--modality", metavar="NAME", help="What the data is; found from the files when left out."),
            click.option("--runtime", metavar="NAME", help="How the backbone is run; the best one when left out."),
            click.option("--set", "settings", multiple=True, metavar="PART.NAME=VALUE", help="Set an option."),
            click.option(
                "--seed",
                type=click.IntRange(0, 2**32 - 1),
                default=0,
                show_default=True,
                help="Of everything that is random.",
            ),
        )
    ):
        function = option(function)
    return function


def column_options(function: Function) -> Function:
    """Add ``--input`` and ``--label``, the columns of a table; the command gets ``input_column``, ``label_column``."""
    for option in (
        click.option("--label", "label_column", metavar="COLUMN", help="Of a table: the column of the class names."),
        click.option("--input", "input_column", metavar="COLUMN", help="Of a table: the column of texts or paths."),
    ):
        function = option(function)
    return function


reader_option = click.option("--reader", metavar="NAME", help="How the data is read; by the surest reader if left out.")


def reader_settings(settings: Sequence[str], **flags: Any) -> dict[str, Any]:
    """Return ``--set`` values of a command that can only be told how to read its data."""
    from tlplug.backbones import options_for

    values = parse_settings(settings, **flags)
    options_for("reader", values, "reader")
    return values


def parse_settings(settings: Sequence[str], **flags: Any) -> dict[str, Any]:
    """Return ``--set`` values by address, and those of flags that stand for one (``head__epochs=3``)."""
    values: dict[str, Any] = {}
    for setting in settings:
        address, equals, value = setting.partition("=")
        if not equals or not address:
            raise OptionError(f"--set takes PART.NAME=VALUE. Received: {setting!r}. Valid: --set head.dropout=0.2.")
        values[address] = value
    values.update({name.replace("__", "."): value for name, value in flags.items() if value is not None})
    return values


def refuse_other_options(name: str) -> None:
    """Refuse whatever else is given beside an option that takes all settings from elsewhere.

    Raises:
        UsageError: something is.
    """
    context = click.get_current_context()
    allowed = {name, "data", "as_json", "plugin_files", "offline", "trust", "debug"}
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
        if given and parameter.name not in allowed:
            raise UsageError(f"--{name} takes all settings from the run: leave out {parameter.opts[0]}.")
