"""The proof of an export: run in a process without tlplug, and compared with the run on held-out examples."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.errors import ExportError, counted
from tlplug.export.source import ExportSource
from tlplug.registry import registry
from tlplug.specs import Tolerance

RAW_CHANGED = 0.01
"""Share of predictions that may change where a graph reads and prepares the sources; one in any case."""

_WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Comparison:
    """How an export answered held-out examples, beside the run.

    Attributes:
        examples: how many.
        difference: the largest one of a probability, of examples that could be read; 1 for what is no number.
        changed: predictions that are others; those of examples that could not be read, and of what is no number, are.
        accuracy_before, accuracy_after: of the run and of the export.
        milliseconds: the median of a call, for one example.
        unread: how many examples could not be read.
        reason: why the first of them could not.
    """

    examples: int
    difference: float
    changed: int
    accuracy_before: float
    accuracy_after: float
    milliseconds: float
    unread: int = 0
    reason: str | None = None

    @classmethod
    def of(
        cls,
        before: NDArray[np.float32],
        after: NDArray[np.float32],
        labels: NDArray[np.int64],
        milliseconds: NDArray[np.float64],
        unread: Mapping[int, str] | None = None,
    ) -> Comparison:
        """Compare probabilities float32 ``[n, classes]``.

        Args:
            before, after: of the run and of the export.
            labels: of the examples, int64 ``[n]``.
            milliseconds: that each took, float64 ``[n]``.
            unread: why some could not be read, by their positions.
        """
        unread = unread or {}
        read = np.ones(len(labels), bool)
        read[list(unread)] = False
        finite = np.isfinite(after).all(axis=1)
        differences = np.where(finite, np.abs(after - before).max(axis=1), 1.0)[read]
        old, new = before.argmax(axis=1), np.where(finite, np.nan_to_num(after).argmax(axis=1), -1)
        return cls(
            examples=len(labels),
            difference=float(differences.max(initial=0.0)),
            changed=int(np.sum(old != new)),
            accuracy_before=float(np.mean(old == labels)),
            accuracy_after=float(np.mean(new == labels)),
            milliseconds=float(np.median(milliseconds[read])) if read.any() else 0.0,
            unread=len(unread),
            reason=unread[min(unread)] if unread else None,
        )


class Problem(NamedTuple):
    """What is beyond the tolerance, and what helps."""

    said: str
    valid: str


@dataclass(frozen=True)
class Proof:
    """What was found when an export was run.

    Attributes:
        arrays: on prepared arrays: what the format changes.
        raw: on the sources themselves, read and prepared without tlplug; None where nothing does that.
        by_graph: whether a graph within the export does that; else it is code that does the same as the run.
        tolerance: what may differ.
    """

    arrays: Comparison
    raw: Comparison | None
    by_graph: bool
    tolerance: Tolerance

    def problem(self) -> Problem | None:
        """Return what is beyond the tolerance; None when nothing is."""
        found = self._beyond(self.arrays, "")
        if found is None and self.raw is not None:
            allowed = max(1, math.floor(RAW_CHANGED * self.raw.examples)) if self.by_graph else 0
            found = None if self.by_graph else self._beyond(self.raw, " from raw input")
            if self.raw.changed > allowed + self.arrays.changed:
                of = counted(self.raw.examples, "prediction")
                unread = f", {self.raw.unread} of them not read: {self.raw.reason}" if self.raw.unread else ""
                found = Problem(
                    f"{self.raw.changed} of {of} from raw input are others{unread}",
                    "another format, or --force to keep it: its predict.py answers as the run does (docs/deploy.md "
                    "says what a graph reads differently)",
                )
        return found

    def _beyond(self, found: Comparison, where: str) -> Problem | None:
        bound, lost = self.tolerance.difference, found.accuracy_before - found.accuracy_after
        if bound is not None and not found.difference <= bound:
            said = f"a probability{where} differs by {found.difference:.1e}, and {bound:.0e} is tolerated"
            return Problem(said, "another format or precision, --tolerance, or --force to keep it all the same")
        if lost > max(self.tolerance.accuracy, 1 / found.examples) + 1e-9:
            said = f"accuracy{where} falls from {found.accuracy_before:.3f} to {found.accuracy_after:.3f}"
            return Problem(said, "another format or precision, or --force to keep it all the same")
        return None

    def to_json(self) -> dict[str, Any]:
        """The form that export.json has."""
        return {
            "arrays": asdict(self.arrays),
            "raw": asdict(self.raw) if self.raw else None,
            "tolerance": asdict(self.tolerance),
        }


def prove(folder: Path, source: ExportSource, tolerance: Tolerance, *, by_graph: bool) -> Proof:
    """Run an export on the held-out examples that a run keeps.

    Args:
        folder: of the export.
        source: the run.
        tolerance: what may differ.
        by_graph: whether the export takes sources as they are.

    Raises:
        ExportError: it does not run.
    """
    examples = source.held_out
    labels = np.array([example.label for example in examples])
    before, _ = source.predictor.probabilities([example.source for example in examples])
    label = f"Proving it on {counted(len(examples), 'held-out example')}"
    with progress.task(label), tempfile.TemporaryDirectory(prefix="tlplug-proof-") as temporary:
        work = Path(temporary)
        sources = []
        for number, example in enumerate(examples):
            sources.append(_write(work, number, example.source))
            _save(work / f"{number}.npz", source.arrays(example))
        calls = {"sources": sources, "absent": _packages()}
        (work / "calls.json").write_text(json.dumps(calls), encoding="utf-8")
        found, unread = _run(folder, work)
    raw = None
    if "raw" in found:
        raw = Comparison.of(before, found["raw"], labels, found["raw_ms"], unread)
    return Proof(Comparison.of(before, found["arrays"], labels, found["arrays_ms"]), raw, by_graph, tolerance)


def _packages() -> list[str]:
    """Packages of tlplug and of its plugins, which an export does without."""
    modules = [plugin.module for plugin in registry().host.plugins if plugin.module is not None]
    return sorted({"tlplug", *(module.__name__.partition(".")[0] for module in modules)})


def _run(folder: Path, work: Path) -> tuple[Mapping[str, NDArray[Any]], Mapping[int, str]]:
    # Without what the current folder has, and without files of bytes in the export; but with the user's packages.
    command = [sys.executable, "-P", "-B", str(_WORKER), str(folder.absolute()), str(work)]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip()[:300] if lines else f"exit code {done.returncode}"
        if done.returncode < 0:
            reason = f"it was ended by {signal.Signals(-done.returncode).name}"
        raise ExportError(
            f"The export does not run in a process of its own: {reason.rstrip('.')}. Nothing was written. Valid: "
            "another format or precision."
        )
    unread = json.loads((work / "unread.json").read_text(encoding="utf-8"))
    with np.load(work / "answers.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}, {int(number): reason for number, reason in unread.items()}


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    # Behind a word, as NumPy has arguments of its own that an array may be called like.
    plain = {f"array {name}": a.astype(np.str_) if a.dtype == object else a for name, a in arrays.items()}
    np.savez(path, allow_pickle=False, **plain)


def _write(folder: Path, number: int, source: Any) -> dict[str, str]:
    if isinstance(source, str):
        return {"text": source}
    if isinstance(source, Path):
        return {"path": str(source.absolute())}
    if isinstance(source, bytes):
        (folder / f"{number}.bin").write_bytes(source)
        return {"bytes": f"{number}.bin"}
    np.save(folder / f"{number}.npy", source, allow_pickle=False)
    return {"array": f"{number}.npy"}
