"""The weights of a LiteRT file in float16: half the size, and computed with in float32 as before."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

LEAST = 4096
"""Values of what is halved. Smaller constants, such as biases, hardly count in size and much in the answers."""


def halve_weights(path: Path, sizes: Collection[int]) -> None:
    """Rewrite a file so that its large weights are float16, each behind an operation that makes float32 of it.

    LiteRT's own converter does that with every constant. Here those stay as they are that are no weights, such as the
    waves of a Fourier transform, whose rounding is noise in all that follows, and small ones. So EfficientNet-Lite0
    differs by a sixth of what it does there on photographs, YAMNet by a hundredth, for 3% more of the size.

    Args:
        path: of a ``.tflite`` file in float32.
        sizes: how many values the weights of the network have; constants of another size are none.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    large = {size for size in sizes if size >= LEAST}
    halved = {
        number: np.frombuffer(bytes(buffer.data), np.float32).astype(np.float16)
        for number, buffer in enumerate(model.buffers)
        if buffer.data is not None and len(buffer.data) // 4 in large and _is_float32(model, number, schema)
    }
    for number, values in halved.items():
        model.buffers[number].data = values.view(np.uint8)
    for graph in model.subgraphs:
        wide = {place: _wide(graph, place, schema) for place, t in enumerate(list(graph.tensors)) if t.buffer in halved}
        for operator in graph.operators:
            operator.inputs = [wide.get(int(place), int(place)) for place in operator.inputs]
        code = _code(model, schema) if wide else 0
        graph.operators = [*(_widening(code, *pair, schema) for pair in wide.items()), *graph.operators]
    flatbuffer_utils.write_model(model, str(path))


def _is_float32(model: Any, buffer: int, schema: Any) -> bool:
    own = [tensor for graph in model.subgraphs for tensor in graph.tensors if tensor.buffer == buffer]
    return bool(own) and all(tensor.type == schema.TensorType.FLOAT32 for tensor in own)


def _wide(graph: Any, place: int, schema: Any) -> int:
    """Say that a tensor is float16, and return the place of a new one for it in float32."""
    narrow = graph.tensors[place]
    narrow.type = schema.TensorType.FLOAT16
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = narrow.name + b"_float32", narrow.shape, 0, 0
    narrow.hasRank = tensor.hasRank = True
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _code(model: Any, schema: Any) -> int:
    """Return the place of the code of the operation that makes float32 of float16."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3  # the first one for float16
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _widening(code: int, narrow: int, wide: int, schema: Any) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [narrow], [wide]
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator
