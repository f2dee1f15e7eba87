"""The format ``onnx``: one file for ONNX Runtime and what else reads the open format."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlplug.backbones import pack_inputs, quiet
from tlplug.export.network import Exportable
from tlplug.specs import Tolerance

_OPSET = 9
"""The first one of ONNX that has Erf."""


def export(model: Exportable, path: Path, options: Mapping[str, Any]) -> Tolerance:  # noqa: ARG001 - has none
    """Write an ``.onnx`` file, with the class names and the preprocess' options as its metadata.

    Raises:
        UsageError: the network takes texts as they are.
    """
    model.refuse_strings("onnx")
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the converter itself calls
        import onnx

        _teach()
        model.network.export(str(path), format="onnx", verbose=False)

        program = onnx.load(str(path))
        _bind(program.graph, model)
        _drop_shapes(program.graph)
        about = {"classes": json.dumps(model.classes), "about": json.dumps(dict(model.about))}
        for key, value in about.items():
            program.metadata_props.add(key=key, value=value)
        onnx.save(program, str(path))
    return Tolerance()


def _bind(graph: Any, model: Exportable) -> None:
    """Make constants of inputs that the network does not have.

    The converter takes tensors for them that layers made when they were built, such as the mean of a Normalization,
    and that have more than 128 values. They are in the order in which they are met when the network is called.
    """
    import tensorflow as tf
    from onnx import numpy_helper

    found = [given for given in graph.input if given.name not in model.specs]
    if not found:
        return

    def call(arrays: Mapping[str, Any]) -> Any:
        return model.network(pack_inputs(model.network, arrays), training=False)

    traced = tf.function(call, input_signature=[model.specs], autograph=False).get_concrete_function()
    held = [tensor for tensor, _ in traced.graph.captures if tensor.dtype != tf.resource]
    for given, tensor in zip(found, held, strict=True):
        graph.input.remove(given)
        graph.initializer.append(numpy_helper.from_array(tensor.numpy(), given.name))


def _drop_shapes(graph: Any) -> None:
    """Write the shapes of constants as they are; the converter keeps whole constants, of which nothing else is used."""
    import numpy as np
    from onnx import numpy_helper

    shapes = {constant.name: list(constant.dims) for constant in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Shape" and node.input[0] in shapes and not node.attribute:
            shape = np.array(shapes[node.input[0]], np.int64)
            graph.initializer.append(numpy_helper.from_array(shape, node.output[0]))
            graph.node.remove(node)
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    if any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        return  # what is within a node may use them as well
    for constant in list(graph.initializer):
        if constant.name not in used:
            graph.initializer.remove(constant)


def _teach() -> None:
    """Tell tf2onnx of Erfc, which TensorFlow computes the exact GELU with: it is 1 - erf."""
    import numpy as np
    from tf2onnx.handler import tf_op
    from tf2onnx.utils import make_name, map_onnx_to_numpy_type

    def erfc(context: Any, node: Any, **_: Any) -> None:
        kind = context.get_dtype(node.output[0])
        shape = context.get_shape(node.output[0])
        one = context.make_const(make_name(node.name), np.array(1, map_onnx_to_numpy_type(kind)))
        context.remove_node(node.name)
        erf = context.make_node("Erf", node.input, dtypes=[kind], shapes=[shape])
        context.make_node(
            "Sub", [one.output[0], erf.output[0]], outputs=node.output, name=node.name, dtypes=[kind], shapes=[shape]
        )

    tf_op.register_handler(erfc, _OPSET, ["Erfc"], "", {})
