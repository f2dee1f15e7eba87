"""A run made into a file of another format: converted, proven, and only then there."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tlplug import progress
from tlplug.claim import claimed, empty, partial_path
from tlplug.errors import DamagedRunError, ExportError, TlplugError, UsageError, counted, first_line
from tlplug.export.network import Exportable, weights_size
from tlplug.export.proof import Proof, prove
from tlplug.export.readme import render_readme
from tlplug.export.source import ExportSource
from tlplug.export.travel import file_of, files_with, place
from tlplug.registry import Entry, registry
from tlplug.specs import Tolerance, load_reference, parse_options
from tlplug.storage import open_text, read_json, replace_file, size_of, sync, write_json
from tlplug.training import versions_of

ABOUT, FILES, README = "export.json", "files", "README.md"
NETWORK, PREPROCESS, PREDICT = "network.py", "preprocess.py", "predict.py"
"""What an export has beside the model."""

_PACKAGES = ("tlplug", "tensorflow", "keras", "ai-edge-litert", "tf2onnx", "onnxruntime")


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        path: the folder.
        file: the model in it.
        about: what export.json holds.
        proof: how it answered the held-out examples that the run keeps.
    """

    path: Path
    file: Path
    about: Mapping[str, Any]
    proof: Proof


def format_of(path: Path) -> str:
    """Return the format that a path's ending says.

    Raises:
        UsageError: none has this ending.

    >>> format_of(Path("photos.tflite"))
    'litert'
    """
    entries = registry().entries("exporter")
    for entry in entries:
        if _is_ending(entry, path):
            return str(entry.name)
    valid = ", ".join(entry.record.suffix for entry in entries if entry.record.suffix)
    names = ", ".join(entry.name for entry in entries)
    raise UsageError(f"The ending of {str(path)!r} says no format. Valid: {valid}, or a format by its name: {names}.")


def check_export(
    path: Path, format: str, options: Mapping[str, Any], tolerance: float | None = None, run: Path | None = None
) -> None:
    """Refuse, before any work, what cannot be exported; the arguments are of `export_model`, and the folder of the run.

    Raises:
        UsageError: there is no such format, what it needs is not installed, the target exists, lies in the run or has
            the ending of another format, or the tolerance is none.
        OptionError: an option that it does not have.
    """
    entry = registry().get("exporter", format)
    parse_options("exporter", entry.record.options, options)
    if tolerance is not None and not 0 <= tolerance <= 1:
        raise UsageError(f"A tolerance is from 0 to 1. Received: {tolerance}. Valid: --tolerance 1e-3.")
    for other in registry().entries("exporter"):
        if _is_ending(other, path) and not _is_ending(entry, path):
            raise UsageError(
                f"The ending of {str(path)!r} is that of the format {other.name!r}. Received: --format {format}. "
                "Valid: another --out, or no --format."
            )
    if run is not None and path.resolve().is_relative_to(run.resolve()):
        raise UsageError(f"The export {str(path)!r} would lie in the run {str(run)!r}. Choose another --out.")
    _check_free(path)
    missing = {package: None for module, package in entry.record.requires if importlib.util.find_spec(module) is None}
    if missing:
        raise UsageError(
            f"The format {entry.name!r} needs what is not installed. Type: pip install {' '.join(map(repr, missing))}"
        )


def export_model(
    source: ExportSource,
    path: Path,
    format: str,
    options: Mapping[str, Any],
    *,
    tolerance: float | None = None,
    force: bool = False,
) -> Export:
    """Write a run as another format, into a new folder; `check_export` is to be asked first.

    Args:
        source: the run.
        path: of the folder; nothing may be there. With the format's ending it is that of the model alone, and the
            folder beside it has ``.export`` after it.
        format: name of the exporter.
        options: of the exporter, as people give them.
        tolerance: the largest difference of a probability, instead of the format's own.
        force: keep the export even where the proof fails.

    Raises:
        UsageError: there is something at the path; the run cannot be exported, or not to this format.
        ExportError: the export gives other answers; nothing is left of it.
        RunError: another process writes it, or it cannot be written.
    """
    entry = registry().get("exporter", format)
    _check_source(entry, source)
    record, compiled = entry.record, source.predictor.compiled
    settings, code = parse_options("exporter", record.options, options), _code(entry, source)
    alone = _is_ending(entry, path)
    target = path.with_name(f"{path.name}.export") if alone else path
    if alone:
        _take_back(target, path)
    plugins = {entry.plugin.distribution, source.predictor.preprocess.entry().plugin.distribution} - {_PACKAGES[0]}
    about = _about(entry, source, settings)
    file = about["file"]
    with claimed(target, _check_free, "an export") as folder:
        empty(folder)
        with progress.task(f"Converting to {entry.name}"):
            model = Exportable.of(source, about)
            raw = model.raw.spec if record.raw and model.raw else None
            about |= {
                "inputs": [asdict(spec) for spec in source.inputs],
                "raw": raw and {"name": raw.name, "shape": raw.shape.as_list(), "dtype": raw.dtype.name},
                "weights_bytes": weights_size(model.network),
            }
            allowed = _converted(entry, model, folder / file, settings)
        place(code, folder)
        for name in compiled.files:
            (folder / FILES).mkdir(exist_ok=True)
            shutil.copyfile(compiled.file(name), folder / FILES / name)
        write_json(folder / ABOUT, about)
        if tolerance is not None:
            allowed = replace(allowed, difference=tolerance)
        proof = prove(folder, source, allowed, by_graph=raw is not None)
        problem = proof.problem()
        if problem and not force:
            raise ExportError(
                f"The export gives other answers than the run: {problem.said}. Nothing was written. Valid: "
                f"{problem.valid}."
            )
        about |= {"bytes": size_of(folder / file), "proof": proof.to_json(), "proven": problem is None}
        about |= {"versions": versions_of((*_PACKAGES, *sorted(plugins))), "file": f"../{path.name}" if alone else file}
        write_json(folder / ABOUT, about)
        with replace_file(folder / README) as temporary, open_text(temporary) as text:
            text.write(render_readme(about, entry, code=PREPROCESS in code))
    if alone:
        _check_free(path)
        (target / file).rename(path)  # last: what has the name is whole
        sync(path.parent)
    if PREPROCESS not in code:
        name = source.predictor.preprocess.name
        progress.note(f"The preprocess {name!r} has no code to travel along: no {PREDICT} is written.")
    if problem:
        progress.note(f"Warning: the export gives other answers than the run: {problem.said}.")
    return Export(target, path if alone else path / file, about, proof)


