"""The steps of one series of a long table, as its rows come in."""

from __future__ import annotations

import datetime
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tlplug_series.examples import SPLITS, example, problem
from tlplug_series.values import number, numbers

if TYPE_CHECKING:
    from tlplug import Example


@dataclass
class Series:
    """Values, times, label and split of one series.

    Attributes:
        label, split: of the rows that state one.
        reason: why it cannot be given; the first that was found.
    """

    label: str = ""
    split: str = ""
    reason: str = ""
    _values: array[float] = field(default_factory=lambda: array("d"))
    _times: list[float] = field(default_factory=list)
    _kind: type | None = None
    _width: int = 0

    def refuse(self, reason: str) -> None:
        self.reason = self.reason or reason

    def state(self, label: str, split: str) -> bool:
        """Take what a row states, empty where it does not; return whether it agrees with the rows before."""
        agrees = label in ("", self.label or label) and split in ("", self.split or split)
        self.label, self.split = self.label or label, self.split or split
        return agrees

    def add(self, time: str | None, cells: Sequence[str]) -> None:
        """Add a step.

        Raises:
            CellError: a value is no number.
        """
        if self.reason:
            return
        self._values.extend(numbers(cells))
        self._width = len(cells)
        if time is not None:
            try:
                moment, kind = _moment(time)
            except (ValueError, OverflowError):
                self.refuse(f"its time {time[:40]!r} is neither a number nor an ISO date")
                return
            if self._kind not in (None, kind):
                self.refuse(f"its time {time[:40]!r} is of another kind than those before")
            self._kind = kind
            self._times.append(moment)

    def example(self, name: str) -> Example:
        """Return the example, its steps in the order of time."""
        import numpy as np

        split = SPLITS.get(self.split)
        if self.reason:
            return problem(self.reason, self.label, name=name, split=split)
        values = np.array(self._values).reshape(-1, self._width)
        if self._times:
            values = values[np.argsort(np.array(self._times), kind="stable")]
        return example(values, self.label, name=name, split=split)


def _moment(text: str) -> tuple[float, type]:
    try:
        value = number(text)
    except ValueError:
        moment = datetime.datetime.fromisoformat(text.strip())
        # Times without a zone are compared with each other only.
        return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp(), datetime.datetime
    if not math.isfinite(value):
        raise ValueError(text)
    return value, float
