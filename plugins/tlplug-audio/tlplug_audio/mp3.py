"""Where MPEG audio begins in a file that something else stands in front of.

Source: ISO/IEC 11172-3 and 13818-3, the header of a frame of layer III.
"""

from __future__ import annotations

import re

_SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")
"""Eleven set bits, then version 2.5, 2 or 1, layer III, with or without a checksum."""

_KILOBITS = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by whether the version is 1."""

_RATES = {0b11: (44_100, 48_000, 32_000), 0b10: (22_050, 24_000, 16_000), 0b00: (11_025, 12_000, 8_000)}
"""Sample rates by the two bits of the version."""

FRAMES = 3
"""Frames in a row that cannot be chance."""


def find_start(data: bytes) -> int | None:
    """Return where the first of `FRAMES` frames in a row starts; None when there are none.

    >>> find_start(b"no sound") is None
    True
    """
    for match in _SYNC.finditer(data):
        place = match.start()
        for _ in range(FRAMES):
            length = frame_length(data[place : place + 4])
            if length is None:
                break
            place += length
        else:
            return match.start()
    return None


def frame_length(header: bytes) -> int | None:
    """Return the bytes of a layer III frame with its header of four bytes; None when this is no header."""
    if len(header) < 4 or not _SYNC.match(header):
        return None
    version, bits, rate, padding = header[1] >> 3 & 0b11, header[2] >> 4, header[2] >> 2 & 0b11, header[2] >> 1 & 1
    if bits in (0, 15) or rate == 3:
        return None
    first = version == 0b11
    return (144 if first else 72) * 1000 * _KILOBITS[first][bits - 1] // _RATES[version][rate] + padding
