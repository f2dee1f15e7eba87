"""How good on texts: 300 news articles of the BBC in five classes, at default and other settings."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.accuracy import Row, against_scikit_learn, mean_accuracy, random_weights, settings

SHUFFLES = 10
FEW = 4
SETTINGS: tuple[Mapping[str, Any], ...] = tuple(
    {"preprocess.long": long, "preprocess.max_length": length}
    for long, length in (("truncate", 64), ("truncate", 128), ("truncate", 256), ("truncate", 512), ("split", 128))
)


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    articles = bbc(folder / "bbc")
    yield from against_scikit_learn(articles, "at least 0.935, goal 0.95")
    yield f"four articles of each class, mean of {SHUFFLES} shuffles", f"{_few(articles, {}):.3f}", "at least 0.82"
    yield random_weights(articles)
    for options in SETTINGS:
        yield settings(options), f"{mean_accuracy(articles, options):.3f}; of four {_few(articles, options):.3f}", ""


def bbc(target: Path) -> Path:
    """Put the articles into `target` once, a folder for each class; return it."""
    from tlplug.registry import registry
    from tlplug.specs import load_reference
    from tlplug.storage import new_folder

    if not target.exists():
        record = registry().get("preprocess", "text").record
        with new_folder(target) as temporary:
            load_reference(record.demo)(temporary)
    return target


def _few(articles: Path, options: Mapping[str, Any]) -> float:
    """The accuracy with a few examples of each class for training and all others for testing."""
    import tlplug

    data, accuracies = tlplug.load_data(articles), []
    for seed in range(SHUFFLES):
        order = np.random.default_rng(seed).permutation(len(data))
        splits = np.full(len(data), "test", dtype=data.splits.dtype)
        for label in range(len(data.classes)):
            splits[order[data.labels[order] == label][:FEW]] = "train"
        model = tlplug.train(dataclasses.replace(data, splits=splits), seed=seed, options=options)
        accuracies.append(model.metrics["test"]["accuracy"])
    return statistics.mean(accuracies)
