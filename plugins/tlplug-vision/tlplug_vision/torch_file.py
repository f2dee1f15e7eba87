"""Tensors out of PyTorch's legacy ``.pth`` files, without PyTorch and without unpickling.

Such a file is five pickles (a magic number, the protocol, facts about the machine, the state dict, the storage keys)
followed by the raw storages. The pickles are read by a small machine that knows the opcodes of a state dict and
nothing else: nothing that a file names is ever imported or called.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MAX_BYTES = 1 << 30
_MAX_OPCODES = 1_000_000
_MAX_DIMENSIONS = 8
_DTYPES = {
    "torch FloatStorage": "<f4",
    "torch DoubleStorage": "<f8",
    "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
    "torch ShortStorage": "<i2",
    "torch CharStorage": "|i1",
    "torch ByteStorage": "|u1",
    "torch BoolStorage": "|b1",
}
_DICT = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"


def read_tensors(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """Read the state dict of a legacy ``.pth`` file.

    Args:
        path: a file that ``torch.save(model.state_dict(), path)`` of PyTorch before 1.6 wrote.
        max_bytes: refuse a larger file.

    Returns:
        Arrays by name, each with memory of its own.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no such file, it holds anything but tensors, it is damaged, or it is too large.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise ValueError(f"{path.name!r} has {size:,} bytes. Valid: at most {max_bytes:,}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of odd escapes in a damaged file
            return _read(io.BytesIO(path.read_bytes()))
    except (ValueError, LookupError, TypeError, ArithmeticError, struct.error) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise ValueError(
            f"{path.name!r} cannot be read: {reason}. Valid: a legacy .pth file with a state dict of tensors."
        ) from error


@dataclass(frozen=True)
class _Global:
    """A name in the file. It stands for itself."""

    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str
    length: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    import numpy as np

    if _Machine(file).run() != MAGIC or _Machine(file).run() != PROTOCOL:
        raise ValueError("it does not start as such a file does")
    facts = _Machine(file).run()
    if not isinstance(facts, dict) or facts.get("little_endian") is not True:
        raise ValueError("it was not written by a little-endian machine")
    state, keys = _Machine(file).run(), _Machine(file).run()
    if not isinstance(state, dict) or not all(isinstance(tensor, _Tensor) for tensor in state.values()):
        raise ValueError("it holds no state dict of tensors")
    wanted = {tensor.storage.key: tensor.storage for tensor in state.values()}
    if not isinstance(keys, list) or len(set(keys)) != len(keys) or wanted.keys() - set(keys):
        raise ValueError("its list of storages does not match its tensors")
    data = {}
    for key in keys:
        storage = wanted[key]
        (length,) = struct.unpack("<q", file.read(8))
        if length != storage.length:
            raise ValueError(f"storage {key!r} has {length} elements, not {storage.length}")
        expected = length * np.dtype(storage.dtype).itemsize
        raw = file.read(expected)
        if len(raw) != expected:
            raise ValueError(f"it ends in the middle of storage {key!r}")
        data[key] = np.frombuffer(raw, storage.dtype)
    if any(tensor.storage != wanted[tensor.storage.key] for tensor in state.values()):
        raise ValueError("two tensors disagree about one storage")
    return {name: _view(tensor, data[tensor.storage.key]) for name, tensor in state.items()}


def _view(tensor: _Tensor, data: np.ndarray) -> np.ndarray:
    """Copy a tensor out of its storage, honouring its strides: some were saved transposed."""
    import numpy as np

    strides = tuple(stride * data.itemsize for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(data[tensor.offset :], tensor.shape, strides, writeable=False).copy()


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_BYTES:
        raise ValueError(f"a size or offset is {value!r:.40}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a name is {value!r:.40}")
    return value


def _storage(identity: Any) -> _Storage:
    kind, dtype, key, _, length = identity[:5]
    if kind != "storage" or not isinstance(dtype, _Global) or dtype.name not in _DTYPES:
        raise ValueError(f"it holds a storage of an unknown kind, {dtype!r:.60}")
    return _Storage(_text(key), _DTYPES[dtype.name], _whole(length))


def _tensor(arguments: Any) -> _Tensor:
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
        raise ValueError("a tensor is not described as tensors are")
    tensor = _Tensor(storage, _whole(offset), tuple(map(_whole, shape)), tuple(map(_whole, strides)))
    elements = math.prod(tensor.shape)
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    # No more elements than the storage has: strides of zero would let a tiny file fill the memory.
    if elements > storage.length or (elements and tensor.offset + reach >= storage.length):
        raise ValueError(f"a tensor of shape {tensor.shape} reaches beyond its storage of {storage.length} elements")
    return tensor


class _Machine:
    """Runs one pickle. Its values are numbers, texts, tuples, lists, dicts, `_Global`, `_Storage` and `_Tensor`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self._file)):
            if opcode.name == "STOP":
                return self._stack.pop()
            action = _ACTIONS.get(opcode.name)
            if action is None or count > _MAX_OPCODES:
                raise ValueError(f"it holds more than tensors (opcode {opcode.name})")
            action(self, argument)
        raise ValueError("it has no end")

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def take(self, count: int) -> list[Any]:
        if count > len(self._stack):
            raise ValueError("its stack is too short")
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

    def mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def marked(self) -> list[Any]:
        return self.take(len(self._stack) - self._marks.pop())

    def put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def get(self, index: int) -> None:
        self.push(self._memo[index])

    def append(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise TypeError("it appends to what is no list")
        self._stack[-1].extend(values)

    def update(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict):
            raise TypeError("it adds items to what is no dict")
        self._stack[-1].update((_text(key), value) for key, value in zip(values[::2], values[1::2], strict=True))

    def call(self, _: Any) -> None:
        function, arguments = self.take(2)
        if function == _Global(_DICT) and arguments == ():
            self.push({})
        elif function == _Global(_TENSOR):
            self.push(_tensor(arguments))
        else:
            raise ValueError(f"it calls {getattr(function, 'name', function)!r:.60}")

    def set_state(self, _: Any) -> None:
        # A state dict's own attributes (its version numbers) say nothing about the tensors.
        self.take(1)
        if not isinstance(self._stack[-1], dict):
            raise TypeError("it sets the state of what is no dict")


def _pushes(make: Callable[[_Machine, Any], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, argument: machine.push(make(machine, argument))


_LITERALS = ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE", "BINFLOAT")
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(_LITERALS, _pushes(lambda _, argument: argument)),
    "PROTO": lambda *_: None,
    "NONE": _pushes(lambda *_: None),
    "NEWTRUE": _pushes(lambda *_: True),
    "NEWFALSE": _pushes(lambda *_: False),
    "EMPTY_DICT": _pushes(lambda *_: {}),
    "EMPTY_LIST": _pushes(lambda *_: []),
    "EMPTY_TUPLE": _pushes(lambda *_: ()),
    "GLOBAL": _pushes(lambda _, argument: _Global(argument)),
    "MARK": _Machine.mark,
    "TUPLE": _pushes(lambda machine, _: tuple(machine.marked())),
    "TUPLE1": _pushes(lambda machine, _: tuple(machine.take(1))),
    "TUPLE2": _pushes(lambda machine, _: tuple(machine.take(2))),
    "TUPLE3": _pushes(lambda machine, _: tuple(machine.take(3))),
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "APPEND": lambda machine, _: machine.append(machine.take(1)),
    "APPENDS": lambda machine, _: machine.append(machine.marked()),
    "SETITEM": lambda machine, _: machine.update(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.marked()),
    "REDUCE": _Machine.call,
    "BUILD": _Machine.set_state,
    "BINPERSID": _pushes(lambda machine, _: _storage(machine.take(1)[0])),
}
