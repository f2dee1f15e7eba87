"""Backbones: chosen by name, built into Keras models, and what is no backbone refused."""

from __future__ import annotations

import numpy as np
import pytest

import tlplug
from tlplug.backbones import (
    RANDOM,
    ArraySpec,
    build_backbone,
    import_keras,
    select_backbone,
    split_options,
    with_random_weights,
)
from tlplug.errors import OptionError, PluginError, UnknownNameError, UsageError, WeightsError
from tlplug.specs import Option, Source, Weights

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables


def network(units=4, *, names=("values", "dense"), size=8):
    keras = import_keras()
    inputs = keras.Input((size,), name=names[0])
    return keras.Model(inputs, keras.layers.Dense(units, name=names[1])(inputs))


def registered(build, name="own", **fields):
    tlplug.register_backbone(name, modality="vector", **fields)(build)
    return select_backbone(name, modality="vector")


def refused(error_type, build, **fields):
    with pytest.raises(error_type) as error:
        build_backbone(registered(build, **fields))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_only_backbone_of_a_modality_is_its_default(vectors):
    selection = select_backbone(None, modality="vector")
    assert (selection.entry.name, selection.preprocess.name, selection.weights) == ("tanh", "numbers", None)
    assert dict(selection.options) == {"units": 4}
    assert dict(selection.preprocess_options) == {"factor": 1.0}


def test_a_stated_default_wins(vectors):
    registered(lambda weights=None: network())
    with pytest.raises(UsageError) as error:
        select_backbone(None, modality="vector")
    message = "No default backbone for vector: choose one with --backbone. Valid: own, tanh."
    assert str(error.value) == message
    tlplug.register_preprocess("pixels", modality="pixel", default_backbone="dots")(lambda options, files: None)
    for name in ("dots", "lines"):
        tlplug.register_backbone(name, modality="pixel")(lambda weights=None: network())
    assert select_backbone(None, modality="pixel").entry.name == "dots"


def test_a_modality_without_backbones_says_so(vectors):
    with pytest.raises(
        UsageError, match=r"^No default backbone for smell: .* none: install a plugin that brings one\.$"
    ):
        select_backbone(None, modality="smell")


def test_an_unknown_backbone_is_refused_with_the_nearest(vectors):
    with pytest.raises(UnknownNameError, match=r"^Unknown backbone 'tan'\. Did you mean 'tanh'\?"):
        select_backbone("tan", modality="vector")


def test_a_backbone_of_another_modality_is_refused(vectors):
    with pytest.raises(UsageError) as error:
        select_backbone("tanh", modality="image")
    assert str(error.value) == (
        "The backbone 'tanh' takes vector, the data is image. "
        "Valid: a backbone out of tlplug backbones --modality image."
    )


def test_with_several_preprocesses_a_backbone_must_name_its_own(vectors):
    for name in ("words", "letters"):
        tlplug.register_preprocess(name, modality="vector")(lambda options, files: None)
    with pytest.raises(PluginError) as error:
        registered(lambda weights=None: network())
    assert str(error.value) == (
        "The backbone 'own' must name its preprocess for vector. "
        "Valid: test_backbones.py/letters, vectors.py/numbers, test_backbones.py/words."
    )
    assert registered(lambda weights=None: network(), preprocess="words").preprocess.name == "words"
    with pytest.raises(UnknownNameError, match=r"^Unknown preprocess 'word'\. Did you mean 'words'"):
        registered(lambda weights=None: network(), preprocess="word")


def test_with_several_preprocesses_the_own_plugins_only_one_serves(vectors):
    tlplug.register_preprocess("words", modality="vector")(lambda options, files: None)
    assert select_backbone("tanh", modality="vector").preprocess.name == "numbers"
    assert registered(lambda weights=None: network()).preprocess.name == "words"


