"""Cuts and stages: trunk and top together are the network, to the last bit, wherever it is cut."""

from __future__ import annotations

import hashlib

import keras
import numpy as np
import pytest
from keras import layers, ops

from tlplug.backbones import Stage, cut_below, cut_for, split_at, stages_of
from tlplug.backbones.graph import Graph
from tlplug.errors import PluginError, UsageError

FAST = ("MobileNetV2", "VGG16")
STARTS = {
    "MobileNetV2": ["block_12_add", "block_5_add", "block_2_add", "expanded_conv_project_BN", ""],
    "EfficientNetV2B0": ["block5e_add", "block3b_add", "block2b_add", "block1a_project_activation", ""],
    "ResNet50": ["conv4_block6_out", "conv3_block4_out", "conv2_block3_out", "pool1_pool", ""],
    "ResNet50V2": ["conv4_block6_out", "conv3_block4_out", "conv2_block3_out", "pool1_pool", ""],
    "DenseNet121": ["pool4_pool", "pool3_pool", "pool2_pool", "pool1", ""],
    "VGG16": ["block4_pool", "block3_pool", "block2_pool", "block1_pool", ""],
    "NASNetMobile": ["stem_bn1", ""],
}
"""Of networks whose layers have names of their own."""

NUMBERED = {
    "InceptionV3": [(17, 17, 768), (35, 35, 288), (35, 35, 192), (73, 73, 64)],
    "Xception": [(19, 19, 728), (37, 37, 256), (74, 74, 128), (149, 149, 32)],
    "ConvNeXtTiny": [(14, 14, 384), (28, 28, 192), (56, 56, 96)],
}
"""Of those that Keras numbers anew in every build: the shapes there, at the size that they were trained with."""


def application(name, size=None):
    keras.utils.set_random_seed(0)
    shape = None if size is None else (size, size, 3)
    return getattr(keras.applications, name)(input_shape=shape, include_top=False, weights=None, pooling="avg")


def test_an_axis_before_that_of_the_examples_is_no_cut():
    """Queries, keys and values are often one tensor with three in front, as many as anything may be laid out with."""
    inputs = keras.Input((5, 8))
    x = layers.Dense(8, name="below")(inputs)
    x = layers.Reshape((5, 3, 8))(layers.Dense(24, name="qkv")(x))
    x = ops.transpose(x, (2, 0, 1, 3))
    x = layers.Dense(8, name="each")(x)
    x = ops.sum(x, axis=0)
    model = keras.Model(inputs, layers.GlobalAveragePooling1D()(layers.Dense(8, name="top")(x)))
    named = [stage.name for stage in stages_of(model) if stage.name]
    assert named
    for name in named:
        trunk, _ = split_at(model, name)
        assert trunk(np.zeros((7, 5, 8), np.float32)).shape[0] == 7
    with pytest.raises(UsageError):
        split_at(model, "each")


def examples(model, count=3, length=6):
    """Arrays for the inputs of a model by name, drawn from a generator."""
    generator = np.random.default_rng(0)
    arrays = {}
    for tensor in model.inputs:
        shape = (count, *(axis or length for axis in tensor.shape[1:]))
        if "int" in str(tensor.dtype):
            arrays[tensor.name] = generator.integers(0, 2 if tensor.name == "mask" else 9, shape).astype(tensor.dtype)
        else:
            arrays[tensor.name] = generator.normal(0, 1, shape).astype(tensor.dtype)
    return {name: ops.convert_to_tensor(array) for name, array in arrays.items()}


def as_taken(model, arrays):
    """Arrays as the model takes its inputs."""
    if isinstance(model, keras.Sequential):
        return next(iter(arrays.values()))
    return keras.tree.pack_sequence_as(model.input, list(arrays.values()))


