"""How good: the nine photo classes of Tux Paint at default settings, against scikit-learn and the tutorial."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.photos import tux_paint
from tests.benchmarks.process import run

SEEDS = 20
TUTORIAL_SEEDS = 3

Row = tuple[str, str, str]


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    tux = tux_paint(folder / "tux")
    yield from against_scikit_learn(tux, "at least 0.87, goal 0.90")
    script = str(Path(__file__).with_name("tutorial.py"))
    outputs = [run([sys.executable, script, str(tux), "--seed", str(s)], folder).output for s in range(TUTORIAL_SEEDS)]
    tutorial = [json.loads(output.splitlines()[-1]) for output in outputs]
    frozen = statistics.mean(result["frozen"] for result in tutorial)
    tuned = statistics.mean(result["tuned"] for result in tutorial)
    yield f"the tutorial, ten frozen epochs, mean of {TUTORIAL_SEEDS} splits", f"{frozen:.3f}", ""
    yield "the tutorial, five more epochs of fine-tuning", f"{tuned:.3f}", ""
    yield random_weights(tux)


def against_scikit_learn(data: Path, target: str) -> Iterator[Row]:
    """Yield the accuracy at default settings, mean of the splits, and that of scikit-learn on the same features."""
    import tlplug
    from tlplug.backbones import select_backbone
    from tlplug.features import extractor_for

    ours, theirs = [], []
    for seed in range(SEEDS):
        dataset = tlplug.load_data(data, seed=seed)
        ours.append(tlplug.train(dataset, seed=seed).metrics["test"]["accuracy"])
        extractor = extractor_for(select_backbone(None, modality=dataset.modality))
        parts = [(extractor.all(p.sources, p.digests).embeddings, p.labels) for p in (dataset.train, dataset.test)]
        theirs.append(scikit_learn(*parts, seed))
    mean, spread = statistics.mean(ours), statistics.stdev(ours)
    yield f"tlplug train, mean of {SEEDS} splits", f"{mean:.3f} (one split: ± {spread:.3f})", target
    yield (
        "scikit-learn's LogisticRegression, C chosen by 5-fold cross-validation, same features and splits",
        f"{statistics.mean(theirs):.3f}",
        "at most 0.01 above tlplug",
    )


def random_weights(data: Path) -> Row:
    """Return what the same network gets with random weights."""
    return f"tlplug train --weights random, mean of {SEEDS} splits", f"{mean_accuracy(data, weights='random'):.3f}", ""


def mean_accuracy(data: Path, options: Mapping[str, Any] | None = None, **fields: Any) -> float:
    """Return the accuracy of `tlplug.train`, mean of the splits; random weights are those of one seed."""
    import tlplug

    splits = (tlplug.load_data(data, seed=seed) for seed in range(SEEDS))
    models = (tlplug.train(split, options=options, **fields) for split in splits)
    return statistics.mean(model.metrics["test"]["accuracy"] for model in models)


def settings(options: Mapping[str, Any]) -> str:
    """Return a command with some options set."""
    return " ".join(["tlplug train", *(f"--set {name}={value}" for name, value in options.items())])


def scikit_learn(train: tuple, test: tuple, seed: int) -> float:
    """The accuracy of LogisticRegression on standardised features with C chosen among six.

    The features are rotated into all of their principal axes first: that changes no prediction and saves minutes.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = LogisticRegressionCV(
        Cs=np.logspace(-4, 1, 6),
        cv=folds,
        max_iter=2000,
        l1_ratios=(0,),
        use_legacy_attributes=False,
        scoring="neg_log_loss",
    )
    fitted = make_pipeline(StandardScaler(), PCA(svd_solver="full"), model).fit(*train)
    return float((fitted.predict(test[0]) == test[1]).mean())
