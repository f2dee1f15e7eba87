"""The graph of a Keras model laid flat, the places where it can be cut in two, and the two parts."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlplug.backbones.quiet import import_keras

if TYPE_CHECKING:
    import keras

_BATCH = 7919
"""Examples for which the graph is laid out, to see which tensors have a row for each of them; a size that no other axis
has. Nothing of that size is computed."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of one layer or operation.

    Attributes:
        node: where Keras has recorded the arguments.
        takes: the tensors that it depends on, their masks among them.
        results: the tensors that it returns.
    """

    node: Any
    takes: tuple[keras.KerasTensor, ...]
    results: tuple[keras.KerasTensor, ...]

    @property
    def operation(self) -> Any:
        return self.node.operation

    @property
    def name(self) -> str:
        return str(self.node.operation.name)

    @property
    def weights(self) -> Sequence[Any]:
        return getattr(self.node.operation, "weights", ())

    @property
    def variables(self) -> Sequence[Any]:
        """The weights and whatever else a call may change, such as the state of random numbers."""
        return getattr(self.node.operation, "variables", ())


class Graph:
    """A functional or Sequential model as a list of calls, those inside of models that it is made of included.

    The model's own layers are called once more, on symbolic inputs; nothing is copied or computed.

    Attributes:
        calls: each after those that it depends on.
        below: of each call, the numbers of the calls that it depends on and its own, as the bits of a whole number.
        weighted: the numbers of the calls that have weights, likewise.
        cuts: numbers of the calls whose result is a cut, bottom to top. At a cut one tensor with a row per example is
            live: what else passes it depends on the inputs alone, without weights or chance, and is computed again
            above it. Weights are above and below it, none on both sides. Its name is that of one call alone.
    """

    def __init__(self, model: keras.Model) -> None:
        keras = import_keras()
        inputs = [_input(tensor, _BATCH) for tensor in model.inputs]
        outputs = _run(model, inputs)
        self._model, self._inputs, self._outputs = model, inputs, outputs
        self.calls = [
            Call(node, tuple(_takes(node)), tuple(keras.tree.flatten(node.outputs))) for node in _nodes(outputs)
        ]
        self._maker = {id(result): number for number, call in enumerate(self.calls) for result in call.results}
        self.below: list[int] = []
        for number, call in enumerate(self.calls):
            self.below.append(_union(self.below[self._maker[id(tensor)]] for tensor in call.takes) | 1 << number)
        self.weighted = _bits(number for number, call in enumerate(self.calls) if call.weights)
        self._stateful = _bits(number for number, call in enumerate(self.calls) if call.variables)
        self._names = collections.Counter(call.name for call in self.calls)
        self.cuts = [number for number in range(len(self.calls)) if self._is_cut(number)]

    def between(self, low: int | None, high: int | None) -> int:
        """Return the calls above one cut (None: from the inputs) and not above another (None: to the outputs)."""
        upper = (1 << len(self.calls)) - 1 if high is None else self.below[high]
        return upper & ~(0 if low is None else self.below[low])

    def numbers(self, calls: int) -> list[int]:
        """Return the numbers of calls that are given as bits."""
        return [number for number in range(len(self.calls)) if calls >> number & 1]

    def shape(self, cut: int) -> tuple[int | None, ...]:
        """Return the shape of the tensor at a cut, without the batch axis."""
        return tuple(self.calls[cut].results[0].shape[1:])

    def named(self, name: str) -> list[int]:
        """Return the calls of a layer."""
        return [number for number, call in enumerate(self.calls) if call.name == name]

    def joins(self, number: int) -> bool:
        """Say whether branches with weights join in a call."""
        makers = {self._maker[id(tensor)] for tensor in self.calls[number].takes}
        return sum(bool(self.below[maker] & self.weighted) for maker in makers) > 1

    def trunk(self, cut: int) -> keras.Model:
        """Return what lies below a cut, from all inputs of the model to the one tensor."""
        keras = import_keras()
        inputs = [_input(tensor, None) for tensor in self._model.inputs]
        values = _values(self._inputs, inputs)
        _replay([call.node for call in self._select(self.below[cut])], values)
        live = values[id(self.calls[cut].results[0])]
        if _mask(live) is not None:  # the top makes it again, and Keras would warn that it takes none
            live = keras.ops.copy(live)
        return keras.Model(_packed(self._model, inputs), live, name="trunk")

    def top(self, cut: int) -> keras.Model:
        """Return what lies above a cut: from the tensor, ``cut``, and the inputs that are needed beside it."""
        keras = import_keras()
        tensor = self.calls[cut].results[0]
        side = self._side(cut)
        own = [_input(given, None) for given in self._model.inputs]
        beside = [
            (known, new)
            for known, new in zip(self._inputs, own, strict=True)
            if side >> self._maker.get(id(known), len(self.calls)) & 1
        ]
        entry = _input(tensor, None, name="cut")
        values = _values(*zip(*beside, strict=True)) if beside else {}
        _replay([call.node for call in self._select(side)], values)
        mask = _mask(tensor)
        values[id(tensor)] = entry if mask is None else _with_mask(entry, values[id(mask)])
        _replay([call.node for call in self._select(self._above(cut))], values)
        outputs = [values[id(output)] for output in self._outputs]
        inputs = [entry, *(new for _, new in beside)]
        return keras.Model(inputs, outputs[0] if len(outputs) == 1 else outputs, name="top")

    def _select(self, calls: int) -> list[Call]:
        return [self.calls[number] for number in self.numbers(calls)]

    def _above(self, cut: int) -> int:
        return _bits(number for number in range(cut + 1, len(self.calls)) if self.below[number] >> cut & 1)

    def _side(self, cut: int) -> int:
        """The calls that what lies above a cut depends on beside the tensor at it."""
        above, side = self._above(cut), 0
        for call in self._select(above):
            for tensor in call.takes:
                maker = self._maker[id(tensor)]
                if tensor is not self.calls[cut].results[0] and not above >> maker & 1:
                    side |= self.below[maker]
        return side

    def _is_cut(self, number: int) -> bool:
        call, below = self.calls[number], self.below[number]
        if not below & self.weighted or not self.weighted & ~below:
            return False
        if len(call.results) != 1 or call.results[0].shape[:1] != (_BATCH,) or self._names[call.name] > 1:
            return False
        if not all(self.below[self._maker[id(output)]] >> number & 1 for output in self._outputs):
            return False
        return not self._side(number) & self._stateful and not self._variables(below) & self._variables(
            self.weighted & ~below
        )

    def _variables(self, calls: int) -> set[int]:
        return {id(variable) for call in self._select(calls & self.weighted) for variable in call.weights}


def is_graph(model: Any) -> bool:
    """Say whether a model, or a layer, is a graph of calls: functional or Sequential, with a `call` not of its own."""
    keras = import_keras()
    return (
        isinstance(model, keras.Model)
        and bool(getattr(model, "inputs", None))
        and type(model).call.__module__.startswith("keras.src.models.")
    )


def _bits(numbers: Iterable[int]) -> int:
    return _union(1 << number for number in numbers)


def _union(sets: Iterable[int]) -> int:
    united = 0
    for one in sets:
        united |= one
    return united


def _input(tensor: keras.KerasTensor, batch: int | None, name: str | None = None) -> keras.KerasTensor:
    import keras

    name = name or tensor.name.partition(":")[0]
    return keras.Input(batch_shape=(batch, *tensor.shape[1:]), dtype=tensor.dtype, name=name)


def _packed(model: keras.Model, tensors: Sequence[Any]) -> Any:
    import keras

    if isinstance(model, keras.Sequential):
        return tensors[0]
    return keras.tree.pack_sequence_as(model.input, tensors)


def _mask(tensor: keras.KerasTensor) -> keras.KerasTensor | None:
    return getattr(tensor, "_keras_mask", None)


def _takes(node: Any) -> list[keras.KerasTensor]:
    masks = [mask for tensor in node.input_tensors if (mask := _mask(tensor)) is not None]
    return [*node.input_tensors, *masks]


def _nodes(tensors: Iterable[keras.KerasTensor]) -> list[Any]:
    """Keras' records of the calls that lead to tensors, each after those that it depends on."""

    def made(tensor: keras.KerasTensor) -> Any:
        operation, number, _ = tensor._keras_history
        return operation._inbound_nodes[number]

    ordered, seen = [], set()
    stack = [(made(tensor), False) for tensor in tensors]
    while stack:
        node, complete = stack.pop()
        if complete:
            ordered.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(made(tensor), False) for tensor in reversed(_takes(node))]
    return ordered


