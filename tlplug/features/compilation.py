"""Compilation of networks for a runtime: made once, proven equal to Keras, and kept."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock

from tlplug import progress
from tlplug.backbones import (
    RANDOM,
    BuiltBackbone,
    Selection,
    build_backbone,
    describe_inputs,
    quiet,
)
from tlplug.errors import PluginError, UsageError, first_line
from tlplug.features.compiled import ABOUT, FILES, KERAS_FILE, CompiledBackbone, RefusedError
from tlplug.features.proof import compare, expected_of, sample
from tlplug.registry import Entry, registry
from tlplug.specs import load_reference
from tlplug.storage import (
    cache_dir,
    file_digest,
    is_disk_trouble,
    make_cache_folder,
    manifest_problem,
    new_folder,
    replace_file,
    warn_cache,
    write_json,
    write_manifest,
)

_log = logging.getLogger(__name__)

LONGEST_REASON = 200
"""Characters of a runtime's own reason that are shown; some explain how to build another one."""

TOLERANCE = 1e-3
"""Largest difference from Keras, relative to the largest value, with which a compiled network is accepted."""


def compile_backbone(
    selection: Selection, runtime: str | None = None, *, part: BuiltBackbone | None = None
) -> CompiledBackbone:
    """Return a chosen backbone compiled for a runtime, from the cache where it is there.

    Args:
        selection: the backbone, its weights and options.
        runtime: name of the runtime; the available one with the highest priority when None. When a network cannot be
            converted for it, the next one serves.
        part: compile this model instead, a part of the backbone from its inputs to the output of a layer.

    Raises:
        WeightsError, PluginError: it cannot be built, or no runtime takes it.
    """
    runtimes = _runtimes(runtime)
    built = part
    identity: Mapping[str, Any] | None = selection.identity()
    if identity is None:
        built = built or build_backbone(selection)
        identity = {
            "backbone": selection.entry.qualified,
            "options": dict(selection.options),
            "built": built.digest,
            "inputs": [[list(spec.shape), spec.dtype] for spec in built.inputs],
        }
    if part:
        identity = {**identity, "part": part.digest}
    keys = [_key(identity, entry) for entry in runtimes]
    if found := _first_cached(keys):
        return found
    try:
        folder = cache_dir() / "compiled" / keys[0]
        make_cache_folder(folder.parent)
        with filelock.FileLock(folder.with_name(folder.name + ".lock")):
            if found := _first_cached(keys):  # another process may have made it meanwhile
                return found
            built = built or build_backbone(selection)
            targets = [(entry, cache_dir() / "compiled" / key) for entry, key in zip(runtimes, keys, strict=True)]
            return _compile_first(built, _about(selection, built), targets, remember=True)
    except OSError as error:
        if not is_disk_trouble(error):
            raise
        warn_cache(f"Cannot keep the compiled backbone in {cache_dir()}", error)
    temporary = _temporary()
    built = built or build_backbone(selection)
    return _compile_first(built, _about(selection, built), [(entry, temporary / entry.name) for entry in runtimes])


def compile_tuned(selection: Selection, built: BuiltBackbone, runtime: str | None = None) -> CompiledBackbone:
    """Return a backbone whose weights were trained, compiled for a runtime into a folder of this process.

    Raises:
        PluginError: no runtime takes it.
    """
    folder = _temporary()
    about = {**_about(selection, built), "tuned": True}
    return _compile_first(built, about, [(entry, folder / entry.name) for entry in _runtimes(runtime)])


def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tlplug-compiled-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def compile_network(model: Any, folder: Path, name: str) -> CompiledBackbone:
    """Compile a Keras model, such as a head, into a new folder, for the best runtime that takes it.

    Raises:
        PluginError: no runtime does.
    """
    built = BuiltBackbone(
        model=model,
        inputs=describe_inputs(model),
        embedding_size=int(model.outputs[0].shape[1]),
        digest="",
        parameters=model.count_params(),
    )
    return _compile_first(built, {"name": name}, [(entry, folder) for entry in _runtimes(None)])


def _runtimes(name: str | None) -> list[Entry]:
    entries = sorted(registry().entries("runtime"), key=lambda entry: -entry.record.priority)
    available = [entry for entry in entries if _is_available(entry)]
    if name is None:
        return available
    chosen = registry().get("runtime", name)
    if chosen not in available:
        valid = ", ".join(entry.name for entry in available)
        raise UsageError(f"The runtime {name!r} cannot run here: what it needs is not installed. Valid: {valid}.")
    return [chosen]


def _is_available(runtime: Entry) -> bool:
    try:
        return bool(load_reference(runtime.record.available)())
    except Exception as error:  # noqa: BLE001 - a broken plugin never breaks the host
        progress.note(f"The runtime {runtime.name!r} of {runtime.plugin} cannot be asked: {first_line(error)}")
        return False


