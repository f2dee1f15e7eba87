"""How a model was made, and how its report says so."""

from __future__ import annotations

import datetime
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tlplug.errors import counted
from tlplug.evaluation import RateCurve, ReportInput, TrainingCurve, percent
from tlplug.heads import HeadChoice
from tlplug.registry import registry
from tlplug.specs import load_reference
from tlplug.storage import file_digest
from tlplug.training.frozen import Training

_PACKAGES = ("tlplug", "tensorflow", "keras", "ai-edge-litert", "numpy", "scipy", "pyarrow")


def run_info(training: Training, choice: HeadChoice, *, strategy: str, refit: bool) -> dict[str, Any]:
    """Return how a model was made, as run.json holds it.

    Args:
        training: what training gave.
        choice: the head.
        strategy: its name.
        refit: whether the head was fitted anew on everything afterwards.
    """
    data, compiled, selection = training.data, training.predictor.compiled, training.selection
    counts = {part: int((data.splits == part).sum()) for part in ("train", "validation", "test")}
    identity = selection.identity() or {}
    plugins = {str(entry.plugin): entry.identity for entry in (selection.entry, selection.preprocess, choice.entry)}
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "data": data.origin,
        "reader": dict(data.read_with),
        "modality": data.modality,
        "examples": counts,
        "classes": data.part("train").counts(),
        "backbone": {
            **compiled.about,
            "distribution": selection.entry.plugin.distribution,
            "digest": compiled.digest,
            "weights_digest": identity.get("weights_digest"),
        },
        "preprocess": training.predictor.preprocess.to_json(),
        "head": {
            "name": training.head.name,
            "distribution": choice.entry.plugin.distribution,
            "options": dict(training.head.options),
            "chosen": dict(training.head.chosen),
        },
        "strategy": strategy,
        "tuning": dict(training.tuning),
        "refit": refit,
        "runtime": {"name": compiled.runtime, "difference_from_keras": compiled.difference},
        "seed": choice.seed,
        "features_computed": training.computed,
        "remarks": dict(training.remarks),
        "skipped": [{"source": item.source, "reason": item.reason} for item in training.skipped],
        "plugins": plugins,
        "plugin_files": _plugin_files(),
        "versions": {**versions_of(_PACKAGES), "python": platform.python_version()},
    }


def _plugin_files() -> dict[str, str]:
    """The sha256 of each plugin file in use: what ``--plugin`` must be given again."""
    files = {}
    for plugin in registry().host.plugins:
        source = getattr(plugin.module, "__file__", None)
        if not plugin.version and source and plugin.distribution.endswith(".py"):
            files[plugin.distribution] = file_digest(Path(source))
    return files


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def report_input(info: Mapping[str, Any], training: Training, path: Path) -> ReportInput:
    """Return what the report of a run is made from.

    Args:
        info: as `run_info` gave it.
        training: what training gave.
        path: what the run will be called.
    """
    backbone_info, head, examples = info["backbone"], info["head"], info["examples"]
    weights = f" ({backbone_info['weights']} weights)" if backbone_info["weights"] else ""
    fitted_on = examples["train"] + examples["validation"]
    facts = [
        (
            "data",
            f"{info['data']}: {sum(examples.values())} {info['modality']} examples, {len(info['classes'])} classes",
        ),
        ("split", ", ".join(f"{count} {part}" for part, count in examples.items() if count) + f"; seed {info['seed']}"),
        ("backbone", f"{backbone_info['name']}{weights}, {how_trained(info)}, by {backbone_info['plugin']}"),
        ("head", f"{head['name']} {_settings({**head['options'], **head['chosen']})}"),
        ("preprocess", f"{info['preprocess']['name']} {_settings(info['preprocess']['options'])}"),
        ("runtime", f"{info['runtime']['name']}, within {info['runtime']['difference_from_keras']:.0e} of Keras"),
        ("versions", ", ".join(f"{name} {version}" for name, version in info["versions"].items())),
    ]
    if backbone_info.get("licence"):
        facts.insert(3, ("licence of the weights", backbone_info["licence"]))
    if training.remarks:
        remarks = "; ".join(f"{counted(count, 'example')} {remark}" for remark, count in training.remarks.items())
        facts.insert(1, ("remarks", remarks))
    if info["tuning"]:
        facts.insert(4, ("strategy", _strategy(info["tuning"])))
        if remarks := info["tuning"].get("remarks"):
            facts.insert(5, ("remarks on it", " ".join(remarks)))
    if info["refit"]:
        facts.insert(2, ("refit", "after these figures were measured, the head was fitted on all examples"))
    preview = training.predictor.preprocess.entry().record.preview
    return ReportInput(
        title=path.name,
        lead=(
            f"A {head['name']} head on {backbone_info['name']}{weights}, {how_trained(info)}, fitted to {fitted_on} "
            f"examples of {len(info['classes'])} classes: {percent(training.metrics['test']['accuracy'])} of the "
            "held-out ones are answered rightly."
        ),
        run_name=str(path),
        metrics=training.metrics,
        evaluation=training.evaluation,
        train_counts=info["classes"],
        facts=facts,
        tried=(TRIED, *tried_rows(info)) if info["tuning"].get("tried") else (),
        tried_on=info["tuning"].get("held_out", 0),
        skipped=training.skipped,
        preview=load_reference(preview) if preview else None,
        rate_curve=_rate_curve(info["tuning"]),
        training_curves=_training_curves(info["tuning"]),
    )