def _values(known: Iterable[keras.KerasTensor], new: Iterable[keras.KerasTensor]) -> dict[int, keras.KerasTensor]:
    return {id(one): other for one, other in zip(known, new, strict=True)}


def _replay(nodes: Iterable[Any], values: dict[int, keras.KerasTensor]) -> None:
    """Repeat calls with other tensors; `values` has what stands for a tensor by its id, and gets the results."""
    import keras

    for node in nodes:
        if all(id(output) in values for output in node.outputs):
            continue
        args, kwargs = keras.tree.map_structure(
            lambda part: values.get(id(part), part), (node.arguments.args, node.arguments.kwargs)
        )
        inner = _given(node.operation, args, kwargs)
        results = node.operation(*args, **kwargs) if inner is None else _run(node.operation, inner)
        values.update(_values(node.outputs, keras.tree.flatten(results)))


def _run(model: keras.Model, inputs: Sequence[keras.KerasTensor]) -> list[keras.KerasTensor]:
    """Call the layers of a model on symbolic inputs, one by one."""
    values = _values(model.inputs, inputs)
    _replay(_nodes(model.outputs), values)
    return [values[id(output)] for output in model.outputs]


def _given(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[keras.KerasTensor] | None:
    """The inputs that a model inside a model gets; None for a layer, and where a call does more than pass tensors."""
    import keras

    if not is_graph(operation) or len(args) != 1 or kwargs.keys() - {"training", "mask"}:
        return None
    passed = args[0]
    if isinstance(passed, dict) and not isinstance(getattr(operation, "input", None), dict):
        passed = [passed.get(wanted.name) for wanted in operation.inputs]
    given = []
    for tensor, wanted in zip(keras.tree.flatten(passed), operation.inputs, strict=True):
        if tensor is None or len(tensor.shape) != len(wanted.shape):
            return None
        if tensor.dtype != wanted.dtype:
            if _mask(tensor) is not None:
                return None
            tensor = keras.ops.cast(tensor, wanted.dtype)
        given.append(tensor)
    return given


def _with_mask(tensor: keras.KerasTensor, mask: keras.KerasTensor) -> keras.KerasTensor:
    import keras

    class WithMask(keras.layers.Layer):  # type: ignore[misc] # Keras has no types
        """Return the first of two tensors, the second attached to it as its mask."""

        def call(self, pair: Sequence[Any]) -> Any:
            return pair[0]

        def compute_mask(self, pair: Sequence[Any], previous_mask: Any) -> Any:  # noqa: ARG002 - as Keras calls it
            return pair[1]

        def compute_output_shape(self, shapes: Sequence[Any]) -> Any:
            return shapes[0]

    return WithMask(dtype=tensor.dtype, name="cut_mask")([tensor, mask])
