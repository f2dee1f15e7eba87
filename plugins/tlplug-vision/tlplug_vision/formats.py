"""The image formats that are read.

Pillow registers some forty formats. These are the ones that photographs, scans and screenshots come in, and all of them
are decoded by a library inside Pillow: it never starts another program for them (as it does for EPS), asks the
operating system to draw (WMF), or hands over to whatever handler a process has registered (BUFR, GRIB, HDF5).
"""

from __future__ import annotations

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "PCX", "QOI")
"""Pillow's names, the commonest first: files are recognised by their content, in this order."""

UNSIGNED_FORMATS = {".tga": "TGA"}
"""Formats without a signature, by suffix. Only the name of a file can say that it is one."""

HEIF = "HEIF"
"""The format that pillow-heif adds."""

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".mpo",
    ".png",
    ".apng",
    ".gif",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".avif",
    ".avifs",
    ".heic",
    ".heif",
    ".jp2",
    ".j2k",
    ".jpx",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
    ".pfm",
    ".pcx",
    ".qoi",
    ".tga",
)
"""File endings of these formats."""
