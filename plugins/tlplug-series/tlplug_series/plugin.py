"""What this distribution brings to tlplug: records only; their code is imported at first use."""

from __future__ import annotations

from tlplug import Augmentation, Backbone, Option, Preprocess, Reader, hookimpl
from tlplug_series.formats import SUFFIXES
from tlplug_series.networks import backbones
from tlplug_series.series import FIT, MISSING

TLPLUG_API = 1


@hookimpl
def backbone() -> list[Backbone]:
    return backbones()


@hookimpl
def preprocess() -> list[Preprocess]:
    return [
        Preprocess(
            name="series",
            modality="series",
            make="tlplug_series.series:make",
            make_graph="tlplug_series.graph:make",
            standalone="tlplug_series.standalone",
            suggest="tlplug_series.series:suggest",
            suffixes=SUFFIXES,
            options=(
                Option(
                    name="fit",
                    type=str,
                    default=FIT[0],
                    choices=FIT,
                    help="to the network's length: interpolate the whole series, or keep its steps and pad or cut it",
                ),
                Option(
                    name="missing",
                    type=str,
                    default=MISSING[0],
                    choices=MISSING,
                    help="missing values are interpolated from their neighbours, or the series is refused",
                ),
            ),
            default_backbone="fracast",
            candidates=("minirocket",),
            preview="tlplug_series.picture:preview",
            demo="tlplug_series.gunpoint:write",
            summary="A series in a CSV or .npy file, an array or bytes: a row a step, a column a channel",
        )
    ]


@hookimpl
def reader() -> list[Reader]:
    return [
        Reader(
            name="ucr",
            modality="series",
            sniff="tlplug_series.ucr:sniff",
            read="tlplug_series.ucr:read",
            summary="Files of the UCR and UEA archives, .ts, .arff or .tsv, or a folder with NAME_TRAIN and NAME_TEST",
        ),
        Reader(
            name="series-table",
            modality="series",
            sniff="tlplug_series.table:sniff",
            read="tlplug_series.table:read",
            follow="tlplug_series.table:follow",
            options=(
                Option(name="label", type=str, help="column of the class names"),
                Option(name="id", type=str, help="column that says which series a row is of"),
                Option(name="time", type=str, help="column that the steps of a series are sorted by"),
                Option(
                    name="layout",
                    type=str,
                    choices=("wide", "long"),
                    help="a row is a series, or a row is a step and an id says of which; found when left out",
                ),
                Option(name="encoding", type=str, default="utf-8", help="of the file"),
            ),
            summary="One CSV file of numbers: a row a series, or a row a step with a column of ids",
        ),
        Reader(
            name="series-npz",
            modality="series",
            sniff="tlplug_series.npz:sniff",
            read="tlplug_series.npz:read",
            summary="A NumPy archive with X, [n, time] or [n, time, channels], and y, or X_train, y_train ...",
        ),
    ]


@hookimpl
def augmentation() -> list[Augmentation]:
    def series(name: str, summary: str, light: float, strong: float) -> Augmentation:
        apply = f"tlplug_series.augmentation:{name}"
        return Augmentation(
            name=f"series-{name}",
            modality="series",
            apply=apply,
            arrays=("series",),
            light=light,
            strong=strong,
            summary=summary,
        )

    return [
        series("crop", "Stretches a part to the whole length, at most this share of the steps cut away", 0.1, 0.2),
        series("scale", "Multiplies each channel by a curve about 1 that deviates by so much", 0.1, 0.2),
        series("jitter", "Adds noise of this share of each channel's deviation", 0.01, 0.03),
    ]
