"""The record of one setting, and how what people give is turned into its values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlplug.errors import OptionError
from tlplug.specs.reference import check_name, freeze


@dataclass(frozen=True, kw_only=True)
class Option:
    """One setting of a backbone, preprocess, head or reader, set with ``--set PART.NAME=VALUE``.

    Args:
        name: the name after the dot.
        type: ``int``, ``float``, ``str`` or ``bool``.
        default: used when nothing is given; ``None`` leaves the choice to the part itself.
        help: one sentence.
        choices: the only values allowed; any when empty.
        minimum, maximum: the bounds of a number, both allowed; none when None.

    >>> Option(name="dropout", type=float, default=0.2).parse("0.5")
    0.5
    """

    name: str
    type: type
    default: Any = None
    help: str = ""
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        check_name(self, self.name)
        if self.type not in (int, float, str, bool):
            raise TypeError(f"Option {self.name!r}: type is int, float, str or bool. Received: {self.type!r}.")
        freeze(self, choices=tuple(self.choices))

    def parse(self, value: object) -> Any:
        """Return `value` as this option's type; text is converted. Raises `OptionError` when it does not fit."""
        try:
            parsed = self._convert(value)
        except (TypeError, ValueError, OverflowError):
            message = f"Option {self.name!r} takes {_ARTICLES[self.type]}. Received: {_shown(value)}."
            raise OptionError(message) from None
        if self.choices and parsed not in self.choices:
            valid = ", ".join(str(choice) for choice in self.choices)
            raise OptionError(f"Option {self.name!r} cannot be {value!r}. Valid: {valid}.")
        if self.minimum is not None and parsed < self.minimum:
            raise OptionError(f"Option {self.name!r} is {self.minimum:g} or more. Received: {value!r}.")
        if self.maximum is not None and parsed > self.maximum:
            raise OptionError(f"Option {self.name!r} is {self.maximum:g} or less. Received: {value!r}.")
        return parsed

    def _convert(self, value: object) -> Any:
        if self.type is bool:
            text = str(value).lower()
            if text in ("true", "yes", "on", "1"):
                return True
            if text in ("false", "no", "off", "0"):
                return False
            raise ValueError(text)
        if isinstance(value, bool) or (self.type is int and isinstance(value, float) and value != int(value)):
            raise ValueError(value)
        if isinstance(value, bytes) or (self.type is str and not isinstance(value, str)):
            raise TypeError(value)
        parsed = self.type(value)
        if self.type is int and not isinstance(value, str) and parsed != value:
            raise ValueError(value)
        if self.type is float and not math.isfinite(parsed):
            raise ValueError(value)
        return parsed


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # an int with more digits than Python writes
        return f"a {type(value).__name__} too long to show"


_ARTICLES: Mapping[type, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def parse_options(part: str, options: tuple[Option, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of `options`: what was given, parsed, and the defaults of the rest.

    Args:
        part: the word before the dot, for messages (``head``).
        options: the record's options.
        given: values by option name.

    Raises:
        OptionError: for a name that is no option, or a value that does not fit.
    """
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            valid = ", ".join(f"{part}.{option}" for option in known) or "none, it has no options"
            raise OptionError(f"Unknown option '{part}.{name}'. Valid: {valid}.")
    return {name: option.parse(given[name]) if name in given else option.default for name, option in known.items()}
