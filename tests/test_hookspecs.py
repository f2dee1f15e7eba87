"""The hooks, and the examples in the docstrings of the host: each one runs."""

from __future__ import annotations

import doctest
import importlib
import inspect

import pytest

from tlplug.hookspecs import HookSpecs, hookimpl
from tlplug.plugins import Plugin, PluginHost
from tlplug.registry import registry
from tlplug.specs import KINDS

HOOKS = [name for name, value in vars(HookSpecs).items() if callable(value)]
WITH_EXAMPLES = (
    "tlplug.errors",
    "tlplug.hookspecs",
    "tlplug.progress",
    "tlplug.registration",
    "tlplug.specs.option",
    "tlplug.specs.reference",
)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_in_the_docstrings_run(module, capsys):
    result = doctest.testmod(importlib.import_module(module))
    assert result.failed == 0, capsys.readouterr().out
    assert result.attempted > 0


def test_there_is_a_hook_for_every_kind_of_record():
    assert list(KINDS) == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_takes_nothing_and_says_what_it_is_for(hook):
    function = getattr(HookSpecs, hook)
    assert list(inspect.signature(function).parameters) == ["self"]
    assert inspect.getdoc(function).partition("\n")[0].endswith(".")
    assert "@hookimpl" in function.__doc__


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_a_hook_is_accepted_by_the_host(hook):
    example = doctest.DocTestFinder().find(getattr(HookSpecs, hook), hook, globs={})[0]
    module = type(inspect)("example")
    exec("".join(part.source for part in example.examples), vars(module))  # noqa: S102 - our own docstring
    host = PluginHost(entry_points=[])
    plugin = Plugin("example", "example")
    host.add_module(module, plugin)
    assert (plugin.error, plugin.hooks) == (None, [hook])
    assert len(plugin.names) == 1


def test_marking_a_function_leaves_it_callable():
    @hookimpl
    def head():
        return ["as written"]

    assert head() == ["as written"]


def test_the_examples_registered_nothing_that_is_left():
    assert {"mean_colour", "small_cnn"}.isdisjoint(entry.name for entry in registry().entries("backbone"))
