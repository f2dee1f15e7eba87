"""The ways to train."""

from __future__ import annotations

from tlplug.errors import UnknownNameError, did_you_mean

STRATEGIES = {"features": "the backbone stays frozen, the head is fitted to its embeddings"}
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
