"""The bounded pipeline: sources are decoded by threads while the network runs on the batch before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.errors import PluginError, first_line
from tlplug.features.compiled import BATCH

AHEAD = 4
"""Batches that may be decoded and waiting."""


@dataclass(frozen=True)
class Batch:
    """Embeddings of some positions, and the reasons why others have none."""

    positions: list[int]
    embeddings: NDArray[np.float32]
    failures: dict[int, str]


def run_pipeline(
    sources: Iterable[tuple[int, Any]],
    decode: Callable[[Any], Mapping[str, NDArray[Any]]],
    embed: Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]],
) -> Iterator[Batch]:
    """Yield batches of embeddings in the order of the sources.

    Args:
        sources: pairs of a position and a source.
        decode: source to the arrays of one example; what it raises is that example's failure, but for `PluginError`.
        embed: arrays ``[n, ...]`` to float32 ``[n, size]``.
    """
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="decode") as pool:
        waiting: deque[tuple[int, Future[Mapping[str, NDArray[Any]]]]] = deque()
        remaining = iter(sources)

        def refill() -> None:
            for position, source in islice(remaining, AHEAD * BATCH - len(waiting)):
                waiting.append((position, pool.submit(decode, source)))

        try:
            refill()
            while waiting:
                decoded, failures = _next_batch(waiting)
                refill()
                positions = list(decoded)
                if positions:
                    yield Batch(positions, _embedded([decoded[p] for p in positions], embed), failures)
                else:
                    yield Batch([], np.empty((0, 0), np.float32), failures)
        finally:
            for _, future in waiting:
                future.cancel()


def _embedded(
    examples: list[Mapping[str, NDArray[Any]]],
    embed: Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Embed examples, those of one shape at a time."""
    groups: dict[Any, list[int]] = {}
    for row, example in enumerate(examples):
        groups.setdefault(tuple(np.shape(array) for array in example.values()), []).append(row)
    parts = [
        embed({name: np.stack([examples[row][name] for row in rows]) for name in examples[rows[0]]})
        for rows in groups.values()
    ]
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate(list(groups.values())))
    return np.concatenate(parts)[order]


def _next_batch(
    waiting: deque[tuple[int, Future[Mapping[str, NDArray[Any]]]]],
) -> tuple[dict[int, Mapping[str, NDArray[Any]]], dict[int, str]]:
    decoded: dict[int, Mapping[str, NDArray[Any]]] = {}
    failures: dict[int, str] = {}
    while waiting and len(decoded) < BATCH:
        position, future = waiting.popleft()
        try:
            decoded[position] = future.result()
        except PluginError:
            raise
        except ValueError as error:
            failures[position] = str(error).strip().partition("\n")[0] or "ValueError"
        except Exception as error:  # noqa: BLE001 - one example that cannot be read never stops the others
            failures[position] = first_line(error)
    return decoded, failures
