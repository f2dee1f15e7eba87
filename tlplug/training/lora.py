"""LoRA: updates of low rank train instead of the weights of attention, and are added to them in the end.

Source: Hu et al.: LoRA: Low-rank adaptation of large language models, 2022, arXiv:2106.09685.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import import_keras

if TYPE_CHECKING:
    import keras

PROJECTIONS = ("query", "value")
"""Of attention, that have updates; those that the paper recommends."""


def projections(top: keras.Model) -> list[Any]:
    """Return the layers of a network that can have an update: the query and value projections of its attention."""
    keras = import_keras()
    return [
        part
        for layer in top._flatten_layers()
        if isinstance(layer, keras.layers.MultiHeadAttention)
        for part in layer._flatten_layers(include_self=False, recursive=False)
        if part.name in PROJECTIONS
    ]


@dataclass(frozen=True, eq=False)
class Updates:
    """The updates of a network.

    Attributes:
        weights: the variables that the network had without them, in the order of its ``get_weights``.
        projections: those of them that have an update, each with its layer.
    """

    weights: list[Any]
    projections: list[tuple[Any, Any]]

    @classmethod
    def added(cls, model: keras.Model, top: keras.Model, rank: int) -> Updates:
        """Give the query and value projections in the part of a network that trains an update each.

        Nothing else of the network trains any more, so nothing at all where there is no attention. The updates are
        nothing at first.

        Args:
            model: the network.
            top: the part of it.
            rank: of the updates.

        Example::

            updates = Updates.added(model, model, rank=8)
            ...  # train
            fresh.set_weights(updates.merged())
        """
        layers = projections(top)
        updates = cls(list(model.weights), [(layer, layer.kernel) for layer in layers])
        for variable in top.trainable_variables:
            variable.trainable = False
        for layer in layers:
            layer.enable_lora(rank)
        return updates

    def merged(self) -> list[NDArray[Any]]:
        """Return the weights of the network with the updates added, in the order of ``get_weights`` without them."""
        changed = {id(kernel): layer for layer, kernel in self.projections}
        return [
            np.asarray(changed[id(variable)].kernel if id(variable) in changed else variable.value)
            for variable in self.weights
        ]
