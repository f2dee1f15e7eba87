"""The head that fine-tuning starts from: the fitted one, or a fresh one of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlplug.backbones import import_keras

if TYPE_CHECKING:
    import keras


def copy_of(model: keras.Model) -> keras.Model:
    """Return a head as it was fitted on the frozen network, which trains on from there."""
    copy = import_keras().models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.trainable = True
    return copy


def renewed(model: keras.Model) -> keras.Model:
    """Return a head like another, which knows nothing of the embeddings: normalizations gave them another scale."""
    keras = import_keras()

    def fresh(layer: Any) -> Any:
        if isinstance(layer, keras.layers.Normalization):
            return keras.layers.Normalization(axis=layer.axis, mean=0.0, variance=1.0, name=layer.name)
        return type(layer).from_config(layer.get_config())

    head = keras.models.clone_model(model, clone_function=fresh)
    head.trainable = True
    return head
