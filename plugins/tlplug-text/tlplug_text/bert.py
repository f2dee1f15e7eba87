"""BERT and DistilBERT: layers, functional model, weights.

Transformer layers are those of keras-hub. Its own BERT is not used as it is: it has the tanh form of GELU, where
checkpoints mean the exact one (3e-4 of a MiniLM embedding), and takes its positions by a slice whose length is known
only when it runs, which LiteRT does not have.

Source: Devlin et al.: BERT, 2019, arXiv:1810.04805; Sanh et al.: DistilBERT, 2019, arXiv:1910.01108; mean pooling and
unit length: Reimers, Gurevych: Sentence-BERT, 2019, arXiv:1908.10084.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tlplug_text.architecture import ACTIVATIONS, POOLINGS, Architecture, read
from tlplug_text.tensors import assign

if TYPE_CHECKING:
    import keras


def build(architecture: Architecture, weights: Path | None, *, pooling: str = "mean") -> keras.Model:
    """Build a BERT network without the layers that it was pretrained with.

    Args:
        architecture: its shape.
        weights: a folder in Hugging Face layout, with ``config.json`` and ``model.safetensors``; random initial
            weights when None.
        pooling: ``mean`` of the vectors of all tokens, or ``cls``, the vector of the first one.

    Returns:
        A functional model from a dictionary of ``token_ids`` and ``mask`` (1 for tokens, 0 for padding), both int32
        ``[batch, length]`` of any length up to ``architecture.positions``, to float32 ``[batch, width]``.

    Raises:
        ValueError: the weights do not fit; one line.

    Example::

        model = build(read(folder), folder)
        model({"token_ids": [[101, 7592, 102, 0]], "mask": [[1, 1, 1, 0]]})
    """
    import keras
    from keras import layers, ops

    if pooling not in POOLINGS:
        raise ValueError(f"Unknown pooling {pooling!r}. Valid: {', '.join(POOLINGS)}.")
    if weights is not None and (difference := architecture.difference(read(weights))):
        raise ValueError(f"The checkpoint in {weights.name!r} does not fit: {difference}.")
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="mask")
    positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1
    x = _embedded(architecture, ids, positions)
    for number in range(architecture.layers):
        x = _transformer(architecture, number)(x, padding_mask=mask)
    share = ops.cast(mask if pooling == "mean" else ops.equal(positions, 0), x.dtype)
    total = ops.sum(x * ops.expand_dims(share, -1), axis=1)
    pooled = total / ops.maximum(ops.sum(share, axis=1, keepdims=True), 1.0)
    if architecture.normalise:
        pooled = layers.UnitNormalization(name="unit_length")(pooled)
    model = keras.Model({"token_ids": ids, "mask": mask}, pooled, name=architecture.kind)
    if weights is not None:
        assign(model, architecture.kind, weights)
    return model


def _embedded(architecture: Architecture, ids: keras.KerasTensor, positions: keras.KerasTensor) -> keras.KerasTensor:
    from keras import layers, ops

    def table(name: str, size: int) -> keras.layers.Layer:
        return layers.Embedding(size, architecture.width, embeddings_initializer=_initializer(), name=name)

    parts = [
        table("token_embedding", architecture.vocabulary)(ids),
        table("position_embedding", architecture.positions)(positions),
    ]
    if architecture.segments:
        parts.append(table("segment_embedding", architecture.segments)(ops.zeros_like(ids)))
    x = layers.Add(name="embedding")(parts)
    x = layers.LayerNormalization(epsilon=architecture.epsilon, name="embedding_norm")(x)
    return layers.Dropout(architecture.dropout, name="embedding_dropout")(x)


def _transformer(architecture: Architecture, number: int) -> keras.layers.Layer:
    import keras
    import keras_hub

    activation = ACTIVATIONS[architecture.activation]
    return keras_hub.layers.TransformerEncoder(
        architecture.inner,
        architecture.heads,
        dropout=architecture.dropout,
        activation=keras.saving.get_registered_object(activation) if ">" in activation else activation,
        layer_norm_epsilon=architecture.epsilon,
        kernel_initializer=_initializer(),
        name=f"transformer_{number}",
    )


def _initializer() -> keras.initializers.Initializer:
    import keras

    return keras.initializers.TruncatedNormal(stddev=0.02)