def test_a_preprocess_of_another_modality_is_refused(vectors):
    tlplug.register_preprocess("pixels", modality="image")(lambda options, files: None)
    with pytest.raises(PluginError) as error:
        registered(lambda weights=None: network(), preprocess="pixels")
    assert str(error.value) == "The backbone 'own' takes vector, its preprocess 'pixels' reads image."


def test_without_a_preprocess_a_backbone_cannot_be_chosen(vectors):
    tlplug.register_backbone("lonely", modality="smell")(lambda weights=None: network())
    with pytest.raises(PluginError, match=r"Valid: none: install or register one\.$"):
        select_backbone("lonely", modality="smell")


def test_unknown_weights_are_refused_with_those_there_are(vectors, tmp_path):
    sets = {"small": Weights(sources=[Source(kind="file", location="/a")])}
    tlplug.register_backbone("own", modality="vector", weights=sets)(lambda weights=None: network())
    assert select_backbone("own", modality="vector").weights == "small"
    assert select_backbone("own", modality="vector", weights=RANDOM).weights == RANDOM
    with pytest.raises(UnknownNameError) as error:
        select_backbone("own", modality="vector", weights="huge")
    assert str(error.value) == "The backbone 'own' has no weights 'huge'. Valid: small, random."


def test_options_are_sorted_by_address():
    options = {"head.dropout": 0.5, "backbone.a.b": 1, "preprocess.x": "", "reader.y": None, "tuning.epochs": 3}
    assert split_options(options) == {
        "head": {"dropout": 0.5},
        "backbone": {"a.b": 1},
        "preprocess": {"x": ""},
        "reader": {"y": None},
        "tuning": {"epochs": 3},
    }
    for address in ("dropout", "heads.dropout", ".dropout", ""):
        with pytest.raises(OptionError, match=rf"^An option is set by its part and name\. Received: '{address}'\."):
            split_options({address: 1})


def test_options_are_parsed_and_unknown_ones_refused(vectors):
    assert select_backbone("tanh", modality=None, options={"units": "6"}).options["units"] == 6
    with pytest.raises(OptionError) as error:
        select_backbone("tanh", modality=None, options={"unit": 6})
    assert str(error.value) == "Unknown option 'backbone.unit'. Valid: backbone.units."
    with pytest.raises(OptionError, match=r"^Option 'units' takes a whole number\. Received: 'six'\.$"):
        select_backbone("tanh", modality=None, options={"units": "six"})
    with pytest.raises(OptionError, match=r"^Unknown option 'preprocess\.size'\. Valid: preprocess\.factor\.$"):
        select_backbone("tanh", modality=None, preprocess_options={"size": 6})


def test_a_backbone_states_preprocess_options_and_people_override_them(vectors):
    tlplug.register_backbone("own", modality="vector", preprocess_options={"factor": 2})(lambda weights=None: network())
    assert select_backbone("own", modality="vector").preprocess_options["factor"] == 2.0
    chosen = select_backbone("own", modality="vector", preprocess_options={"factor": 3})
    assert chosen.preprocess_options["factor"] == 3.0


def test_a_built_backbone_says_what_it_is(vectors):
    built = build_backbone(select_backbone("tanh", modality="vector", options={"units": 6}))
    assert built.inputs == (ArraySpec("values", (8,), "float32"),)
    assert (built.embedding_size, built.parameters, built.model.trainable) == (6, 8 * 6 + 6, False)


def test_the_digest_does_not_depend_on_the_numbers_of_keras(vectors):
    selection = select_backbone("tanh", modality="vector", weights=RANDOM)
    first, second = build_backbone(selection), build_backbone(selection)
    assert first.model.layers[-1].name != second.model.layers[-1].name
    assert first.digest == second.digest


def test_the_digest_changes_with_every_weight(vectors):
    def build(weights=None, changed=-1):
        keras = import_keras()
        inputs = keras.Input((8,))
        x = keras.layers.BatchNormalization()(keras.layers.Dense(3)(inputs))
        model = keras.Model(inputs, x)
        if changed >= 0:
            values = model.get_weights()
            values[changed].flat[-1] += 1e-3
            model.set_weights(values)
        return model

    digests = set()
    registered(build, options=[Option(name="changed", type=int, default=-1)])
    for changed in range(-1, 6):
        selection = select_backbone("own", modality="vector", options={"changed": changed})
        digests.add(build_backbone(selection).digest)
    assert len(digests) == 7


