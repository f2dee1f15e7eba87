"""The bounded pipeline: threads decode sources, and run the network on what was decoded before.

A source becomes one or several windows, each a dict of arrays. Windows of one shape go through the network together,
whichever source they are of; a source is done when its last window is.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.errors import PluginError, first_line
from tlplug.features.compiled import BATCH, WORKERS

AHEAD = 8 * BATCH
"""Sources that may be decoded and waiting."""

MEMORY = 256 << 20
"""Bytes that may wait, as far as the largest source so far tells."""

Arrays = Mapping[str, NDArray[Any]]

Span = tuple[float, float, str]
"""What part of a source a window is: where it starts and ends, ints where they are counts, and in which unit."""


@dataclass(frozen=True)
class Decoded:
    """The windows of one source, each a dict of arrays, what is remarkable about it, and where the windows are."""

    windows: Sequence[Arrays]
    remark: str = ""
    spans: Sequence[Span | None] = ()


@dataclass(frozen=True)
class Embedded:
    """What the network made of each window of one source, or the reason why there is nothing."""

    position: int
    rows: Sequence[NDArray[np.float32]] | None
    remark: str = ""
    failure: str = ""
    spans: Sequence[Span | None] = ()


_Group = list[tuple["_Open", int, Arrays]]
Decode = Callable[[Any], Decoded]
Embed = Callable[[Arrays], NDArray[np.float32]]


@dataclass
class _Open:
    """A source of which windows are still to be embedded."""

    position: int
    remark: str
    spans: Sequence[Span | None]
    missing: int
    rows: list[NDArray[np.float32] | None]
    failed: bool = False


def run_pipeline(sources: Iterable[tuple[int, Any]], decode: Decode, embed: Embed) -> Iterator[Embedded]:
    """Yield the embeddings of each source, those that are done first at first.

    Args:
        sources: pairs of a position and a source.
        decode: source to the arrays of its windows; what it raises is that source's failure, but for `PluginError`.
        embed: arrays ``[n, ...]`` of one shape to ``[n, ...]``.
    """
    groups: dict[Any, _Group] = {}
    running: deque[tuple[_Group, Future[NDArray[np.float32]]]] = deque()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="tlplug") as pool, contextlib.ExitStack() as stack:
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        examples = stack.enter_context(contextlib.closing(_decoded(sources, decode, pool)))

        def start(key: Any) -> None:
            group = groups.pop(key)
            running.append((group, pool.submit(_embed, group, embed)))

        for position, decoded in examples:
            if isinstance(decoded, str):
                yield Embedded(position, None, failure=decoded)
                continue
            count = len(decoded.windows)
            source = _Open(position, decoded.remark, decoded.spans, count, [None] * count)
            for number, window in enumerate(decoded.windows):
                key = tuple(np.shape(array) for array in window.values())
                groups.setdefault(key, []).append((source, number, window))
                if len(groups[key]) == BATCH:
                    start(key)
                    if len(running) > WORKERS:
                        yield from _done(*running.popleft())
            while sum(_size(window) for group in groups.values() for *_, window in group) > MEMORY:
                start(max(groups, key=lambda key: len(groups[key])))
                yield from _done(*running.popleft())
        for key in list(groups):
            start(key)
        while running:
            yield from _done(*running.popleft())


def _embed(group: _Group, embed: Embed) -> NDArray[np.float32]:
    windows = [window for *_, window in group]
    return embed({name: np.stack([window[name] for window in windows]) for name in windows[0]})


def _done(group: _Group, future: Future[NDArray[np.float32]]) -> Iterator[Embedded]:
    """Give a group's windows their embeddings; yield the sources that are done by that, or that the network refused."""
    try:
        embedded = future.result()
    except (MemoryError, PluginError):
        raise
    except Exception as error:  # noqa: BLE001 - all windows of a group have the shape that it did not take
        for source in {id(source): source for source, *_ in group}.values():
            if not source.failed:
                source.failed = True
                yield Embedded(source.position, None, failure=f"the network does not take it: {first_line(error)}")
        return
    for (source, number, _), row in zip(group, embedded, strict=True):
        source.rows[number] = row
        source.missing -= 1
        if not source.missing and not source.failed:
            rows = [row for row in source.rows if row is not None]
            yield Embedded(source.position, rows, source.remark, spans=source.spans)


def _decoded(
    sources: Iterable[tuple[int, Any]], decode: Decode, pool: ThreadPoolExecutor
) -> Generator[tuple[int, Decoded | str], None, None]:
    """Yield windows, or the reason why there are none, in the order of the sources."""
    remaining, largest, ahead = iter(sources), 1, 1
    waiting: deque[tuple[int, Future[Decoded]]] = deque()
    while True:
        while len(waiting) < min(ahead, max(2, MEMORY // largest)) and (pair := next(remaining, None)):
            waiting.append((pair[0], pool.submit(decode, pair[1])))
        if not waiting:
            return
        position, future = waiting.popleft()
        decoded = _result(future)
        if not isinstance(decoded, str):
            largest = max(largest, sum(_size(window) for window in decoded.windows))
        ahead = min(AHEAD, 2 * ahead)  # at first nobody knows how large the sources are
        yield position, decoded


def _result(future: Future[Decoded]) -> Decoded | str:
    try:
        decoded = future.result()
    except PluginError:
        raise
    except ValueError as error:
        return str(error).strip().partition("\n")[0] or "ValueError"
    except Exception as error:  # noqa: BLE001 - one source that cannot be read never stops the others
        return first_line(error)
    return decoded if decoded.windows else "there is nothing in it"


def _size(window: Arrays) -> int:
    return sum(array.nbytes for array in window.values())
