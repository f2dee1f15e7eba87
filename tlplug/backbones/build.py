"""A chosen backbone built into a Keras model, and what the model takes and gives."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug.backbones.quiet import import_keras
from tlplug.backbones.selection import RANDOM, Selection
from tlplug.errors import PluginError, TlplugError, WeightsError, first_line
from tlplug.specs import accepted_options, load_reference
from tlplug.weights import WeightsStore, default_set

if TYPE_CHECKING:
    import keras


STRING = "string"
"""The type of an input that takes texts; arrays for it hold Python's own, as objects."""


@dataclass(frozen=True)
class ArraySpec:
    """One array that a model takes: its name, its shape without the batch axis, and its type."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class BuiltBackbone:
    """A Keras model and what is known of it.

    Attributes:
        model: arrays in, pooled embedding out.
        inputs: what it takes.
        embedding_size: of its output ``[batch, size]``.
        digest: sha256 over the architecture and every weight.
        parameters: number of weights.
        files: what the preprocess needs of the weights, by name.
    """

    model: keras.Model
    inputs: tuple[ArraySpec, ...]
    embedding_size: int
    digest: str
    parameters: int
    files: Mapping[str, Path] = field(default_factory=dict)


def build_backbone(selection: Selection) -> BuiltBackbone:
    """Build a backbone with its weights, and measure it; imports TensorFlow.

    Raises:
        WeightsError: the weights cannot be had, or do not fit the model.
        PluginError: the builder fails, or what it returns is no backbone.
    """
    model, record = build_network(selection), selection.entry.record
    return BuiltBackbone(
        model=model,
        inputs=describe_inputs(model, record.input_shape),
        embedding_size=int(model.outputs[0].shape[1]),
        digest=_digest(model, selection.entry.identity),
        parameters=model.count_params(),
        files=_files(selection),
    )


def with_model(built: BuiltBackbone, model: keras.Model, selection: Selection) -> BuiltBackbone:
    """Return what is known of another model of the same backbone: a part of it, or itself after it was trained."""
    return replace(built, model=model, digest=_digest(model, selection.entry.identity), parameters=model.count_params())


def build_network(selection: Selection) -> keras.Model:
    """Build the model of a backbone, and nothing else: with random weights no files are fetched for its preprocess.

    Raises:
        WeightsError: the weights cannot be had, or do not fit the model.
        PluginError: the builder fails, or what it returns is no backbone.
    """
    keras = import_keras()
    name, record = selection.entry.name, selection.entry.record
    weights, random = None, {}
    if selection.weights not in (None, RANDOM):
        weights = _stored(selection)
    elif record.network_in_weights:
        weights, random = _stored(selection), {"random": True}
    build = load_reference(record.build)
    keras.utils.set_random_seed(selection.seed)
    try:
        model = build(weights, **accepted_options(build, selection.options), **random)
    except (KeyboardInterrupt, TlplugError):
        raise
    except Exception as error:
        if weights is not None:
            raise WeightsError(
                f"The backbone {name!r} cannot be built with the weights {selection.weights!r}: {first_line(error)}"
            ) from error
        raise PluginError(f"The backbone {name!r} cannot be built: {first_line(error)}") from error
    if not isinstance(model, keras.Model):
        raise PluginError(f"The backbone {name!r} returned no keras.Model. Received: {type(model).__name__}.")
    _check_embedding(name, model)
    if all(selection.options[option.name] == option.default for option in record.options):
        _check_stated(name, model, record.input_shape)
    model.trainable = False
    return model


def _stored(selection: Selection) -> Path:
    """Where the chosen weight set is; the default one where weights are random."""
    chosen = default_set(selection.entry) if selection.weights == RANDOM else selection.weights
    return WeightsStore().get(selection.entry, str(chosen)).path


def _files(selection: Selection) -> dict[str, Path]:
    """What the preprocess needs of the weights: with random ones that of the default set."""
    record, files = selection.entry.record, {}
    if record.files:
        chosen = default_set(selection.entry) if selection.weights == RANDOM else selection.weights
        folder = _stored(selection)
        for name, relative in record.files.items():
            files[name] = folder / relative
            if not files[name].is_file():
                raise WeightsError(
                    f"The weights {chosen!r} of {selection.entry.name!r} lack the file {relative!r}, which its "
                    "preprocess needs. Type: tlplug weights verify"
                )
    return files


def _check_embedding(name: str, model: keras.Model) -> None:
    if not model.built or not getattr(model, "outputs", None):
        raise PluginError(
            f"The backbone {name!r} must return a functional or Sequential model with a keras.Input, whose shapes are "
            "known. Received: a model that is not built."
        )
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2 or model.outputs[0].shape[1] is None:
        received = ", ".join(str(tuple(output.shape)) for output in model.outputs)
        raise PluginError(
            f"The backbone {name!r} must return one pooled embedding (None, size). Received: {received}. "
            "Add keras.layers.GlobalAveragePooling2D() or the like."
        )


def _check_stated(name: str, model: keras.Model, stated: tuple[int | None, ...] | None) -> None:
    """Refuse a record that states another input shape than its model has as long as no option changes it."""
    if stated is None or len(model.inputs) != 1:
        return
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) != len(stated) or any(a != b for a, b in zip(shape, stated, strict=True) if None not in (a, b)):
        raise PluginError(f"The backbone {name!r} states the input shape {stated}, its model has {shape}.")


def describe_inputs(model: keras.Model, stated: tuple[int | None, ...] | None = None) -> tuple[ArraySpec, ...]:
    """Say what a built model takes.

    Args:
        model: with known inputs.
        stated: fills in the lengths that a model with one input leaves open.
    """
    specs = []
    for tensor in model.inputs:
        shape = tuple(tensor.shape[1:])
        if stated is not None and len(stated) == len(shape) and len(model.inputs) == 1:
            shape = tuple(own if own is not None else given for own, given in zip(shape, stated, strict=True))
        specs.append(ArraySpec(tensor.name.partition(":")[0], shape, str(tensor.dtype)))
    return tuple(specs)


def pack_inputs(model: keras.Model, arrays: Mapping[str, Any]) -> Any:
    """Arrange arrays in the form in which a model takes its inputs: one, a list or a dictionary.

    They come in the order of the model's inputs; a saved and reloaded model can have other names for those that were
    given none.
    """
    import keras

    ordered = list(arrays.values())
    if isinstance(model, keras.Sequential):  # has no `input` before it is called
        return ordered[0]
    return keras.tree.pack_sequence_as(model.input, ordered)


def _digest(model: keras.Model, code: str | None) -> str:
    config = model.get_config()
    numbers = {name: f"layer {number}" for number, name in enumerate(_layer_names(config))}
    digest = hashlib.sha256(json.dumps(_without_names(config, numbers), sort_keys=True, default=str).encode())
    if any(not type(layer).__module__.startswith("keras.") for layer in model._flatten_layers()):
        # What a layer of somebody's own computes is in its code; without an identity no other build is the same.
        digest.update((code or secrets.token_hex(32)).encode())
    for variable in model.weights:
        array = variable.numpy()
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _layer_names(config: Any) -> Iterator[str]:
    """The names of all layers in a model's configuration, in their order."""
    if isinstance(config, Mapping):
        if "layers" in config:
            yield from (layer["name"] for layer in config["layers"] if layer.get("name"))
        for value in config.values():
            yield from _layer_names(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _layer_names(value)


_REFERENCES = {"inbound_nodes", "input_layers", "output_layers"}
"""Where a configuration names layers; the same word elsewhere, such as an activation, is a setting."""


def _without_names(config: Any, numbers: Mapping[str, str], *, refers: bool = False) -> Any:
    """A model's configuration with positions for the names that Keras numbers anew in every build."""
    if isinstance(config, Mapping):
        dropped = {"name", "registered_name", "build_config", "shared_object_id"}
        return {
            key: _without_names(value, numbers, refers=refers or key in _REFERENCES)
            for key, value in config.items()
            if key not in dropped
        }
    if isinstance(config, list | tuple):
        return [_without_names(value, numbers, refers=refers) for value in config]
    return numbers.get(config, config) if refers and isinstance(config, str) else config
