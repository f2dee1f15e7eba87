"""The demonstration data: the voices of a telephone exchange, or sounds made on the spot where these are not there."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tlplug_audio.synthesis import write as write_synthesised

SOUNDS = Path("/usr/share/asterisk/sounds")
"""Where Debian's packages asterisk-core-sounds-{en,es,fr,it,ru}-wav put them."""

LANGUAGES = ("en", "es", "fr", "it", "ru")
CLIPS = 60
"""Of each voice."""

_SHORTEST = 16_000
"""Bytes, a second of these recordings."""


def write(folder: Path) -> str:
    """Write a small labelled set of sounds, ``<folder>/<class>/<clip>.wav``, always the same.

    They are 60 announcements of each voice of the Asterisk telephone exchange where at least two of Debian's packages
    asterisk-core-sounds-{en,es,fr,it,ru}-wav are installed; elsewhere they are synthesised.

    Args:
        folder: where to; it is created.

    Returns:
        One sentence that says what the data are.
    """
    voices = find_voices(SOUNDS)
    if len(voices) < 2:
        return (
            f"{write_synthesised(folder)}, because the recorded voices are not installed: "
            "apt install asterisk-core-sounds-{en,es,fr,it,ru}-wav"
        )
    count = 0
    for language, clips in voices.items():
        (folder / language).mkdir(parents=True, exist_ok=True)
        for clip in clips:
            shutil.copyfile(clip, folder / language / clip.name)
            count += 1
    return f"{count} telephone announcements in {len(voices)} languages, recorded for Asterisk (CC-BY-SA-3.0)"


def find_voices(sounds: Path) -> dict[str, list[Path]]:
    """Return up to 60 clips of a second or more for each language that has any, chosen at random, always the same."""
    voices = {}
    for language in LANGUAGES:
        speakers = sorted(sounds.glob(f"{language}_*/")) or [sounds / language]
        clips = sorted(path for path in speakers[0].glob("*.wav") if path.stat().st_size > _SHORTEST)
        random.Random(0).shuffle(clips)  # noqa: S311 - a choice, no secret
        if clips:
            voices[language] = clips[:CLIPS]
    return voices
