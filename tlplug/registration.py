"""The decorators that register parts without packaging: in a notebook, a script or a plugin file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tlplug.plugins import Plugin
from tlplug.registry import registry
from tlplug.specs import Augmentation, Backbone, Head, Option, Preprocess, Source, Weights

Function = TypeVar("Function", bound=Callable[..., Any])


def _owner() -> Plugin:
    """The plugin that stands for the file or notebook that called a decorator."""
    caller = sys._getframe(2).f_globals
    source = caller.get("__file__")
    plugin = registry().owner(Path(source).name if source else "notebook", source)
    plugin.module = sys.modules.get(caller["__name__"])
    return plugin


def _weight_sets(weights: Path | str | Weights | Mapping[str, Weights] | None) -> Mapping[str, Weights]:
    if weights is None:
        return {}
    if isinstance(weights, Mapping):
        return weights
    if not isinstance(weights, Weights):
        weights = Weights(sources=(Source(kind="file", location=str(Path(weights).absolute())),))
    return {"default": weights}


def register_backbone(
    name: str,
    *,
    modality: str,
    input_shape: tuple[int | None, ...] | None = None,
    preprocess: str | None = None,
    weights: Path | str | Weights | Mapping[str, Weights] | None = None,
    **fields: Any,
) -> Callable[[Function], Function]:
    """Register a ``build(weights=None) -> keras.Model`` function as a backbone, without packaging.

    Args:
        name: how to choose it afterwards.
        modality: what it takes, such as ``image``.
        input_shape: of one example, such as ``(96, 96, 3)``.
        preprocess: the preprocess it needs; the modality's when left out.
        weights: a file, a `Weights` record, or several by name; `build` gets the path.
        **fields: the other fields of `tlplug.Backbone`.

    >>> import tlplug
    >>> @tlplug.register_backbone("mean_colour", modality="image", input_shape=(32, 32, 3))
    ... def mean_colour(weights=None):
    ...     import keras
    ...     return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> "mean_colour" in [row["name"] for row in tlplug.list_backbones("image")]
    True
    """
    owner = _owner()

    def decorate(build: Function) -> Function:
        record = Backbone(
            name=name,
            modality=modality,
            build=build,
            input_shape=input_shape,
            preprocess=preprocess,
            weights=_weight_sets(weights),
            **fields,
        )
        registry().add("backbone", record, owner)
        return build

    return decorate


def register_head(name: str, *, options: Iterable[Option] = (), **fields: Any) -> Callable[[Function], Function]:
    """Register a ``build(embedding_size, outputs, **options) -> keras.Model`` function as a head.

    >>> import tlplug
    >>> @tlplug.register_head("plain")
    ... def plain(embedding_size, outputs):
    ...     import keras
    ...     return keras.Sequential([keras.Input((embedding_size,)), keras.layers.Dense(outputs, "softmax")])
    """
    owner = _owner()

    def decorate(build: Function) -> Function:
        registry().add("head", Head(name=name, build=build, options=tuple(options), **fields), owner)
        return build

    return decorate


def register_preprocess(
    name: str, *, modality: str, suffixes: Iterable[str] = (), options: Iterable[Option] = (), **fields: Any
) -> Callable[[Function], Function]:
    """Register a ``make(options, files) -> callable(source) -> dict of arrays`` function as a preprocess.

    >>> import numpy as np, tlplug
    >>> @tlplug.register_preprocess("numbers", modality="numbers", suffixes=[".num"])
    ... def make(options, files):
    ...     return lambda source: {"values": np.loadtxt(source, dtype="float32")}
    """
    owner = _owner()

    def decorate(make: Function) -> Function:
        record = Preprocess(
            name=name, modality=modality, make=make, suffixes=tuple(suffixes), options=tuple(options), **fields
        )
        registry().add("preprocess", record, owner)
        return make

    return decorate


def register_augmentation(
    name: str, *, modality: str, light: float | None = None, strong: float | None = None, **fields: Any
) -> Callable[[Function], Function]:
    """Register an ``apply(arrays, generator, amount) -> arrays`` function as an augmentation.

    >>> import tlplug
    >>> @tlplug.register_augmentation("numbers-noise", modality="numbers", light=0.02, strong=0.1)
    ... def noise(arrays, generator, amount):
    ...     values = arrays["values"]
    ...     return {**arrays, "values": values + generator.normal(0, amount, values.shape).astype(values.dtype)}
    """
    owner = _owner()

    def decorate(apply: Function) -> Function:
        record = Augmentation(name=name, modality=modality, apply=apply, light=light, strong=strong, **fields)
        registry().add("augmentation", record, owner)
        return apply

    return decorate
