"""Modules built into Keras models: functional model and weights."""

from __future__ import annotations

import functools
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug import UsageError, WeightsError
from tlplug_hub.archives import unpack
from tlplug_hub.modules import ENCODER, PREPROCESSOR, Call, describe, locate, read_program
from tlplug_hub.options import IMAGE_SIZE, SAMPLES
from tlplug_hub.signatures import embedding_of, kind_of

if TYPE_CHECKING:
    import keras

    from tlplug_hub.layers import HubLayer


def build(
    modality: str,
    weights: Path,
    *,
    random: bool = False,
    output: str | None = None,
    signature: str | None = None,
    trust: bool = False,
    image_size: int | None = None,
    samples: int | None = None,
) -> keras.Model:
    """Build a Keras model around a SavedModel, or around a preprocessor and an encoder of texts.

    Args:
        modality: ``image``, ``text`` or ``audio``.
        weights: the folder of the module, a folder with the folders ``preprocessor`` and ``encoder``, or an archive
            with one of these.
        random: draw the weights anew, see `randomise`.
        output: key or position of the embedding in what the module returns.
        signature: name of a signature; of the encoder, where there are two modules.
        trust: whether it may use files, processes and the network.
        image_size: height and width in pixels of an image module that takes any.
        samples: of an audio module that takes any number.

    Returns:
        A functional model to float32 ``[batch, size]``, from uint8 ``[batch, height, width, 3]``, RGB; from strings
        ``[batch]``; or from float32 ``[batch, samples]``, a mono waveform of 16 kHz in [-1, 1]. Outputs with positions
        or frames are averaged over them.

    Raises:
        UsageError: the module takes something else, or is not trusted.
        WeightsError: it is damaged, or none of its outputs is an embedding.
    """
    settings = {"output": output, "signature": signature, "trust": trust, "image_size": image_size, "samples": samples}
    try:
        model = _of_folder_or_archive(modality, weights, settings)
    except ValueError as error:
        raise WeightsError(str(error).strip().partition("\n")[0]) from error
    if random:
        changed = [randomise(layer) for layer in _modules_of(model)]
        if not any(changed):
            raise UsageError(
                "The weights of the module are constants of its program, so none can be drawn anew. Leave out "
                "--against random and --weights random."
            )
    return model


def _of_folder_or_archive(modality: str, weights: Path, settings: dict[str, Any]) -> keras.Model:
    if weights.is_dir():
        return _around(modality, weights, **settings)
    temporary = Path(tempfile.mkdtemp(prefix="tlplug-hub-"))
    try:
        unpack(weights, temporary / "module")
        model = _around(modality, temporary / "module", **settings)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    weakref.finalize(_modules_of(model)[-1], shutil.rmtree, temporary, ignore_errors=True)
    return model


def _around(
    modality: str,
    folder: Path,
    *,
    output: str | None,
    signature: str | None,
    trust: bool,
    image_size: int | None,
    samples: int | None,
) -> keras.Model:
    import keras

    from tlplug_hub.layers import HubLayer

    modules = locate(folder)
    calls = {
        name: describe(read_program(path), None if name == PREPROCESSOR else signature)
        for name, path in modules.items()
    }
    _check_kinds(calls, modality)
    name = list(modules)[-1]
    call, layer = calls[name], functools.partial(HubLayer, modules[name], signature=signature, trust=trust)
    key, per_example = embedding_of(call, output), False
    if modality == "image":
        _, height, width, _ = call.takes.shape
        shape = (*(_length("image_size", own, image_size, IMAGE_SIZE) for own in (height, width)), 3)
        inputs = keras.Input(shape, dtype="uint8", name="image")
        x = keras.layers.Rescaling(1 / 255, name="scaling")(inputs)
    elif modality == "audio":
        per_example = len(call.takes.shape) == 1
        length = _length("samples", call.takes.shape[-1], samples, SAMPLES)
        inputs = x = keras.Input((length,), dtype="float32", name="waveform")
    else:
        inputs = x = keras.Input((), dtype="string", name="text")
    if PREPROCESSOR in modules:
        prepared = HubLayer(modules[PREPROCESSOR], trust=trust)(x)
        x = {name: prepared[name] for name in call.takes}
    x = layer(output_key=key, per_example=per_example)(x)
    if len(x.shape) > 2:
        x = keras.ops.mean(x, axis=tuple(range(1, len(x.shape) - 1)))
    return keras.Model(inputs, x, name="hub")


def _modules_of(model: keras.Model) -> list[HubLayer]:
    from tlplug_hub.layers import HubLayer

    return [layer for layer in model.layers if isinstance(layer, HubLayer)]


def randomise(layer: HubLayer) -> bool:
    """Draw a layer's trainable weights anew, from Keras' own seed; all of them, where it was saved frozen.

    How they were initialised is not in a SavedModel. Matrices and kernels become normal numbers with the mean and
    deviation that each had; vectors, such as biases and the scales of normalizations, are shuffled.

    Returns:
        Whether it has such weights.
    """
    import keras
    from keras import ops

    weights = [variable for variable in layer.module_variables if keras.backend.is_float_dtype(variable.dtype)]
    weights = [variable for variable in weights if variable.trainable] or weights
    for variable in weights:
        if len(variable.shape) > 1:
            mean, deviation = float(ops.mean(variable)), float(ops.std(variable))
            variable.assign(keras.random.normal(variable.shape, mean, deviation, dtype=variable.dtype))
        elif len(variable.shape) == 1:
            variable.assign(keras.random.shuffle(ops.convert_to_tensor(variable)))
    return bool(weights)


def _check_kinds(calls: dict[str, Call], modality: str) -> None:
    """Refuse modules that do not take what the data is."""
    kinds = {name: kind_of(call) for name, call in calls.items()}
    if PREPROCESSOR in calls:
        first, second = calls[PREPROCESSOR], calls[ENCODER]
        fits = kinds == {PREPROCESSOR: "text", ENCODER: ENCODER} and isinstance(first.gives, dict)
        if modality != "text" or not fits or not second.takes.keys() <= first.gives.keys():
            raise UsageError(
                f"The folders {PREPROCESSOR} and {ENCODER} hold no pair for {modality}. Valid: a module from texts to "
                f"the arrays that the other takes. Received: {_shown(first)}, and {_shown(second)}."
            )
        return
    ((call, kind),) = zip(calls.values(), kinds.values(), strict=True)
    if kind == ENCODER:
        raise UsageError(
            f"The module takes {_shown(call)}: it needs its preprocessor as well. Valid: hub:PREPROCESSOR,ENCODER with "
            f"two addresses, or a folder with the folders {PREPROCESSOR} and {ENCODER}."
        )
    if kind != modality:
        valid = f"--modality {kind}, with data of that kind" if kind else "a module for images, texts or sounds"
        raise UsageError(f"The module takes {_shown(call)}, the data is {modality}. Valid: {valid}.")


def _shown(call: Call) -> str:
    return f"a dictionary of {', '.join(call.takes)}" if isinstance(call.takes, dict) else str(call.takes)


def _length(option: str, own: int | None, stated: int | None, default: int) -> int:
    """A length that the module fixes, or the user states for a module that takes any."""
    if own is not None and stated not in (None, own):
        raise UsageError(f"The module takes {option} {own} alone. Received: {stated}. Leave out backbone.{option}.")
    return own or stated or default
