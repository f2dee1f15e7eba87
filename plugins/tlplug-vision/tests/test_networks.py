"""The networks of keras.applications: the same numbers as Keras itself gives, from the same files."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib

import numpy as np
import pytest
from tlplug_vision.catalogue import FAMILIES

from tlplug.errors import WeightsError
from tlplug.specs import Source, Weights, load_reference
from tlplug.weights import WeightsStore

NETWORKS = {member.name: (family, member) for family in FAMILIES for member in family.members}
SMALLEST = [min(family.members, key=lambda member: member.parameters).name for family in FAMILIES]
SLOW = ("densenet121", "inception_resnet_v2", "inception_v3", "nasnet_mobile", "xception")
FAST = [name for name in SMALLEST if name not in SLOW]

# Keras hands TensorFlow's variables to NumPy, whose protocol they follow in its old form.
SAVING = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def small(entries):
    """Build MobileNetV2 at its smallest."""
    build = entries["mobilenet_v2"].record.build
    return lambda weights=None, alpha=0.35: build(weights, image_size=32, alpha=alpha)


@pytest.fixture
def asked(monkeypatch):
    """Let keras.applications take the files given; what it asks for is kept as (name, address, checksum)."""
    from keras.src.utils import file_utils

    requests = []

    def answer_with(path):
        def get_file(fname, origin, cache_subdir, file_hash=None):
            requests.append((fname, origin, file_hash))
            return str(path)

        monkeypatch.setattr(file_utils, "get_file", get_file)
        return requests

    return answer_with


def preprocess_input(member):
    """Keras' own scaling for a network."""
    import keras

    module = getattr(keras.applications, member.function).__module__
    return importlib.import_module(module).preprocess_input


def assert_same(received, expected):
    assert received.shape == expected.shape
    size = np.abs(expected).max()
    assert np.ptp(expected, axis=0).max() > 2e-3 * size, "the pictures make no difference"
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-4 * size)


@pytest.fixture
def equals_keras(entries, asked, write_legacy, pictures, tmp_path):
    """Load one file into a backbone and, as its published file, into keras.applications; both must agree."""
    import keras

    def check(name):
        record, (family, member) = entries[name].record, NETWORKS[name]
        size = max(family.minimum, 64)
        path = write_legacy(record.build(None, image_size=size), tmp_path / "weights_notop.h5")
        requests = asked(path)
        function = getattr(keras.applications, member.function)
        reference = function(weights="imagenet", include_top=False, pooling="avg", input_shape=(size, size, 3))
        ((filename, address, checksum),) = requests
        (source,) = record.weights["imagenet"].sources
        assert (source.kind, source.location) == ("keras", address)
        assert (source.member or address.rpartition("/")[2]) == filename
        assert source.checksum.partition(":")[2] == (checksum or "")
        model = record.build(path, image_size=size)
        batch = pictures(size)
        expected = reference(preprocess_input(member)(batch.astype(np.float32)), training=False).numpy()
        assert_same(model(batch, training=False).numpy(), expected)
        assert "Functional" not in {type(layer).__name__ for layer in model.layers}
        assert (model.input.dtype, model.output.dtype) == ("uint8", "float32")
        assert model.count_params() == record.parameters

    return check


@pytest.mark.parametrize("name", FAST)
@pytest.mark.filterwarnings("ignore:.?input_shape. is undefined")
def test_a_network_of_every_family_equals_keras_on_a_published_file(name, equals_keras):
    equals_keras(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - set(FAST)))
@pytest.mark.filterwarnings("ignore:.?input_shape. is undefined")
def test_every_other_network_equals_keras_on_a_published_file(name, equals_keras):
    equals_keras(name)


