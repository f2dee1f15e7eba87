"""Mixed precision: what trains computes in 16 bits, its variables and what is kept of it have 32.

Source: Micikevicius et al.: Mixed precision training, 2018, arXiv:1710.03740; Keras' guide to mixed precision.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tlplug import progress
from tlplug.backbones import import_keras
from tlplug.errors import first_line

if TYPE_CHECKING:
    import keras

FLOAT32, FLOAT16 = "float32", "mixed_float16"
PRECISIONS = (FLOAT32, FLOAT16, "mixed_bfloat16")
"""Policies of Keras that `OPTIONS` takes."""

FAST = (7, 0)
"""Compute capability from which on GPUs multiply matrices of float16 in units of their own."""

_FOLLOW = ("keras.src.layers.", "keras_hub.")
_DO_NOT = ("keras.src.layers.preprocessing.", "keras.src.layers.core.lambda_layer")
"""Modules of layers that compute in their policy's type; spectrograms and scalings of data lose too much by it."""


def default_precision(capabilities: Sequence[tuple[int, int] | None]) -> str:
    """Return the precision for GPUs of some compute capabilities; None is one that does not say.

    >>> default_precision([(8, 0), (7, 5)]), default_precision([(6, 1), (8, 0)]), default_precision([])
    ('mixed_float16', 'float32', 'float32')
    """
    fast = [capability is not None and tuple(capability) >= FAST for capability in capabilities]
    return FLOAT16 if fast and all(fast) else FLOAT32


def choose_precision(stated: str | None, top: keras.Model) -> str:
    """Return the precision that a network is trained in: the stated one, or the default of the GPUs.

    A network that cannot compute in it is trained in float32, which is noted.
    """
    import tensorflow as tf

    if stated is None:
        details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
        stated = default_precision([detail.get("compute_capability") for detail in details])
    if stated == FLOAT32:
        return stated
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in top.inputs]
    try:
        with computing_in(stated, followers(top)):
            tf.function(lambda *inputs: _call(top, inputs)).get_concrete_function(*specs)
    except Exception as error:  # noqa: BLE001 - whatever a layer of somebody's own raises, it can do float32
        progress.note(f"The network cannot compute in {stated} and is trained in float32: {first_line(error)}")
        return FLOAT32
    return stated


def _call(top: keras.Model, inputs: Sequence[Any]) -> Any:
    keras = import_keras()
    given = inputs[0] if isinstance(top, keras.Sequential) else keras.tree.pack_sequence_as(top.input, list(inputs))
    return top(given, training=True)


def followers(top: keras.Model, head: keras.Model | None = None) -> list[Any]:
    """Return the layers that are to compute in another precision.

    Those of Keras and KerasHub, for they follow their policy, and of these those alone that have no other than float32
    and nothing in them that is not of this kind. The last layer of the head gives probabilities in float32.
    """
    layers = list(_followers(top))
    if head is not None:
        layers += [layer for part in head.layers[:-1] for layer in _followers(part)]
    return list({id(layer): layer for layer in layers}.values())


def _followers(layer: Any) -> Iterator[Any]:
    keras = import_keras()
    if isinstance(layer, keras.Model):
        if hasattr(layer, "operations") or isinstance(layer, keras.Sequential):  # a graph of layers, not code
            for part in layer.layers:
                yield from _followers(part)
        return
    parts = list(layer._flatten_layers())
    if all(_follows(part) for part in parts):
        yield from parts


def _follows(layer: Any) -> bool:
    keras, module = import_keras(), f"{type(layer).__module__}."
    own = module.startswith(_FOLLOW) and not module.startswith(_DO_NOT)
    plain = type(layer.dtype_policy) is keras.DTypePolicy and layer.dtype_policy.name == FLOAT32
    return own and plain and not isinstance(layer, keras.Model)


@contextlib.contextmanager
def computing_in(precision: str, layers: Sequence[Any]) -> Iterator[None]:
    """Have layers compute in a precision; afterwards they compute as before."""
    before = [(layer, layer.dtype_policy) for layer in layers if precision != FLOAT32]
    try:
        for layer, _ in before:
            layer.dtype_policy = precision
        yield
    finally:
        for layer, policy in before:
            layer.dtype_policy = policy


def with_scaled_loss(optimizer: Any, precision: str) -> Any:
    """Return an optimizer whose loss is scaled so that no gradient vanishes; as it is where float16 is not used."""
    return import_keras().optimizers.LossScaleOptimizer(optimizer) if precision == FLOAT16 else optimizer
