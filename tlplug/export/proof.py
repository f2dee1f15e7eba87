"""The proof of an export: run in a process without tlplug, and compared with the run on held-out examples."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.errors import ExportError, counted
from tlplug.export.source import ExportSource
from tlplug.specs import Tolerance

RAW_CHANGED = 0.01
"""Share of predictions that may change where sources are read and prepared by other code; one in any case."""

_WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Comparison:
    """How an export answered held-out examples, beside the run.

    Attributes:
        examples: how many.
        difference: the largest one of a probability.
        changed: predictions that are others.
        accuracy_before, accuracy_after: of the run and of the export.
        milliseconds: the median of a call, for one example.
    """

    examples: int
    difference: float
    changed: int
    accuracy_before: float
    accuracy_after: float
    milliseconds: float

    @classmethod
    def of(
        cls,
        before: NDArray[np.float32],
        after: NDArray[np.float32],
        labels: NDArray[np.int64],
        milliseconds: NDArray[np.float64],
    ) -> Comparison:
        """Compare probabilities float32 ``[n, classes]``; one that is no number differs by 1."""
        difference = np.nan_to_num(np.abs(after - before), nan=1.0, posinf=1.0)
        old, new = before.argmax(axis=1), after.argmax(axis=1)
        right = (new == labels) & np.isfinite(after).all(axis=1)
        return cls(
            examples=len(labels),
            difference=float(difference.max()),
            changed=int(np.sum(old != new)),
            accuracy_before=float(np.mean(old == labels)),
            accuracy_after=float(np.mean(right)),
            milliseconds=float(np.median(milliseconds)),
        )


@dataclass(frozen=True)
class Proof:
    """What was found when an export was run.

    Attributes:
        arrays: on prepared arrays: what the format changes.
        raw: on the sources themselves, read and prepared without tlplug; None where nothing does that.
        tolerance: what may differ.
    """

    arrays: Comparison
    raw: Comparison | None
    tolerance: Tolerance

    def problem(self) -> str | None:
        """Say what is beyond the tolerance; None when nothing is."""
        arrays, tolerance = self.arrays, self.tolerance
        if tolerance.difference is not None and not arrays.difference <= tolerance.difference:
            return f"a probability differs by {arrays.difference:.1e}, and {tolerance.difference:.0e} is tolerated"
        lost = arrays.accuracy_before - arrays.accuracy_after
        if lost > max(tolerance.accuracy, 1 / arrays.examples) + 1e-9:
            return f"accuracy falls from {arrays.accuracy_before:.3f} to {arrays.accuracy_after:.3f}"
        if self.raw and self.raw.changed > max(1.0, RAW_CHANGED * self.raw.examples) + arrays.changed:
            return f"{self.raw.changed} of {counted(self.raw.examples, 'prediction')} from raw input are others"
        return None

    def to_json(self) -> dict[str, Any]:
        """The form that export.json has."""
        return {
            "arrays": asdict(self.arrays),
            "raw": asdict(self.raw) if self.raw else None,
            "tolerance": asdict(self.tolerance),
        }


def prove(folder: Path, source: ExportSource, tolerance: Tolerance) -> Proof:
    """Run an export on the held-out examples that a run keeps.

    Args:
        folder: of the export.
        source: the run.
        tolerance: what may differ.

    Raises:
        ExportError: it does not run.
    """
    examples = source.held_out
    labels = np.array([example.label for example in examples])
    before, _ = source.predictor.probabilities([example.source for example in examples])
    label = f"Proving it on {counted(len(examples), 'held-out example')}"
    with progress.task(label), tempfile.TemporaryDirectory(prefix="tlplug-proof-") as temporary:
        work = Path(temporary)
        sources = [_write(work, number, example.source) for number, example in enumerate(examples)]
        (work / "sources.json").write_text(json.dumps(sources), encoding="utf-8")
        for number, arrays in enumerate(source.prepared.held_out):
            np.savez(work / f"{number}.npz", allow_pickle=False, **{name: _plain(arrays[name]) for name in arrays})
        found = _run(folder, work)
    raw = None
    if "raw" in found:
        raw = Comparison.of(before, found["raw"], labels, found["raw_ms"])
    return Proof(Comparison.of(before, found["arrays"], labels, found["arrays_ms"]), raw, tolerance)


def _run(folder: Path, work: Path) -> Mapping[str, NDArray[Any]]:
    command = [sys.executable, "-IB", str(_WORKER), str(folder.absolute()), str(work)]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip()[:300] if lines else f"exit code {done.returncode}"
        raise ExportError(f"The export does not run in a process of its own: {reason}")
    with np.load(work / "answers.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.str_) if array.dtype == object else array


def _write(folder: Path, number: int, source: Any) -> dict[str, str]:
    """Put a source where the other process finds it."""
    if isinstance(source, str):
        return {"text": source}
    if isinstance(source, Path):
        return {"path": str(source.absolute())}
    if isinstance(source, bytes):
        (folder / f"{number}.bin").write_bytes(source)
        return {"bytes": f"{number}.bin"}
    np.save(folder / f"{number}.npy", source, allow_pickle=False)
    return {"array": f"{number}.npy"}
