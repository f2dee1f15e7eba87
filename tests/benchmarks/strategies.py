"""What fine-tuning gives beside the frozen model: the strategies on the telephone announcements."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.accuracy import Row
from tests.benchmarks.sounds import voices

SEEDS = 3

STRATEGIES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("", {}),
    ("--strategy fine-tune", {"strategy": "fine-tune"}),
    ("--strategy fine-tune --stages 2", {"strategy": "fine-tune", "stages": 2}),
    ("--strategy full", {"strategy": "full"}),
    ("--strategy auto", {"strategy": "auto"}),
    ("--strategy scratch --epochs 40", {"strategy": "scratch", "options": {"tuning.epochs": 40}}),
)


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    import tlplug

    clips = voices(folder / "voices")
    for arguments, fields in STRATEGIES:
        accuracies, seconds, trained = [], [], 0
        for seed in range(SEEDS):
            data = tlplug.load_data(clips, seed=seed)
            started = time.perf_counter()
            model = tlplug.train(data, seed=seed, **fields)
            seconds.append(time.perf_counter() - started)
            accuracies.append(model.metrics["test"]["accuracy"])
            trained = max(trained, model.info["tuning"].get("parameters_trained", 0))
        took = statistics.median(seconds)
        time_taken = f"{took:.0f} s" if took >= 1 else "under 1 s"
        yield (
            " ".join(["tlplug train voices", arguments]).strip(),
            f"{statistics.mean(accuracies):.3f} in {time_taken}; {trained:,} weights trained",
            "",
        )
