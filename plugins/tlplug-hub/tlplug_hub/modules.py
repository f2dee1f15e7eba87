"""A SavedModel as it lies in a folder: whether it is whole, how it is called, what it takes and what it gives.

Everything is read out of its description and its checkpoint; nothing of it is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tlplug import import_keras

PROGRAM = "saved_model.pb"
PREPROCESSOR, ENCODER = PARTS = ("preprocessor", "encoder")
"""The folders of a pair: the first module makes of texts what the second takes."""


class UnsupportedError(ValueError):
    """A module of a kind that is not used here; there is nothing wrong with it."""


@dataclass(frozen=True)
class Tensor:
    """What is known of an array: its type, and its shape with the batch axis, None where the rank is open."""

    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        lengths = "..." if self.shape is None else ", ".join("?" if n is None else str(n) for n in self.shape)
        return f"{self.dtype} [{lengths}]"


@dataclass(frozen=True)
class Call:
    """How a module is called.

    Attributes:
        signature: name of a signature, or "" where the module is a function itself.
        takes: the one array, or arrays by name.
        gives: an array, or arrays by name or in a list.
        inference, training: what is passed after the input to use it, and to train it: ``[positional, by name]``.
        argument: of a signature, the name of its only input.
    """

    signature: str
    takes: Tensor | dict[str, Tensor]
    gives: Any
    inference: tuple[list[Any], dict[str, Any]] = ((), {})
    training: tuple[list[Any], dict[str, Any]] = ((), {})
    argument: str = ""

    def to_json(self) -> dict[str, Any]:
        """The form that a layer's configuration holds."""
        return asdict(self)


def locate(folder: Path) -> dict[str, Path]:
    """Find the modules in a folder: one under the name "", or a preprocessor and an encoder.

    A module lies in the folder itself or one level below.

    Raises:
        ValueError: there is none, or it cannot be told which one is meant.
    """
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if {path.name for path in below} >= set(PARTS):
        return {name: path for name in PARTS for path in locate(folder / name).values()}
    found = [path for path in (folder, *below) if (path / PROGRAM).is_file()]
    if len(found) != 1:
        raise ValueError(
            f"{folder.name!r} has {len(found) or 'no'} {PROGRAM}. Valid: the folder of one SavedModel, or one with "
            f"the folders {' and '.join(PARTS)}."
        )
    return {"": found[0]}


def read_program(folder: Path) -> Any:
    """Return the ``SavedModel`` protocol buffer of a module.

    Raises:
        UnsupportedError: it is a module of TensorFlow 1, or in pieces.
        ValueError: it is damaged.
    """
    from google.protobuf.message import DecodeError

    import_keras()  # brings TensorFlow in quietly
    from tensorflow.core.protobuf import saved_model_pb2

    if (folder / "saved_model.cpb").exists():  # TensorFlow may prefer it to the one that is looked at here
        raise UnsupportedError(f"{folder.name!r} is a SavedModel in pieces (saved_model.cpb), which is not supported.")
    try:
        program = saved_model_pb2.SavedModel.FromString((folder / PROGRAM).read_bytes())
    except (DecodeError, OSError) as error:
        raise ValueError(f"The {PROGRAM} of {folder.name!r} cannot be read: {error}") from error
    if len(program.meta_graphs) != 1 or not program.meta_graphs[0].object_graph_def.nodes:
        raise UnsupportedError(
            f"{folder.name!r} is no SavedModel of TensorFlow 2. Older modules need converting: load one with "
            "tensorflow_hub and save it with tf.saved_model.save."
        )
    return program


def check(folder: Path) -> None:
    """Read a module's description, every tensor of its checkpoint, with its checksum, and every asset's name.

    Raises:
        ValueError: something is damaged or missing.
    """
    program = read_program(folder)
    import tensorflow as tf

    for asset in program.meta_graphs[0].asset_file_def:
        if not (folder / "assets" / asset.filename).is_file():
            raise ValueError(f"{folder.name!r} lacks its asset {asset.filename!r}.")
    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except Exception as error:
        # The reader raises whatever a damaged file makes it, MemoryError and RuntimeError among others.
        raise ValueError(f"The variables of {folder.name!r} are damaged or missing: {_reason(error)}") from error