def test_the_digest_changes_with_the_architecture(vectors):
    def digest(activation):
        def build(weights=None):
            keras = import_keras()
            return keras.Sequential([keras.Input((8,)), keras.layers.Dense(2, activation, kernel_initializer="ones")])

        return build_backbone(registered(build)).digest

    assert len({digest(activation) for activation in ("relu", "tanh", "relu")}) == 2


def test_random_weights_are_those_of_the_seed(vectors):
    selection = select_backbone("tanh", modality="vector")
    digests = [build_backbone(with_random_weights(selection, seed)).digest for seed in (0, 1, 0)]
    assert digests[0] == digests[2] != digests[1]
    assert with_random_weights(selection, 3).identity() != with_random_weights(selection, 4).identity()


def test_what_has_no_weights_has_no_identity_before_it_is_built(vectors):
    assert select_backbone("tanh", modality="vector").identity() is None
    identity = select_backbone("tanh", modality="vector", weights=RANDOM, seed=7).identity()
    assert identity["weights_digest"] == "seed 7"
    assert identity["code"].startswith("vectors.py#")


def test_the_builder_gets_the_path_of_its_weights(vectors, tmp_path):
    path = tmp_path / "own.npy"
    np.save(path, np.full((8, 2), 3, "float32"))

    def build(weights=None):
        keras = import_keras()
        dense = keras.layers.Dense(2, use_bias=False)
        model = keras.Sequential([keras.Input((8,)), dense])
        if weights:
            dense.set_weights([np.load(weights)])
        return model

    model = build_backbone(registered(build, weights=path)).model
    assert np.all(model.get_weights()[0] == 3)
    path.write_bytes(b"no array")
    message = refused(WeightsError, build, weights=path)
    assert message.startswith("The backbone 'own' cannot be built with the weights 'default': ")


def test_a_builder_takes_every_option_of_its_record(vectors):
    options = [Option(name="units", type=int, default=3), Option(name="other", type=int, default=1)]

    def build(weights=None, **given):
        return network(sum(given.values()))

    assert build_backbone(registered(build, options=options)).embedding_size == 4
    message = refused(PluginError, lambda weights=None, units=0: network(units), options=options)
    assert "takes no other, which its record declares as an option. Received: (weights=None, units=0)." in message


def raising(weights=None):
    raise RuntimeError("no such layer\nand a long story")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (raising, "The backbone 'own' cannot be built: RuntimeError: no such layer"),
        (lambda weights=None: "text", "The backbone 'own' returned no keras.Model. Received: str."),
        (lambda weights=None: None, "The backbone 'own' returned no keras.Model. Received: NoneType."),
    ],
)
def test_a_builder_that_fails_is_one_line(vectors, build, message):
    assert refused(PluginError, build) == message


def test_a_builder_that_cannot_be_called_is_one_line(vectors):
    assert refused(PluginError, lambda *, units: units).startswith("The backbone 'own' cannot be built: TypeError: ")
    assert refused(PluginError, "never.imported:build").startswith("Cannot load 'never.imported:build': ")


def test_a_model_that_is_no_backbone_is_refused(vectors):
    keras = import_keras()
    unbuilt = keras.Sequential([keras.layers.Dense(2)])
    assert "Received: a model that is not built." in refused(PluginError, lambda weights=None: unbuilt)
    image = keras.Input((4, 4, 3))
    maps = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    assert "Received: (None, 4, 4, 2). Add keras.layers.Global" in refused(PluginError, lambda weights=None: maps)
    inputs = keras.Input((8,))
    two = keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(3)(inputs)])
    assert "Received: (None, 2), (None, 3)." in refused(PluginError, lambda weights=None: two)
    open_ended = keras.Input((None,))
    endless = keras.Model(open_ended, open_ended * 2.0)
    assert "Received: (None, None)." in refused(PluginError, lambda weights=None: endless)


