"""How good on texts: 300 news articles of the BBC in five classes, at default and other settings."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.accuracy import SEEDS, scikit_learn

SHUFFLES = 10
FEW = 4
SETTINGS: tuple[Mapping[str, Any], ...] = tuple(
    {"preprocess.long": long, "preprocess.max_length": length}
    for long, length in (("truncate", 64), ("truncate", 128), ("truncate", 256), ("truncate", 512), ("split", 128))
)


def measure(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield rows of what, measured and target."""
    import tlplug
    from tlplug.backbones import select_backbone
    from tlplug.features import extractor_for
    from tlplug.registry import registry
    from tlplug.specs import load_reference
    from tlplug.storage import new_folder

    if not (articles := folder / "bbc").exists():
        record = registry().get("preprocess", "text").record
        with new_folder(articles) as temporary:
            load_reference(record.demo)(temporary)
    ours, theirs = [], []
    for seed in range(SEEDS):
        data = tlplug.load_data(articles, seed=seed)
        ours.append(tlplug.train(data, seed=seed).metrics["test"]["accuracy"])
        extractor = extractor_for(select_backbone(None, modality="text"))
        parts = [(extractor.all(p.sources, p.digests).embeddings, p.labels) for p in (data.train, data.test)]
        theirs.append(scikit_learn(*parts, seed))
    yield (
        f"tlplug train, mean of {SEEDS} splits",
        f"{statistics.mean(ours):.3f} (one split: ± {statistics.stdev(ours):.3f})",
        "at least 0.935, goal 0.95",
    )
    yield (
        "scikit-learn's LogisticRegression, C chosen by 5-fold cross-validation, same features and splits",
        f"{statistics.mean(theirs):.3f}",
        "at most 0.01 above tlplug",
    )
    yield f"four articles of each class, mean of {SHUFFLES} shuffles", f"{_few(articles, {}):.3f}", "at least 0.82"
    random = _mean(articles, {}, weights="random")
    yield f"tlplug train --weights random, mean of {SEEDS} splits", f"{random:.3f}", ""
    for options in SETTINGS:
        stated = " ".join(f"--set {name}={value}" for name, value in options.items())
        yield f"tlplug train {stated}", f"{_mean(articles, options):.3f}; of four {_few(articles, options):.3f}", ""


def _mean(articles: Path, options: Mapping[str, Any], **fields: Any) -> float:
    import tlplug

    splits = (tlplug.load_data(articles, seed=seed) for seed in range(SEEDS))
    models = (tlplug.train(data, options=options, **fields) for data in splits)
    return statistics.mean(model.metrics["test"]["accuracy"] for model in models)


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
