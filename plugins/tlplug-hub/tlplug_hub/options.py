"""The options of modules, by modality."""

from __future__ import annotations

from collections.abc import Mapping

from tlplug import Option

MODALITIES: Mapping[str, str | None] = {"image": None, "text": "strings", "audio": None}
"""What modules take, and the preprocess that makes it; None is the one that the modality's own plugin brings."""

IMAGE_SIZE = 224
"""Height and width in pixels, for a module that takes any."""

SAMPLES = 15_600
"""Samples of a waveform, for a module that takes any: 0.975 s at 16 kHz, one patch of YAMNet and of VGGish."""


def options_of(modality: str, *, output: str | None = None) -> tuple[Option, ...]:
    """Return the options of a module.

    Args:
        modality: what it takes.
        output: the default of the option of that name.
    """
    sizes = {
        "image": Option(
            name="image_size",
            type=int,
            minimum=1,
            help=f"height and width in pixels; the module's own when left out, {IMAGE_SIZE} where it takes any",
        ),
        "audio": Option(
            name="samples",
            type=int,
            minimum=1,
            help=f"samples of a window at 16 kHz; the module's own when left out, {SAMPLES:,} where it takes any",
        ),
    }
    return (
        Option(
            name="output",
            type=str,
            default=output,
            help="key or position of the embedding in what the module returns; found when left out",
        ),
        Option(name="signature", type=str, help="name of a signature of the module; its own call when left out"),
        Option(name="trust", type=bool, default=False, help="the same as --trust, for this module"),
        *([sizes[modality]] if modality in sizes else []),
    )
