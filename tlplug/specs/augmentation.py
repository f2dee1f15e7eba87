"""The record of a random change that leaves an example's class as it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tlplug.specs.reference import Reference, check_name, check_reference, freeze


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """A random change of an example that leaves its class as it is; training sees changed examples, nothing else does.

    Args:
        name: how listings call it; it begins with the modality, such as ``image-flip``, because a name has one owner
            whatever the modality.
        modality: of the examples.
        apply: ``apply(arrays: dict, generator: numpy.random.Generator, amount: float) -> dict``. It takes the arrays of
            one example, or of one window of it, as the preprocess gives them, without a batch axis, and returns the
            same names, shapes and dtypes. All chance comes from `generator`. It must not change what it is given, which
            is read-only, must not import TensorFlow, and may be called from several threads.
        arrays: names of the arrays that it works on. It is left out where a preprocess does not give all of them;
            it serves whatever there is when empty.
        light: the amount under ``--augment light``; None where it is no part of it. What an amount means is its own
            matter: a probability, a share, a number of decibels.
        strong: the amount under ``--augment strong``, likewise.
        summary: one sentence.
    """

    name: str
    modality: str
    apply: Reference
    arrays: tuple[str, ...] = ()
    light: float | None = None
    strong: float | None = None
    summary: str = ""

    def __post_init__(self) -> None:
        check_name(self, self.name)
        check_name(self, self.modality)
        check_reference(self, "apply", self.apply)
        for what in ("light", "strong"):
            amount = getattr(self, what)
            number = isinstance(amount, int | float) and not isinstance(amount, bool) and math.isfinite(amount)
            if amount is not None and not number:
                raise TypeError(f"Augmentation {self.name!r}: {what} is a number or None. Received: {amount!r}.")
        if self.light is None and self.strong is None:
            raise ValueError(f"Augmentation {self.name!r} has an amount as light, as strong, or both.")
        freeze(self, arrays=tuple(self.arrays))
