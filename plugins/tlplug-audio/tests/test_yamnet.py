"""YAMNet against the original, in Keras and in LiteRT; its two weight files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tlplug_audio.audio import cut
from tlplug_audio.spectrogram import STEP
from tlplug_audio.yamnet import LAYER, LAYERS, SAMPLES, build
from tlplug_audio.yamnet_files import published

# Keras hands TensorFlow's variables to NumPy, whose protocol they follow in its old form.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

GOLDEN = json.loads((Path(__file__).parent / "data" / "yamnet.json").read_text())["items"]
TIME = np.arange(32_000) / 16_000
WAVEFORMS = {
    "chirp": 0.5 * np.sin(2 * np.pi * (200 * TIME + 400 * TIME**2)),
    "two_tones": 0.3 * np.sin(2 * np.pi * 440 * TIME) + 0.3 * np.sin(2 * np.pi * 1760 * TIME),
    "short": 0.4 * np.sin(2 * np.pi * 880 * TIME[:6000]),
}
"""What the golden embeddings are of, by their formulas."""


def windows(name):
    return np.stack(cut(WAVEFORMS[name].astype(np.float32), SAMPLES, 48 * STEP))


@pytest.fixture(scope="module")
def litert(yamnet, tmp_path_factory):
    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path_factory.mktemp("litert") / "yamnet.tflite"
    yamnet.export(str(path), format="litert", verbose=False)
    # Without Flex delegate: an operation that is not LiteRT's own would fail here.
    interpreter = Interpreter(str(path), num_threads=2)
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(batch):
        interpreter.resize_tensor_input(source["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], batch)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"]).copy()

    return run


@pytest.mark.parametrize("name", WAVEFORMS)
def test_its_network_equals_the_original(yamnet, name):
    """Behind the original's front end, whose roundings the golden embeddings hold."""
    import keras
    import tensorflow as tf

    mel = tf.signal.linear_to_mel_weight_matrix(64, 257, 16_000, 125.0, 7500.0)
    spectrogram = tf.math.log(tf.abs(tf.signal.stft(windows(name), 400, 160, 512)) @ mel + 0.001)
    network = keras.Model(yamnet.get_layer("log_mel").output, yamnet.output)
    embedding = network(spectrogram, training=False).numpy().mean(axis=0)
    golden = np.array(GOLDEN[name]["mean_embedding"])
    # Of the largest value. Measured: 1.9e-5, 1.1e-6 and 1.2e-6; the file has five decimals.
    assert np.abs(embedding - golden).max() < 3e-5 * golden.max()


@pytest.mark.parametrize("name", WAVEFORMS)
def test_the_whole_equals_the_original(yamnet, litert, name):
    batch = windows(name)
    assert len(batch) == GOLDEN[name]["patches"]
    golden = np.array(GOLDEN[name]["mean_embedding"])
    for embeddings in (yamnet(batch, training=False).numpy(), litert(batch)):
        # Of the largest value. Measured: 3.7e-5, 1.0e-4 and 6.7e-5. Between the partials of pure tones there is
        # nothing but the rounding of the original's float32 transform: with an exact one it is 3.9e-5 to 7.5e-5.
        assert np.abs(embeddings.mean(axis=0) - golden).max() < 1.5e-4 * golden.max()


def test_its_spectrogram_is_nearer_to_an_exact_one_than_that_of_tensorflow(yamnet):
    import keras
    import tensorflow as tf

    batch = np.concatenate([windows(name) for name in WAVEFORMS])
    frames = np.lib.stride_tricks.sliding_window_view(batch.astype(np.float64), 400, axis=1)[:, ::160]
    magnitudes = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)), 512))
    mel = tf.signal.linear_to_mel_weight_matrix(64, 257, 16_000, 125.0, 7500.0).numpy()
    exact = np.log(magnitudes @ mel.astype(np.float64) + 0.001)
    ours = keras.Model(yamnet.input, yamnet.get_layer("log_mel").output)(batch).numpy()
    theirs = tf.math.log(tf.abs(tf.signal.stft(batch, 400, 160, 512)) @ mel + 0.001).numpy()
    # Measured: 7.5e-4 against 4.5e-3.
    assert np.abs(ours - exact).max() < 1.5e-3
    assert np.abs(ours - exact).max() < np.abs(theirs - exact).max() / 2


def test_litert_equals_keras_at_any_batch_size(yamnet, litert, noise):
    batch = np.stack([noise(0.975, seed=seed) for seed in range(5)])
    expected = yamnet(batch, training=False).numpy()
    for size in (1, 5, 3):
        np.testing.assert_allclose(litert(batch[:size]), expected[:size], rtol=0, atol=3e-5)


def test_an_embedding_does_not_depend_on_its_neighbours(litert, noise):
    quiet, loud = noise(0.975), 5 * noise(0.975, seed=1)
    np.testing.assert_array_equal(litert(np.stack([quiet, loud]))[0], litert(np.stack([quiet, quiet]))[0])


def test_it_trains_and_silence_has_a_finite_gradient():
    import tensorflow as tf

    model = build(None, layer=LAYERS)
    silence = tf.zeros((2, SAMPLES))
    with tf.GradientTape() as tape:
        tape.watch(silence)
        loss = tf.reduce_sum(model(silence, training=True) ** 2)
    gradients = tape.gradient(loss, [silence, *model.trainable_variables])
    assert all(gradient is not None and np.isfinite(gradient.numpy()).all() for gradient in gradients)
    assert len(model.trainable_variables) == 54
    assert model.count_params() == 3_217_344