def test_lengths_left_open_are_those_stated(vectors):
    def build(weights=None):
        keras = import_keras()
        inputs = keras.Input((None, 3), name="series")
        return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(inputs))

    assert build_backbone(registered(build)).inputs == (ArraySpec("series", (None, 3), "float32"),)
    assert build_backbone(registered(build, input_shape=(16, 3))).inputs[0].shape == (16, 3)
    message = refused(PluginError, build, input_shape=(16,))
    assert message == "The backbone 'own' states the input shape (16,), its model has (None, 3)."


@pytest.mark.parametrize("stated", [(9,), (8, 1), ()])
def test_a_stated_input_shape_that_the_model_has_not_is_refused(vectors, stated):
    message = refused(PluginError, lambda weights=None: network(), input_shape=stated)
    assert message == f"The backbone 'own' states the input shape {stated}, its model has (8,)."
    assert build_backbone(registered(lambda weights=None: network(), input_shape=(None,))).inputs[0].shape == (8,)


def test_the_stated_input_shape_is_that_of_the_default_options(vectors):
    def build(weights=None, size=8):
        return network(size=size)

    fields = {"input_shape": (8,), "options": [Option(name="size", type=int, default=8)]}
    assert build_backbone(registered(build, **fields)).inputs[0].shape == (8,)
    other = select_backbone("own", modality="vector", options={"size": 5})
    assert build_backbone(other).inputs[0].shape == (5,)
    wrong = refused(PluginError, build, input_shape=(8,), options=[Option(name="size", type=int, default=5)])
    assert wrong == "The backbone 'own' states the input shape (8,), its model has (5,)."


def test_an_option_may_change_how_many_axes_the_input_has(vectors):
    def build(weights=None, channels=0):
        keras = import_keras()
        inputs = keras.Input((None, channels) if channels else (8,), name="series")
        pool = keras.layers.GlobalAveragePooling1D() if channels else keras.layers.Dense(2)
        return keras.Model(inputs, pool(inputs))

    registered(build, input_shape=(8,), options=[Option(name="channels", type=int, default=0)])
    chosen = select_backbone("own", modality="vector", options={"channels": 3})
    assert build_backbone(chosen).inputs == (ArraySpec("series", (None, 3), "float32"),)


def test_of_a_model_with_several_inputs_no_shape_is_stated(vectors):
    def build(weights=None):
        keras = import_keras()
        inputs = [keras.Input((3,), name="one"), keras.Input((4,), name="two")]
        return keras.Model(inputs, keras.layers.Concatenate()(inputs))

    assert [spec.shape for spec in build_backbone(registered(build, input_shape=(8,))).inputs] == [(3,), (4,)]


@pytest.fixture
def saved(tmp_path, vectors):
    """Save a Keras model; without one, a small backbone."""

    def save(layer=None, name="own net.keras"):
        keras = import_keras()
        layer = layer or keras.layers.Dense(3, bias_initializer="ones")
        model = keras.Sequential([keras.Input((8,), name="values"), layer])
        model.save(tmp_path / name)
        return tmp_path / name, model

    return save


def test_a_keras_file_is_a_backbone(saved):
    path, model = saved()
    selection = select_backbone(f"file:{path}", modality="vector")
    built = build_backbone(selection)
    assert (selection.entry.name, selection.weights, built.embedding_size) == (f"file:{path}", "file", 3)
    inputs = np.ones((2, 8), "float32")
    assert np.array_equal(built.model(inputs), model(inputs))


def test_the_identity_of_a_file_is_its_content(saved):
    path, _ = saved()
    first = select_backbone(f"file:{path}", modality="vector").identity()
    path.write_bytes(path.read_bytes() + b"\0")
    assert select_backbone(f"file:{path}", modality="vector").identity() != first


