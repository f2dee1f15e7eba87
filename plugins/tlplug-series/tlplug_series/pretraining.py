"""Make the weights of ``conv1d`` and ``gru``: ``python -m tlplug_series.pretraining conv1d FILE``.

A network learns on generated series, without labels, to tell two views of a series from all others: contrastive
learning with the loss NT-Xent, by two layers on top of its embedding that are thrown away.

On one machine the same versions make the same weights: the shipped ones are by Python 3.11, TensorFlow 2.21, Keras
3.15 and NumPy 2.4 on two cores.

Source: Chen et al.: A simple framework for contrastive learning of visual representations, 2020, arXiv:2002.05709.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlplug_series import encoders
from tlplug_series.encoders import LENGTH
from tlplug_series.generated_series import generate
from tlplug_series.pretraining_views import view

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SEED = 0
SERIES = 16_000
STEPS = 1_500
BATCH = 128
RATE = 2e-3
TEMPERATURE = 0.1
_WARM_UP = 100
_DECAY = 1e-4


def pretrain(name: str, *, series: int = SERIES, steps: int = STEPS) -> keras.Model:
    """Return the network ``conv1d`` or ``gru`` with weights trained on a number of generated series."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    network = {"conv1d": encoders.build_conv1d, "gru": encoders.build_gru}[name](None)
    hidden = keras.layers.Dense(128, activation="relu", name="hidden")(network.output)
    model = keras.Model(network.input, keras.layers.Dense(64, name="compared")(hidden))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - _WARM_UP, 1), warmup_target=RATE, warmup_steps=_WARM_UP
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=_DECAY)
    optimizer.build(model.trainable_variables)

    @tf.function
    def train(views: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = contrast(model(views, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    generated = generate(series, LENGTH, seed=SEED)
    chance = np.random.default_rng(SEED)
    for step in range(steps):
        chosen = generated[chance.integers(series, size=BATCH)]
        views = np.concatenate([view(chosen, chance), view(chosen, chance)])
        loss = train(tf.constant(views[..., None]))
        if step % 100 == 0:
            print(f"{name}: step {step} of {steps}, loss {float(loss):.3f}", flush=True)  # noqa: T201 - a script
    return network


def contrast(embeddings: tf.Tensor) -> tf.Tensor:
    """Return NT-Xent, a scalar, of two views of each series, one half after the other: ``[2 * n, size]``."""
    import tensorflow as tf

    count = len(embeddings) // 2
    embeddings = tf.math.l2_normalize(embeddings, axis=1)
    scores = tf.matmul(embeddings, embeddings, transpose_b=True) / TEMPERATURE - 1e9 * tf.eye(2 * count)
    partners = tf.concat([tf.range(count) + count, tf.range(count)], axis=0)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(partners, scores))


def save(model: keras.Model, path: Path) -> None:
    """Write a model's variables by their paths, in half precision."""
    from safetensors.numpy import save_file

    save_file({variable.path: variable.numpy().astype(np.float16) for variable in model.weights}, path)


if __name__ == "__main__":
    save(pretrain(sys.argv[1]), Path(sys.argv[2]))