def _key(identity: Mapping[str, Any], runtime: Entry) -> str:
    versions = [metadata.version(package) for package in ("tensorflow", "keras", "ai-edge-litert")]
    text = json.dumps(
        [identity, runtime.qualified, runtime.identity or secrets.token_hex(16), versions], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _first_cached(keys: list[str]) -> CompiledBackbone | None:
    """What is kept for the first runtime that has not refused the network; None when it is still to be compiled."""
    for key in keys:
        if found := _cached(key):
            return found
        if not _refusal(cache_dir() / "compiled" / key).exists():
            return None
    return None


def _refusal(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.refused")


def _cached(key: str) -> CompiledBackbone | None:
    folder = cache_dir() / "compiled" / key
    if not folder.is_dir():
        return None
    problem = manifest_problem(folder)
    if problem is None:
        try:
            with contextlib.suppress(OSError):
                os.utime(folder)  # notes that it is used, for `tlplug cache prune`
            return CompiledBackbone.read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = first_line(error)
    progress.note(f"The compiled backbone in {folder} is damaged ({problem}); making it anew.")
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _compile_first(
    built: BuiltBackbone, about: Mapping[str, Any], targets: list[tuple[Entry, Path]], *, remember: bool = False
) -> CompiledBackbone:
    """Compile for the first runtime that takes the network, into the folder that goes with it.

    With `remember`, a refusal is noted beside the folder, so that the next process does not try again.
    """
    refusals = []
    for runtime, folder in targets:
        try:
            with new_folder(folder) as temporary:
                _compile(built, about, runtime, temporary)
                write_manifest(temporary)
        except RefusedError as error:
            refusals.append(f"{runtime.name} {error}")
            if remember:
                with replace_file(_refusal(folder)) as temporary:
                    temporary.write_text(f"{error}\n", encoding="utf-8")
        else:
            if refusals:
                progress.note(f"{about['name']} runs on {runtime.name}: {'; '.join(refusals)}")
            return CompiledBackbone.read(folder)
    raise PluginError(f"No runtime takes {about['name']!r}: {'; '.join(refusals) or 'none is there'}.")


def _about(selection: Selection, built: BuiltBackbone) -> dict[str, Any]:
    record = selection.entry.record
    return {
        "name": selection.entry.name,
        "plugin": str(selection.entry.plugin),
        "weights": selection.weights if selection.weights != RANDOM else f"random, seed {selection.seed}",
        "options": dict(selection.options),
        "licence": record.weights[selection.weights].licence if selection.weights in record.weights else "",
        "parameters": built.parameters,
    }


def _compile(built: BuiltBackbone, about: Mapping[str, Any], runtime: Entry, folder: Path) -> None:
    """Compile a model into a folder and compare the result with Keras."""
    model = built.model
    with progress.task(f"Compiling {about['name']} for {runtime.name} (once)"):
        arrays = sample(built.inputs)
        expected = expected_of(model, arrays, about["name"])
        try:
            with quiet():
                load_reference(runtime.record.compile)(model, folder)
                difference, invariant = compare(load_reference(runtime.record.open)(folder), arrays, expected)
        except Exception as error:
            if _is_passing(error):
                raise
            _log.debug("%s refused %s", runtime.name, about["name"], exc_info=True)
            if isinstance(error, RefusedError):
                raise
            raise RefusedError(f"fails with {first_line(error)[:LONGEST_REASON]}") from error
        if not difference <= TOLERANCE:  # no number is no proof either
            raise RefusedError(f"gives results that differ from Keras by {difference:.1e}")
        if not (folder / KERAS_FILE).exists():
            _save_keras(model, folder / KERAS_FILE)
    for name, path in built.files.items():
        (folder / FILES).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / FILES / name)
    values = {
        "inputs": [asdict(spec) for spec in built.inputs],
        "embedding_size": built.embedding_size,
        "digest": built.digest,
        "runtime": runtime.name,
        "invariant": invariant,
        "difference": difference,
        "about": about,
        "files": {name: file_digest(path) for name, path in built.files.items()},
    }
    write_json(folder / ABOUT, values)


def _is_passing(error: Exception) -> bool:
    """Whether an error is about this machine at this moment, and says nothing of the network."""
    if isinstance(error, OSError):
        return is_disk_trouble(error)
    # TensorFlow's own error goes by its name, because this must not import TensorFlow.
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _save_keras(model: Any, path: Path) -> None:
    """Keep the Keras model too where it can be saved, for fine-tuning and other runtimes."""
    try:
        model.save(path)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - a layer of the user's own that does not serialise
        progress.note(f"The Keras model itself cannot be saved: {first_line(error)}")
        path.unlink(missing_ok=True)
