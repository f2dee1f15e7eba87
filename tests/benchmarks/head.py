"""The linear head against scikit-learn's LogisticRegression: the same grid, the same folds, one process."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.photos import tux_paint

PENALTIES = (1000.0, 100.0, 10.0, 1.0, 0.1)


def measure(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield rows of what, measured and target."""
    import tlplug
    from tlplug.backbones import select_backbone
    from tlplug.data import assign_folds
    from tlplug.features import extractor_for
    from tlplug.heads import linear

    linear.PENALTIES = PENALTIES  # the same grid for both
    extractor = extractor_for(select_backbone("efficientnet_lite0", modality="image"))
    data = tlplug.load_data(tux_paint(folder / "tux"))
    digits, digit_labels = _digits(5000)
    for name, sources, labels, times, target in (
        ("235 by 1,280, 9 classes (Tux Paint)", data.sources, data.labels, 5, 1 / 20),
        ("5,000 by 1,280, 10 classes (scanned digits, turned and noisy)", digits, digit_labels, 1, 0.6),
    ):
        features = extractor.all(sources).embeddings
        folds = assign_folds(labels, range(len(labels)), 5, 0)
        outputs, weight = int(labels.max()) + 1, np.ones(len(labels))

        ours = functools.partial(
            linear.fit, features, labels, outputs=outputs, folds=folds, sample_weight=weight, seed=0
        )
        theirs = functools.partial(_scikit_learn, features, labels, folds)
        ours()
        pairs = [(_timed(ours), _timed(theirs)) for _ in range(times)]
        ratio = statistics.median(a[0] / b[0] for a, b in pairs)
        (seconds, fit), (their_seconds, their_penalty) = pairs[-1]
        accuracy = _accuracy(features, labels, folds, fit.chosen["penalty"])
        their_accuracy = _accuracy(features, labels, folds, their_penalty)
        measured = (
            f"{ratio:.3f} of its time ({seconds:.2f} s against {their_seconds:.1f} s); accuracy on the folds at the "
            f"chosen penalty {accuracy:.3f} against {their_accuracy:.3f}"
        )
        target_text = f"at most {target:.2f}, accuracy within 0.005"
        yield f"penalty chosen among 5 by 5-fold cross-validation, {name}", measured, target_text


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


def _scikit_learn(features: Any, labels: Any, folds: Any) -> float:
    """Choose C by the log loss on the folds and fit; return the penalty, 1 / C."""
    from sklearn.linear_model import LogisticRegressionCV

    scaled = (features - features.mean(axis=0)) / np.sqrt(features.var(axis=0).mean())
    splits = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(5)]
    model = LogisticRegressionCV(
        Cs=[1 / penalty for penalty in PENALTIES],
        cv=splits,
        max_iter=1000,
        l1_ratios=(0,),
        use_legacy_attributes=False,
        scoring="neg_log_loss",
    )
    model.fit(scaled, labels)
    return 1 / float(model.C_)


def _accuracy(features: Any, labels: Any, folds: Any, penalty: float) -> float:
    """The accuracy of scikit-learn's LogisticRegression on the folds at a penalty."""
    from sklearn.linear_model import LogisticRegression

    scaled = (features - features.mean(axis=0)) / np.sqrt(features.var(axis=0).mean())
    correct = 0
    for fold in range(5):
        model = LogisticRegression(C=1 / penalty, max_iter=1000)
        model.fit(scaled[folds != fold], labels[folds != fold])
        correct += int((model.predict(scaled[folds == fold]) == labels[folds == fold]).sum())
    return correct / len(labels)


def _digits(count: int) -> tuple[list[Any], Any]:
    """Scans of digits, each several times: moved, turned and noisy, uint8 ``[64, 64]``."""
    from PIL import Image
    from sklearn.datasets import load_digits

    scans, generator = load_digits(), np.random.default_rng(0)
    chosen = generator.integers(0, len(scans.images), count)
    pictures = []
    for number in chosen:
        picture = Image.fromarray((scans.images[number] * 15.9).astype("uint8")).resize((64, 64))
        shift = tuple(int(pixels) for pixels in generator.integers(-6, 7, 2))
        turned = np.asarray(picture.rotate(generator.uniform(-25, 25), Image.Resampling.BILINEAR, translate=shift))
        pictures.append((turned + generator.normal(0, 40, turned.shape)).clip(0, 255).astype("uint8"))
    return pictures, scans.target[chosen].astype(np.int64)
