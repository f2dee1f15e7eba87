"""A SavedModel as a Keras layer: it trains, freezes, and travels inside the saved model."""

from __future__ import annotations

import json
import re
import shutil
import zipfile

import numpy as np
import pytest

import tlplug


@pytest.fixture
def keras():
    import keras

    keras.utils.set_random_seed(0)
    return keras


def pictures(count=12, size=16, seed=0):
    return np.random.default_rng(seed).uniform(size=(count, size, size, 3)).astype(np.float32)


def classifier(keras, layer):
    """Images through a module's layer to two classes."""
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax")(layer(inputs)))
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    return model


def values(layer):
    return [variable.numpy() for variable in layer.module_variables]


def inside(layer):
    """What the SavedModel itself computes with, whatever Keras thinks."""
    return [variable.numpy() for variable in (layer._loaded.kernel, layer._loaded.mean)]


def test_fine_tuning_changes_the_weights_of_the_module(keras, modules):
    from tlplug_hub.layers import HubLayer

    layer = HubLayer(modules / "image", trainable=True)
    model = classifier(keras, layer)
    before = inside(layer)
    assert [variable.trainable for variable in layer.module_variables] == [True, False]
    model.fit(pictures(), np.arange(12) % 2, epochs=2, verbose=0)
    kernel, mean = inside(layer)
    assert np.abs(kernel - before[0]).max() > 1e-4
    assert np.abs(mean - before[1]).max() > 1e-4  # the moving average of its training call
    for received, expected in zip(values(layer), inside(layer), strict=True):
        np.testing.assert_array_equal(received, expected)


def test_freezing_does_not(keras, modules):
    from tlplug_hub.layers import HubLayer

    layer = HubLayer(modules / "image", trainable=False)
    model = classifier(keras, layer)
    before = inside(layer)
    model.fit(pictures(), np.arange(12) % 2, epochs=2, verbose=0)
    for received, expected in zip(inside(layer), before, strict=True):
        np.testing.assert_array_equal(received, expected)
    layer.trainable = True  # and it can be thawed later
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(pictures(), np.arange(12) % 2, verbose=0)
    assert np.abs(inside(layer)[0] - before[0]).max() > 1e-5


def test_its_regularisation_counts_in_training_alone(keras, modules):
    from tlplug_hub.layers import HubLayer

    layer = HubLayer(modules / "image")
    layer(pictures(), training=False)
    assert layer.losses == []
    layer(pictures(), training=True)
    assert [float(loss) for loss in layer.losses] == pytest.approx([0.01 * np.square(inside(layer)[0]).sum()], rel=1e-5)


def test_modules_that_list_no_variables_train_too(keras, modules):
    from tlplug_hub.layers import HubLayer

    layer = HubLayer(modules / "yamnet", output_key="1", per_example=True)
    inputs = keras.Input((800,))
    model = keras.Sequential([inputs, layer, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    before = values(layer)
    assert [variable.shape for variable in layer.module_variables] == [(400, 8), (8, 3)] or len(before) == 2
    model.fit(np.ones((4, 800), np.float32), np.ones(4), verbose=0)
    changed = [np.abs(new - old).max() > 0 for new, old in zip(values(layer), before, strict=True)]
    assert sorted(changed) == [False, True]  # nothing leads from the embeddings to the scores


def test_a_counter_that_is_said_to_train_does_not(keras, tmp_path):
    import tensorflow as tf
    from tlplug_hub.layers import HubLayer

    class Counting(tf.Module):
        def __init__(self):
            super().__init__()
            self.count, self.scale = tf.Variable(0), tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None, 4])])
        def __call__(self, x):
            self.count.assign_add(1)
            return x * self.scale

    tf.saved_model.save(Counting(), str(tmp_path / "counting"))
    layer = HubLayer(tmp_path / "counting")
    assert {variable.dtype: variable.trainable for variable in layer.module_variables} == {
        "int32": False,
        "float32": True,
    }
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 4), np.float32), np.ones((8, 4)), batch_size=4, verbose=0)
    count, scale = (next(v for v in layer.module_variables if v.dtype == kind).numpy() for kind in ("int32", "float32"))
    assert count == 2
    assert scale < 2


def test_a_saved_model_is_loaded_in_a_fresh_process_without_the_folder(keras, copied, tmp_path, python):
    from tlplug_hub.layers import HubLayer

    folder = copied("image")
    model = classifier(keras, HubLayer(folder, trainable=True))
    model.fit(pictures(), np.arange(12) % 2, epochs=2, verbose=0)
    model.save(tmp_path / "tuned.keras")
    np.save(tmp_path / "expected.npy", model.predict(pictures(), verbose=0))
    np.save(tmp_path / "pictures.npy", pictures())
    shutil.rmtree(folder)
    answer = python(
        """
import sys, json, numpy as np, keras, tlplug_hub.layers
folder = sys.argv[1]
model = keras.saving.load_model(folder + "/tuned.keras")
x, expected = np.load(folder + "/pictures.npy"), np.load(folder + "/expected.npy")
different = float(np.abs(model.predict(x, verbose=0) - expected).max())
before = model.layers[1]._loaded.kernel.numpy()
model.fit(x, np.arange(12) % 2, verbose=0)
moved = float(np.abs(model.layers[1]._loaded.kernel.numpy() - before).max())
tuned = model.predict(x, verbose=0)
model.save(folder + "/again.keras")
again = keras.saving.load_model(folder + "/again.keras")
model.export(folder + "/exported", verbose=False)
import tensorflow as tf
served = tf.saved_model.load(folder + "/exported")
exported = served.serve(x)
print(json.dumps([different, moved, float(np.abs(again.predict(x, verbose=0) - tuned).max()),
                  float(np.abs(exported.numpy() - tuned).max())]))
""",
        tmp_path,
    )
    different, moved, again, exported = json.loads(answer.splitlines()[-1])
    assert different == 0
    assert moved > 1e-5
    assert again == 0
    assert exported < 1e-6


