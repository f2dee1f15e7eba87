"""Training of heads that are Keras models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.backbones import import_keras
from tlplug.errors import PluginError, TlplugError, first_line
from tlplug.registry import Entry
from tlplug.specs import accepted_options, load_reference

if TYPE_CHECKING:
    import keras

EPOCHS, LEARNING_RATE, BATCH_SIZE, PATIENCE = 200, 1e-3, 32, 20
"""For heads that do not state these as options."""

TRAINING_OPTIONS = ("epochs", "learning_rate", "batch_size", "patience")
"""What is for the training here; a builder may take them too."""


def train(
    entry: Entry,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    outputs: int,
    folds: NDArray[np.int64],
    sample_weight: NDArray[np.float64],
    seed: int,
    options: Mapping[str, Any],
) -> tuple[keras.Model, dict[str, Any]]:
    """Train a head that is given as a builder.

    The embeddings are standardised by a layer in front. The number of epochs is chosen by early stopping on the first
    fold; then the head is trained anew on all examples for that many.

    Returns:
        The model, float32 ``[batch, size]`` to probabilities ``[batch, outputs]``; what was chosen.

    Raises:
        PluginError: the builder fails, or its model does not end in probabilities of the right number.
    """
    keras = import_keras()
    batch_size = options.get("batch_size", BATCH_SIZE)
    epochs = options.get("epochs", EPOCHS)
    held_out = folds == 0
    chosen: dict[str, Any] = {"epochs": epochs}
    if held_out.any():
        keras.utils.set_random_seed(seed)
        model = _standardised(entry, features[~held_out], outputs, options)
        stopping = keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=options.get("patience", PATIENCE), restore_best_weights=False
        )
        history = _fit(
            model,
            features[~held_out],
            labels[~held_out],
            f"Choosing epochs for {entry.name}",
            sample_weight=sample_weight[~held_out],
            validation_data=(features[held_out], labels[held_out], sample_weight[held_out]),
            batch_size=batch_size,
            epochs=epochs,
            learning_rate=options.get("learning_rate", LEARNING_RATE),
            callbacks=[stopping],
        )
        losses = [loss if math.isfinite(loss) else math.inf for loss in history["val_loss"]]
        best = int(np.argmin(losses))
        chosen = {"epochs": best + 1, "validation_accuracy": float(history["val_accuracy"][best])}
    keras.utils.set_random_seed(seed)
    model = _standardised(entry, features, outputs, options)
    history = _fit(
        model,
        features,
        labels,
        f"Training {entry.name}",
        sample_weight=sample_weight,
        batch_size=batch_size,
        epochs=chosen["epochs"],
        learning_rate=options.get("learning_rate", LEARNING_RATE),
    )
    if not math.isfinite(history["loss"][-1]):
        raise PluginError(f"The head {entry.name!r} did not train: its loss is no number. Lower --learning-rate.")
    model.trainable = False
    return model, chosen


def _standardised(entry: Entry, features: NDArray[np.float32], outputs: int, options: Mapping[str, Any]) -> keras.Model:
    import keras

    size = features.shape[1]
    try:
        build = load_reference(entry.record.build)
        head = build(size, outputs, **accepted_options(build, options, spare=TRAINING_OPTIONS))
    except (KeyboardInterrupt, TlplugError):
        raise
    except Exception as error:
        raise PluginError(f"The head {entry.name!r} cannot be built: {first_line(error)}") from error
    mean = features.mean(axis=0, dtype=np.float64)
    variance = np.maximum(features.var(axis=0, dtype=np.float64), 1e-10)
    inputs = keras.Input((size,), name="embedding")
    try:
        probabilities = head(keras.layers.Normalization(mean=mean, variance=variance)(inputs))
    except Exception as error:
        raise PluginError(f"The head {entry.name!r} does not take [batch, {size}]: {first_line(error)}") from error
    if tuple(probabilities.shape) != (None, outputs):
        raise PluginError(
            f"The head {entry.name!r} must return (None, {outputs}). Received: {tuple(probabilities.shape)}."
        )
    sums = np.asarray(head(np.zeros((1, size), np.float32), training=False)).sum()
    if not math.isclose(float(sums), 1.0, abs_tol=1e-3):
        raise PluginError(
            f"The head {entry.name!r} must end in probabilities that add up to 1. Received a sum of {sums:.3g}. "
            'Add activation="softmax" to its last layer.'
        )
    return keras.Model(inputs, probabilities, name="head")


def _fit(
    model: keras.Model,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    label: str,
    *,
    learning_rate: float,
    epochs: int,
    callbacks: Any = (),
    **arguments: Any,
) -> dict[str, list[float]]:
    import keras

    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    with progress.task(label, epochs, "epochs") as advance:
        counter = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: advance(1))
        history = model.fit(features, labels, epochs=epochs, verbose=0, callbacks=[counter, *callbacks], **arguments)
    return history.history  # type: ignore[no-any-return]
