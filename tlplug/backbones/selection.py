"""Which backbone, with which weights, options and preprocess: everything that can be said without building it."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tlplug import progress
from tlplug.errors import OptionError, PluginError, UsageError, WeightsError, first_line
from tlplug.registry import Entry, registry
from tlplug.specs import load_reference, parse_options
from tlplug.weights import WeightsStore, default_set

RANDOM = "random"
"""The weight set that every backbone has: as initialised, from a seed."""

_ASKED = 16
"""Sources that a preprocess is asked about before a backbone is built."""

PARTS = ("backbone", "preprocess", "head", "reader", "tuning")
"""What options can be set for."""


@dataclass(frozen=True)
class Selection:
    """A backbone that is chosen but not built.

    Attributes:
        entry: the backbone's record and owner.
        preprocess: the preprocess's record and owner.
        weights: name of the weight set; `RANDOM`, or None for a backbone that has none and is used as built.
        options: of the backbone.
        preprocess_options: as given and as the backbone needs them, parsed; ``input_shape`` is added once it is built.
        seed: of random weights, and of whatever a backbone without weights initialises at random.
    """

    entry: Entry
    preprocess: Entry
    weights: str | None
    options: Mapping[str, Any]
    preprocess_options: Mapping[str, Any]
    seed: int = 0

    def identity(self) -> dict[str, Any] | None:
        """What the built model depends on; None when that cannot be known before it is built."""
        if self.weights is None or self.entry.identity is None:
            return None
        if self.weights == RANDOM and ":" in self.entry.name:  # what the name stands for, such as a file, can change
            return None
        if self.weights != RANDOM:
            digest = self._digest(self.weights)
        elif self.entry.record.files or self.entry.record.network_in_weights:
            digest = f"seed {self.seed}, of {self._digest(str(default_set(self.entry)))}"
        else:
            digest = f"seed {self.seed}"
        return {
            "backbone": self.entry.qualified,
            "options": dict(self.options),
            "weights": self.weights,
            "weights_digest": digest,
            "code": self.entry.identity,
        }

    def _digest(self, weights: str) -> str:
        store = WeightsStore()
        return store.digest(self.entry, weights) or store.get(self.entry, weights).sha256


def split_options(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Sort options given by address (``head.dropout``) by the part they are for.

    >>> split_options({"head.dropout": 0.5})["head"]
    {'dropout': 0.5}
    """
    parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for address, value in options.items():
        part, dot, name = address.partition(".")
        if not dot or part not in parts:
            raise OptionError(
                f"An option is set by its part and name. Received: {address!r}. Valid: {', '.join(PARTS)}, a dot and "
                "the name, such as --set head.dropout=0.2."
            )
        parts[part][name] = value
    return parts