def test_training_goes_on_after_loading_as_if_it_had_not_stopped(keras, modules, tmp_path):
    from tlplug_hub.layers import HubLayer

    def train(model, epochs):
        model.fit(pictures(), np.arange(12) % 2, epochs=epochs, shuffle=False, verbose=0)
        return model

    models = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        models.append(classifier(keras, HubLayer(modules / "image", trainable=True)))
        models[-1].compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    straight = train(models[0], 4)
    train(models[1], 2).save(tmp_path / "half.keras")
    resumed = train(keras.saving.load_model(tmp_path / "half.keras"), 2)
    for received, expected in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-6)


def test_signatures_and_outputs_are_chosen(keras, modules):
    from tlplug_hub.layers import HubLayer

    batch = pictures(2)
    layer = HubLayer(modules / "maps", output_key="maps")
    assert layer(batch).shape == (2, 4, 4, 5)
    assert layer.compute_output_spec(keras.Input((16, 16, 3))).shape == (None, 4, 4, 5)
    everything = HubLayer(modules / "maps", signature="features")(keras.Input((16, 16, 3)))
    assert {name: tensor.dtype for name, tensor in everything.items()} == {"maps": "float32", "shape": "int32"}
    with pytest.raises(ValueError, match=r"^The module has no output 'none'\. Valid: maps: float32 \[\?, 4, 4, 5\]"):
        HubLayer(modules / "maps", output_key="none")
    with pytest.raises(ValueError, match=r"^The module cannot be called .* Valid: features\.$"):
        HubLayer(modules / "maps", signature="none")


def test_texts_and_dictionaries_go_in(keras, modules):
    from tlplug_hub.layers import HubLayer

    texts = np.array(["good film", "bad", "an unknown word"], object)
    prepared = HubLayer(modules / "pair" / "preprocessor")(texts)
    assert {name: tuple(array.shape) for name, array in prepared.items()} == {
        "input_mask": (3, 8),
        "input_type_ids": (3, 8),
        "input_word_ids": (3, 8),
    }
    pooled = HubLayer(modules / "pair" / "encoder", output_key="pooled_output")(prepared)
    assert pooled.shape == (3, 6)


def test_a_folder_that_has_changed_is_not_saved(keras, copied, tmp_path):
    from tlplug_hub.layers import HubLayer

    folder = copied("image")
    model = classifier(keras, HubLayer(folder))
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match=r"^The folder of the SavedModel has been changed or removed"):
        model.save(tmp_path / "model.keras")


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras tries what fails twice
def test_an_archive_cannot_smuggle_another_module_in(keras, modules, tmp_path):
    """The SavedModel in the archive of a model is replaced by one that writes files, its digest and all."""
    from tlplug_hub import modules as described
    from tlplug_hub.layers import HubLayer

    inputs = keras.Input((), dtype="string")
    keras.Model(inputs, HubLayer(modules / "use", name="module")(inputs)).save(tmp_path / "model.keras")
    digests = [described.digest(modules / name) for name in ("use", "writer")]
    for name, digest in (("same.keras", digests[0]), ("other.keras", digests[1])):
        with zipfile.ZipFile(tmp_path / "model.keras") as old, zipfile.ZipFile(tmp_path / name, "w") as new:
            for item in old.namelist():
                body = old.read(item)
                if item.endswith("saved_model.pb"):
                    body = (modules / "writer" / "saved_model.pb").read_bytes()
                if "/variables/" in item:
                    body = (modules / "writer" / "variables" / item.rpartition("/")[2]).read_bytes()
                new.writestr(item, body.replace(digests[0].encode(), digest.encode()))
    with pytest.raises(ValueError, match="The SavedModel in the archive is damaged"):
        keras.saving.load_model(tmp_path / "same.keras")
    with pytest.raises(ValueError, match=re.escape("beside computing it can use WriteFile")):
        keras.saving.load_model(tmp_path / "other.keras")
    assert not (modules / "written").exists()


@pytest.mark.parametrize("stated", [{"folder": "writer", "trust": True}, {"folder": "writer"}, {"trust": True}])
def test_a_configuration_can_neither_name_a_folder_nor_trust(keras, modules, stated):
    """What a file says is loaded from the disk and trusted would be run before anybody was asked."""
    from tlplug_hub.layers import HubLayer

    if "folder" in stated:
        stated["folder"] = str(modules / stated["folder"])
    config = HubLayer(modules / "use").get_config()
    for known in (config, {name: value for name, value in config.items() if name != "module"}):
        with pytest.raises(ValueError, match="can state neither folder nor trust"):
            HubLayer.from_config({**known, **stated})


def test_a_layer_without_its_module_says_so(keras, modules):
    from tlplug_hub.layers import HubLayer

    layer = HubLayer.from_config(HubLayer(modules / "image").get_config())
    with pytest.raises(ValueError, match="has no SavedModel: it comes with the weights of a saved model"):
        layer(pictures())
    with pytest.raises(ValueError, match=r"^A HubLayer takes the folder"):
        HubLayer()


def test_one_that_is_not_trusted_is_refused_before_it_is_loaded(keras, modules):
    from tlplug_hub.layers import HubLayer

    with pytest.raises(tlplug.UsageError, match=r"^The module 'writer' is not run: .* WriteFile\. .* add --trust"):
        HubLayer(modules / "writer")
