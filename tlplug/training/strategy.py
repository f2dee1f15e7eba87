"""The ways to train."""

from __future__ import annotations

from tlplug.errors import UnknownNameError, did_you_mean

FEATURES, AUTO = "features", "auto"

STRATEGIES = {
    FEATURES: "the backbone stays frozen, the head is fitted to its embeddings",
    "fine-tune": "then the topmost stages of the backbone train together with the head",
    "full": "then all of the backbone trains together with the head",
    "scratch": "all of the backbone trains, from random weights",
    AUTO: "the best of several backbones, frozen or with its topmost stages trained, as held-out training examples say",
}
"""Name and meaning of each."""


def check_strategy(name: str) -> str:
    """Return `name` when it is a strategy.

    Raises:
        UnknownNameError: it is none.
    """
    if name not in STRATEGIES:
        hint = did_you_mean(name, STRATEGIES)
        raise UnknownNameError(f"Unknown strategy {name!r}.{hint} Valid: {', '.join(STRATEGIES)}.")
    return name
