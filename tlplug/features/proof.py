"""The proof that a compiled network equals Keras: the same random arrays through both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import STRING, ArraySpec, pack_inputs
from tlplug.errors import PluginError
from tlplug.features.compiled import BATCH

# No empty one: modules may give no number for it, which is that example's failure and says nothing of the module.
_WORDS = ("plain words", "Größe, naïve", "3.14 % — 中文", "a longer sentence, with a full stop.")


def sample(inputs: tuple[ArraySpec, ...]) -> dict[str, NDArray[Any]]:
    """A batch of random arrays for a network."""
    generator = np.random.default_rng(0)
    return {spec.name: _random(spec, generator) for spec in inputs}


def expected_of(model: Any, arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    """What Keras makes of some arrays, one example after the other: it keeps all that lies between input and output.

    Args:
        model: the network.
        arrays: see `sample`.
        name: of the network, for people.

    Raises:
        PluginError: it is no number.
    """
    import tensorflow as tf

    found = []
    for row in range(len(next(iter(arrays.values())))):
        inputs = pack_inputs(model, {name: tf.constant(array[row : row + 1]) for name, array in arrays.items()})
        found.append(np.asarray(model(inputs, training=False)))
    expected = np.concatenate(found)
    if not np.isfinite(expected).all():
        texts = any(array.dtype == object for array in arrays.values())
        raise PluginError(
            f"The network {name!r} gives what is no number (NaN or infinity) for "
            f"{'plain texts' if texts else 'random inputs'}. Look into its weights, or take another one: "
            "tlplug backbones"
        )
    return expected


def compare(
    run: Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]],
    arrays: Mapping[str, NDArray[Any]],
    expected: NDArray[np.float32],
) -> tuple[float, bool]:
    """Run arrays through a runtime, as one batch and as every smaller one.

    Returns:
        The largest difference from what is expected relative to the largest value, and whether the size of a batch
        changes no bit.
    """
    received = run(arrays)
    invariant = all(
        np.array_equal(run({name: array[:count] for name, array in arrays.items()}), received[:count])
        for count in range(1, BATCH)
    )
    largest = float(np.abs(expected).max()) or 1.0
    return float(np.abs(received - expected).max()) / largest, invariant


def _random(spec: ArraySpec, generator: np.random.Generator) -> NDArray[Any]:
    shape = (BATCH, *(16 if length is None else length for length in spec.shape))
    if spec.dtype == STRING:
        return generator.choice(_WORDS, shape).astype(object)
    if spec.dtype == "uint8":
        return generator.integers(0, 256, shape, np.uint8)
    if spec.dtype.startswith(("int", "bool")):
        return generator.integers(0, 2, shape).astype(spec.dtype)
    return generator.uniform(-1, 1, shape).astype(spec.dtype)