def _training_curves(tuning: Mapping[str, Any]) -> list[TrainingCurve]:
    curves = []
    for name, title in (("history", "Choosing the number of epochs"), ("history_final", "Final training")):
        if history := tuning.get(name):
            accuracies = [figures.get("validation_accuracy") for figures in history]
            curves.append(
                TrainingCurve(
                    title=title,
                    losses=[figures["loss"] for figures in history],
                    accuracies=accuracies if name == "history" else (),
                    chosen=tuning["epochs_trained"] if name == "history" else 0,
                )
            )
    return curves


def _rate_curve(tuning: Mapping[str, Any]) -> RateCurve | None:
    found = tuning.get("range_test") or {}
    if not found.get("rates"):
        return None
    names = ("start", "rates", "losses", "rises_at")
    return RateCurve(**{name: found[name] for name in names}, found=bool(found["rate"]), chosen=tuning["learning_rate"])


def how_trained(info: Mapping[str, Any]) -> str:
    """Say what became of the backbone's weights, from what run.json holds."""
    tuning = info.get("tuning") or {}
    if not tuning.get("epochs_trained"):
        if "diverged" in tuning:
            return "frozen, as tuning it on all examples came to no number"
        if "tried" in tuning:  # by auto
            trained = any(trial["epochs"] for trial in tuning["tried"])
            return "frozen, which no tuning improved with confidence" if trained else "frozen"
        return "frozen, which no tuning improved" if tuning else "frozen"
    if tuning["unfreeze"]:
        what = f"tuned from {tuning['unfreeze']} up"
    elif tuning["stages"]:
        what = "its top stage tuned" if tuning["stages"] == 1 else f"its top {tuning['stages']} stages tuned"
    else:
        what = "all of it tuned" if tuning["strategy"] == "full" else "trained from random weights"
    by = f" by LoRA of rank {tuning['lora']}" if tuning.get("lora") else ""
    return f"{what}{by} for {counted(tuning['epochs_trained'], 'epoch')}"


TRIED = ("tried", "examples", "accuracy", "log loss", "confidence", "epochs", "weights", "seconds", "")
"""What the columns of `tried_rows` are; the weights are those that trained."""


def tried_rows(info: Mapping[str, Any]) -> list[list[str]]:
    """Return what ``auto`` tried and how that answered held-out training examples, a row each, from run.json."""
    trials = info["tuning"].get("tried", [])
    last = max((number for number, trial in enumerate(trials) if trial["taken"]), default=-1)
    return [
        [
            f"{trial['backbone']}, {_what_trains(trial['stages'], info['tuning']['unfreeze'])}",
            str(trial["examples"]),
            percent(trial["accuracy"]),
            f"{trial['log_loss']:.3f}",
            "" if trial["confidence"] is None else percent(trial["confidence"]),
            str(trial["epochs"]),
            f"{trial['parameters']:,}",
            f"{trial['seconds']:.1f}",
            "chosen" if number == last else "",
        ]
        for number, trial in enumerate(trials)
    ]


def _what_trains(stages: int | None, unfreeze: str | None) -> str:
    if stages is None:
        return f"from {unfreeze} up"
    return ("frozen", "top stage")[stages] if stages < 2 else f"top {stages} stages"


def _strategy(tuning: Mapping[str, Any]) -> str:
    """Say how the backbone was to be trained, and how that did on the held-out part of the training examples."""
    said = str(tuning["strategy"])
    if "parameters_trained" in tuning:
        said += f"; {tuning['parameters_trained']:,} weights above {tuning['cut'] or 'the inputs'}"
    if found := tuning.get("range_test"):
        how = "found by a range test" if found["rate"] else "the default, as a range test found none"
        said += f"; learning rate {tuning['learning_rate']:.1e}, {how}"
    elif "parameters_trained" in tuning:
        said += f"; learning rate {tuning['learning_rate']:.1e}"
    if "parameters_trained" in tuning:
        epochs = counted(tuning["epochs"], "epoch")
        if "history" in tuning:
            epochs = f"at most {epochs}, {tuning['epochs_trained'] or 'none'} chosen"
        if "diverged" in tuning:
            epochs = f"{counted(tuning['epochs'], 'epoch')} at most; on all examples: {tuning['diverged'].rstrip('.')}"
        said += f"; batches of {tuning['batch_size']}; {epochs}"
    if "frozen_accuracy" in tuning:
        said += (
            f"; on {counted(tuning['held_out'], 'training example')} held out: frozen "
            f"{percent(tuning['frozen_accuracy'])}, tuned {percent(tuning['tuned_accuracy'])}"
        )
        if tuning["frozen_accuracy"] == tuning["tuned_accuracy"]:
            said += f", log loss {tuning['frozen_log_loss']:.3f} and {tuning['tuned_log_loss']:.3f}"
    return said


def _settings(values: Mapping[str, Any]) -> str:
    written = {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in values.items()}
    shown = ", ".join(f"{name} {value}" for name, value in written.items() if value is not None)
    return f"({shown})" if shown else ""
