"""How good on sounds: 300 telephone announcements in five languages, and drums, at default and other settings."""

from __future__ import annotations

import re
import shutil
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.accuracy import Row, against_scikit_learn, mean_accuracy, random_weights, settings
from tests.benchmarks.packages import unpacked

SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"preprocess.hop": 0.24},
    {"backbone.layer": 8},
    {"backbone.layer": 12},
    {"backbone.layer": 14},
    {"preprocess.pool": "max"},
    {"preprocess.pool": "mean_deviation"},
)

DRUMS = {
    "kick": r"kick|bass ?drum|_bd_|bd\b|hse_k",
    "snare": r"snare|_sn_|\bsd",
    "hihat": r"hi-?hat|hhat|chh|ohh|_hh_|hat",
    "tom": r"tom",
    "cymbal": r"crash|ride|splash|china|cymbal",
    "clap": r"clap|rim|stick|click|slap",
    "hand": r"conga|djembe|dununba|kenkeni|sangban|bongo|agogo|tambourine|cowbell|shaker|maracas|bell",
}
"""Kinds of drums, and what their files are called; the first that fits counts."""


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


def drums(target: Path) -> tuple[Path, Path]:
    """Put drums of twelve kits into `target` once; return the folders of every other kit and of those between."""
    from tlplug.storage import new_folder

    if not target.exists():
        with new_folder(target) as folder, unpacked("hydrogen-drumkits") as root:
            kits = sorted((root / "usr/share/hydrogen/data/drumkits").iterdir())
            for number, kit in enumerate(kits):
                for clip in sorted(kit.rglob("*")):
                    name = clip.relative_to(kit).as_posix()
                    kind = next((kind for kind, called in DRUMS.items() if re.search(called, name.lower())), None)
                    if kind and clip.suffix in (".wav", ".flac", ".aiff"):
                        (part := folder / "ab"[number % 2] / kind).mkdir(parents=True, exist_ok=True)
                        shutil.copy(clip, part / f"{number}-{name.replace('/', '-')}")
    return target / "a", target / "b"


def on_other_kits(parts: tuple[Path, Path], options: Mapping[str, Any], **fields: Any) -> float:
    """Return the accuracy on drums of kits that were not trained on, mean of both ways."""
    import tlplug

    return statistics.mean(
        tlplug.train(tlplug.load_data(data, test=test), options=options, **fields).metrics["test"]["accuracy"]
        for data, test in (parts, parts[::-1])
    )


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    clips = voices(folder / "voices")
    yield from against_scikit_learn(clips, "at least 0.89, goal 0.93")
    yield random_weights(clips)
    kits = drums(folder / "drums")
    random = on_other_kits(kits, {}, weights="random")
    yield "drums of other kits, seven kinds", f"{on_other_kits(kits, {}):.3f}; random weights {random:.3f}", ""
    for options in SETTINGS:
        yield settings(options), f"{mean_accuracy(clips, options):.3f}; drums {on_other_kits(kits, options):.3f}", ""
