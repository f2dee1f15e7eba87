"""What is known of a network of keras.applications, and its weight sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tlplug import Source, Weights

LICENCE = "Apache-2.0"
"""Of the weights that keras.applications publishes."""


@dataclass(frozen=True)
class Application:
    """One function of ``keras.applications``.

    Attributes:
        name: of the backbone.
        function: in ``keras.applications``.
        image_size: height and width in pixels that its ImageNet weights were trained for.
        file: what goes into the family's file name for the weights.
        checksum: md5 or sha256 of that file in hex, as Keras states it; empty where Keras states none.
        parameters: number of weights without the classification layer.
        widths: for a network with a width multiplier `alpha`, each value that has weights and its part of the file
            name, the default first.
        cached_as: name of the file in Keras' own cache, where it is not the last part of the address.
        more_weights: sets beside those of Keras.
    """

    name: str
    function: str
    image_size: int
    file: str
    checksum: str
    parameters: int
    widths: Mapping[float, str] = field(default_factory=dict)
    cached_as: str = ""
    more_weights: Mapping[str, Weights] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """Networks of one paper.

    Attributes:
        summary: what they are, in one sentence.
        paper: authors, year and address of the paper.
        scaling: how uint8 pixels become the network's input; see `tlplug_vision.networks.scale`.
        address: of the weights, with one pair of braces for the application's `file`.
        members: the networks.
        minimum: smallest image height and width in pixels.
    """

    summary: str
    paper: str
    scaling: str
    address: str
    members: tuple[Application, ...]
    minimum: int = 32


def weights_name(alpha: float | None) -> str:
    """Return the name of the ImageNet weight set for a width; None and 1.0 are the plain network.

    >>> weights_name(0.35)
    'imagenet-alpha-0.35'
    """
    return "imagenet" if alpha in (None, 1.0) else f"imagenet-alpha-{alpha}"


def weight_sets(family: Family, application: Application) -> dict[str, Weights]:
    """Return all weight sets of a network by name, the default first."""
    algorithm = "sha256" if len(application.checksum) == 64 else "md5"
    checksum = f"{algorithm}:{application.checksum}" if application.checksum else ""
    files = application.widths or {1.0: application.file}
    sets = {
        weights_name(alpha): Weights(
            sources=(
                Source(
                    kind="keras",
                    location=family.address.format(file),
                    member=application.cached_as,
                    checksum=checksum,
                ),
            ),
            licence=LICENCE,
        )
        for alpha, file in files.items()
    }
    return {**sets, **application.more_weights}
