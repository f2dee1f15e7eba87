"""What a module takes, told from its signature: images, texts, sounds, or the arrays of an encoder."""

from __future__ import annotations

from pathlib import Path

from tlplug_hub.modules import ENCODER, Call, Tensor, describe, locate, read_program, tensors

_PREFERRED = ("pooled_output", "default", "embedding", "embeddings", "feature_vector", "features")
"""Keys under which modules give their embedding, by the conventions of TensorFlow Hub."""


def kind_of(call: Call) -> str | None:
    """Return ``image``, ``text``, ``audio`` or ``encoder``; None for what is none of these.

    By the conventions of TensorFlow Hub an image is float32 ``[batch, height, width, 3]`` in [0, 1], texts are strings
    ``[batch]``, a sound is a float32 waveform ``[samples]`` or ``[batch, samples]`` of 16 kHz in [-1, 1], and an
    encoder takes a dictionary of int32 arrays, those that its preprocessor makes of texts.
    """
    takes = call.takes
    if isinstance(takes, dict):
        return ENCODER if all(tensor.dtype.startswith("int") for tensor in takes.values()) else None
    if takes.shape is None:
        return None
    rank = len(takes.shape)
    if takes.dtype == "string" and rank == 1:
        return "text"
    if takes.dtype == "float32":
        if rank == 4:
            return "image" if takes.shape[3] in (3, None) else None
        return "audio" if rank in (1, 2) else None
    return None


def modality_of(folder: Path) -> str | None:
    """Return the modality of the module, or pair of modules, in a folder; None when its signature does not say.

    Raises:
        ValueError: there is no module that can be used.
    """
    modules = locate(folder)
    if "" not in modules:
        return "text"
    kind = kind_of(describe(read_program(modules[""])))
    return None if kind == ENCODER else kind


def embedding_of(call: Call, wanted: str | None) -> str | None:
    """Return the key or position of a module's embedding; None where it returns one array alone.

    Args:
        call: of the module.
        wanted: the key or position, where the user has stated it.

    Raises:
        ValueError: there is no such output, or it cannot be told which one is the embedding.
    """
    found = dict(tensors(call.gives))
    if wanted is None:
        usable = [name for name, tensor in found.items() if _is_embedding(tensor)]
        named = [name for name in _PREFERRED if name in usable]
        if named or len(usable) == 1:
            wanted = (named or usable)[0]
        elif kind_of(call) == "audio" and list(found) == ["0", "1", "2"]:
            wanted = "1"  # scores, embeddings and spectrogram, as YAMNet gives them
    if wanted in found and _is_embedding(found[wanted]):
        return wanted or None
    if list(found) == [""] and wanted is None:
        raise ValueError(
            f"The module gives no embedding but {found['']}. Valid: float32 [?, size]; another signature may give one: "
            "--set backbone.signature=NAME."
        )
    shown = ", ".join(f"{name or 'the only one'}: {tensor}" for name, tensor in found.items())
    raise ValueError(
        f"Which output is the embedding cannot be told. Received: output {wanted!r}, the module has {shown}. "
        "Valid: --set backbone.output=NAME, one of type float32 and of a fixed size."
    )


def _is_embedding(tensor: Tensor) -> bool:
    return (
        tensor.dtype == "float32"
        and tensor.shape is not None
        and len(tensor.shape) > 1
        and tensor.shape[-1] is not None
    )
