"""What the strategy auto gives beside the frozen default backbone, on a data set of each modality."""

from __future__ import annotations

import collections
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.accuracy import Row
from tests.benchmarks.photos import tux_paint
from tests.benchmarks.series import archive
from tests.benchmarks.sounds import voices
from tests.benchmarks.texts import bbc

SEEDS = 5
NEVER_WORSE = "at most 0.01 below features"


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    leaves = archive(folder / "series") / "OSULeaf"
    yield "OSULeaf", measure_auto(leaves), "at least 0.92"
    yield "Tux Paint", measure_auto(tux_paint(folder / "tux")), NEVER_WORSE
    yield "voices", measure_auto(voices(folder / "voices")), "at least 0.02 above features"
    yield "BBC", measure_auto(bbc(folder / "bbc")), NEVER_WORSE


def measure_auto(path: Path) -> str:
    """Return the accuracies of features and of auto, and what auto chose, on the same splits."""
    import tlplug
    from tlplug.training import tried_rows

    features, auto, seconds, chosen = [], [], [], collections.Counter()
    for seed in range(SEEDS):
        data = tlplug.load_data(path, seed=seed)
        features.append(tlplug.train(data, seed=seed).metrics["test"]["accuracy"])
        started = time.perf_counter()
        model = tlplug.train(data, strategy="auto", seed=seed)
        seconds.append(time.perf_counter() - started)
        auto.append(model.metrics["test"]["accuracy"])
        chosen.update(row[0] for row in tried_rows(model.info) if row[-1])
    what = ", ".join(f"{name} ({count} of {SEEDS})" for name, count in chosen.most_common())
    return (
        f"{statistics.mean(auto):.3f}; features {statistics.mean(features):.3f}; chosen: {what}; "
        f"{statistics.median(seconds):.0f} s"
    )
