"""The sound formats that are read: those of libsndfile 1.2 that name their sample rate themselves."""

from __future__ import annotations

SUFFIXES = (
    ".wav",
    ".wave",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".mp2",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".snd",
    ".caf",
    ".w64",
    ".rf64",
    ".voc",
    ".sph",
    ".nist",
    ".ircam",
    ".sds",
    ".pvf",
    ".svx",
    ".8svx",
)
"""File endings of these formats."""