def options_for(part: str, options: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return the options of the one part that any can be set of, out of those by address.

    Args:
        part: that addresses begin with.
        options: values by address.
        what: the part in words.

    Raises:
        OptionError: one is of another part.

    >>> options_for("exporter", {"exporter.precision": "int8"}, "format")
    {'precision': 'int8'}
    """
    for address in options:
        if not address.startswith(f"{part}."):
            raise OptionError(f"Here only options of the {what} can be set. Received: {address!r}. Valid: {part}.NAME.")
    return {address.removeprefix(f"{part}."): value for address, value in options.items()}


def select_backbone(
    name: str | None,
    *,
    modality: str | None,
    weights: str | None = None,
    options: Mapping[str, Any] | None = None,
    preprocess_options: Mapping[str, Any] | None = None,
    sources: Sequence[Any] = (),
    seed: int = 0,
) -> Selection:
    """Find a backbone and the preprocess that serves it.

    Args:
        name: of the backbone; the modality's default when None.
        modality: of the data; None takes the backbone's own.
        weights: name of a weight set, or ``random``; the first one when None.
        options: of the backbone.
        preprocess_options: of the preprocess.
        sources: of the data, of which the preprocess may suggest options of the backbone that are not given.
        seed: of random weights.

    Raises:
        UnknownNameError: no such backbone, preprocess or weight set.
        OptionError: an option that does not fit.
        UsageError: a backbone for another modality.
    """
    entry = registry().get("backbone", name or _default(modality), modality=modality)
    record = entry.record
    if modality is not None and record.modality != modality:
        raise UsageError(
            f"The backbone {entry.name!r} takes {record.modality}, the data is {modality}. "
            f"Valid: a backbone out of tlplug backbones --modality {modality}."
        )
    preprocess = _preprocess(entry)
    chosen = weights or default_set(entry)
    if chosen is not None and chosen != RANDOM:
        WeightsStore().weights(entry, chosen)
    suggested = _suggested(preprocess, {option.name for option in record.options}, sources)
    given = {**record.preprocess_options, **(preprocess_options or {})}
    return Selection(
        entry=entry,
        preprocess=preprocess,
        weights=chosen,
        options=parse_options("backbone", record.options, {**suggested, **(options or {})}),
        preprocess_options=parse_options("preprocess", preprocess.record.options, given),
        seed=seed,
    )


def other_backbones(selection: Selection, **chosen: Any) -> list[Selection]:
    """Return the other backbones that are worth trying where none is named, as its preprocess says.

    Args:
        selection: the one that serves when nothing is tried.
        **chosen: as for `select_backbone`.
    """
    others = []
    for name in selection.preprocess.record.candidates:
        if name == selection.entry.name:
            continue
        try:
            others.append(select_backbone(name, **chosen))
        except (PluginError, UsageError, WeightsError) as error:
            progress.note(f"{name} was not tried: {first_line(error)}")
    return others


def _suggested(preprocess: Entry, names: set[str], sources: Sequence[Any]) -> dict[str, Any]:
    """What most of some sources, evenly out of all, call for: values for the options `names` of a backbone."""
    if preprocess.record.suggest is None or not names:
        return {}
    suggest = load_reference(preprocess.record.suggest)
    answers: list[tuple[tuple[str, Any], ...]] = []
    for source in sources[:: -(-len(sources) // _ASKED) or 1]:
        try:
            suggested = suggest(source)
        except (ValueError, OSError):  # extraction will say why it cannot be read
            continue
        answers.append(tuple(sorted((name, value) for name, value in suggested.items() if name in names)))
    return dict(collections.Counter(answers).most_common(1)[0][0]) if answers else {}


def with_random_weights(selection: Selection, seed: int) -> Selection:
    """The same network, as initialised from a seed: what a comparison shows that transfer bought."""
    return replace(selection, weights=RANDOM, seed=seed)


def _default(modality: str | None) -> str:
    for entry in registry().entries("preprocess"):
        if entry.record.modality == modality and entry.record.default_backbone:
            return str(entry.record.default_backbone)
    names = [e.name for e in registry().entries("backbone") if getattr(e.record, "modality", None) == modality]
    if len(names) == 1:
        return names[0]
    valid = ", ".join(names) or "none: install a plugin that brings one"
    raise UsageError(f"No default backbone for {modality}: choose one with --backbone. Valid: {valid}.")


def _preprocess(entry: Entry) -> Entry:
    if entry.record.preprocess:
        found = registry().get("preprocess", entry.record.preprocess)
        if found.record.modality != entry.record.modality:
            raise PluginError(
                f"The backbone {entry.name!r} takes {entry.record.modality}, its preprocess {found.name!r} reads "
                f"{found.record.modality}."
            )
        return found
    entries = [e for e in registry().entries("preprocess") if e.record.modality == entry.record.modality]
    own = [e for e in entries if e.plugin is entry.plugin]
    standard = [e for e in entries if e.record.default_backbone]
    entries = next((found for found in (own, standard) if len(found) == 1), entries)
    if len(entries) != 1:
        valid = ", ".join(e.qualified for e in entries) or "none: install or register one"
        raise PluginError(
            f"The backbone {entry.name!r} must name its preprocess for {entry.record.modality}. Valid: {valid}."
        )
    return entries[0]
