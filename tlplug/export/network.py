"""The networks that exporters write: prepared arrays in, probabilities out, and the same behind raw input."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlplug import progress
from tlplug.backbones import STRING, import_keras, load_keras, pack_inputs
from tlplug.errors import UsageError, first_line
from tlplug.export.source import ExportSource
from tlplug.features import KERAS_FILE, PreprocessSpec
from tlplug.predictor import keras_head_of
from tlplug.specs import load_reference

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

CONSTANTS = 32 * 10**6
"""Bytes of weights that a program holds as constants; what has more holds variables. A variable costs 2 kB of program,
and keeps TensorFlow from computing ahead; a constant costs its size in memory several times.
"""


@dataclass(frozen=True)
class RawInput:
    """What serves raw sources: a batch of them in, probabilities out.

    Attributes:
        spec: of a batch of raw sources; its name is that of the input.
        answer: ``answer(raw)`` returns probabilities float32 ``[batch, classes]``, in operations of TensorFlow.
        graph: the preprocess, which may hold tables.
    """

    spec: tf.TensorSpec
    answer: Callable[[Any], Any]
    graph: tf.Module


@dataclass(frozen=True)
class Exportable:
    """What an exporter gets.

    Attributes:
        network: prepared arrays ``[rows, ...]`` to probabilities ``[n, classes]``, a functional Keras model. Where an
            example is cut into windows, the rows of a call are those of one example, and there is one answer.
        classes: in the order of the probabilities.
        about: what export.json will say beside the proof; an exporter may add what its loader asks for.
        source: what it is all made from.
    """

    network: keras.Model
    classes: tuple[str, ...]
    about: dict[str, Any]
    source: ExportSource
    _parts: tuple[Any, Any, Callable[[Any], Any]]

    @classmethod
    def of(cls, source: ExportSource, about: dict[str, Any]) -> Exportable:
        """Load the network of a run and put its head on it.

        Raises:
            UsageError: the run does not hold the network as Keras has it, or its windows cannot be pooled in a graph.
            PluginError: a layer of it is of no active plugin.
        """
        keras = import_keras()
        import tensorflow as tf

        predictor = source.predictor
        path = predictor.compiled.folder / KERAS_FILE
        if not path.is_file():
            raise UsageError(
                f"The run does not hold {predictor.compiled.about['name']!r} as a Keras model, because a layer of it "
                "cannot be saved, so nothing can be made of it. Give the layer a get_config(), and train again."
            )
        backbone, head = load_keras(path), keras_head_of(source.model)
        backbone.name, head.name = "backbone", "head"  # both can be called "sequential"
        pool = pool_of(predictor.preprocess)
        taken = {spec.name: keras.Input(spec.shape, dtype=spec.dtype, name=spec.name) for spec in source.inputs}
        embeddings = backbone(pack_inputs(backbone, taken))
        pooled = keras.ops.expand_dims(pool(embeddings), 0) if source.cut else embeddings
        network = keras.Model(taken if len(taken) > 1 else list(taken.values()), head(pooled), name="classifier")
        network.trainable = False
        example = {name: tf.convert_to_tensor(array) for name, array in source.arrays(source.held_out[0]).items()}
        network(pack_inputs(network, example))  # some converters ask that it was called once
        return cls(network, predictor.classes, about, source, (backbone, head, pool))

    @functools.cached_property
    def specs(self) -> dict[str, tf.TensorSpec]:
        """What `network` takes, by name."""
        import tensorflow as tf

        return {
            spec.name: tf.TensorSpec([None, *spec.shape], tf.string if spec.dtype == STRING else spec.dtype, spec.name)
            for spec in self.source.inputs
        }

    @property
    def takes_texts(self) -> bool:
        """Whether the network takes texts as they are."""
        return any(spec.dtype == STRING for spec in self.source.inputs)

    def refuse_strings(self, name: str) -> None:
        """Raise `UsageError` where the network takes texts as they are, which the format `name` does not have."""
        if self.takes_texts:
            raise UsageError(
                f"The format {name!r} has no texts, and {self.source.predictor.compiled.about['name']!r} takes them as "
                "they are. Valid: --format savedmodel."
            )

    def answer(self, arrays: Mapping[str, Any]) -> Any:
        """Return probabilities ``[n, classes]`` for arrays ``[rows, ...]`` by name, in operations of TensorFlow."""
        pool = self._parts[2]
        embeddings = self._embed(dict(arrays))
        return self._classify(pool(embeddings)[None] if self.source.cut else embeddings)

    @functools.cached_property
    def _embed(self) -> Callable[[Mapping[str, Any]], Any]:
        """The backbone as a function of TensorFlow, so that a program that calls it twice holds it once."""
        from keras import ops

        backbone, head, _ = self._parts

        def embed(arrays: Mapping[str, Any]) -> Any:
            taken = pack_inputs(backbone, {name: arrays[name] for name in self.specs})
            return ops.cast(backbone.call(taken, training=False), head.inputs[0].dtype)

        return self._function(backbone, embed, self.specs)

    @functools.cached_property
    def _classify(self) -> Callable[[Any], Any]:
        """The head as a function of TensorFlow."""
        import tensorflow as tf

        head = self._parts[1]
        (taken,) = head.inputs
        spec = tf.TensorSpec([None, *taken.shape[1:]], taken.dtype)
        return self._function(head, lambda embeddings: head.call(embeddings, training=False), spec)

    def _function(self, network: keras.Model, call: Callable[[Any], Any], spec: Any) -> Callable[[Any], Any]:
        """A function of TensorFlow that calls a network, whose weights are constants in it where they are few.

        Args:
            network: the network.
            call: calls it; by its ``call``, which unlike ``__call__`` puts no name of its own before all others.
            spec: of what is given.
        """
        import keras
        import tensorflow as tf

        few = weights_size(self.network) <= CONSTANTS
        storage = {id(variable): variable.value for variable in network.variables}
        made = dict[tuple[int, int], tf.Tensor]()

        class Constants(keras.StatelessScope):  # type: ignore[misc]
            """Makes a constant of each variable of the network that Keras reads, one in each graph."""

            def get_current_value(self, variable: keras.Variable) -> tf.Tensor | None:
                key = id(variable), id(tf.compat.v1.get_default_graph())
                if id(variable) not in storage:
                    return None  # it is read as it is
                if key not in made:
                    with tf.init_scope():
                        value = storage[id(variable)].numpy()
                    with tf.compat.v1.name_scope(None):  # names of constants are short
                        made[key] = tf.constant(value)
                return made[key]

        def function(given: Any) -> Any:
            with Constants() if few else contextlib.nullcontext():
                return call(given)

        return tf.function(function, input_signature=[spec], autograph=False)  # type: ignore[no-any-return]

    @property
    def labels(self) -> bytes:
        """The class names as files of labels have them, one a line, in UTF-8."""
        text = "".join(f"{' '.join(name.splitlines())}\n" for name in self.classes)
        return text.encode("utf-8", "backslashreplace")  # a name may be that of a folder, which need not be text

    @functools.cached_property
    def raw(self) -> RawInput | None:
        """What serves raw sources; None where the preprocess has no graph, or none with these options and files."""
        import tensorflow as tf

        reference = self.source.predictor.preprocess.entry().record.make_graph
        if reference is None:
            return None
        compiled = self.source.predictor.compiled
        try:
            graph = load_reference(reference)(
                self.source.predictor.preprocess.given(), {name: compiled.file(name) for name in compiled.files}
            )
        except ValueError as error:
            progress.note(f"The export takes prepared arrays alone: the preprocess has no graph. {first_line(error)}")
            return None
        _, head, pool = self._parts

        def answer(raw: tf.Tensor) -> tf.Tensor:
            arrays, counts = graph(raw)
            embeddings = self._embed({name: arrays[name] for name in self.specs})
            if counts is not None:
                own = tf.RaggedTensor.from_row_lengths(embeddings, counts)
                size = head.inputs[0].shape[1]
                embeddings = tf.map_fn(pool, own, fn_output_signature=tf.TensorSpec([size], tf.float32))
            return self._classify(embeddings)

        return RawInput(graph.raw, answer, graph)


def pool_of(preprocess: PreprocessSpec) -> Callable[[Any], Any]:
    """Return what makes one embedding of those of the windows, ``[windows, size]`` to ``[size]``, in `keras.ops`.

    Raises:
        UsageError: the preprocess pools in a way of its own, of which it gives no such form.
    """
    record = preprocess.entry().record
    if record.pool is None:
        from keras import ops

        return lambda embeddings: ops.mean(embeddings, axis=0)
    if record.pool_graph is None:
        raise UsageError(
            f"The preprocess {record.name!r} pools windows in a way that it gives no graph of: no format can hold it."
        )
    pool, options = load_reference(record.pool_graph), preprocess.given()
    return lambda embeddings: pool(embeddings, options)


def weights_size(model: Any) -> int:
    """Bytes of all weights of a Keras model."""
    return int(sum(np.prod(variable.shape) * np.dtype(variable.dtype).itemsize for variable in model.weights))
