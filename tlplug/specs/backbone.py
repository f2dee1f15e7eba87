"""The records of pretrained networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tlplug.specs.option import Option
from tlplug.specs.reference import Reference, check_name, check_reference, freeze
from tlplug.specs.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A pretrained network that turns arrays into an embedding.

    Args:
        name: how people choose it.
        modality: ``image``, ``text``, ``audio``, ``series`` or any other word that a preprocess serves.
        build: ``build(weights: Path | None, **options) -> keras.Model``. The model takes what the preprocess
            gives (an image is uint8 ``[batch, height, width, 3]``, its scaling is inside the model) and returns the
            pooled embedding, float32 ``[batch, size]``. TensorFlow is imported inside. ``**options`` may be left out.
        input_shape: of one example, such as ``(224, 224, 3)``; ``None`` leaves it to the built model.
        preprocess: name of the preprocess; when left out the plugin's own for the modality, else the only one that
            brings a default backbone, else the only one.
        preprocess_options: values for its options that this backbone needs.
        weights: weight sets by name, the first is the default; none means that the model is used as built.
        network_in_weights: whether a weight set holds the network itself, as a saved program does. Then `build` gets
            its path with random weights, too, and beside it ``random=True`` when they are wanted.
        files: what the preprocess needs of the weights, such as a vocabulary: names, and paths inside the folder that
            the weight set is. They are there with random weights, too.
        stages: names of the layers, bottom to top, whose outputs divide the network into the stages that fine-tuning
            unfreezes, whatever its options are; found in the model's graph when left out.
        options: what `build` takes beside the weights.
        summary: one sentence.
        licence: of the network's code or its usual weights.
        reference: the paper or page that describes it.
        parameters: the number of weights.
    """

    name: str
    modality: str
    build: Reference
    input_shape: tuple[int | None, ...] | None = None
    preprocess: str | None = None
    preprocess_options: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Weights] = field(default_factory=dict)
    network_in_weights: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    summary: str = ""
    licence: str = ""
    reference: str = ""
    parameters: int | None = None

    def __post_init__(self) -> None:
        # A backbone out of a family carries the family's prefix and whatever follows it.
        if ":" not in str(self.name):
            check_name(self, self.name)
        check_name(self, self.modality)
        check_reference(self, "build", self.build)
        for name in (*self.weights, *self.files):
            check_name(self, name)
        if "random" in self.weights:
            raise ValueError(f"Backbone {self.name!r}: 'random' means weights as initialised, choose another name.")
        if not all(isinstance(value, Weights) for value in self.weights.values()):
            raise TypeError(f"Backbone {self.name!r}: weights map names to Weights. Received: {self.weights!r}.")
        if (self.files or self.network_in_weights) and not self.weights:
            what = "files are a part" if self.files else "the network is a part"
            raise ValueError(f"Backbone {self.name!r}: {what} of its weights, and it has none.")
        freeze(
            self,
            input_shape=None if self.input_shape is None else tuple(self.input_shape),
            preprocess_options=MappingProxyType(dict(self.preprocess_options)),
            weights=MappingProxyType(dict(self.weights)),
            files=MappingProxyType(dict(self.files)),
            stages=tuple(self.stages),
            options=tuple(self.options),
        )


@dataclass(frozen=True, kw_only=True)
class BackboneFamily:
    """Backbones without end under one prefix, such as ``file:<model.keras>``.

    Args:
        prefix: what stands before the colon.
        resolve: ``resolve(rest: str, modality: str | None) -> Backbone``, without importing TensorFlow.
        modality: of all of them; ``None`` when it depends on the name or on the data.
        pattern: how the rest looks, for listings: ``<model.keras>``.
        summary: one sentence.
    """

    prefix: str
    resolve: Reference
    modality: str | None = None
    pattern: str = ""
    summary: str = ""

    def __post_init__(self) -> None:
        check_name(self, self.prefix)
        check_reference(self, "resolve", self.resolve)

    @property
    def name(self) -> str:
        return f"{self.prefix}:{self.pattern}"
