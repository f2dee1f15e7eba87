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
from tests.benchmarks.photos import held_out_stamps, made_photos, tux_paint
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
    ours, theirs = zip(*(train_both(folder, seed) for seed in range(SPLITS)), strict=True)
    seconds = [statistics.median(usage.seconds for usage in usages) for usages in (ours, theirs)]
    ratio = statistics.median(b.seconds / a.seconds for a, b in zip(ours, theirs, strict=True))
    count = len(list((folder / "photos-by-stamp-0" / "train").glob("*/*")))
    yield (
        f"tlplug train --strategy fine-tune --stages 1 --epochs {EPOCHS} against the tutorial's ten frozen epochs and "
        f"{EPOCHS} of the same layers, {count:,} photos to train on, empty feature cache",
        f"{ratio:.1f} times faster ({seconds[0]:.0f} s against {seconds[1]:.0f} s)",
        "at least 3",
    )
    accuracies = [
        [json.loads(usage.output)["metrics"]["test"]["accuracy"] for usage in ours],
        [json.loads(usage.output.splitlines()[-1])["tuned"] for usage in theirs],
    ]
    said = [f"{statistics.mean(each):.3f} ({', '.join(f'{a:.3f}' for a in each)})" for each in accuracies]
    yield (
        f"accuracy then, on photos of stamps that no training photo shows, mean of {SPLITS} splits",
        " against ".join(said),
        "at least the tutorial's",
    )


def train_both(folder: Path, seed: int) -> tuple[Usage, Usage]:
    """Train on a split of the photos by stamp: tlplug, and the tutorial with the same layers."""
    cache, tux = folder / "cache", tux_paint(folder / "tux")
    photos = held_out_stamps(tux, made_photos(tux, folder / "photos"), folder / f"photos-by-stamp-{seed}", seed=seed)
    call = functools.partial(run, cwd=folder, TLPLUG_CACHE_DIR=str(cache))

    def train(data: Path) -> Usage:
        shutil.rmtree(folder / "run", ignore_errors=True)
        shutil.rmtree(cache / "features", ignore_errors=True)
        command = [TLPLUG, "train", str(data), "--strategy", "fine-tune", "--stages", "1", "--epochs", str(EPOCHS)]
        return call([*command, "--set", "tuning.patience=0", "--out", "run", "--json"])

    train(tux)  # fetches the weights, and compiles the backbone and what of it stays frozen
    cut = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))["tuning"]["cut"]
    tutorial = [sys.executable, TUTORIAL, str(photos), "--fine-tune", str(EPOCHS), "--cut", cut]
    return train(photos), call(tutorial)


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
