"""A SavedModel as a Keras layer. Importing this module imports Keras: it is done where a model is built or loaded."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tlplug_hub.loading import load
from tlplug_hub.modules import Call, describe, digest, read_program, tensors

_FOLDER = "module"
"""Where in a layer's assets its SavedModel is."""


@keras.saving.register_keras_serializable(package="tlplug_hub")
class HubLayer(keras.layers.Layer):
    """A TensorFlow 2 SavedModel as a layer that trains, freezes, saves and exports like any other.

    Its variables share their storage with those of the SavedModel, so that an optimizer changes what the module
    computes with. A frozen layer runs the module's inference; in training an unfrozen one runs its training, updates
    such as moving averages and its regularisation losses included. A saved model has the SavedModel in its archive,
    and loads with `keras.saving.load_model` after ``import tlplug_hub.layers``, wherever the folder has gone.

    Takes and returns what the module does, with ``output`` one of the arrays that it returns.

    Args:
        folder: of the SavedModel; it must stay as it is until the model is saved.
        signature: name of a signature; the module itself where it is a function, else its default signature, when None.
        output_key: the key or position of what is returned, such as ``pooled_output``, ``1`` or ``encoder.0``;
            everything when None.
        per_example: whether the module takes one example without a batch axis and returns frames ``[frames, size]``.
            Then the layer returns the mean over the frames, float32 ``[batch, size]``.
        trust: whether the SavedModel may run operations on files, processes and the network.
        module: what is known of the SavedModel, in the configuration of a saved layer.
        **kwargs: of every layer, such as ``trainable`` and ``name``.

    Raises:
        ValueError: the module is damaged, has no such signature or output, or other variables than it had when it was
            saved.
        UsageError: it runs operations that it is not trusted with, or needs a library that is not installed.

    Example::

        images = keras.Input((224, 224, 3))
        features = HubLayer("mobilenet_v2/", trainable=True)(images)
        model = keras.Model(images, keras.layers.Dense(5, "softmax")(features))
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        signature: str | None = None,
        output_key: str | None = None,
        per_example: bool = False,
        trust: bool = False,
        module: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.supports_jit = False  # modules have strings, tables and control flow that XLA does not take
        self.output_key, self.per_example = output_key, per_example
        self._folder: Path | None = None
        self._loaded: Any = None
        if module is None:
            if folder is None:
                raise ValueError("A HubLayer takes the folder of a SavedModel. Received: None.")
            folder = Path(folder)
            self._known = _known(describe(read_program(folder), signature), output_key)
            self._known["digest"] = digest(folder)
            self._attach(folder, trust=trust)
        else:
            self._known = dict(module)
            values = [tf.zeros(shape, dtype) for shape, dtype, *_ in self._known["variables"]]
            self.module_variables = self._shared(values)
        for variable in self.module_variables if not self.trainable else ():
            variable.trainable = False

    def _attach(self, folder: Path, *, trust: bool = False) -> None:
        """Load the SavedModel of a folder; variables that are there already get its storage."""
        self._loaded = load(folder, self._known["digest"], trust=trust)
        self._folder = folder
        signature = self._known["signature"]
        self._function = self._loaded.signatures[signature] if signature else self._loaded
        found = _variables(self._loaded, self._function if signature else self._loaded.__call__)
        described = [
            [list(value.shape), value.dtype.name, value.name.partition(":")[0].replace("/", "_"), trainable]
            for value, trainable in found
        ]
        if "variables" not in self._known:
            self._known["variables"] = described
            self.module_variables = self._shared([value for value, _ in found])
            return
        if described != self._known["variables"]:
            raise ValueError("The SavedModel in the archive has other variables than the layer had.")
        for variable, (value, _) in zip(self.module_variables, found, strict=True):
            tuned = variable.numpy()
            # The graph and an optimizer hold the Keras variable, so that stays; the optimizer knows it by this number.
            value._unique_id = variable.value._unique_id
            variable._value = value
            variable.assign(tuned)

    def _shared(self, values: list[Any]) -> list[keras.Variable]:
        """Keras variables in the storage of TensorFlow's, or in one of their own where `values` are arrays."""
        return [
            keras.Variable(value, dtype=dtype, trainable=trainable, name=name)
            for value, (_, dtype, name, trainable) in zip(values, self._known["variables"], strict=True)
        ]

    def build(self, input_shape: Any = None) -> None:  # noqa: ARG002 - the module has its variables already
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        trains = bool(training) and self.trainable
        if self.per_example:
            size = tf.TensorSpec([self._known["outputs"]["shape"][-1]], tf.float32)
            outputs = tf.map_fn(
                lambda example: tf.reduce_mean(self._run(example, trains), axis=0), inputs, fn_output_signature=size
            )
        else:
            outputs = self._run(inputs, trains)
        if trains:
            for loss in getattr(self._loaded, "regularization_losses", None) or ():
                self.add_loss(loss())
        return outputs

    def _run(self, inputs: Any, trains: bool) -> Any:
        if self._loaded is None:
            raise ValueError(f"The layer {self.name!r} has no SavedModel: it comes with the weights of a saved model.")
        known = self._known
        if known["signature"]:
            named = {known["argument"]: inputs} if known["argument"] else inputs
            outputs = self._function(**named)
        else:
            positional, named = known["training" if trains else "inference"]
            outputs = self._function(inputs, *positional, **named)
        for part in self.output_key.split(".") if self.output_key is not None else ():
            outputs = outputs[int(part) if isinstance(outputs, (list, tuple)) else part]
        return outputs

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: ARG002 - the same in both
        batch = keras.tree.flatten(inputs)[0].shape[0]
        return _specs(self._known["outputs"], batch)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "output_key": self.output_key,
            "per_example": self.per_example,
            "module": self._known,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HubLayer:
        """Make the layer of a saved model. Raises `ValueError` for what no saved layer has: a folder, or trust."""
        if not isinstance(config.get("module"), dict) or not config.keys().isdisjoint({"folder", "trust"}):
            raise ValueError("The configuration of a HubLayer has its module, and can state neither folder nor trust.")
        return cls(**config)

    def save_assets(self, dir_path: str) -> None:
        """Copy the SavedModel into the archive. Raises `ValueError` when it is not what was loaded any more."""
        if self._folder is None or not self._folder.is_dir() or digest(self._folder) != self._known["digest"]:
            raise ValueError(f"The folder of the SavedModel has been changed or removed: {str(self._folder)!r}.")
        shutil.copytree(self._folder, Path(dir_path) / _FOLDER)

    def load_assets(self, dir_path: str) -> None:
        """Take the SavedModel out of the archive, which Keras is about to remove, and keep the tuned variables."""
        kept = Path(tempfile.mkdtemp(prefix="tlplug-hub-"))
        weakref.finalize(self, shutil.rmtree, kept, ignore_errors=True)
        shutil.copytree(Path(dir_path) / _FOLDER, kept / _FOLDER)
        if digest(kept / _FOLDER) != self._known["digest"]:
            raise ValueError("The SavedModel in the archive is damaged.")
        self._attach(kept / _FOLDER)


