"""What is read, and how much of it."""

from __future__ import annotations

SUFFIXES = (".csv", ".npy")
"""Endings of the files that hold one series."""

MAX_STEPS = 1 << 22
"""Steps of a series, at most: seven weeks at one a second."""

MAX_CHANNELS = 1024
"""Channels of a series, at most."""

MAX_VALUES = 1 << 24
"""Values of a series, at most: 128 MB in double precision."""

MAX_BYTES = 1 << 28
"""Of a file with one series."""

MAX_LINE = 1 << 25
"""Characters of a line in a file with many series."""

MAX_ARCHIVE = 1 << 30
"""Bytes of an array in an archive, as it is once unpacked."""

MAX_SERIES = 1 << 22
"""In an archive, which may be packed a thousandfold."""

TIMES = ("time", "timestamp", "date", "datetime", "t")
"""Names of columns that say when a step was, in lower case; they are no channels."""

INDEXES = ("index", "unnamed: 0", "")
"""Names of columns that number the rows."""

LABELS = ("label", "class", "category", "target")
"""Names of columns that hold the class."""
