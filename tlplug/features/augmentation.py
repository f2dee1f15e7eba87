"""Views of an example: all augmentations of its modality, the same in every process and in every order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.errors import AmbiguousNameError, PluginError, UsageError, did_you_mean, first_line
from tlplug.registry import Entry, registry
from tlplug.specs import load_reference

STRENGTHS = ("none", "light", "strong")
"""What ``--augment`` takes."""

Arrays = Mapping[str, NDArray[Any]]


class Augmenter:
    """The augmentations of a modality at one strength, applied one after the other.

    Args:
        entries: the augmentations, in the order in which they are applied.
        strength: ``light`` or ``strong``.
        seed: of all chance.

    Attributes:
        identity: names everything that a view depends on beside the example: the augmentations, the state of the code
            behind them, their amounts and the seed. None where a part has no identity, as in a notebook.
    """

    def __init__(self, entries: Sequence[Entry], strength: str, seed: int) -> None:
        self._entries = entries
        self._seed = seed
        self._steps: list[tuple[Entry, Callable[..., Any], float]] = [
            (entry, load_reference(entry.record.apply), float(getattr(entry.record, strength))) for entry in entries
        ]
        self.identity = self._identity()

    def __call__(self, arrays: Arrays, key: bytes, view: int) -> dict[str, NDArray[Any]]:
        """Return a view of an example.

        Args:
            arrays: of one example, or of one window of it, without a batch axis, ``remark`` and ``span``.
            key: what tells it from all others, such as the hash of its content and the number of the window.
            view: from 0, which is the example itself.

        Returns:
            The same names, shapes and dtypes. `arrays` are as they were.

        Raises:
            UsageError: no augmentation of the modality works on arrays of these names.
            PluginError: an augmentation fails, or returns something else.
        """
        if view == 0:
            return dict(arrays)
        steps = [step for step in self._steps if arrays.keys() >= set(step[0].record.arrays)]
        if not steps:
            known = ", ".join(dict.fromkeys(name for entry in self._entries for name in entry.record.arrays))
            raise UsageError(
                f"No augmentation fits what the preprocess gives. Received: {', '.join(arrays)}. Valid: {known}. "
                "Without augmentation: --augment none"
            )
        seed = hashlib.sha256(f"{self._seed} {view} ".encode() + key).digest()
        generator = np.random.default_rng(int.from_bytes(seed, "big"))
        current = dict(arrays)
        for entry, apply, amount in steps:
            try:
                made = apply(_protected(current), generator, amount)
            except Exception as error:
                raise PluginError(f"The augmentation {entry.qualified!r} failed: {first_line(error)}.") from error
            current = _checked(entry, current, made)
        return current

    def _identity(self) -> str | None:
        if any(entry.identity is None for entry in self._entries):
            return None
        steps = [[entry.qualified, entry.identity, amount] for entry, _, amount in self._steps]
        return hashlib.sha256(json.dumps([steps, self._seed]).encode()).hexdigest()[:32]


def check_strength(strength: str) -> None:
    """Refuse a strength that there is not.

    Raises:
        UsageError: it is none of `STRENGTHS`.
    """
    if strength not in STRENGTHS:
        valid = f"{did_you_mean(strength, STRENGTHS)} Valid: {', '.join(STRENGTHS)}."
        raise UsageError(f"Unknown strength of augmentation {strength!r}.{valid}")


def augmenter_for(modality: str, strength: str, seed: int) -> Augmenter | None:
    """Return what makes views of the examples of a modality; None for the strength ``none``.

    Args:
        modality: of the examples.
        strength: ``none``, ``light`` or ``strong``.
        seed: of all chance.

    Raises:
        UsageError: there is no such strength, or no augmentation for the modality at it.
        AmbiguousNameError: two plugins bring an augmentation of one name.
        PluginError: the code of one cannot be loaded.

    Example::

        augmenter = augmenter_for("image", "light", seed=0)
        views = [augmenter(arrays, digest, view) for view in range(1, 5)]
    """
    check_strength(strength)
    if strength == "none":
        return None
    there = registry().in_order("augmentation")
    entries = [e for e in there if e.record.modality == modality and getattr(e.record, strength) is not None]
    if not entries:
        served = sorted({e.record.modality for e in there if getattr(e.record, strength) is not None})
        raise UsageError(
            f"There is no {strength} augmentation for the modality {modality!r}. Valid: "
            f"{', '.join(served) or 'no modality has one'}. Without augmentation: --augment none "
            "(tlplug augmentations lists all.)"
        )
    owners: dict[str, Entry] = {}
    for entry in entries:
        if (first := owners.setdefault(entry.name, entry)) is not entry:
            raise AmbiguousNameError(
                f"The augmentation {entry.name!r} is claimed by {first.plugin} and {entry.plugin}. Give one of them "
                f"another name, or switch one off: TLPLUG_DISABLE_PLUGINS={entry.plugin.name}"
            )
    return Augmenter(entries, strength, seed)


def _protected(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The same arrays, in which nobody can write."""
    protected = {name: array.view() for name, array in arrays.items()}
    for array in protected.values():
        array.flags.writeable = False
    return protected


def _checked(entry: Entry, before: Arrays, made: Any) -> dict[str, NDArray[Any]]:
    """Refuse arrays of other names, shapes or dtypes."""
    if not isinstance(made, Mapping) or made.keys() != before.keys():
        received = ", ".join(map(str, made)) if isinstance(made, Mapping) else type(made).__name__
        raise PluginError(
            f"The augmentation {entry.qualified!r} returns the arrays that it was given: {', '.join(before)}. "
            f"Received: {received or 'none'}."
        )
    for name, array in before.items():
        if not isinstance(made[name], np.ndarray):
            received = type(made[name]).__name__
        elif (made[name].shape, made[name].dtype) != (array.shape, array.dtype):
            received = f"{made[name].dtype} {list(made[name].shape)}"
        else:
            continue
        raise PluginError(
            f"The augmentation {entry.qualified!r} returns {name!r} as {array.dtype} {list(array.shape)}, as it was "
            f"given. Received: {received}."
        )
    return {name: made[name] for name in before}
