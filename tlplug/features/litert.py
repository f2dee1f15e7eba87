"""The LiteRT runtime: no TensorFlow at prediction time."""

from __future__ import annotations

import contextlib
import os
import queue
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import quiet
from tlplug.features.compiled import WORKERS, RefusedError

FILE = "model.tflite"
_LACKING = re.compile(r"Select TensorFlow op|unresolved custom op|Didn't find op", re.IGNORECASE)
"""What LiteRT says of operations that it does not have."""


def compile_model(model: Any, folder: Path) -> None:
    """Convert a Keras model to ``model.tflite``.

    Raises:
        RuntimeError: the file lacks the weights.
    """
    target = folder / FILE
    with quiet():
        model.export(str(target), format="litert", verbose=False)
    weights = sum(variable.numpy().nbytes for variable in model.weights)
    if target.stat().st_size < weights // 2:
        raise RuntimeError(f"the converted file has {target.stat().st_size:,} bytes for {weights:,} bytes of weights")


def open_model(folder: Path) -> Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]:
    """Open ``model.tflite``; the result takes a dict of arrays ``[batch, ...]``, returns float32 ``[batch, size]``.

    Threads that call it at once have an interpreter each, made when it is needed.

    Raises:
        RefusedError: it needs operations that LiteRT alone does not have; the callable may raise it as well.
    """
    idle: queue.LifoQueue[_Network] = queue.LifoQueue()
    idle.put(_Network(folder / FILE))

    def run(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        try:
            network = idle.get_nowait()
        except queue.Empty:
            network = _Network(folder / FILE)
        try:
            return network(arrays)
        finally:
            idle.put(network)

    return run


@contextlib.contextmanager
def _lacking() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not _LACKING.search(str(error)):
            raise
        raise RefusedError("lacks operations that it needs") from error


class _Network:
    """An interpreter; one thread uses it at a time."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with quiet(), _lacking():
            cores = len(os.sched_getaffinity(0))
            self._interpreter = Interpreter(str(path), num_threads=max(1, cores // WORKERS))
            runner = self._interpreter.get_signature_runner()
            self._inputs = {name: int(detail["index"]) for name, detail in runner.get_input_details().items()}
            (self._output,) = (int(detail["index"]) for detail in runner.get_output_details().values())
            del runner  # as long as it lives, inputs cannot be resized
        self._greeted = False  # what it prints the first time that it allocates
        self._shapes: dict[str, tuple[int, ...]] = {}

    def __call__(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        received = {name: array.shape for name, array in arrays.items()}
        if received != self._shapes:
            self._shapes = {}  # until it is known that the network takes these
            with contextlib.nullcontext() if self._greeted else quiet(), _lacking():
                for name, index in self._inputs.items():
                    self._interpreter.resize_tensor_input(index, received[name])
                self._interpreter.allocate_tensors()
            self._greeted = True
            self._shapes = received
        with _lacking():
            for name, index in self._inputs.items():
                self._interpreter.set_tensor(index, arrays[name])
            self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)
