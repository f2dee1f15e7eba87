"""Make the weights of ``conv1d`` and ``gru``: ``python -m tlplug_series.pretraining conv1d FILE``.

A network learns on generated series, without labels, to tell 1,500 features of MiniRocket from its embedding, by one
linear layer that is thrown away: what dilated kernels see anywhere in a series is then in a few hundred numbers.
Contrastive learning (NT-Xent on warped, cropped, scaled and noisy views) took as long and gave less.

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

if TYPE_CHECKING:
    import keras

SEED = 0
SERIES = 24_000
TARGETS = 1_500
STEPS = 3_000
BATCH = 128
RATE = 2e-3
_WARM_UP = 100
_DECAY = 1e-4


def targets(series: NDArray[np.float32], count: int = TARGETS) -> NDArray[np.float32]:
    """Return what is to be told of each series ``[n, length]``: features with mean 0 and deviation 1, ``[n, count]``."""
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
    outputs = keras.layers.Dense(TARGETS, name="told")(network.output)
    model = keras.Model(network.input, outputs)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, max(steps - _WARM_UP, 1), 0.0, None, RATE, _WARM_UP)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=_DECAY), "mse")
    inputs = generate(series, LENGTH, seed=SEED)
    expected = targets(inputs)
    chance = np.random.default_rng(SEED)
    for step in range(steps):
        rows = chance.integers(series, size=BATCH)
        loss = model.train_on_batch(inputs[rows][..., None], expected[rows])
        if step % 100 == 0:
            print(f"{name}: step {step} of {steps}, loss {float(loss):.4f}", flush=True)  # noqa: T201 - a script
    return network


def save(model: keras.Model, path: Path) -> None:
    """Write a model's variables by their paths, in half precision."""
    from safetensors.numpy import save_file

    save_file({variable.path: variable.numpy().astype(np.float16) for variable in model.weights}, path)


if __name__ == "__main__":
    save(pretrain(sys.argv[1]), Path(sys.argv[2]))
