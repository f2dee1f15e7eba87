"""How good on sounds: 300 telephone announcements in five languages, at default and other settings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.accuracy import Row, against_scikit_learn, mean_accuracy, random_weights, settings
from tests.benchmarks.packages import unpacked

SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"preprocess.hop": 0.48},
    {"preprocess.hop": 0.12},
    {"backbone.layer": 8},
    {"backbone.layer": 12},
    {"backbone.layer": 14},
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


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    clips = voices(folder / "voices")
    yield from against_scikit_learn(clips, "at least 0.89, goal 0.93")
    yield random_weights(clips)
    for options in SETTINGS:
        yield settings(options), f"{mean_accuracy(clips, options):.3f}", ""
