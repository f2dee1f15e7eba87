"""Random changes of texts, given as token numbers and a mask, that leave their class as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


def dropout(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Delete tokens, as if they had not been written: the others move up, and padding fills the end.

    The first and the last token stay, because checkpoints begin and end a text with tokens of their own; of the others
    one stays at least. What a checkpoint's vocabulary calls its tokens makes no difference.

    Args:
        arrays: with ``token_ids``, int32 ``[length]``, and ``mask``, likewise, 1 for tokens and 0 for padding.
        generator: of all chance.
        amount: the chance of each token to be deleted, from 0 to 1.

    Source: the random deletion of Wei, Zou 2019, EDA, arXiv:1901.11196.

    >>> import numpy as np
    >>> text = {"token_ids": np.array([101, 7, 8, 9, 102, 0]), "mask": np.array([1, 1, 1, 1, 1, 0])}
    >>> made = dropout(text, np.random.default_rng(0), 0.5)
    >>> made["token_ids"].tolist(), made["mask"].tolist()
    ([101, 7, 102, 0, 0, 0], [1, 1, 1, 0, 0, 0])
    """
    import numpy as np

    token_ids, mask = arrays["token_ids"], arrays["mask"]
    there = np.flatnonzero(mask)
    inner = there[1:-1]
    if not inner.size:
        return dict(arrays)
    kept = inner[generator.random(len(inner)) >= amount]
    if not kept.size:
        kept = generator.choice(inner, 1)
    kept = np.concatenate([there[:1], kept, there[-1:]])
    shorter, shorter_mask = np.zeros_like(token_ids), np.zeros_like(mask)
    shorter[: len(kept)] = token_ids[kept]
    shorter_mask[: len(kept)] = mask[kept]
    return {**arrays, "token_ids": shorter, "mask": shorter_mask}