def test_with_random_weights_a_file_is_the_same_network_newly_initialised(saved):
    path, model = saved()
    selection = select_backbone(f"file:{path}", modality="vector")
    random = [build_backbone(with_random_weights(selection, seed)).model.get_weights() for seed in (0, 0, 1)]
    assert np.array_equal(random[0][0], random[1][0])
    assert not np.array_equal(random[0][0], random[2][0])
    assert not np.array_equal(random[0][0], model.get_weights()[0])
    assert np.all(random[0][1] == 1)


def test_a_tilde_in_a_file_is_the_home_folder(saved, monkeypatch):
    path, _ = saved()
    monkeypatch.setenv("HOME", str(path.parent))
    assert build_backbone(select_backbone(f"file:~/{path.name}", modality="vector")).embedding_size == 3


@pytest.mark.parametrize("name", ["missing.keras", "net.h5", "folder.keras", ""])
def test_what_is_no_keras_file_is_refused(vectors, tmp_path, name):
    (tmp_path / "net.h5").write_bytes(b"")
    (tmp_path / "folder.keras").mkdir()
    rest = str(tmp_path / name) if name else ""
    with pytest.raises(UsageError) as error:
        select_backbone(f"file:{rest}", modality="vector")
    assert str(error.value) == f"No such Keras model file: '{rest}'. Valid: file:PATH.keras."


def test_without_a_modality_the_error_of_a_file_says_what_to_add(saved):
    path, _ = saved()
    with pytest.raises(UsageError, match=r"^What 'file:.*' takes cannot be told from the file: add --modality\.$"):
        select_backbone(f"file:{path}", modality=None)


def test_a_layer_with_code_in_the_file_is_refused(saved):
    path, _ = saved(import_keras().layers.Lambda(lambda x: x * 2))
    selection = select_backbone(f"file:{path}", modality="vector")
    for chosen in (selection, with_random_weights(selection, 0)):
        with pytest.raises(Exception, match=r"^The backbone 'file:.*Lambda") as error:
            build_backbone(chosen)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "empty", "other"])
def test_a_damaged_file_is_one_line(saved, damage):
    path, _ = saved()
    data = path.read_bytes()
    path.write_bytes({"truncated": data[:-200], "empty": b"", "other": b"PK no archive"}[damage])
    with pytest.raises(
        WeightsError, match=r"^The backbone 'file:.*' cannot be built with the weights 'file': "
    ) as error:
        build_backbone(select_backbone(f"file:{path}", modality="vector"))
    assert "\n" not in str(error.value)


def test_a_network_out_of_its_weights_comes_with_random_ones_too(vectors, tmp_path):
    asked = []

    def build(weights, random=False):
        asked.append((weights.read_text(), random))
        return network(int(weights.read_text()) + random)

    path = tmp_path / "size.txt"
    path.write_text("5")
    weights = {"own": Weights(sources=(Source(kind="file", location=str(path)),))}
    selection = registered(build, weights=weights, network_in_weights=True)
    twin = with_random_weights(selection, 3)
    assert [build_backbone(chosen).embedding_size for chosen in (selection, twin)] == [5, 6]
    assert asked == [("5", False), ("5", True)]
    before = twin.identity()
    path.write_text("7")
    assert twin.identity() != before
    with pytest.raises(ValueError, match="the network is a part of its weights, and it has none"):
        registered(build, network_in_weights=True)


def test_a_setting_that_is_called_like_a_layer_is_a_part_of_the_digest(vectors):
    @tlplug.register_backbone(
        "named", modality="vector", options=[Option(name="act", type=str, default="relu")], input_shape=(8,)
    )
    def build(weights=None, act="relu"):
        import keras

        return keras.Sequential([keras.Input((8,)), keras.layers.Activation(act, name=act)])

    digests = {
        act: build_backbone(select_backbone("named", modality="vector", options={"act": act})).digest
        for act in ("relu", "tanh")
    }
    assert digests["relu"] != digests["tanh"]
