"""The mlp head: Dense layers with dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlplug.errors import OptionError

if TYPE_CHECKING:
    import keras


def build(embedding_size: int, outputs: int, *, hidden: str = "256", dropout: float = 0.2, **_: Any) -> keras.Model:
    """Return the network: for each hidden layer dropout, Dense and ReLU; then dropout, Dense and softmax.

    Args:
        embedding_size: of what it takes, float32 ``[batch, embedding_size]``.
        outputs: number of classes.
        hidden: sizes of the hidden layers, such as ``"256,64"``; ``"none"`` for none.
        dropout: share of units dropped, from 0 to below 1.

    Raises:
        OptionError: sizes that are no whole numbers, or a share that is none.
    """
    import keras

    if not 0 <= dropout < 1:
        raise OptionError(f"Option 'dropout' is from 0 to below 1. Received: {dropout}.")
    layers: list[Any] = [keras.Input((embedding_size,))]
    for size in _sizes(hidden):
        layers += [keras.layers.Dropout(dropout), keras.layers.Dense(size, activation="relu")]
    layers += [keras.layers.Dropout(dropout), keras.layers.Dense(outputs, activation="softmax")]
    return keras.Sequential(layers, name="mlp")


def _sizes(hidden: str) -> list[int]:
    if hidden.strip().lower() in ("none", "0", ""):
        return []
    try:
        sizes = [int(size) for size in hidden.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise OptionError(f"Option 'hidden' takes sizes such as 256,64, or none. Received: {hidden!r}.")
    return sizes
