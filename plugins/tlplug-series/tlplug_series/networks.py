"""The records of this plugin's networks; their code is imported at first use."""

from __future__ import annotations

from pathlib import Path

from tlplug import Backbone, Option, Source, Weights

_LICENCE = "Apache-2.0"
_SHIPPED = {
    "conv1d": "4c389f0fbd9717ddbea5263b526a49e04e75265cb34164d6572d8d991f3f2dbe",
    "gru": "5f4faaf17a645087a7c4d4df5b284b4b6caed1bb60028daed13efaa52b66c74c",
    "minirocket": "83ec074b3d944e51cf0fc4718bbad52eb37009657677a182f5188993b9428b99",
}
"""sha256 of the weights that come with this distribution; `minirocket_fit` and `pretraining` make them."""


def backbones() -> list[Backbone]:
    """Return the networks, the default first."""
    return [
        Backbone(
            name="fracast",
            modality="series",
            build="tlplug_series.fracast:build",
            input_shape=(2048, 1),
            preprocess_options={"fit": "pad"},
            weights={
                "forecasting": Weights(
                    sources=(
                        Source(kind="wheel", location="fracast==0.1.0", member="fracast/weights/model.safetensors"),
                    ),
                    sha256="0d678f123f3d1f91c5065cca2b5d40eccc469360afc2381b27290486011ded2c",
                    size=344_412,
                    licence=_LICENCE,
                )
            },
            options=(
                _channels(64),  # of 2048 steps each: four such examples take 1.8 GB
                Option(
                    name="length",
                    type=int,
                    default=2048,
                    minimum=32,
                    maximum=2048,
                    help="steps that it sees, the last ones of a series; fewer are faster",
                ),
            ),
            summary="The encoder of the forecaster Fracast, which has seen many series; the default",
            licence=_LICENCE,
            reference="the package fracast 0.1.0",
            parameters=25_536,
        ),
        Backbone(
            name="minirocket",
            modality="series",
            build="tlplug_series.minirocket:build",
            input_shape=(512, 1),
            weights={"generated": _shipped("minirocket")},
            options=(_channels(1024),),
            summary="MiniRocket: fixed kernels, and biases fitted to generated series",
            licence=_LICENCE,
            reference="Dempster, Schmidt, Webb 2021, arXiv:2012.08791",
            parameters=10_042,
        ),
        Backbone(
            name="conv1d",
            modality="series",
            build="tlplug_series.encoders:build_conv1d",
            input_shape=(256, 1),
            weights={"generated": _shipped("conv1d")},
            options=(_channels(1024),),
            summary="A small residual convolutional network that learned from generated series by comparing",
            licence=_LICENCE,
            parameters=127_328,
        ),
        Backbone(
            name="gru",
            modality="series",
            build="tlplug_series.encoders:build_gru",
            input_shape=(256, 1),
            weights={"generated": _shipped("gru")},
            options=(_channels(1024),),
            summary="A small recurrent network that learned from generated series by comparing",
            licence=_LICENCE,
            parameters=64_928,
        ),
    ]


def _channels(most: int) -> Option:
    return Option(
        name="channels", type=int, default=1, minimum=1, maximum=most, help="of a series; as the data have them"
    )


def shipped(name: str) -> Path:
    """Return a file of weights that comes with this distribution."""
    return Path(__file__).with_name("weights") / f"{name}.safetensors"


def _shipped(name: str) -> Weights:
    source = Source(kind="file", location=str(shipped(name)))
    return Weights(sources=(source,), sha256=_SHIPPED[name], licence=_LICENCE)
