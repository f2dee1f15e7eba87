"""Runs an export on examples, in a process without tlplug and its plugins: ``python worker.py EXPORT CALLS``.

EXPORT has ``network.py`` and perhaps ``preprocess.py``. CALLS has ``calls.json``, with the sources and the packages
that must not be imported, and for each example a file with its prepared arrays; ``answers.npz`` and ``unread.json`` are
written there.
"""

import importlib
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    folder, calls = Path(sys.argv[1]), Path(sys.argv[2])
    asked = json.loads((calls / "calls.json").read_text(encoding="utf-8"))
    sys.meta_path.insert(0, Absent(asked["absent"], folder))
    sys.path.insert(0, str(folder))
    loader = importlib.import_module("network")
    about = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    network, sources = loader.load(), asked["sources"]
    found = [_timed(network, _arrays(calls / f"{number}.npz")) for number in range(len(sources))]
    answers, unread = _columns("arrays", found), dict[int, str]()
    if (folder / "preprocess.py").is_file():
        preprocess = importlib.import_module("preprocess")
        if about["raw"]:
            answer = loader.load_raw()
        else:

            def answer(raw: Any) -> Any:
                return network(preprocess.prepare(raw, about))

        from_raw, raw = [], None
        for number, source in enumerate(sources):
            try:
                raw = preprocess.read(_source(calls, source), about)
                from_raw.append(_timed(answer, raw))
            except Exception as error:  # noqa: BLE001 - whatever the code that travels along raises, it was not read
                unread[number] = _reason(error)
                from_raw.append((np.full_like(found[0][0], np.nan), np.nan))
        answers |= _columns("raw", from_raw)
        if about["raw"] and raw is not None:
            network(preprocess.prepare(raw, about))  # as predict.py does; what it needs must be there
    np.savez(calls / "answers.npz", allow_pickle=False, **answers)
    (calls / "unread.json").write_text(json.dumps(unread), encoding="utf-8")


def _reason(error: Exception) -> str:
    """The first line of what an error says, without the places in a graph before it and the full stop at its end."""
    said = re.sub(r"^(\{\{.*?\}\} *)+", "", str(error).strip()).partition("\n")[0]
    # A graph can fail with a text of its own only by an operation that says something before it.
    said = said.removeprefix("StringToNumberOp could not correctly convert string: ").rstrip(".")
    return said or type(error).__name__


class Absent:
    """Has packages not be found, but for what travels with the export."""

    def __init__(self, packages: Sequence[str], folder: Path) -> None:
        self._packages, self._folder = set(packages), str(folder)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        package = name.partition(".")[0]
        if package not in self._packages:
            return None
        spec = PathFinder.find_spec(name, [self._folder] if path is None else path, target)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r} travels with the export", name=name)
        return spec


def _timed(answer: Callable[[Any], Any], call: Any) -> tuple[np.ndarray, float]:
    """What a call is answered, float32 [classes], and the milliseconds that it took."""
    started = time.perf_counter()
    probabilities = np.asarray(answer(call), np.float32)[0]
    return probabilities, 1000 * (time.perf_counter() - started)


def _columns(name: str, found: Sequence[tuple[np.ndarray, float]]) -> dict[str, Any]:
    return {name: np.stack([answer for answer, _ in found]), f"{name}_ms": np.array([took for _, took in found])}


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name.removeprefix("array "): file[name] for name in file.files}
    return {name: array.astype(object) if array.dtype.kind == "U" else array for name, array in arrays.items()}


def _source(calls: Path, source: Mapping[str, str]) -> Any:
    """What was written of a source: a text, a path, bytes or an array."""
    if "text" in source:
        return source["text"]
    path = Path(source.get("path") or calls / (source.get("array") or source["bytes"]))
    return np.load(path, allow_pickle=False) if "array" in source else path.read_bytes() if "bytes" in source else path


if __name__ == "__main__":
    main()
