"""A small picture of a series for reports: a line a channel, as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlplug_series.source import read

if TYPE_CHECKING:
    import numpy as np

WIDTH, HEIGHT = 256, 128
"""In pixels."""

CHANNELS = 8
"""That are drawn, at most."""

_MARGIN = 6
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")
"""Okabe and Ito's palette, which colour-blind people can tell apart."""


def preview(source: Any) -> tuple[str, bytes]:
    """Return a picture of a source: its media type and an SVG of some kilobytes.

    Time goes to the right over the whole series; the channels, the first eight of them, share one scale. Of a long
    series each pixel has the lowest and the highest value, so that no peak is lost. Where a value is missing the line
    is interrupted.

    Args:
        source: see `tlplug_series.source.read`.

    Raises:
        ValueError: the source cannot be read; one line.
    """
    series = read(source)[:, :CHANNELS]
    places, values = _thinned(series)
    lines = "".join(
        f'<path d="{path}" stroke="{colour}"/>'
        for path, colour in zip((_path(places, channel) for channel in _scaled(values).T), _COLOURS, strict=False)
    )
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<g fill="none" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="round">{lines}</g></svg>'
    )
    return "image/svg+xml", picture.encode("ascii")


def _thinned(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places from 0 to 1 and the values there, ``[places, channels]``: two a pixel of a long series."""
    import numpy as np

    if len(series) <= 2 * WIDTH:
        return np.linspace(0, 1, len(series)) if len(series) > 1 else np.array([0.5]), series
    starts = np.linspace(0, len(series), WIDTH, endpoint=False).astype(int)
    # fmin and fmax pass over what is missing, unless everything is.
    lows, highs = (ufunc.reduceat(series, starts, axis=0) for ufunc in (np.fmin, np.fmax))
    values = np.stack([lows, highs], axis=1).reshape(2 * WIDTH, -1)
    return np.repeat(np.linspace(0, 1, WIDTH), 2), values


def _scaled(values: np.ndarray) -> np.ndarray:
    """Return heights from 0, the lowest value of all, to 1."""
    import numpy as np

    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return (values - low) / (high - low) if high > low else np.where(np.isnan(values), np.nan, 0.5)


def _path(places: np.ndarray, heights: np.ndarray) -> str:
    import numpy as np

    parts, pen = [], "M"
    for place, height in zip(places, heights, strict=True):
        if np.isnan(height):
            pen = "M"
            continue
        x = _MARGIN + place * (WIDTH - 2 * _MARGIN)
        y = HEIGHT - _MARGIN - height * (HEIGHT - 2 * _MARGIN)
        # A single step between two gaps is a dot: a line to where it is.
        parts.append(f"{pen}{x:.1f} {y:.1f}" + (f"L{x:.1f} {y:.1f}" if pen == "M" else ""))
        pen = "L"
    return "".join(parts)
