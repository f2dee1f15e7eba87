"""The network against a BERT in NumPy, on small checkpoints."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from tlplug_text.architecture import Architecture, read
from tlplug_text.bert import build

IDS = [2, 5, 6, 39, 7, 3]


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu", "silu"])
def test_it_equals_the_network_in_numpy(checkpoint, padded, tensors, embed, kind, activation):
    folder = checkpoint(kind=kind, activation=activation)
    expected = embed(tensors(kind), IDS, kind, activation=activation)
    mean = build(read(folder), folder)
    np.testing.assert_allclose(mean(padded(IDS, 16)).numpy()[0], expected.mean(0), rtol=0, atol=2e-6)
    first = build(read(folder), folder, pooling="cls")
    np.testing.assert_allclose(first(padded(IDS, 16)).numpy()[0], expected[0], rtol=0, atol=2e-6)


def test_the_two_forms_of_gelu_are_told_apart(tensors, embed):
    exact, tanh = (embed(tensors(), IDS, activation=name).mean(0) for name in ("gelu", "gelu_new"))
    assert np.abs(exact - tanh).max() > 1e-4


def test_padding_and_the_rest_of_the_batch_do_not_matter(checkpoint, padded):
    folder = checkpoint()
    model = build(read(folder), folder)
    alone = model(padded(IDS, len(IDS))).numpy()
    np.testing.assert_allclose(model(padded(IDS, 32)).numpy(), alone, rtol=0, atol=1e-6)
    other = padded([2, 9, 3], 32)
    both = {name: np.concatenate([array, other[name]]) for name, array in padded(IDS, 32).items()}
    np.testing.assert_allclose(model(both).numpy()[:1], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("modules", [(), ("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize")])
def test_it_has_unit_length_where_the_checkpoint_says_so(checkpoint, padded, modules):
    folder = checkpoint(modules=modules)
    length = np.linalg.norm(build(read(folder), folder)(padded(IDS, 16)).numpy())
    assert (abs(length - 1) < 1e-6) == ("Normalize" in modules)


@pytest.mark.parametrize("changes", [{"prefix": "bert."}, {"norm": ("gamma", "beta")}, {"dtype": np.float16}])
def test_checkpoints_of_tasks_of_tensorflow_and_of_half_precision_load(checkpoint, padded, tensors, embed, changes):
    folder = checkpoint(**changes)
    norm = changes.get("norm", ("weight", "bias"))
    stored = {name: tensor.astype(changes.get("dtype", np.float32)) for name, tensor in tensors(norm=norm).items()}
    expected = embed(stored, IDS, norm=norm).mean(0)
    np.testing.assert_allclose(build(read(folder), folder)(padded(IDS, 16)).numpy()[0], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", ["bert", pytest.param("distilbert", marks=pytest.mark.slow)])
def test_it_reloads_in_another_process_in_safe_mode(checkpoint, padded, kind, tmp_path):
    folder = checkpoint(kind=kind, activation="gelu_new")
    model = build(read(folder), folder)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "expected.npy", model(padded(IDS, 16)).numpy())
    source = (
        "import sys, keras, numpy as np; model = keras.saving.load_model(sys.argv[1], safe_mode=True);"
        f"ids = np.array([{IDS}], 'int32'); print(abs(model({{'token_ids': ids, 'mask': ids * 0 + 1}}).numpy()"
        " - np.load(sys.argv[2])).max())"
    )
    command = [sys.executable, "-c", source, str(tmp_path / "model.keras"), str(tmp_path / "expected.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1e-6


def test_every_layer_can_be_trained(checkpoint, padded):
    import keras

    model = build(read(checkpoint()), None)
    before = [variable.numpy() for variable in model.trainable_variables]
    trained = keras.Model(model.input, keras.layers.Dense(1)(model.output))
    trained.compile("sgd", "mse")
    trained.fit(padded(IDS, 16), np.ones((1, 1)), epochs=2, verbose=0)
    names = [variable.path for variable in model.trainable_variables]
    same = [
        name
        for name, old, new in zip(names, before, model.trainable_variables, strict=True)
        if np.array_equal(old, new.numpy())
    ]
    # Softmax does not see what a bias adds to all keys alike.
    assert [name for name in same if not name.endswith("key/bias")] == []


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(vocabulary=40, layers=2, heads=2, width=8, inner=12, positions=32),
        Architecture(kind="distilbert", vocabulary=30, layers=1, heads=1, width=6, inner=5, positions=9, segments=0),
    ],
)
def test_the_number_of_parameters_is_known_before_it_is_built(architecture):
    assert build(architecture, None).count_params() == architecture.parameters


def test_random_weights_are_those_of_the_seed(padded):
    import keras

    architecture = Architecture(vocabulary=40, layers=1, heads=2, width=8, inner=12, positions=32)
    answers = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        answers.append(build(architecture, None)(padded(IDS, 16)).numpy())
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


def test_another_checkpoint_or_pooling_is_refused_in_one_line(checkpoint):
    folder = checkpoint()
    with pytest.raises(
        ValueError, match=r"^The checkpoint in 'checkpoint' does not fit: its vocabulary is 40, not 41\.$"
    ):
        build(Architecture(vocabulary=41), folder)
    with pytest.raises(ValueError, match=r"^Unknown pooling 'max'\. Valid: mean, cls\.$"):
        build(read(folder), None, pooling="max")
