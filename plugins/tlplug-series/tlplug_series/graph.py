"""The preprocess of time series in operations of TensorFlow, for exports that take series as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_series.series import FIT, MISSING, checked_shape

if TYPE_CHECKING:
    import tensorflow as tf


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> tf.Module:  # noqa: ARG001 - series bring no files
    """Make a function of series that is a TensorFlow graph.

    What differs from `tlplug_series.series`: a graph refuses nothing. With ``missing=refuse`` missing values stay NaN,
    as do those of a channel without any value in either case, and what the network then answers means nothing.

    Args:
        options: see `tlplug_series.series.make`.
        files: nothing.

    Returns:
        A module to be called with float32 ``[batch, time, channels]``, NaN where a value is missing, all of a length,
        at least one step, which gives ``{"series": float32 [batch, length, channels]}`` and None. It computes in double
        precision. A SavedModel of it needs nothing but TensorFlow.

    Raises:
        ValueError: the network takes no series.

    Example::

        arrays, _ = make({"input_shape": (512, 1)}, {})(tf.random.normal([8, 150, 1]))
        arrays["series"].shape  # [8, 512, 1]
    """
    import tensorflow as tf

    length, channels = checked_shape(options.get("input_shape"))
    fit, missing = options.get("fit", FIT[0]), options.get("missing", MISSING[0])

    def complete(series: tf.Tensor) -> tf.Tensor:
        """Fill in what is missing, float64 [batch, time, channels]."""
        rows = tf.reshape(tf.transpose(series, [0, 2, 1]), [-1, tf.shape(series)[1]])
        rows = tf.map_fn(filled, rows)
        return tf.transpose(tf.reshape(rows, [-1, channels, tf.shape(series)[1]]), [0, 2, 1])

    def filled(values: tf.Tensor) -> tf.Tensor:
        there = tf.math.logical_not(tf.math.is_nan(values))
        return tf.cond(tf.reduce_any(there), lambda: interpolated(values, there), lambda: values)

    def interpolated(values: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        """Return float64 [time], missing values between their neighbours, or the nearest one at both ends."""
        steps = tf.range(tf.shape(values)[0])
        known, points = tf.boolean_mask(values, there), tf.boolean_mask(steps, there)
        after = tf.searchsorted(points, steps, side="right")
        last = tf.shape(points)[0] - 1
        low, high = tf.clip_by_value(after - 1, 0, last), tf.clip_by_value(after, 0, last)
        start, stop = tf.gather(points, low), tf.gather(points, high)
        first, second = tf.gather(known, low), tf.gather(known, high)
        rise = tf.math.divide_no_nan(second - first, tf.cast(stop - start, tf.float64))
        return tf.where(there, values, rise * tf.cast(steps - start, tf.float64) + first)

    def resampled(series: tf.Tensor) -> tf.Tensor:
        """Return float64 [batch, length, channels], the first and the last step kept."""
        last = tf.shape(series)[1] - 1
        end = tf.cast(last, tf.float64)
        places = tf.range(length, dtype=tf.float64) * (end / max(length - 1, 1))
        if length > 1:
            places = tf.concat([places[:-1], [end]], axis=0)  # no rounding: it is the last step
        low = tf.minimum(tf.cast(places, tf.int32), tf.maximum(last - 1, 0))
        first, second = (tf.gather(series, tf.minimum(step, last), axis=1) for step in (low, low + 1))
        share = places - tf.cast(low, tf.float64)
        between = (second - first) * share[:, None] + first
        # At a step its own value, without the rounding of a difference.
        return tf.where(share[:, None] < 1, between, second)

    class GraphSeries(tf.Module):
        raw = tf.TensorSpec([None, None, channels], tf.float32, "series")

        def __call__(self, series: tf.Tensor) -> tuple[dict[str, tf.Tensor], None]:
            made = tf.cast(series, tf.float64)
            if missing == "interpolate":
                made = tf.cond(tf.reduce_any(tf.math.is_nan(made)), lambda: complete(made), lambda: made)
            if length is not None and fit == "pad":
                made = made[:, -length:]
                before = length - tf.shape(made)[1]
                made = tf.pad(
                    made, [[0, 0], [before, 0], [0, 0]], constant_values=tf.constant(float("nan"), tf.float64)
                )
            elif length is not None:
                made = tf.cond(tf.equal(tf.shape(made)[1], length), lambda: made, lambda: resampled(made))
            return {"series": tf.ensure_shape(tf.cast(made, tf.float32), [None, length, channels])}, None

    return GraphSeries()