def digest(folder: Path) -> str:
    """Return the sha256 of a module's program, variables and assets, in hex."""
    total = hashlib.sha256()
    files = (path for part in ("assets", "variables") for path in (folder / part).rglob("*") if path.is_file())
    for path in sorted([folder / PROGRAM, *files]):
        with path.open("rb") as file:
            total.update(
                f"{path.relative_to(folder).as_posix()}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return total.hexdigest()


def describe(program: Any, signature: str | None = None) -> Call:
    """Say how a module is called, from its ``SavedModel`` protocol buffer.

    Args:
        program: see `read_program`.
        signature: name of a signature; when None the module itself, where it is a function, else its default one.

    Raises:
        ValueError: it has no such signature, or none that takes one array or a dictionary of arrays.
    """
    try:
        return _describe(program.meta_graphs[0], signature)
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The description of the module is damaged: {_reason(error)}") from error


def _describe(graph: Any, signature: str | None) -> Call:
    if signature is None and (call := _own_call(graph)):
        return call
    names = sorted(name for name in graph.signature_def if not name.startswith("__"))
    if signature is None:
        signature = "serving_default" if "serving_default" in names else names[0] if len(names) == 1 else None
    if signature not in names:
        valid = ", ".join(names) or "none"
        raise ValueError(
            f"The module cannot be called without stating how. Received: signature {signature!r}. Valid: {valid}."
            if names or signature
            else "The module has neither a function of its own nor a signature, so it cannot be called."
        )
    definition = graph.signature_def[signature]
    takes = {name: _tensor(info.dtype, info.tensor_shape) for name, info in sorted(definition.inputs.items())}
    gives = {name: _tensor(info.dtype, info.tensor_shape) for name, info in sorted(definition.outputs.items())}
    if len(takes) == 1:
        ((name, tensor),) = takes.items()
        return Call(signature, tensor, gives, argument=name)
    return Call(signature, takes, gives)


def _own_call(graph: Any) -> Call | None:
    """How the module itself is called, where it is a function."""
    objects = graph.object_graph_def
    roots = {child.local_name: child.node_id for child in objects.nodes[0].children}
    if "__call__" not in roots:
        return None
    found: Call | None = None
    for name in objects.nodes[roots["__call__"]].function.concrete_functions:
        function = objects.concrete_functions[name]
        positional, named = _decode(function.canonicalized_input_signature)
        values = [*positional, *named.values()]
        if not values or not _is_input(values[0]) or any(_is_input(value) for value in values[1:]) or not positional:
            continue
        rest = (list(positional[1:]), named)
        trains = any(value is True for value in values[1:])
        if found is None:
            found = Call("", values[0], _decode(function.output_signature), rest, rest)
        elif values[0] == found.takes and not _trains(found.inference) and trains:
            found = Call("", found.takes, found.gives, found.inference, rest)
        elif values[0] == found.takes and _trains(found.inference) and not trains:
            found = Call("", found.takes, _decode(function.output_signature), rest, found.training)
    return found


def _trains(rest: tuple[list[Any], dict[str, Any]]) -> bool:
    return any(value is True for value in (*rest[0], *rest[1].values()))


def _is_input(value: Any) -> bool:
    return isinstance(value, Tensor) or (
        isinstance(value, dict) and bool(value) and all(isinstance(item, Tensor) for item in value.values())
    )


def _decode(value: Any) -> Any:
    """Turn a ``StructuredValue`` protocol buffer into lists, dictionaries, `Tensor` records and plain values."""
    kind = value.WhichOneof("kind")
    if kind in ("tensor_spec_value", "bounded_tensor_spec_value"):
        spec = getattr(value, kind)
        return _tensor(spec.dtype, spec.shape)
    if kind in ("list_value", "tuple_value"):
        return [_decode(item) for item in getattr(value, kind).values]
    if kind == "dict_value":
        return {name: _decode(item) for name, item in sorted(value.dict_value.fields.items())}
    if kind == "named_tuple_value":
        return {pair.key: _decode(pair.value) for pair in value.named_tuple_value.values}
    if kind in ("bool_value", "int64_value", "float64_value", "string_value"):
        return getattr(value, kind)
    return None


def _tensor(dtype: int, shape: Any) -> Tensor:
    import tensorflow as tf

    lengths = None if shape.unknown_rank else tuple(None if dim.size < 0 else int(dim.size) for dim in shape.dim)
    return Tensor(tf.dtypes.as_dtype(dtype).name, lengths)


def tensors(structure: Any, place: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the arrays of what a module gives: the key or position of each, and its record."""
    if isinstance(structure, Tensor):
        yield place, structure
    elif isinstance(structure, dict):
        for name, value in structure.items():
            yield from tensors(value, f"{place}.{name}" if place else name)
    elif isinstance(structure, list):
        for number, value in enumerate(structure):
            yield from tensors(value, f"{place}.{number}" if place else str(number))


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
