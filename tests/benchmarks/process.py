"""Whole processes, measured from outside: seconds and peak memory, and ratios of pairs in one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
TLPLUG = str(BIN / "tlplug")


@dataclass(frozen=True)
class Usage:
    """What one process took: wall seconds, and its peak resident size in MB."""

    seconds: float
    megabytes: float
    output: str


def run(command: Sequence[str], cwd: Path, **environment: str) -> Usage:
    """Run a command to its end and measure it; a failure is an error with what it printed."""
    with subprocess.Popen(
        list(command),
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        started = time.perf_counter()
        output, errors = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {errors[-2000:]}")
    return Usage(seconds, usage.ru_maxrss / 1024, output)


def compare(first: Callable[[], Usage], second: Callable[[], Usage], times: int) -> tuple[float, float, float]:
    """Run two things in turn; return the median seconds of each, and the median ratio second / first of the pairs."""
    pairs = [(first().seconds, second().seconds) for _ in range(times)]
    ratios = [after / before for before, after in pairs]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), statistics.median(ratios)
