"""Runs an export on examples, in a process without tlplug: ``python -I worker.py EXPORT CALLS``.

EXPORT has ``network.py`` and perhaps ``preprocess.py``. CALLS has ``sources.json``, and for each example a file with
its prepared arrays; ``answers.npz`` is written there.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    folder, calls = Path(sys.argv[1]), Path(sys.argv[2])
    sys.modules["tlplug"] = None  # type: ignore[assignment] # importing it fails from here on
    sys.path.insert(0, str(folder))
    loader = importlib.import_module("network")
    about = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    sources = json.loads((calls / "sources.json").read_text(encoding="utf-8"))
    network = loader.load()
    found = _timed(network, (_arrays(calls / f"{number}.npz") for number in range(len(sources))), "arrays")
    if (folder / "preprocess.py").is_file():
        preprocess = importlib.import_module("preprocess")
        read = [preprocess.read(_source(calls, source), about) for source in sources]
        if about["raw"]:
            answer = loader.load_raw()
        else:

            def answer(raw: Any) -> Any:
                return network(preprocess.prepare(raw, about))

        found |= _timed(answer, read, "raw")
    np.savez(calls / "answers.npz", allow_pickle=False, **found)


def _timed(answer: Callable[[Any], Any], calls: Iterable[Any], name: str) -> dict[str, Any]:
    """What each call is answered, float32 [n, classes], and the milliseconds that it took."""
    answers, took = [], []
    for call in calls:
        started = time.perf_counter()
        answers.append(np.asarray(answer(call), np.float32)[0])
        took.append(1000 * (time.perf_counter() - started))
    return {name: np.stack(answers), f"{name}_ms": np.array(took)}


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name].astype(object) if file[name].dtype.kind == "U" else file[name] for name in file.files}


def _source(calls: Path, source: Mapping[str, str]) -> Any:
    """What was written of a source: a text, a path, bytes or an array."""
    if "text" in source:
        return source["text"]
    path = Path(source.get("path") or calls / (source.get("array") or source["bytes"]))
    return np.load(path, allow_pickle=False) if "array" in source else path.read_bytes() if "bytes" in source else path


if __name__ == "__main__":
    main()
