"""How exports answer the held-out examples of a data set of each modality, and how large they are."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

import tlplug
from tests.benchmarks.accuracy import Row
from tests.benchmarks.photos import tux_paint
from tests.benchmarks.series import archive
from tests.benchmarks.sounds import voices
from tests.benchmarks.texts import bbc
from tlplug.errors import ExportError, UsageError

FORMATS = (
    ("savedmodel", None, "no prediction changed; from raw pictures 1 in 100"),
    ("keras", None, ""),
    ("onnx", None, "no prediction changed, differences below 1e-4"),
    ("litert", "float32", "no prediction changed, differences below 1e-4"),
    ("litert", "float16", "differences below 5e-3"),
    ("litert", "dynamic", ""),
    ("litert", "int8", ""),
)

SPLITS = 5
"""On which int8 is judged on pictures: of one, a single example is two points."""


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    for name, data in (
        ("Tux Paint", tux_paint(folder / "tux")),
        ("BBC", bbc(folder / "bbc")),
        ("voices", voices(folder / "voices")),
        ("GunPoint", archive(folder / "series") / "GunPoint"),
    ):
        model = tlplug.train(tlplug.load_data(data, seed=0), seed=0)
        for format_name, precision, target in FORMATS:
            what = f"{name}, {model.info['backbone']['name']}, {format_name}{f' {precision}' if precision else ''}"
            yield what, _exported(model, folder / "export", format_name, precision), target

    yield f"Tux Paint, efficientnet_lite0, litert int8, mean of {SPLITS} splits", *_int8(folder)


def _int8(folder: Path) -> tuple[str, str]:
    before, after = [], []
    for seed in range(SPLITS):
        model = tlplug.train(tlplug.load_data(tux_paint(folder / "tux"), seed=seed), seed=seed)
        shutil.rmtree(folder / "export", ignore_errors=True)
        options = {"exporter.precision": "int8"}
        arrays = model.export(folder / "export", format="litert", options=options, force=True).proof.arrays
        before.append(arrays.accuracy_before)
        after.append(arrays.accuracy_after)
    return f"accuracy {statistics.mean(before):.3f} to {statistics.mean(after):.3f}", "at most 0.01 lost"


def _exported(model: tlplug.Model, folder: Path, format_name: str, precision: str | None) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    options = {"exporter.precision": precision} if precision else {}
    try:
        exported = model.export(folder, format=format_name, options=options, force=True)
    except (ExportError, UsageError) as error:
        return str(error)
    about, proof = exported.about, exported.proof
    found = [f"{about['bytes'] / 1e6:.1f} MB for {about['weights_bytes'] / 1e6:.1f} MB of weights"]
    for what, part in (("arrays", proof.arrays), ("raw", proof.raw)):
        if part:
            found.append(
                f"{what}: {part.changed} of {part.examples} changed, difference {part.difference:.0e}, accuracy "
                f"{part.accuracy_before:.3f} to {part.accuracy_after:.3f}, {part.milliseconds:.0f} ms"
            )
    return "; ".join(found)
