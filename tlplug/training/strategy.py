"""The ways to train."""

from __future__ import annotations

import difflib

from tlplug.errors import UnknownNameError

STRATEGIES = {"features": "the backbone stays frozen, the head is fitted to its embeddings"}
"""Name and meaning of each."""


def check_strategy(name: str) -> str:
    """Return `name` when it is a strategy.

    Raises:
        UnknownNameError: it is none.
    """
    if name not in STRATEGIES:
        close = difflib.get_close_matches(name, STRATEGIES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownNameError(f"Unknown strategy {name!r}.{hint} Valid: {', '.join(STRATEGIES)}.")
    return name
