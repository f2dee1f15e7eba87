"""Fine-tuning in whole processes: how long it takes against the tutorial, and how much memory a transformer takes."""

from __future__ import annotations

import csv
import functools
import json
import random
import re
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.accuracy import Row
from tests.benchmarks.photos import held_out_photos, held_out_stamps, made_photos, tux_paint
from tests.benchmarks.process import TLPLUG, Usage, run
from tests.benchmarks.speed import TUTORIAL
from tests.benchmarks.texts import bbc
from tlplug.storage import replace_file

EPOCHS = 5
"""Of fine-tuning, after ten of the tutorial's with its network frozen."""

SPLITS = 3
"""By stamp; the test part of each has other stamps."""

TEXTS = 2000
WORDS = range(8, 31)
"""Of a short text."""

MEGABYTES = 4096
"""What fine-tuning a transformer may take."""


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    yield from _photos(folder)
    yield _texts(folder)


def _photos(folder: Path) -> Iterator[Row]:
    tux = tux_paint(folder / "tux")
    made = made_photos(tux, folder / "photos")
    photos = held_out_photos(made, folder / "photos-held-out")
    count = len(list((photos / "train").glob("*/*")))
    ours, theirs, accuracies = train_both(folder, photos)
    yield (
        f"tlplug train --strategy fine-tune --stages 1 --epochs {EPOCHS} against the tutorial's ten frozen epochs and "
        f"{EPOCHS} of the same layers, {count:,} photos to train on, empty feature cache",
        f"{theirs.seconds / ours.seconds:.1f} times faster ({ours.seconds:.0f} s against {theirs.seconds:.0f} s)",
        "at least 3",
    )
    yield (
        "accuracy then, on a fifth of the photos",
        f"{accuracies[0]:.3f} against {accuracies[1]:.3f}",
        "at least the tutorial's",
    )
    found = []
    for seed in range(SPLITS):
        found.append(train_both(folder, held_out_stamps(tux, made, folder / f"photos-by-stamp-{seed}", seed=seed))[2])
    said = [f"{statistics.mean(each):.3f} ({', '.join(f'{a:.3f}' for a in each)})" for each in zip(*found, strict=True)]
    yield (
        f"the same on photos of stamps that no training photo shows, mean of {SPLITS} splits",
        f"{said[0]}, frozen {said[2]}, against {said[1]}",
        "",
    )


def train_both(folder: Path, photos: Path) -> tuple[Usage, Usage, tuple[float, float, float]]:
    """Train on photos in parts: tlplug, and the tutorial with the same layers.

    Returns:
        What each took, and the accuracies of both, and of tlplug's frozen network.
    """
    cache, tux = folder / "cache", tux_paint(folder / "tux")
    call = functools.partial(run, cwd=folder, TLPLUG_CACHE_DIR=str(cache))

    def train(data: Path) -> Usage:
        shutil.rmtree(folder / "run", ignore_errors=True)
        shutil.rmtree(cache / "features", ignore_errors=True)
        command = [TLPLUG, "train", str(data), "--strategy", "fine-tune", "--stages", "1", "--epochs", str(EPOCHS)]
        return call([*command, "--set", "tuning.patience=0", "--out", "run", "--json"])

    train(tux)  # fetches the weights, and compiles the backbone and what of it stays frozen
    cut = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))["tuning"]["cut"]
    tutorial = [sys.executable, TUTORIAL, str(photos), "--fine-tune", str(EPOCHS), "--cut", cut]
    ours, theirs = train(photos), call(tutorial)
    metrics, tuned = json.loads(ours.output)["metrics"], json.loads(theirs.output.splitlines()[-1])["tuned"]
    return ours, theirs, (metrics["test"]["accuracy"], tuned, metrics["frozen"]["accuracy"])


def _texts(folder: Path) -> Row:
    table = _sentences(bbc(folder / "bbc"), folder / "texts.csv")
    shutil.rmtree(folder / "run", ignore_errors=True)
    command = [TLPLUG, "train", str(table), "--strategy", "full", "--epochs", "1", "--set", "tuning.patience=0"]
    call = functools.partial(run, cwd=folder, TLPLUG_CACHE_DIR=str(folder / "cache"))
    usage = call([*command, "--out", "run", "--json"])
    return (
        f"peak memory of tlplug train texts.csv --strategy full --epochs 1: {TEXTS:,} texts of {WORDS[0]} to "
        f"{WORDS[-1]} words, all of minilm",
        f"{usage.megabytes:,.0f} MB",
        f"at most {MEGABYTES:,} MB",
    )


def _sentences(articles: Path, target: Path) -> Path:
    """Write short texts as a table, once: sentences out of articles, each with the class of its article."""
    if not target.exists():
        found = sorted(
            {
                (sentence, file.parent.name)
                for file in articles.rglob("*.txt")
                for line in file.read_text(encoding="utf-8").splitlines()
                for sentence in re.split(r"(?<=[.!?]) +", line.strip())
                if len(sentence.split()) in WORDS
            }
        )
        chosen = random.Random(0).sample(found, TEXTS)  # noqa: S311 - the same choice every time is meant
        with replace_file(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *chosen])
    return target
