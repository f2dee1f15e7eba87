"""Make the weights of ``conv1d`` and ``gru``: ``python -m tlplug_series.pretraining conv1d FILE``.

A network learns two things on generated series, without labels: to tell two views of a series from all other series
(NT-Xent), and to tell 1,500 features of MiniRocket from its embedding, by layers that are thrown away.

On one machine the same versions make the same weights: the shipped ones are by Python 3.11, TensorFlow 2.21, Keras
3.15 and NumPy 2.4 with two threads.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tlplug_series import encoders
from tlplug_series.encoders import LENGTH
from tlplug_series.generated_series import generate
from tlplug_series.minirocket_kernels import FEATURES
from tlplug_series.pretraining_views import view

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SEED = 0
SERIES = 24_000
TARGETS = 1_500
STEPS = 3_000
BATCH = 128
RATE = 2e-3
TEMPERATURE = 0.1
CONTRAST = 0.5
"""How much the contrastive loss counts beside the error of the features."""

_WARM_UP = 100
_DECAY = 1e-4


def targets(series: NDArray[np.float32], count: int = TARGETS) -> NDArray[np.float32]:
    """Return what is to be told of series ``[n, length]``: features with mean 0 and deviation 1, ``[n, count]``."""
    import keras

    from tlplug_series.minirocket_fit import biases
    from tlplug_series.minirocket_layers import ProportionsAboveBiases

    inputs = keras.Input((series.shape[1], 1))
    layer = ProportionsAboveBiases()
    model = keras.Model(inputs, layer(inputs))
    layer.biases.assign(biases(generate(200, series.shape[1], seed=SEED + 1)))
    chosen = np.sort(np.random.default_rng(SEED).choice(FEATURES, count, replace=False))
    blocks = np.array_split(series, -(-len(series) // 64))
    features = np.concatenate([model.predict_on_batch(block[..., None])[:, chosen] for block in blocks])
    return (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-3)


def pretrain(name: str, *, series: int = SERIES, steps: int = STEPS) -> keras.Model:
    """Return the network ``conv1d`` or ``gru`` with trained weights."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    network = {"conv1d": encoders.build_conv1d, "gru": encoders.build_gru}[name](None)
    embedding = keras.Input(network.output_shape[1:])
    hidden = keras.layers.Dense(128, activation="relu")(embedding)
    judge = keras.Model(embedding, [keras.layers.Dense(64)(hidden), keras.layers.Dense(TARGETS)(embedding)])
    variables = [*network.trainable_variables, *judge.trainable_variables]
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - _WARM_UP, 1), warmup_target=RATE, warmup_steps=_WARM_UP
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=_DECAY)
    optimizer.build(variables)

    @tf.function
    def train(batch: tf.Tensor, expected: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            compared, told = judge(network(batch, training=True), training=True)
            views, clean = 2 * len(batch) // 3, len(batch) // 3
            contrast = _contrast(compared[:views])
            error = tf.reduce_mean(tf.square(told[-clean:] - expected))
            loss = CONTRAST * contrast + error
        optimizer.apply(tape.gradient(loss, variables), variables)
        return contrast, error

    generated = generate(series, LENGTH, seed=SEED)
    expected = targets(generated)
    chance = np.random.default_rng(SEED)
    for step in range(steps):
        rows = chance.integers(series, size=BATCH)
        chosen = generated[rows]
        batch = np.concatenate([view(chosen, chance), view(chosen, chance), chosen])[..., None]
        losses = train(tf.constant(batch), tf.constant(expected[rows]))
        if step % 100 == 0:
            contrast, error = (float(loss) for loss in losses)
            print(f"{name}: step {step} of {steps}, contrast {contrast:.3f}, error {error:.3f}", flush=True)  # noqa: T201
    return network


def _contrast(embeddings: tf.Tensor) -> tf.Tensor:
    """NT-Xent of two views of each series, one half after the other, ``[2 * n, size]``.

    Source: Chen et al.: A simple framework for contrastive learning of visual representations, 2020, arXiv:2002.05709.
    """
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
