"""The LiteRT runtime: no TensorFlow at prediction time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import quiet

FILE = "model.tflite"


def compile_model(model: Any, folder: Path) -> None:
    """Convert a Keras model to ``model.tflite``.

    Raises:
        RuntimeError: the file lacks the weights, or needs operations that LiteRT alone does not have.
    """
    target = folder / FILE
    with quiet():
        model.export(str(target), format="litert", verbose=False)
    weights = sum(variable.numpy().nbytes for variable in model.weights)
    if target.stat().st_size < weights // 2:
        raise RuntimeError(f"the converted file has {target.stat().st_size:,} bytes for {weights:,} bytes of weights")
    open_model(folder)  # fails on operations that are not LiteRT's own


def open_model(folder: Path) -> Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]:
    """Open ``model.tflite``; the result takes a dict of arrays ``[batch, ...]``, returns float32 ``[batch, size]``."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(str(folder / FILE), num_threads=len(os.sched_getaffinity(0)))
        runner = interpreter.get_signature_runner()
        inputs = {name: int(detail["index"]) for name, detail in runner.get_input_details().items()}
        (output,) = (int(detail["index"]) for detail in runner.get_output_details().values())
        del runner  # as long as it lives, inputs cannot be resized
        interpreter.allocate_tensors()
    shapes: dict[str, tuple[int, ...]] = {}
    one_at_a_time = threading.Lock()

    def run(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        received = {name: array.shape for name, array in arrays.items()}
        with one_at_a_time:
            if received != shapes:
                for name, index in inputs.items():
                    interpreter.resize_tensor_input(index, received[name])
                interpreter.allocate_tensors()
                shapes.update(received)
            for name, index in inputs.items():
                interpreter.set_tensor(index, arrays[name])
            interpreter.invoke()
            return np.asarray(interpreter.get_tensor(output), np.float32)

    return run
