"""Write the pages that come out of the code: ``make docs``. A test fails when they are behind it."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from tlplug import hookspecs, specs
from tlplug.cli.commands import COMMANDS, tlplug

DOCS = Path(__file__).parent
RECORDS = (
    specs.Backbone,
    specs.BackboneFamily,
    specs.Weights,
    specs.Source,
    specs.Preprocess,
    specs.Head,
    specs.HeadFit,
    specs.Runtime,
    specs.Reader,
    specs.Example,
    specs.Exporter,
    specs.Tolerance,
    specs.Augmentation,
    specs.Option,
)


def command_line() -> str:
    """The page on the command line: the help text of every command."""
    lines = ["# Command line", "", "Generated from the commands by `make docs`.", ""]
    context = click.Context(tlplug, info_name="tlplug", terminal_width=100, **tlplug.context_settings)
    for name in COMMANDS:
        command = tlplug.get_command(context, name)
        assert command is not None
        lines += _help(command, click.Context(command, info_name=name, parent=context), level=2)
    return "\n".join(lines)


def _help(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    context.max_content_width = context.terminal_width = 100
    yield from ("#" * level + f" {context.command_path}", "", "```text", command.get_help(context), "```", "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            yield from _help(sub, click.Context(sub, info_name=name, parent=context), level + 1)


def hooks() -> str:
    """The page on hooks and records: their docstrings and fields."""
    lines = ["# Hooks and records", "", "Generated from `tlplug.hookspecs` and `tlplug.specs` by `make docs`.", ""]
    lines += [_prose(inspect.getdoc(hookspecs) or ""), ""]
    for kind in specs.KINDS:
        text = inspect.getdoc(getattr(hookspecs.HookSpecs, kind)) or ""
        summary, _, example = text.partition(">>>")
        code = "\n".join(line[4:] for line in f">>>{example}".splitlines() if line.startswith((">>> ", "... ")))
        lines += [f"## `{kind}`", "", _prose(summary), "", "```python", code, "```", ""]
    lines += ["# Records", ""]
    for record in RECORDS:
        description, _, arguments = (inspect.getdoc(record) or "").partition("Args:\n")
        arguments = re.split(r"\n\n>>>", arguments)[0]
        lines += [
            f"## `{record.__name__}`",
            "",
            _prose(description),
            "",
            "| field | default | meaning |",
            "|---|---|---|",
        ]
        meanings = _arguments(arguments)
        for field in dataclasses.fields(record):
            meaning = _prose(meanings[field.name]).replace("|", "\\|")
            lines.append(f"| `{field.name}` | {_default(field)} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _arguments(text: str) -> dict[str, str]:
    """Split the Args section of a docstring: a line that is not indented further starts one argument or several."""
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in textwrap.dedent(text).splitlines():
        if match := re.match(r"([\w, ]+): (.*)", line):
            names = [name.strip() for name in match[1].split(",")]
            meanings.update(dict.fromkeys(names, match[2]))
        elif line.strip():
            meanings.update({name: f"{meanings[name]} {line.strip()}" for name in names})
    return meanings


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "empty" if field.default_factory is not dataclasses.MISSING else "required"


def _prose(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


PAGES = {"command-line.md": command_line, "hooks.md": hooks}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (DOCS / page).write_text(write().rstrip() + "\n", encoding="utf-8")