@SAVING
@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_a_network_of_every_family_reloads_in_safe_mode_and_exports(name, entries, pictures, tmp_path):
    size = NETWORKS[name][0].minimum
    check_files(entries[name].record.build(None, image_size=size), pictures(size)[:1], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet", "mobilenet_v2"])
def test_each_width_has_the_file_that_keras_asks_for(name, entries, asked, write_legacy, tmp_path):
    import keras

    record = entries[name].record
    _, member = NETWORKS[name]
    (widths,) = [option.choices for option in record.options if option.name == "alpha"]
    for alpha in widths:
        path = write_legacy(record.build(None, alpha=alpha), tmp_path / f"{alpha}_no_top.h5", train=False)
        requests = asked(path)
        getattr(keras.applications, member.function)(alpha=alpha, include_top=False, input_shape=(224, 224, 3))
        weights = record.weights["imagenet" if alpha == 1.0 else f"imagenet-alpha-{alpha}"]
        assert weights.sources[0].location == requests[-1][1]


def check_files(model, batch, folder):
    import keras
    from ai_edge_litert.interpreter import Interpreter

    expected = model(batch, training=False).numpy()
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(batch, training=False).numpy(), expected)
    model.export(folder / "model.tflite", format="litert", verbose=False)
    interpreter = Interpreter(str(folder / "model.tflite"))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert taken["dtype"] is np.uint8
    interpreter.allocate_tensors()
    interpreter.set_tensor(taken["index"], batch)
    interpreter.invoke()
    np.testing.assert_allclose(
        interpreter.get_tensor(given["index"]), expected, rtol=0, atol=1e-4 * np.abs(expected).max()
    )


@SAVING
@pytest.mark.slow
def test_it_reloads_in_safe_mode_and_exports_with_its_scaling(small, pictures, tmp_path):
    check_files(small(), pictures(32)[:1], tmp_path)


@pytest.mark.parametrize("name", [*SMALLEST, "efficientnet_lite0"])
def test_an_image_below_the_minimum_is_refused_in_one_line(name, entries):
    minimum = NETWORKS[name][0].minimum if name in NETWORKS else 32
    with pytest.raises(
        ValueError, match=rf"{name} takes images of {minimum} by {minimum} .*: image_size={minimum - 1}\.$"
    ):
        load_reference(entries[name].record.build)(None, image_size=minimum - 1)


def test_weights_of_another_width_are_refused_with_the_set_that_fits(small, write_legacy, tmp_path):
    path = write_legacy(small(alpha=0.5), tmp_path / "mobile_no_top.h5")
    with pytest.raises(
        ValueError, match=r"^The weights file 'mobile_no_top.h5' does not fit mobilenet_v2 .*"
    ) as caught:
        small(path, alpha=0.35)
    assert str(caught.value).endswith("Valid: 'imagenet-alpha-0.35'.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_a_damaged_weights_file_is_refused_in_one_line(content, small, tmp_path):
    path = tmp_path / "weights_no_top.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^[^\n]*does not fit mobilenet_v2 [^\n]*$"):
        small(path)


def test_a_truncated_weights_file_is_refused(small, write_legacy, tmp_path):
    path = write_legacy(small(), tmp_path / "weights_no_top.h5")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"^[^\n]*does not fit mobilenet_v2 [^\n]*$"):
        small(path)


@pytest.fixture
def published(small, served, write_legacy):
    """A weights file for the small network on a server: its path, and its address."""
    folder, address = served
    path = write_legacy(small(), folder / "mobile_no_top.h5")
    return path, f"{address}/{path.name}"


@pytest.mark.parametrize("kind", ["url", "keras"])
def test_a_weight_set_is_downloaded_verified_and_loaded(kind, entries, small, published, tmp_path):
    path, address = published
    entry = entries["mobilenet_v2"]

    def entry_with(checksum):
        weights = Weights(sources=(Source(kind=kind, location=address, checksum=checksum),))
        return dataclasses.replace(entry, record=dataclasses.replace(entry.record, weights={"imagenet": weights}))

    store = WeightsStore(tmp_path / "store")
    with pytest.raises(WeightsError, match="its md5 is"):
        store.get(entry_with("md5:" + 32 * "0"), "imagenet")
    checksum = "md5:" + hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    stored = store.get(entry_with(checksum), "imagenet")
    assert stored.path != path
    for received, expected in zip(small(stored.path).weights, small(path).weights, strict=True):
        np.testing.assert_array_equal(received.numpy(), expected.numpy())


def test_the_dog_breeds_are_another_network_than_a_random_one(entries, fetched, pictures):
    import keras

    build = entries["mobilenet_v2"].record.build
    keras.utils.set_random_seed(0)
    batch = pictures(96)
    tuned = build(fetched("mobilenet_v2", "dog-breeds"), image_size=96, alpha=1.0)(batch, training=False).numpy()
    random = build(None, image_size=96, alpha=1.0)(batch, training=False).numpy()
    assert tuned.shape == (2, 1280)
    assert np.isfinite(tuned).all()
    assert np.abs(tuned - random).max() > 0.1
    with pytest.raises(ValueError, match=r"Conv1/kernel is .* Valid: 'imagenet-alpha-0\.5'\.$"):
        build(fetched("mobilenet_v2", "dog-breeds"), alpha=0.5)