@pytest.mark.parametrize(("layer", "size"), [(2, 64), (LAYER, 512), (13, 1024)])
def test_a_layer_is_that_of_the_whole(yamnet, weights, noise, layer, size):
    import keras

    part, batch = build(weights, layer=layer), noise(0.975)[None]
    activations = keras.Model(yamnet.input, yamnet.get_layer(f"layer{layer}_pointwise_conv_relu").output)(batch)
    expected = activations.numpy().mean(axis=(1, 2))
    assert expected.shape == (1, size)
    np.testing.assert_allclose(part(batch, training=False).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_layers_that_it_does_not_have_are_refused():
    for layer in (1, 15):
        with pytest.raises(ValueError, match=f"^YAMNet has the layers 2 to 14. Received: {layer}.$"):
            build(None, layer=layer)


def test_it_reloads_in_safe_mode_in_another_process(yamnet, tmp_path, noise):
    yamnet.save(tmp_path / "model.keras")
    batch = noise(0.975)[None]
    np.save(tmp_path / "batch.npy", batch)
    source = (
        "import sys, keras, numpy as np, tlplug_audio.layers;"
        "model = keras.saving.load_model(sys.argv[1] + '/model.keras', safe_mode=True);"
        "np.save(sys.argv[1] + '/out.npy', model(np.load(sys.argv[1] + '/batch.npy'), training=False).numpy())"
    )
    subprocess.run([sys.executable, "-c", source, str(tmp_path)], check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), yamnet(batch, training=False).numpy())


def test_half_precision_keeps_the_spectrogram_in_full():
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(None)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("log_mel").compute_dtype == "float32"
    assert model.get_layer("layer1_conv").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


def test_a_waveform_without_a_length_is_refused():
    from tlplug_audio.layers import LogMel

    for samples in (None, 399):
        with pytest.raises(ValueError, match="fixed number of samples, at least 400"):
            LogMel().build((None, samples))
    assert LogMel()(np.zeros((1, 560), np.float32)).shape == (1, 2, 64)


def write_hdf5(path, model, change=None):
    """Write a model's weights as TensorFlow's model garden has them in ``yamnet.h5``, with a classification layer.

    Each layer is a group called like it, with a list of its weights; their names repeat that of the layer.
    """
    import h5py

    values = {}
    for layer, variables in published():
        for ours, theirs in variables.items():
            if layer == "logits":
                value = np.zeros((1024, 521)[0 if ours == "kernel" else 1 :], np.float32)
            else:
                found = model.get_layer(layer.replace("/", "_")).weights
                value = next(variable.numpy() for variable in found if variable.name == ours)
            values[layer, f"{layer}/{theirs}:0"] = value
    if change:
        change(values)
    with h5py.File(path, "w") as file:
        layers = list(dict.fromkeys(layer for layer, _ in values))
        file.attrs["layer_names"] = [layer.encode() for layer in ["input_1", *layers]]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4-tf"
        file.create_group("input_1").attrs["weight_names"] = []
        for layer in layers:
            names = [name for owner, name in values if owner == layer]
            group = file.require_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                group[name] = values[layer, name]
    return path


def test_the_hdf5_file_gives_the_same_network(yamnet, tmp_path, noise):
    import h5py

    path = write_hdf5(tmp_path / "yamnet.h5", yamnet)
    with h5py.File(path) as file:
        assert file["layer2/depthwise_conv/layer2/depthwise_conv/depthwise_kernel:0"].shape == (3, 3, 32, 1)
        assert file["layer14/pointwise_conv/bn/layer14/pointwise_conv/bn/moving_mean:0"].shape == (1024,)
    batch = noise(0.975)[None]
    np.testing.assert_array_equal(
        build(path, layer=LAYERS)(batch, training=False).numpy(), yamnet(batch, training=False).numpy()
    )


def _drop(values):
    del values["layer3/pointwise_conv", "layer3/pointwise_conv/kernel:0"]


def _widen(values):
    values["layer1/conv", "layer1/conv/kernel:0"] = np.zeros((5, 5, 1, 32), np.float32)


def _add(values):
    values["layer15/conv", "layer15/conv/kernel:0"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_drop, "it lacks 'layer3/pointwise_conv/layer3/pointwise_conv/kernel:0'"),
        (_widen, r"'layer1/conv/layer1/conv/kernel:0' is \(5, 5, 1, 32\), not \(3, 3, 1, 32\)"),
        (_add, "it has an unknown 'layer15/conv/layer15/conv/kernel:0'"),
    ],
)
def test_hdf5_weights_of_another_network_are_refused_in_one_line(tmp_path, change, reason):
    path = write_hdf5(tmp_path / "other.h5", build(None, layer=LAYERS), change)
    with pytest.raises(ValueError, match=rf"^The weights 'other.h5' do not fit yamnet: {reason}\. Valid: [^\n]*$"):
        build(path)


def test_damaged_weights_are_refused_in_one_line(weights, tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("no weights")
    (empty := tmp_path / "empty").mkdir()
    shutil.copytree(weights, cut_off := tmp_path / "cut_off")
    data = cut_off / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1_000_000])
    shutil.copytree(weights, flipped := tmp_path / "flipped")
    index = flipped / "variables" / "variables.index"
    index.write_bytes(index.read_bytes()[:4000] + b"\0" * 100 + index.read_bytes()[4100:])
    for path in (text, empty, cut_off, flipped, tmp_path / "missing.h5"):
        with pytest.raises(ValueError, match=r"^The weights '[^\n]*' do not fit yamnet: [^\n]*$"):
            build(path)
