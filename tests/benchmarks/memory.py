"""How much memory: embedding ten times as many photos must not take more of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.photos import made_photos, many_photos, tux_paint
from tests.benchmarks.process import TLPLUG, run


def measure(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield rows of what, measured and target."""
    cache = folder / "cache"
    few = made_photos(tux_paint(folder / "tux"), folder / "photos")
    many = many_photos(few, folder / "many-photos")

    def embed(data: Path) -> float:
        shutil.rmtree(cache / "features", ignore_errors=True)
        (folder / "out.parquet").unlink(missing_ok=True)
        command = [TLPLUG, "embed", str(data), "--backbone", "efficientnet_lite0", "--out", "out.parquet"]
        return run(command, folder, TLPLUG_CACHE_DIR=str(cache)).megabytes

    def train(data: Path) -> float:
        shutil.rmtree(folder / "run", ignore_errors=True)
        return run([TLPLUG, "train", str(data), "--out", "run"], folder, TLPLUG_CACHE_DIR=str(cache)).megabytes

    embed(few)  # fetches and compiles
    small, large = embed(few), embed(many)
    fitting = train(many)
    matrix = 20_000 * 1280 * 4 / 2**20
    yield from (
        (
            "peak memory of tlplug embed with 20,000 photos against 2,000",
            f"{100 * (large / small - 1):+.0f}% ({large:.0f} MB against {small:.0f} MB)",
            "within 15%",
        ),
        (
            "what tlplug train adds to that, in feature matrices (20,000 by 1,280 float32, 98 MB)",
            f"{(fitting - large) / matrix:.1f} ({fitting:.0f} MB)",
            "at most 2",
        ),
    )
