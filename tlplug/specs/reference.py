"""References to callables, and the checks that the records share."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tlplug.errors import PluginError, first_line

API = 1
"""The version of the plugin interface. A plugin module may state the one it was written for as ``TLPLUG_API``."""

Reference = Callable[..., Any] | str

_NAME = re.compile(r"[a-z0-9][a-z0-9_.\-]*\Z")
_MODULE = re.compile(r"[A-Za-z_][\w.]*\Z")
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")


def load_reference(reference: Reference) -> Callable[..., Any]:
    """Return the callable that a record names, importing its module when it was given as a string.

    >>> load_reference("math:sqrt")(9.0)
    3.0
    """
    if not isinstance(reference, str):
        return reference
    module, _, attribute = reference.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(f"Cannot load {reference!r}: {first_line(error)}.") from error
    if not callable(found):
        raise PluginError(f"{reference!r} is not callable. Received: {type(found).__name__}.")
    return found  # type: ignore[no-any-return]


def accepted_options(
    function: Callable[..., Any], options: Mapping[str, Any], *, spare: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the options that a builder takes: all with ``**options``, else those that it names.

    Args:
        function: the builder.
        options: values by name.
        spare: the options that are not only for the builder, so that it need not take them.

    Raises:
        PluginError: it takes no option of a name that its record declares.
    """
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(options)
    names = {parameter.name for parameter in parameters}
    if lost := options.keys() - names - set(spare):
        raise PluginError(
            f"{getattr(function, '__qualname__', function)!r} takes no {', '.join(sorted(lost))}, which its record "
            f"declares as an option. Received: {inspect.signature(function)}. Valid: arguments of that name, or "
            "**options."
        )
    return {name: value for name, value in options.items() if name in names}


def check_name(record: object, name: object) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        raise ValueError(
            f"A {type(record).__name__} name has lower-case letters, digits, '_', '-' and '.'. Received: {name!r}."
        )


def check_reference(record: object, what: str, value: object, *, optional: bool = False) -> None:
    if (optional and value is None) or callable(value) or (isinstance(value, str) and _REFERENCE.match(value)):
        return
    raise TypeError(f"{type(record).__name__}.{what} is a callable or 'module:function'. Received: {value!r}.")


def check_module(record: object, what: str, value: object, *, optional: bool = False) -> None:
    if (optional and value is None) or (isinstance(value, str) and _MODULE.match(value)):
        return
    raise TypeError(f"{type(record).__name__}.{what} is the name of a module. Received: {value!r}.")


def freeze(record: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(record, name, value)