def assert_split(model, cut, arrays):
    """Trunk and top equal the model, and a step on the top changes its own variables and no other."""
    trunk, top = split_at(model, cut)
    expected = model(as_taken(model, arrays), training=False)
    assert top.inputs[0].name == "cut"
    assert top.inputs[0].shape[0] is None

    def inputs():
        live = trunk(as_taken(model, arrays), training=False)
        assert len(live) == len(expected)
        assert live.dtype == top.inputs[0].dtype
        return [live, *(arrays[tensor.name] for tensor in top.inputs[1:])]

    np.testing.assert_array_equal(top(inputs(), training=False), expected)
    own, other = {id(v) for v in top.weights}, {id(v) for v in trunk.weights}
    assert own
    assert other
    assert not own & other
    assert own | other == {id(variable) for variable in model.weights}
    return top, inputs


def train(model, inputs):
    """One step of gradient descent towards ones."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = ops.mean(ops.square(model(inputs, training=True) - 1.0))
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, [v.value for v in model.trainable_variables]), strict=True
    ):
        if gradient is not None:
            variable.assign_sub(0.1 * ops.convert_to_tensor(gradient))


def assert_stages(model, named=()):
    """Every number of stages can be cut off and trained."""
    arrays = examples(model)
    stages = stages_of(model, named)
    assert [stage.number for stage in stages] == list(range(1, len(stages) + 1))
    assert sum(stage.parameters for stage in stages) == model.count_params()
    assert all(stage.layers and stage.parameters for stage in stages)
    assert stages[-1].name == ""
    model.trainable = True
    for count, stage in enumerate(stages[:-1], start=1):
        assert cut_for(model, count, named) == stage.name
        top, inputs = assert_split(model, stage.name, arrays)
        assert sum(s.parameters for s in stages[:count]) == top.count_params()
        before = [np.array(variable) for variable in model.weights]
        trained = {id(variable) for variable in top.trainable_variables}
        train(top, inputs())
        for value, variable in zip(before, model.weights, strict=True):
            if id(variable) not in {id(v) for v in top.weights}:
                np.testing.assert_array_equal(value, variable)
        after = [v for v, old in zip(model.weights, before, strict=True) if not np.array_equal(v, old)]
        assert trained & {id(variable) for variable in after}
    assert cut_for(model, len(stages), named) is None
    return stages


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in STARTS])
def test_a_stage_is_a_resolution(name):
    assert [stage.name for stage in stages_of(application(name, 224))] == STARTS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", NUMBERED)
def test_a_stage_is_a_resolution_where_layers_are_numbered(name):
    size = {"InceptionV3": 299, "Xception": 299}.get(name, 224)
    model = application(name, size)
    shapes = [split_at(model, stage.name)[1].inputs[0].shape[1:] for stage in stages_of(model) if stage.name]
    assert shapes == NUMBERED[name]
    again = application(name, size)
    assert [s.parameters for s in stages_of(again)] == [s.parameters for s in stages_of(model)]
    for count in range(1, len(shapes) + 1):
        assert split_at(again, cut_for(again, count))[1].inputs[0].shape[1:] == shapes[count - 1]


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in (*STARTS, *NUMBERED)]
)
def test_a_network_of_applications_is_cut_and_trained(name):
    assert_stages(application(name, {"InceptionV3": 75, "Xception": 71}.get(name, 32 if name in FAST else 64)))


def test_the_lower_cut_is_below_the_higher_one():
    model = application("MobileNetV2", 32)
    stages = stages_of(model)
    layer_names = [layer.name for layer in model.layers if layer.weights]
    assert sorted(name for stage in stages for name in stage.layers) == sorted(layer_names)
    assert stages[0].layers[0] == "block_13_expand"
    assert stages[0].layers[-1] == "Conv_1_bn"


def transformer(number):
    class Attention(layers.Layer):
        """Attention with a residual, a layer made of layers; reads the mask on its input as others do."""

        def __init__(self, **fields):
            super().__init__(**fields)
            self.attention = layers.MultiHeadAttention(2, 4, name="attention")
            self.norm = layers.LayerNormalization(name="norm")
            self.supports_masking = True

        def build(self, shape):
            self.attention.build(shape, shape)
            self.norm.build(shape)

        def call(self, x, padding_mask=None):
            mask = getattr(x, "_keras_mask", None) if padding_mask is None else ops.cast(padding_mask, "bool")
            mask = None if mask is None else ops.expand_dims(mask, 1)
            return self.norm(x + self.attention(x, x, attention_mask=mask))

        def compute_output_shape(self, shape, *_, **__):
            return shape

    return Attention(name=f"transformer_{number}")


def token_model(*, own_mask=False, count=3):
    ids = keras.Input((None,), dtype="int32", name="ids")
    mask = keras.Input((None,), dtype="int32", name="mask")
    x = layers.Embedding(9, 8, mask_zero=own_mask, name="table")(ids)
    x = layers.Dropout(0.1, name="drop")(layers.LayerNormalization(name="table_norm")(x))
    for number in range(count):
        x = transformer(number)(x) if own_mask else transformer(number)(x, padding_mask=mask)
    if own_mask:
        return keras.Model(ids, layers.GlobalAveragePooling1D()(x))
    share = ops.cast(ops.expand_dims(mask, -1), "float32")
    return keras.Model({"ids": ids, "mask": mask}, ops.sum(x * share, 1) / ops.maximum(ops.sum(share, 1), 1.0))


def test_a_layer_of_a_transformer_is_a_stage_and_the_mask_passes_beside():
    model = token_model()
    stages = assert_stages(model)
    assert [stage.name for stage in stages] == ["transformer_1", "transformer_0", "drop", ""]
    assert [stage.layers for stage in stages[:2]] == [("transformer_2",), ("transformer_1",)]
    trunk, top = split_at(model, "drop")
    assert [tensor.name for tensor in top.inputs] == ["cut", "mask"]
    assert [tensor.name for tensor in trunk.inputs] == ["ids", "mask"]
    assert top.inputs[0].shape == (None, None, 8)


def test_a_mask_that_a_layer_attached_reaches_the_layers_above_the_cut():
    model = token_model(own_mask=True)
    stages = assert_stages(model)
    assert len(stages) == 4
    trunk, top = split_at(model, stages[0].name)
    assert [tensor.name for tensor in top.inputs] == ["cut", "ids"]
    ids = ops.convert_to_tensor(np.array([[3, 4, 5, 0, 0], [1, 2, 3, 4, 5]], "int32"))
    live = trunk(ids, training=False)
    np.testing.assert_array_equal(top([live, ids], training=False), model(ids, training=False))
    changed = live + ops.cast(ops.equal(ids, 0), "float32")[..., None]
    np.testing.assert_allclose(top([changed, ids], training=False), top([live, ids], training=False), atol=1e-6)


def test_a_recurrent_layer_gets_the_mask_of_the_embedding_below_the_cut():
    ids = keras.Input((7,), dtype="int32", name="ids")
    x = layers.Embedding(9, 4, mask_zero=True)(ids)
    x = layers.LSTM(3, return_sequences=True, name="first")(x)
    model = keras.Model(ids, layers.LSTM(3, name="second")(x))
    stages = assert_stages(model)
    assert [stage.layers for stage in stages[:2]] == [("second",), ("first",)]


def test_a_mask_that_depends_on_weights_refuses_the_cut():
    class Gate(layers.Layer):
        """Attach a mask that its own weights decide on."""

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 1), name="kernel")

        def call(self, x):
            return x * 1.0

        def compute_mask(self, x, previous_mask):
            return ops.squeeze(ops.matmul(x, self.kernel), -1) > 0

        def compute_output_shape(self, shape):
            return shape

    rows = keras.Input((5, 4), name="rows")
    gated = Gate(name="gate")(layers.Dense(4, name="below")(rows))
    model = keras.Model(rows, layers.LSTM(3, name="above")(gated))
    assert [stage.name for stage in stages_of(model)] == ["below", ""]
    with pytest.raises(UsageError, match="cannot be cut at 'gate'"):
        split_at(model, "gate")


def dense(units, name, **fields):
    return layers.Dense(units, activation="tanh", name=name, **fields)


def test_a_stack_of_layers_has_a_stage_for_each():
    model = keras.Sequential(
        [keras.Input((8,)), dense(6, "a"), layers.BatchNormalization(), dense(5, "b"), dense(4, "c")]
    )
    stages = assert_stages(model)
    assert [stage.layers[0] for stage in stages] == ["c", "b", "a"]
    assert stages[2].layers[1].startswith("batch_normalization")
    assert stages[1] == Stage(2, model.layers[1].name, ("b",), 35)


def test_blocks_whose_branches_join_are_stages():
    x = rows = keras.Input((8,), name="rows")
    x = dense(8, "stem")(x)
    for number in range(3):
        x = layers.Add(name=f"sum{number}")([x, dense(8, f"out{number}")(dense(4, f"in{number}")(x))])
    model = keras.Model(rows, dense(2, "projection")(x))
    stages = assert_stages(model)
    assert [stage.name for stage in stages] == ["sum1", "sum0", "stem", ""]
    assert stages[0].layers == ("in2", "out2", "projection")
    with pytest.raises(UsageError, match=r"cannot be cut at 'in1', inside a block.*The nearest cut is 'sum0'\.$"):
        split_at(model, "in1")


def test_two_towers_are_cut_where_they_have_met():
    first, second = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    met = layers.Concatenate(name="met")([dense(4, "a")(first), dense(4, "b")(second)])
    model = keras.Model([first, second], dense(2, "d")(dense(5, "c")(met)))
    stages = assert_stages(model)
    assert [stage.name for stage in stages] == ["c", "met", ""]
    assert stages[2].layers == ("a", "b")


def test_an_input_that_joins_above_the_cut_passes_beside_it():
    first, second = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    low = dense(4, "low")(first)
    model = keras.Model({"first": first, "second": second}, dense(2, "high")(low * ops.tanh(second)))
    assert [stage.name for stage in assert_stages(model)] == [cut_for(model, 1), ""]
    top, _ = assert_split(model, "low", examples(model))
    assert [tensor.name for tensor in top.inputs] == ["cut", "second"]


def test_an_input_that_nothing_uses_is_taken_all_the_same():
    first, second = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    model = keras.Model([first, second], dense(2, "b")(dense(5, "a")(first)))
    trunk, top = split_at(model, "a")
    assert ([t.name for t in trunk.inputs], [t.name for t in top.inputs]) == (["first", "second"], ["cut"])
    assert_stages(model)


def test_a_layer_that_is_called_twice_stays_on_one_side():
    rows = keras.Input((4,), name="rows")
    shared = dense(4, "shared")
    x = dense(4, "between")(shared(dense(4, "first")(rows)))
    model = keras.Model(rows, dense(2, "last")(shared(x)))
    stages = assert_stages(model)
    assert [stage.layers for stage in stages] == [("shared", "between", "last"), ("first",)]
    for cut in ("shared", "between"):
        with pytest.raises(UsageError, match="cannot be cut"):
            split_at(model, cut)


def test_variables_that_two_layers_share_stay_on_one_side():
    class Tied(layers.Layer):
        """Multiply by the kernel of another layer."""

        def build(self, shape):
            self.kernel = low.kernel

        def call(self, x):
            return ops.matmul(x, self.kernel)

    rows = keras.Input((4,), name="rows")
    low = dense(4, "low")
    model = keras.Model(rows, Tied(name="high")(dense(4, "middle")(low(rows))))
    assert Graph(model).cuts == []
    assert [stage.parameters for stage in stages_of(model)] == [model.count_params()]


def inner(kind, name):
    if kind == "sequential":
        return keras.Sequential([keras.Input((6,)), dense(6, f"{name}_1"), dense(6, f"{name}_2")], name=name)
    values = keras.Input((6,), name="values")
    x = dense(6, f"{name}_1")(values)
    return keras.Model({"values": values}, dense(6, f"{name}_2")(x) + x, name=name)


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_models_inside_are_looked_into(kind):
    rows = keras.Input((6,), dtype="uint8", name="rows")
    taken = (lambda x: x) if kind == "sequential" else lambda x: {"values": x}
    low, high = inner(kind, "low"), inner(kind, "high")
    model = keras.Model(rows, high(taken(layers.Dropout(0.5)(low(taken(rows), training=False)))))
    assert len(model.layers) == 4
    stages = assert_stages(model)
    assert [name for stage in reversed(stages) for name in stage.layers] == ["low_1", "low_2", "high_1", "high_2"]
    assert len(stages) > 1
    assert cut_below(model, "high") is not None
    assert cut_below(model, "low") is None
    assert "high_1" in {layer.name for layer in split_at(model, cut_below(model, "high"))[1].layers}


def test_a_model_inside_that_is_called_twice_is_one_block():
    rows = keras.Input((6,), name="rows")
    twice = inner("functional", "twice")
    model = keras.Model(rows, dense(2, "last")(twice({"values": twice({"values": dense(6, "first")(rows)})})))
    stages = assert_stages(model)
    assert "first" in stages[-1].layers
    assert any({"twice_1", "twice_2"} <= set(stage.layers) for stage in stages)


class Opaque(keras.Model):
    """A model whose graph nobody knows."""

    def __init__(self, **fields):
        super().__init__(**fields)
        self.low, self.high = layers.Dense(6, name="low"), layers.Dense(4, name="high")

    def call(self, x):
        return self.high(self.low(x))

    def build(self, shape):
        self.low.build(shape)
        self.high.build((shape[0], 6))

    def compute_output_shape(self, shape):
        return (shape[0], 4)


def test_what_cannot_be_looked_into_is_one_stage():
    opaque = Opaque()
    opaque(np.zeros((1, 8), "float32"))
    assert stages_of(opaque) == (Stage(1, "", ("low", "high"), 82),)
    assert cut_for(opaque, 1) is None
    assert cut_below(opaque, "high") is None
    with pytest.raises(UsageError, match="no graph of layers"):
        split_at(opaque, "low")
    rows = keras.Input((8,), name="rows")
    model = keras.Model(rows, Opaque(name="module")(rows))
    assert stages_of(model) == (Stage(1, "", ("module",), 82),)
    with pytest.raises(UsageError, match="cannot be cut"):
        split_at(model, "module")


def test_arguments_of_calls_are_kept():
    rows = keras.Input((5, 4), name="rows")
    x = layers.Dense(4, name="below")(rows)
    drop = layers.Dropout(0.9, name="drop")(x, training=True)
    x, scores = layers.MultiHeadAttention(1, 4, name="attention")(x, x, return_attention_scores=True)
    x = ops.concatenate([ops.sum(x, axis=1), ops.sum(scores, axis=(1, 2)), 0.0 * ops.mean(drop, axis=1)], axis=-1)
    model = keras.Model(rows, layers.Dense(2, name="last")(x))
    assert_stages(model)
    assert_split(model, "below", examples(model))


def test_what_is_drawn_at_random_is_not_drawn_twice():
    rows = keras.Input((4,), name="rows")
    noisy = layers.GaussianNoise(1.0, name="noise")(rows)
    model = keras.Model(rows, dense(2, "high")(layers.Concatenate()([noisy, dense(4, "low")(noisy)])))
    with pytest.raises(UsageError, match="cannot be cut"):
        split_at(model, "low")


def test_a_tensor_without_a_row_for_each_example_is_no_cut():
    rows = keras.Input((4, 6), name="rows")
    flat = ops.reshape(dense(6, "each")(rows), (-1, 6))
    model = keras.Model(rows, ops.reshape(dense(3, "high")(dense(6, "low")(flat)), (-1, 12)))
    assert [graph.name for graph in (Graph(model).calls[cut] for cut in Graph(model).cuts)] == ["each"]


def test_stages_can_be_stated():
    model = keras.Sequential([keras.Input((8,)), *(dense(4, name) for name in "abcd")])
    stages = assert_stages(model, ("a", "c"))
    assert [(stage.name, stage.layers) for stage in stages] == [("c", ("d",)), ("a", ("b", "c")), ("", ("a",))]
    with pytest.raises(PluginError, match=r"begin at 'e', where the network cannot be cut\."):
        stages_of(model, ("a", "e"))
    with pytest.raises(PluginError, match=r"bottom to top, each once\. Received: c, a\."):
        stages_of(model, ("c", "a"))


def test_a_number_of_stages_that_there_is_not_is_one_clear_line():
    model = keras.Sequential([keras.Input((8,)), dense(4, "a"), dense(4, "b")], name="small")
    for count in (0, 3, -1):
        with pytest.raises(UsageError) as raised:
            cut_for(model, count)
        assert str(raised.value) == (
            f"The network 'small' has 2 stages. Received: {count}. Valid: 1 (above a) and 2 (the whole network)."
        )


def test_the_highest_cut_below_a_layer():
    model = application("MobileNetV2", 32)
    assert cut_below(model, "block_13_expand") == "block_12_add"
    assert cut_below(model, "block_14_depthwise_BN") == "block_13_project_BN"
    assert cut_below(model, "block_14_add") == "block_13_project_BN"
    assert cut_below(model, "Conv1") is None
    with pytest.raises(UsageError, match=r"no layer 'block_14_ad'. Valid: its layers, such as block_14_add, "):
        cut_below(model, "block_14_ad")
    with pytest.raises(UsageError, match=r"no layer 'block_12'\. .* It can be cut at \d+ layers, "):
        split_at(model, "block_12")


def test_a_model_is_as_it_was_after_it_was_split(tmp_path):
    model = token_model(count=2)
    model = keras.Model(model.input, dense(3, "head")(model.outputs[0]))
    config = hashlib.sha256(str(model.get_config()).encode()).hexdigest()
    arrays = examples(model)
    expected = model(arrays, training=False)
    for name in ("drop", "transformer_0"):
        split_at(model, name)
    assert hashlib.sha256(str(model.get_config()).encode()).hexdigest() == config
    np.testing.assert_array_equal(model(arrays, training=False), expected)
    model.save_weights(tmp_path / "all.weights.h5")
    assert model.get_layer("drop").output.shape == (None, None, 8)


def built(module, *arguments, **options):
    keras.utils.set_random_seed(0)
    return pytest.importorskip(module).build(*arguments, **options)


@pytest.mark.slow
def test_efficientnet_lite0():
    stages = assert_stages(built("tlplug_vision.efficientnet_lite0", None, image_size=64))
    assert [s.name for s in stages] == ["block5c_add", "block3b_add", "block2b_add", "block1a_project_norm", ""]


@pytest.mark.slow
def test_minilm_with_texts_of_any_length():
    architecture = pytest.importorskip("tlplug_text.architecture").Architecture(
        vocabulary=20, layers=6, heads=2, width=8, inner=12, positions=32, normalise=True
    )
    model = built("tlplug_text.bert", architecture, None)
    stages = assert_stages(model)
    assert [stage.name for stage in stages] == [
        *(f"transformer_{n}" for n in range(4, -1, -1)),
        "embedding_dropout",
        "",
    ]
    _, top = split_at(model, "transformer_4")
    assert [(tensor.name, tensor.shape) for tensor in top.inputs] == [("cut", (None, None, 8)), ("mask", (None, None))]


def test_yamnet():
    stages = assert_stages(built("tlplug_audio.yamnet", None))
    assert [s.name for s in stages] == [*(f"layer{n}_pointwise_conv_relu" for n in (6, 4, 2)), ""]


def test_the_shared_block_of_fracast_is_one_stage():
    model = built("tlplug_series.fracast", None, length=64)
    stages = assert_stages(model)
    assert [stage.name for stage in stages] == ["steps", ""]
    assert [tensor.name for tensor in split_at(model, "steps")[1].inputs] == ["cut", "series"]


@pytest.mark.parametrize(
    ("name", "starts"),
    [("build_conv1d", ["block2_relu", "block1_relu", ""]), ("build_gru", ["steps_relu", "stem_relu", ""])],
)
def test_the_small_encoders_of_series(name, starts):
    build = getattr(pytest.importorskip("tlplug_series.encoders"), name)
    assert [stage.name for stage in assert_stages(build(None))] == starts
    assert len(stages_of(build(None, channels=3))) == 1  # a row for each channel of an example
