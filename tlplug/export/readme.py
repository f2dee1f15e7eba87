"""The README of an export: what it is, what was proven, and how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlplug.registry import Entry


def render_readme(about: Mapping[str, Any], entry: Entry, *, code: bool) -> str:
    """Return it as Markdown.

    Args:
        about: what export.json holds.
        entry: the exporter.
        code: whether code that reads sources travels along.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from tlplug.evaluation import in_markdown, percent

    environment = Environment(
        loader=PackageLoader("tlplug", "export"),
        autoescape=True,  # Markdown lets HTML through
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, md=in_markdown)
    return environment.get_template("readme.md.j2").render(about=about, summary=entry.record.summary, code=code)
