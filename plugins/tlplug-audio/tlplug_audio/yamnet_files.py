"""The two files that YAMNet is published in, read as arrays: the variables of its SavedModel, and ``yamnet.h5``.

No stored program is run: of the SavedModel only the checkpoint is read, of the HDF5 file only its datasets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np

LAYERS = 14
"""Convolutions, of which all but the first are depthwise separable."""

_CHECKPOINT = "layer-1/layer/_func/_yamnet/layer_with_weights-{number}/{variable}/.ATTRIBUTES/VARIABLE_VALUE"
_HDF5 = "{layer}/{layer}/{variable}:0"

Shapes = Mapping[str, tuple[int, ...]]
Read = Callable[[str], "np.ndarray"]


def assign(model: keras.Model, path: Path) -> None:
    """Assign published weights to the model that `tlplug_audio.yamnet.build` makes.

    Args:
        model: with all or the first of its layers, which are called like the published ones, with ``_`` for ``/``.
        path: the folder of the SavedModel, or the HDF5 file.

    Raises:
        ValueError: the path is neither, a variable is missing, is too many, or has another shape; one line.
    """
    try:
        with _opened(path) as (keys, shapes, read):
            if odd := sorted(set(keys.values()) ^ shapes.keys()):
                what = "lacks" if odd[0] in keys.values() else "has an unknown"
                raise ValueError(f"it {what} {odd[0]!r}")
            for layer in model.layers:
                for variable in layer.weights:
                    key, wanted = keys[layer.name, variable.name], tuple(variable.shape)
                    if shapes[key] != wanted:
                        raise ValueError(f"{key!r} is {shapes[key]}, not {wanted}")
                    variable.assign(read(key))
    except Exception as error:
        # TensorFlow and HDF5 raise whatever a damaged file makes them.
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        raise ValueError(
            f"The weights {path.name!r} do not fit yamnet: {reason:.300}. Valid: the folder of its SavedModel, or "
            "yamnet.h5."
        ) from error


def published() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the published layers that have weights, in order.

    Each has its name, such as ``layer2/depthwise_conv/bn``, and its variables: Keras' present name to the published.
    """
    normalization = {name: name for name in ("beta", "moving_mean", "moving_variance")}
    for number in range(1, LAYERS + 1):
        for kind in ("conv",) if number == 1 else ("depthwise_conv", "pointwise_conv"):
            name = f"layer{number}/{kind}"
            yield name, {"kernel": "depthwise_kernel" if kind == "depthwise_conv" else "kernel"}
            yield f"{name}/bn", normalization
    yield "logits", {"kernel": "kernel", "bias": "bias"}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[tuple[str, str], str], Shapes, Read]]:
    """Open weights; yield the key of each layer's variables, the shapes of what is stored by key, and its reading."""
    if path.is_dir():
        shapes, read = _open_checkpoint(path)
        yield _keys(_CHECKPOINT), shapes, read
    else:
        import h5py

        with h5py.File(path) as file:
            found: dict[str, tuple[int, ...]] = {}
            file.visititems(
                lambda name, item: found.update({name: item.shape}) if isinstance(item, h5py.Dataset) else None
            )
            yield _keys(_HDF5), found, lambda key: file[key][()]


def _open_checkpoint(path: Path) -> tuple[Shapes, Read]:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    prefix = _CHECKPOINT.partition("{")[0]
    shapes = reader.get_variable_to_shape_map()
    return {key: tuple(shape) for key, shape in shapes.items() if key.startswith(prefix)}, reader.get_tensor


def _keys(pattern: str) -> dict[tuple[str, str], str]:
    return {
        (layer.replace("/", "_"), ours): pattern.format(number=number, layer=layer, variable=theirs)
        for number, (layer, variables) in enumerate(published())
        for ours, theirs in variables.items()
    }
