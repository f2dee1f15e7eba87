"""From the tensors of a checkpoint to the variables of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np

FILE = "model.safetensors"
PICKLE = "pytorch_model.bin"

_EMBEDDINGS = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
}
_FIRST = "embeddings.word_embeddings.weight"

_LAYERS = {
    "bert": (
        "encoder.layer",
        {
            "self_attention_layer/query": "attention.self.query",
            "self_attention_layer/key": "attention.self.key",
            "self_attention_layer/value": "attention.self.value",
            "self_attention_layer/attention_output": "attention.output.dense",
            "self_attention_layer_norm": "attention.output.LayerNorm",
            "feedforward_intermediate_dense": "intermediate.dense",
            "feedforward_output_dense": "output.dense",
            "feedforward_layer_norm": "output.LayerNorm",
        },
    ),
    "distilbert": (
        "transformer.layer",
        {
            "self_attention_layer/query": "attention.q_lin",
            "self_attention_layer/key": "attention.k_lin",
            "self_attention_layer/value": "attention.v_lin",
            "self_attention_layer/attention_output": "attention.out_lin",
            "self_attention_layer_norm": "sa_layer_norm",
            "feedforward_intermediate_dense": "ffn.lin1",
            "feedforward_output_dense": "ffn.lin2",
            "feedforward_layer_norm": "output_layer_norm",
        },
    ),
}
"""Where the transformer layers of a checkpoint are, and for each part of ours what it is called there."""

_ENDINGS = {
    "embeddings": ("weight",),
    "kernel": ("weight",),
    "bias": ("bias",),
    "gamma": ("weight", "gamma"),  # the second as TensorFlow called it, in the oldest checkpoints
    "beta": ("bias", "beta"),
}


def check(folder: Path) -> None:
    """Raise `ValueError` with one line when a folder has no weights that can be read."""
    if (folder / FILE).is_file():
        return
    reason = f"{folder.name!r} has no {FILE}."
    if (folder / PICKLE).is_file():
        reason += (
            f" Its {PICKLE} is a pickle, which can run code and is never loaded: "
            "convert it with transformers' save_pretrained(folder, safe_serialization=True)."
        )
    raise ValueError(reason)


def assign(model: keras.Model, kind: str, folder: Path) -> None:
    """Give every variable of a model the tensor of a checkpoint that belongs to it.

    Args:
        model: as `tlplug_text.bert.build` makes it.
        kind: ``bert`` or ``distilbert``.
        folder: with ``model.safetensors``.

    Raises:
        ValueError: a tensor is missing or has another shape, or the file is damaged; one line.
    """
    from safetensors import SafetensorError, safe_open

    check(folder)
    try:
        with safe_open(folder / FILE, framework="numpy") as file:
            names = set(file.keys())
            # A checkpoint of a task has the encoder under a prefix, such as "bert.".
            prefix = next((name.removesuffix(_FIRST) for name in sorted(names) if name.endswith(_FIRST)), "")
            for variable in model.weights:
                candidates = [prefix + name for name in _stored(kind, variable.path)]
                found = next((name for name in candidates if name in names), None)
                if found is None:
                    raise ValueError(f"it has no {candidates[0]!r}")
                variable.assign(_arranged(found, file.get_tensor(found), variable))
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(f"The {FILE} of {folder.name!r} does not fit: {reason}.") from error


def _stored(kind: str, path: str) -> Iterator[str]:
    """The names that the variable of a path can have in a checkpoint."""
    part, _, ending = path.rpartition("/")
    if part in _EMBEDDINGS:
        name = _EMBEDDINGS[part]
    else:
        layer, _, inside = part.partition("/")
        place, parts = _LAYERS[kind]
        name = f"{place}.{layer.removeprefix('transformer_')}.{parts[inside]}"
    return (f"{name}.{stored}" for stored in _ENDINGS[ending])


def _arranged(name: str, tensor: np.ndarray, variable: Any) -> np.ndarray:
    """A tensor as Keras has it: kernels are [in, out], and attention has one axis for the heads and one inside."""
    import numpy as np

    shape = tuple(variable.shape)
    if variable.path.endswith("attention_output/kernel"):
        expected = (shape[2], shape[0] * shape[1])
    elif variable.path.endswith("kernel"):
        expected = (math.prod(shape[1:]), shape[0])
    elif variable.path.endswith("bias"):
        expected = (math.prod(shape),)
    else:
        expected = shape
    if tensor.shape != expected:
        raise ValueError(f"{name} is {tensor.shape}, not {expected}")
    return np.reshape(tensor.T if variable.path.endswith("kernel") else tensor, shape).astype(np.float32)
