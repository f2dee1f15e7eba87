"""Modules built into models: each signature, their options, random weights, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from tlplug_hub import loading
from tlplug_hub.hub import build

import tlplug
from tlplug.backbones import stages_of


@pytest.fixture
def keras():
    import keras

    keras.utils.set_random_seed(0)
    return keras


def load(folder):
    import tensorflow as tf

    return tf.saved_model.load(str(folder))


def test_images_are_scaled_to_what_modules_take(modules):
    model = build("image", modules / "image", image_size=20)
    assert [(tensor.shape, tensor.dtype) for tensor in model.inputs] == [((None, 20, 20, 3), "uint8")]
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3), np.uint8)
    expected = load(modules / "image")(np.float32(pixels) / np.float32(255), False)
    np.testing.assert_allclose(model(pixels), expected, atol=1e-6)


def test_maps_of_a_signature_are_averaged(modules):
    model = build("image", modules / "maps")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    expected = load(modules / "maps").signatures["features"](pixels=np.float32(pixels) / np.float32(255))["maps"]
    np.testing.assert_allclose(model(pixels), np.mean(expected, axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize(("name", "position"), [("yamnet", 1), ("vggish", None)])
def test_waveforms_without_a_batch_axis_go_in_one_by_one(modules, name, position):
    model = build("audio", modules / name, samples=4_000)
    sounds = np.random.default_rng(0).normal(0, 0.3, (3, 4_000)).astype(np.float32)
    module = load(modules / name)
    frames = [module(sound) if position is None else module(sound)[position] for sound in sounds]
    np.testing.assert_allclose(model(sounds), [np.mean(rows, axis=0) for rows in frames], atol=1e-5)
    assert build("audio", modules / name).input_shape == (None, 15_600)


def test_waveforms_with_one_go_in_together(modules):
    model = build("audio", modules / "clips")
    sounds = np.random.default_rng(0).normal(0, 0.3, (3, 100)).astype(np.float32)
    np.testing.assert_allclose(model(sounds), load(modules / "clips")(sounds), atol=1e-6)


@pytest.mark.parametrize(("modality", "name"), [("image", "image"), ("audio", "clips"), ("audio", "yamnet")])
def test_a_module_is_one_stage(modules, modality, name):
    model = build(modality, modules / name)
    (stage,) = stages_of(model)
    assert (stage.name, len(stage.layers), stage.parameters) == ("", 1, model.count_params())


TEXTS = np.array(["a good film", "Poor", "nothing of this is known", "bad bad bad"], object)


def test_texts_go_in_as_they_are(modules):
    model = build("text", modules / "use")
    assert [(tensor.shape, tensor.dtype) for tensor in model.inputs] == [((None,), "string")]
    np.testing.assert_allclose(model(TEXTS), load(modules / "use")(list(TEXTS)), atol=1e-6)


def test_a_pair_is_one_model_of_texts(modules, pack):
    expected = load(modules / "pair" / "encoder")(load(modules / "pair" / "preprocessor")(list(TEXTS)), False)
    np.testing.assert_allclose(build("text", modules / "pair")(TEXTS), expected["pooled_output"], atol=1e-6)
    model = build("text", pack("pair"), output="sequence_output")
    np.testing.assert_allclose(model(TEXTS), np.mean(expected["sequence_output"], axis=1), atol=1e-6)


def test_random_weights_are_drawn_from_the_seed_and_keep_their_scale(keras, modules):
    def weights(seed, random=True):
        keras.utils.set_random_seed(seed)
        model = build("image", modules / "image", image_size=16, random=random)
        return [variable.numpy() for variable in model.weights]

    published, first, again, other = weights(0, random=False), weights(0), weights(0), weights(1)
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).max() > 0.1
    assert np.abs(first[0] - published[0]).max() > 0.1
    assert np.std(first[0]) == pytest.approx(np.std(published[0]), rel=0.3)
    np.testing.assert_array_equal(first[1], published[1])  # the moving average does not train


def test_random_weights_of_a_module_that_was_saved_frozen_are_not_the_published_ones(keras, tmp_path):
    network = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()]
    )
    network.trainable = False
    network.export(str(tmp_path / "frozen"), verbose=False)
    published, drawn = (build("image", tmp_path / "frozen", random=random).get_weights()[0] for random in (False, True))
    assert np.abs(drawn - published).max() > 0.01


def test_random_weights_of_constants_are_refused(tmp_path):
    import tensorflow as tf

    class Constant(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3])])
        def __call__(self, x):
            return tf.reduce_mean(x, [1, 2])

    tf.saved_model.save(Constant(), str(tmp_path / "constant"))
    assert build("image", tmp_path / "constant").output_shape == (None, 3)
    with pytest.raises(tlplug.UsageError, match=r"^The weights of the module are constants of its program"):
        build("image", tmp_path / "constant", random=True)


@pytest.mark.parametrize(
    ("name", "modality", "said"),
    [
        ("use", "image", "The module takes string [?], the data is image. Valid: --modality text, with data of that"),
        ("image", "text", "The module takes float32 [?, ?, ?, 3], the data is text. Valid: --modality image"),
        ("pair/encoder", "text", "it needs its preprocessor as well. Valid: hub:PREPROCESSOR,ENCODER"),
        ("pair", "image", "The folders preprocessor and encoder hold no pair for image."),
    ],
)
def test_a_wrong_combination_is_one_line(modules, name, modality, said):
    with pytest.raises(tlplug.UsageError) as error:
        build(modality, modules / name)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_pair_that_does_not_fit_is_refused(modules, tmp_path):
    (tmp_path / "pair").mkdir()
    (tmp_path / "pair" / "preprocessor").symlink_to(modules / "use")
    (tmp_path / "pair" / "encoder").symlink_to(modules / "pair" / "encoder")
    with pytest.raises(tlplug.UsageError, match=r"hold no pair for text.*Received: string \[\?\], and a dictionary of"):
        build("text", tmp_path / "pair")


def test_a_size_that_the_module_fixes_stays(modules):
    assert build("image", modules / "maps", image_size=16).input_shape == (None, 16, 16, 3)
    with pytest.raises(tlplug.UsageError, match=r"^The module takes image_size 16 alone\. Received: 20\."):
        build("image", modules / "maps", image_size=20)


def test_an_untrusted_module_is_refused_and_a_trusted_one_runs(modules, copied):
    with pytest.raises(tlplug.UsageError, match="beside computing it can use WriteFile"):
        build("text", modules / "writer")
    build("text", modules / "writer", trust=True)(TEXTS)
    build("text", copied("writer"))  # the same digest, in the same process
    loading._trusted.clear()
    with pytest.raises(tlplug.UsageError, match="is not run"):
        build("text", modules / "writer")
    assert (modules / "written").read_text() == "by the module"
    (modules / "written").unlink()


def test_an_archive_lives_as_long_as_its_model(modules, pack, tmp_path, monkeypatch, keras):
    import gc
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    model = build("text", pack("use"))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(TEXTS), model(TEXTS))
    assert len(list((tmp_path / "temporary").glob("tlplug-hub-*"))) == 2
    (tmp_path / "bad.tar.gz").write_bytes(b"no archive")
    message = r"^The archive 'bad\.tar\.gz' is damaged: it is no \.tar, compressed or not$"
    with pytest.raises(tlplug.WeightsError, match=message):
        build("text", tmp_path / "bad.tar.gz")
    del model, again
    keras.backend.clear_session()
    gc.collect()
    assert len(list((tmp_path / "temporary").glob("tlplug-hub-*"))) <= 2
