"""Views of examples: what is applied, to what, how often the same, and what is wrong said in one line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tlplug
from tlplug.errors import AmbiguousNameError, PluginError, UsageError
from tlplug.features import augmenter_for
from tlplug.registry import registry


@pytest.fixture(autouse=True)
def _only_what_the_tests_bring(monkeypatch):
    monkeypatch.setenv("TLPLUG_PLUGINS", "none-but-the-hosts-own")
    registry.cache_clear()


def noise(arrays, generator, amount):
    values = arrays["values"]
    return {**arrays, "values": values + generator.normal(0, amount, values.shape).astype(values.dtype)}


def register(name="dots-noise", apply=noise, *, light=0.1, strong=0.5, modality="dots", **fields):
    tlplug.register_augmentation(name, modality=modality, light=light, strong=strong, **fields)(apply)


@pytest.fixture
def example():
    return {"values": np.arange(6, dtype=np.float32).reshape(2, 3), "more": np.zeros(2, np.int32)}


def test_the_view_0_is_the_example_itself(example):
    register(apply=lambda arrays, generator, amount: 1 / 0)
    view = augmenter_for("dots", "light", 0)(example, b"key", 0)
    assert view == example
    assert all(view[name] is example[name] for name in example)


def test_a_view_is_the_same_whenever_and_wherever_it_is_made(example):
    register()
    first, again = (augmenter_for("dots", "light", 3) for _ in range(2))
    views = [first(example, b"key", view)["values"] for view in range(4)]
    for view in reversed(range(4)):
        again(example, b"other", view)
        np.testing.assert_array_equal(again(example, b"key", view)["values"], views[view])
    made = {
        views[1].tobytes(),
        views[2].tobytes(),
        first(example, b"kez", 1)["values"].tobytes(),
        augmenter_for("dots", "light", 4)(example, b"key", 1)["values"].tobytes(),
        augmenter_for("dots", "strong", 3)(example, b"key", 1)["values"].tobytes(),
    }
    assert len(made) == 5


def test_seed_view_and_key_do_not_run_into_each_other(example):
    register()
    views = {
        augmenter_for("dots", "light", seed)(example, key, view)["values"].tobytes()
        for seed, view, key in ((1, 11, b"1"), (11, 1, b"1"), (1, 1, b"11"), (1, 1, b"1 1"), (1, 1, b" 11"))
    }
    assert len(views) == 5


def test_they_are_applied_in_the_order_of_registration_with_their_amounts(example):
    seen = []

    def step(name):
        def apply(arrays, generator, amount):
            seen.append((name, amount))
            return arrays

        return apply

    register("dots-zoom", step("zoom"))
    register("dots-early", step("early"), light=None)
    register("dots-late", step("late"), strong=None)
    register("lines-late", step("other"), modality="lines")
    augmenter_for("dots", "light", 0)(example, b"", 1)
    assert seen == [("zoom", 0.1), ("late", 0.1)]
    seen.clear()
    augmenter_for("dots", "strong", 0)(example, b"", 1)
    assert seen == [("zoom", 0.5), ("early", 0.5)]


def test_without_augmentation_there_is_nothing():
    assert augmenter_for("dots", "none", 0) is None


@pytest.mark.parametrize(
    ("strength", "message"),
    [
        (
            "lihgt",
            "Unknown strength of augmentation 'lihgt'. Did you mean 'light'? Valid: none, light, strong.",
        ),
        (
            "light",
            "There is no light augmentation for the modality 'dots'. Valid: lines. Without augmentation: --augment "
            "none (tlplug augmentations lists all.)",
        ),
    ],
)
def test_what_there_is_not_is_said_in_one_line(strength, message):
    register("dots-noise", light=None)
    register("lines-noise", modality="lines")
    with pytest.raises(UsageError) as raised:
        augmenter_for("dots", strength, 0)
    assert str(raised.value) == message


def test_with_no_augmentation_at_all_nothing_is_valid():
    with pytest.raises(UsageError, match="Valid: no modality has one"):
        augmenter_for("dots", "strong", 0)


def test_only_those_that_fit_the_arrays_are_applied(example):
    register("dots-other", lambda arrays, generator, amount: 1 / 0, arrays=["words"])
    augmenter = augmenter_for("dots", "light", 0)
    with pytest.raises(UsageError, match=r"Received: values, more\. Valid: words\. Without .*: --augment none"):
        augmenter(example, b"key", 1)
    register("dots-noise", arrays=["values"])
    assert not np.array_equal(augmenter_for("dots", "light", 0)(example, b"key", 1)["values"], example["values"])


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda arrays, generator, amount: None, "the arrays that it was given: values, more. Received: NoneType."),
        (lambda arrays, generator, amount: {}, "the arrays that it was given: values, more. Received: none."),
        (lambda arrays, generator, amount: {"values": arrays["values"]}, "Received: values."),
        (
            lambda arrays, generator, amount: {**arrays, "values": arrays["values"].astype(np.float64)},
            "returns 'values' as float32 [2, 3], as it was given. Received: float64 [2, 3].",
        ),
        (lambda arrays, generator, amount: {**arrays, "values": arrays["values"][:1]}, "Received: float32 [1, 3]."),
        (lambda arrays, generator, amount: {**arrays, "values": [1.0]}, "Received: list."),
        (lambda arrays, generator, amount: arrays["wrods"], "failed: KeyError: 'wrods'."),
    ],
)
def test_an_augmentation_that_returns_something_else_is_named(example, apply, message):
    register(apply=apply)
    with pytest.raises(PluginError) as raised:
        augmenter_for("dots", "light", 0)(example, b"key", 1)
    text = str(raised.value)
    assert text.startswith("The augmentation 'test_features_augmentation.py/dots-noise' ")
    assert text.endswith(message)
    assert len(text.splitlines()) == 1


def test_an_augmentation_cannot_change_what_it_is_given(example):
    def apply(arrays, generator, amount):
        arrays["values"] += 1
        return arrays

    register(apply=apply)
    before = example["values"].copy()
    with pytest.raises(PluginError, match=r"failed: ValueError: .*read-only"):
        augmenter_for("dots", "light", 0)(example, b"key", 1)
    np.testing.assert_array_equal(example["values"], before)
    example["values"] += 1  # which its owner still can


def test_the_identity_names_all_that_a_view_depends_on():
    def identity(strength="light", seed=0):
        return augmenter_for("dots", strength, seed).identity

    register()
    first = identity()
    assert len(first) == 32
    assert identity() == first
    others = {first, identity(seed=1), identity("strong")}
    register(light=0.2)
    others.add(identity())
    register("dots-zoom")
    others.add(identity())
    assert len(others) == 5
    register("lines-noise", modality="lines")
    assert identity() in others


def test_the_identity_changes_with_the_code(tmp_path):
    path, identities = tmp_path / "noise.py", set()
    for factor in (1, 2):
        path.write_text(
            "import tlplug\n"
            "@tlplug.register_augmentation('dots-noise', modality='dots', light=1)\n"
            f"def apply(arrays, generator, amount): return {{n: a * {factor} for n, a in arrays.items()}}\n"
        )
        name = registry().load_file(path).module.__name__
        identities.add(augmenter_for("dots", "light", 0).identity)
        del sys.modules[name]
    assert len(identities) == 2


def test_what_a_notebook_registers_has_no_identity(example):
    source = (
        "import tlplug\n"
        "@tlplug.register_augmentation('dots-same', modality='dots', light=1)\n"
        "def same(arrays, generator, amount): return arrays\n"
    )
    exec(source, {"__name__": "a_notebook"})  # noqa: S102 - as a notebook runs a cell: without __file__
    augmenter = augmenter_for("dots", "light", 0)
    assert augmenter.identity is None
    np.testing.assert_array_equal(augmenter(example, b"", 1)["values"], example["values"])


def test_a_name_has_one_owner(site, monkeypatch):
    monkeypatch.delenv("TLPLUG_PLUGINS")
    source = """
    from tlplug import Augmentation, hookimpl

    @hookimpl
    def augmentation():
        return [Augmentation(name="dots-noise", modality="dots", apply="never.imported:apply", light=1)]
    """
    site.install("one-plugin", source)
    site.install("two-plugin", source, version="2.0")
    registry.cache_clear()
    message = r"claimed by one-plugin 1\.0 and two-plugin 2\.0.*TLPLUG_DISABLE_PLUGINS=two-plugin"
    with pytest.raises(AmbiguousNameError, match=message):
        augmenter_for("dots", "light", 0)
    with pytest.raises(AmbiguousNameError, match="Choose with 'one-plugin/dots-noise'"):
        registry().get("augmentation", "dots-noise")
    monkeypatch.setenv("TLPLUG_DISABLE_PLUGINS", "two-plugin")
    registry.cache_clear()
    with pytest.raises(PluginError, match=r"Cannot load 'never\.imported:apply'"):
        augmenter_for("dots", "light", 0)


def test_augmenting_imports_no_framework():
    source = """
import sys
import numpy as np, tlplug
from tlplug.features import augmenter_for
@tlplug.register_augmentation("dots-same", modality="dots", light=1)
def same(arrays, generator, amount):
    return arrays
augmenter_for("dots", "light", 0)({"values": np.zeros(3)}, b"", 1)
print({"tensorflow", "keras"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
