"""Progress of long work: silent by default, a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Protocol, TextIO


class Advance(Protocol):
    """Told how many units more are done, and what to say beside their number."""

    def __call__(self, more: int, said: str = "", /) -> None: ...


class Reporter(Protocol):
    """Where progress and notes go."""

    def task(self, label: str, total: int | None, unit: str) -> contextlib.AbstractContextManager[Advance]:
        """Return a context that yields ``advance(done)`` for a piece of work of `total` units."""

    def note(self, text: str) -> None:
        """Say one line."""


class Silent:
    """Says nothing; for the Python interface."""

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:  # noqa: ARG002
        yield lambda _, __="": None

    def note(self, text: str) -> None:
        pass


def _own_stderr() -> TextIO:
    """A second handle on standard error, which stays open while native code's output is sent elsewhere."""
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace")
    except (OSError, ValueError, AttributeError):  # replaced by something that is no file
        return sys.stderr


class Lines:
    """One line when work that takes longer than `patience` seconds is under way, for logs and pipes."""

    def __init__(self, patience: float = 5.0) -> None:
        self._patience = patience
        self._stream = _own_stderr()
        if self._stream is not sys.stderr:
            weakref.finalize(self, self._stream.close)

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        done, said = 0, time.monotonic()

        def advance(more: int, beside: str = "", /) -> None:
            nonlocal done, said
            done += more
            if time.monotonic() - said >= self._patience:
                said = time.monotonic()
                share = f" of {_amount(total, unit)}" if total else ""
                self.note(f"{label}: {_amount(done, unit)}{share}{f', {beside}' if beside else ''}")

        yield advance

    def note(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class Bars:
    """A bar with the time left, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console

        stream = _own_stderr()
        self._console = Console(file=stream)
        if stream is not sys.stderr:
            weakref.finalize(self, stream.close)

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        count = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
        text, beside = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[said]}", markup=False)
        columns = (text, BarColumn(), count, TimeRemainingColumn(), beside)
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=total, said="")
            yield lambda more, said="", /: bar.update(task, advance=more, said=said)

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


_reporter: ContextVar[Reporter] = ContextVar("reporter", default=Silent())  # noqa: B039 - Silent has no state


def use(reporter: Reporter) -> None:
    """Send progress and notes of this context to `reporter`."""
    _reporter.set(reporter)


def task(label: str, total: int | None = None, unit: str = "") -> contextlib.AbstractContextManager[Advance]:
    """Return a context that yields ``advance(done)``.

    >>> with task("Counting", total=2) as advance:
    ...     advance(2)
    """
    return _reporter.get().task(label, total, unit)


def note(text: str) -> None:
    """Say one line to whoever watches."""
    _reporter.get().note(text)


def _amount(count: int, unit: str) -> str:
    return f"{count / 1e6:.1f} MB" if unit == "bytes" else f"{count:,} {unit}".rstrip()