def _is_ending(entry: Entry, path: Path) -> bool:
    return bool(entry.record.suffix) and path.suffix.lower() == entry.record.suffix.lower()


def _take_back(target: Path, path: Path) -> None:
    """Make an unfinished export again of one whose model has not been moved to its own name: its process was killed."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        if read_json(target / ABOUT)["file"] == f"../{path.name}" and list(target.glob("model.*")):
            target.rename(partial_path(target))


def _check_source(entry: Entry, source: ExportSource) -> None:
    """Refuse a run that cannot be exported."""
    record, modality = entry.record, source.predictor.modality
    if record.modalities and modality not in record.modalities:
        raise UsageError(
            f"The format {entry.name!r} is for {', '.join(record.modalities)}. Received: a run of {modality}. "
            f"Valid: {_others(entry)}."
        )
    if not source.held_out:
        raise UsageError(
            "The run keeps no held-out examples to prove an export on: it was trained with --no-examples or by an "
            "older tlplug, its folder 'examples' was removed, or each of them is larger than 64 MB. Train it again."
        )
    kept, count = len(source.held_out), source.all_held_out
    if kept < count:
        progress.note(f"The run keeps {kept:,} of its {counted(count, 'held-out example')}: it is proven on those.")


def _check_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UsageError(f"There is something at {str(path)!r} already. Choose another --out.")


def _others(entry: Entry) -> str:
    names = [other.name for other in registry().entries("exporter") if other.name != entry.name]
    return " or ".join(f"--format {name}" for name in names)


def _converted(entry: Entry, model: Exportable, file: Path, settings: Mapping[str, Any]) -> Tolerance:
    try:
        allowed: Tolerance = load_reference(entry.record.export)(model, file, settings)
    except (OSError, MemoryError, TlplugError):
        raise
    except Exception as error:  # of a converter, which says in many ways what it cannot convert
        if (full := os.strerror(errno.ENOSPC)) in str(error):  # as TensorFlow says it
            places = f"{file}, or {tempfile.gettempdir()} (TMPDIR), where it is made"
            raise OSError(errno.ENOSPC, full, places) from error
        name = model.source.predictor.compiled.about["name"]
        raise UsageError(
            f"The format {entry.name!r} cannot hold this {name}: {first_line(error)[:300]}. Valid: {_others(entry)}."
        ) from error
    return allowed


def _about(entry: Entry, source: ExportSource, settings: Mapping[str, Any]) -> dict[str, Any]:
    predictor, info = source.predictor, source.info
    preprocess = predictor.preprocess.to_json()
    return {
        "format": entry.name,
        "file": f"model{entry.record.suffix}" if entry.record.suffix else "model/1",
        "options": dict(settings),
        "classes": list(predictor.classes),
        "modality": predictor.modality,
        "backbone": predictor.compiled.about["name"],
        "head": _head(info),
        "rows": "the windows of one example" if source.cut else "examples",
        "preprocess": {"name": preprocess["name"], "options": preprocess["options"]},
        "files": sorted(predictor.compiled.files),
        "packages": [],
    }


def _head(info: Mapping[str, Any]) -> str:
    try:
        return str(info["head"]["name"])
    except (KeyError, TypeError) as error:
        raise DamagedRunError("The run.json of the run names no head: restore the file, or train again.") from error


def _code(entry: Entry, source: ExportSource) -> dict[str, Path]:
    """Find what is put beside the model: what loads it, and what reads sources for it, by the names that they get.

    Raises:
        ExportError: a module that a plugin names is not there, or needs tlplug.
    """
    code, standalone = {NETWORK: file_of(entry.record.loader)}, source.predictor.preprocess.entry().record.standalone
    if standalone is not None:
        code |= {PREPROCESS: file_of(standalone), PREDICT: file_of("tlplug.export.predict")}
        code |= {name: file for name, file in files_with(standalone).items() if file != code[PREPROCESS]}
    return code
