"""How good on sounds: 300 telephone announcements in five languages, at default and other settings."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.accuracy import SEEDS, scikit_learn
from tests.benchmarks.packages import unpacked

SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"preprocess.hop": 0.48},
    {"preprocess.hop": 0.12},
    {"preprocess.power": 1.0},
    {"preprocess.pool": "max"},
    {"preprocess.pool": "mean_deviation"},
)


def voices(target: Path) -> Path:
    """Put the announcements into `target` once, 60 of each voice; return it."""
    from tlplug_audio.voices import LANGUAGES, find_voices

    from tlplug.storage import new_folder

    if not target.exists():
        with new_folder(target) as folder:
            for language in LANGUAGES:
                with unpacked(f"asterisk-core-sounds-{language}-wav") as root:
                    for clip in find_voices(root / "usr/share/asterisk/sounds")[language]:
                        (folder / language).mkdir(exist_ok=True)
                        shutil.copy(clip, folder / language)
    return target


def measure(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield rows of what, measured and target."""
    import tlplug
    from tlplug.backbones import select_backbone
    from tlplug.features import extractor_for

    clips = voices(folder / "voices")
    ours, theirs = [], []
    for seed in range(SEEDS):
        data = tlplug.load_data(clips, seed=seed)
        ours.append(tlplug.train(data, seed=seed).metrics["test"]["accuracy"])
        extractor = extractor_for(select_backbone(None, modality="audio"))
        parts = [(extractor.all(p.sources, p.digests).embeddings, p.labels) for p in (data.train, data.test)]
        theirs.append(scikit_learn(*parts, seed))
    yield (
        f"tlplug train, mean of {SEEDS} splits",
        f"{statistics.mean(ours):.3f} (one split: ± {statistics.stdev(ours):.3f})",
        "at least 0.89, goal 0.93",
    )
    yield (
        "scikit-learn's LogisticRegression, C chosen by 5-fold cross-validation, same features and splits",
        f"{statistics.mean(theirs):.3f}",
        "at most 0.01 above tlplug",
    )
    yield f"tlplug train --weights random, mean of {SEEDS} splits", f"{_mean(clips, {}, weights='random'):.3f}", ""
    for options in SETTINGS:
        stated = " ".join(f"--set {name}={value}" for name, value in options.items())
        yield f"tlplug train {stated}", f"{_mean(clips, options):.3f}", ""


def _mean(clips: Path, options: Mapping[str, Any], **fields: Any) -> float:
    import tlplug

    splits = (tlplug.load_data(clips, seed=seed) for seed in range(SEEDS))
    models = (tlplug.train(data, options=options, **fields) for data in splits)
    return statistics.mean(model.metrics["test"]["accuracy"] for model in models)