def _known(call: Call, output_key: str | None) -> dict[str, Any]:
    outputs = call.gives
    if output_key is not None:
        found = dict(tensors(outputs))
        if output_key not in found:
            valid = ", ".join(f"{name or 'none, it is one array'}: {tensor}" for name, tensor in found.items())
            raise ValueError(f"The module has no output {output_key!r}. Valid: {valid}.")
        outputs = found[output_key]
    return {
        "signature": call.signature,
        "argument": call.argument,
        "inference": [list(call.inference[0]), dict(call.inference[1])],
        "training": [list(call.training[0]), dict(call.training[1])],
        "outputs": _plain(outputs),
    }


def _plain(outputs: Any) -> Any:
    if isinstance(outputs, dict):
        return {"items": {name: _plain(value) for name, value in outputs.items()}}
    if isinstance(outputs, list):
        return {"items": [_plain(value) for value in outputs]}
    return {"shape": None if outputs.shape is None else list(outputs.shape), "dtype": outputs.dtype}


def _specs(outputs: dict[str, Any], batch: int | None) -> Any:
    """What Keras is told of the outputs, with its own batch axis."""
    items = outputs.get("items")
    if isinstance(items, dict):
        return {name: _specs(value, batch) for name, value in items.items()}
    if isinstance(items, list):
        return [_specs(value, batch) for value in items]
    return keras.KerasTensor((batch, *outputs["shape"][1:]), dtype=outputs["dtype"])


def _variables(loaded: Any, function: Any) -> list[tuple[Any, bool]]:
    """The variables of a loaded SavedModel and whether each trains, in the same order whenever it is loaded.

    Some modules list none themselves; then those that their functions use are the ones.
    """
    listed = getattr(loaded, "trainable_variables", None)
    trainable = None if listed is None else {id(variable) for variable in listed}
    found = {id(variable): variable for variable in getattr(loaded, "variables", None) or ()}
    for concrete in getattr(function, "concrete_functions", None) or [function]:
        for variable in sorted(concrete.graph.variables, key=lambda variable: variable.name):
            found.setdefault(id(variable), variable)
    return [
        # Counters and the like are called trainable unless somebody has thought of saying that they are not.
        (variable, variable.dtype.is_floating and (variable.trainable if trainable is None else number in trainable))
        for number, variable in found.items()
        if variable.dtype != tf.string
    ]
