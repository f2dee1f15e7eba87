"""The model that people hold, and the functions that give one: a facade over everything below."""

from __future__ import annotations

import datetime
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug import run
from tlplug.backbones import RANDOM, BuiltBackbone, Selection, build_backbone, select_backbone, split_options
from tlplug.data import Dataset, align_labels, load_data, load_examples
from tlplug.errors import UsageError
from tlplug.evaluation import Evaluation, ReportInput, percent, render_card, render_report
from tlplug.heads import HeadChoice
from tlplug.plugins import Plugin
from tlplug.predictor import Prediction, Predictor
from tlplug.registry import Entry, registry
from tlplug.specs import load_reference, parse_options
from tlplug.storage import file_digest, read_json, replace_file, write_json
from tlplug.training import MAX_UNREADABLE, Training, check_strategy, train_frozen

if TYPE_CHECKING:
    import keras

DEFAULT_HEAD = "linear"
_PACKAGES = ("tlplug", "tensorflow", "keras", "ai-edge-litert", "numpy", "scipy", "pyarrow")


class Model:
    """A trained classifier: predicts, evaluates, and is saved as a run folder.

    Made by `tlplug.train` and `tlplug.load`.

    Attributes:
        predictor: what predicts.
        metrics: every figure that was measured in training, as in metrics.json.
        info: how it was made, as in run.json.
    """

    def __init__(
        self,
        predictor: Predictor,
        metrics: Mapping[str, Any],
        info: Mapping[str, Any],
        *,
        training: Training | None = None,
        path: Path | None = None,
    ) -> None:
        self.predictor = predictor
        self.metrics = dict(metrics)
        self.info = dict(info)
        self.path = path
        self._training = training

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self.predictor.classes

    def predict(self, inputs: Sequence[Any]) -> list[Prediction]:
        """Predict some inputs.

        Args:
            inputs: files, folders, patterns, or other sources that the preprocess takes, such as arrays.

        Returns:
            One `Prediction` for each source; one that cannot be read has `error` instead of a label.
        """
        if isinstance(inputs, str | Path):
            inputs = [inputs]
        return self.predictor.predict(inputs)

    def evaluate(self, data: Dataset | str | Path) -> Evaluation:
        """Measure the model on labelled examples.

        Args:
            data: a part of a `Dataset`, or a path: then its test part where it has one, else everything.

        Returns:
            The answers; `metrics` of it has the figures.

        Raises:
            DataError: it has classes that the model does not know, or nothing that can be read.
        """
        if isinstance(data, str | Path):
            data = load_examples(data, modality=self.predictor.modality)
        if data.modality != self.predictor.modality:
            raise UsageError(f"The model takes {self.predictor.modality}. Received: {data.modality} data.")
        aligned = data.relabelled(align_labels(data, self.classes), self.classes)
        probabilities, failures = self.predictor.probabilities(aligned.sources, aligned.digests)
        return Evaluation.of(aligned, probabilities, failures)

    def save(self, path: str | Path) -> Path:
        """Write the run folder: the model, its figures, answers, report and card.

        Raises:
            RunError: there is something of that name already, or it cannot be written.
        """
        path = Path(path)
        if self._training is None:
            raise UsageError(f"This model was loaded from {str(self.path)!r}: copy that folder instead.")
        with run.new_run(path) as folder:
            self._write(folder, path)
        self.path = path
        return path

    def _write(self, folder: Path, path: Path) -> None:
        training = self._training
        assert training is not None
        training.predictor.save(folder / run.MODEL, training.head)
        run.write_split(folder, training.data)
        training.evaluation.write_csv(folder / run.PREDICTIONS)
        write_json(folder / run.METRICS, self.metrics)
        write_json(folder / run.INFO, self.info)
        report = _report(self.info, training, path)
        for name, text in ((run.REPORT, render_report(report)), (run.CARD, render_card(report))):
            with replace_file(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")


def train(
    data: Dataset | str | Path,
    *,
    backbone: str | None = None,
    head: str = DEFAULT_HEAD,
    strategy: str = "features",
    weights: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    runtime: str | None = None,
    against: str | None = None,
    refit: bool = False,
    max_unreadable: float = MAX_UNREADABLE,
) -> Model:
    """Train a classifier and measure it on the held-out part of the data.

    Args:
        data: a `Dataset`, or a path for `tlplug.load_data`.
        backbone: its name; the modality's default when None.
        head: its name.
        strategy: ``features``: the backbone stays frozen.
        weights: name of a weight set of the backbone, or ``random``; its first one when None.
        options: values by address, such as ``{"head.dropout": 0.2, "preprocess.aspect": "crop"}``.
        seed: of the split, the folds and whatever else is random.
        runtime: how the backbone is run; the best that takes it when None.
        against: ``random`` measures the same head on random weights as well.
        refit: afterwards fit the head on the held-out part too; the figures stay those measured before.
        max_unreadable: the share of unreadable examples above which nothing is trained.

    Raises:
        UsageError: a name or an option that does not exist or fit.
        DataError: the data cannot be used.
        WeightsError: the weights cannot be had.

    Example::

        data = tlplug.load_data("photos/", holdout=0.2, seed=0)
        model = tlplug.train(data, backbone="efficientnet_lite0")
        print(model.metrics["test"]["accuracy"])
        model.save("runs/photos")
    """
    started = time.perf_counter()
    check_strategy(strategy)
    if against not in (None, RANDOM):
        raise UsageError(f"A model can be measured against 'random'. Received: {against!r}.")
    parts = split_options(options or {})
    head_entry = registry().get("head", head)
    choice = HeadChoice(head_entry, parse_options("head", head_entry.record.options, parts["head"]), seed)
    if not isinstance(data, Dataset):
        data = load_data(data, seed=seed, options=parts["reader"])
    if not len(data.test):
        raise UsageError("The data set has no test part to report on. Valid: tlplug.load_data(...) makes one.")
    selection = select_backbone(
        backbone,
        modality=data.modality,
        weights=weights,
        options=parts["backbone"],
        preprocess_options=parts["preprocess"],
        seed=seed,
    )
    training = train_frozen(
        data,
        selection,
        choice,
        runtime=runtime,
        against_random=against == RANDOM,
        refit=refit,
        max_unreadable=max_unreadable,
    )
    info = _info(training, selection, choice, strategy, refit)
    info["seconds"] = round(time.perf_counter() - started, 3)
    return Model(training.predictor, training.metrics, info, training=training)


def load(path: str | Path) -> Model:
    """Load a run.

    Args:
        path: the folder of a run.

    Raises:
        RunError: it is none, or it is damaged.
        PluginError: it needs a plugin that is not there.
    """
    path = Path(path)
    info = run.read_info(path)
    predictor = Predictor.load(path / run.MODEL)
    predictor.preprocess.entry()
    return Model(predictor, read_json(path / run.METRICS), info, path=path)


class BackboneHandle:
    """A backbone by name: what is known of it, and how to get it as a plain Keras model."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self.record = selection.entry.record
        self.name = selection.entry.name
        self.modality = self.record.modality
        self.plugin = str(selection.entry.plugin)

    def build(self) -> keras.Model:
        """Return the network with its weights: arrays in, pooled embedding out; for code of your own."""
        return self.built().model

    def built(self) -> BuiltBackbone:
        """Return the network with what is known of it."""
        return build_backbone(self._selection)


def backbone(name: str, *, modality: str | None = None, weights: str | None = None, **options: Any) -> BackboneHandle:
    """Find a backbone.

    Args:
        name: as ``tlplug backbones`` lists it.
        modality: for families whose backbones can take any.
        weights: name of a weight set, or ``random``.
        **options: of the backbone.

    Example::

        base = tlplug.backbone("mobilenet_v2", weights="random", image_size=96).build()
    """
    return BackboneHandle(select_backbone(name, modality=modality, weights=weights, options=options))


def list_backbones(modality: str | None = None) -> list[dict[str, Any]]:
    """List the backbones: dicts with ``name``, ``modality``, ``plugin``, ``version`` and more."""
    return [row for row in _rows("backbone") if modality in (None, row["modality"]) or row["modality"] is None]


def list_heads() -> list[dict[str, Any]]:
    """List the heads."""
    return _rows("head")


def list_preprocesses() -> list[dict[str, Any]]:
    """List the preprocesses."""
    return _rows("preprocess")


def list_runtimes() -> list[dict[str, Any]]:
    """List the runtimes."""
    return [
        {**row, "available": bool(load_reference(entry.record.available)())}
        for row, entry in zip(_rows("runtime"), registry().entries("runtime"), strict=True)
    ]


def list_exporters() -> list[dict[str, Any]]:
    """List the exporters."""
    return _rows("exporter")


def list_readers() -> list[dict[str, Any]]:
    """List the readers."""
    return _rows("reader")


def list_plugins() -> list[dict[str, Any]]:
    """List the plugins, those that cannot be used included: ``error`` says why."""
    return [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "hooks": list(plugin.hooks),
            "names": list(plugin.names),
            "error": plugin.error,
        }
        for plugin in registry().host.plugins
    ]


def load_plugin(path: str | Path) -> Plugin:
    """Load a plugin file, as ``--plugin FILE`` does."""
    return registry().load_file(Path(path))


def describe(entry: Entry) -> dict[str, Any]:
    """Return what a record says of itself, as JSON can hold it."""
    record = entry.record
    described: dict[str, Any] = {
        "name": entry.name,
        "modality": getattr(record, "modality", None),
        "plugin": entry.plugin.distribution,
        "version": entry.plugin.version,
    }
    for name in ("summary", "licence", "reference", "parameters", "priority", "suffix", "suffixes", "tasks"):
        if hasattr(record, name):
            value = getattr(record, name)
            described[name] = list(value) if isinstance(value, tuple) else value
    if getattr(record, "input_shape", None) is not None:
        described["input_shape"] = list(record.input_shape)
    if hasattr(record, "weights"):
        described["weights"] = list(record.weights)
    if hasattr(record, "options"):
        described["options"] = [
            {
                "name": f"{entry.kind}.{option.name}",
                "type": option.type.__name__,
                "default": option.default,
                "choices": list(option.choices),
                "help": option.help,
            }
            for option in record.options
        ]
    return described


def _rows(kind: str) -> list[dict[str, Any]]:
    return [describe(entry) for entry in registry().entries(kind)]


def _info(training: Training, selection: Selection, choice: HeadChoice, strategy: str, refit: bool) -> dict[str, Any]:
    data, compiled = training.data, training.predictor.compiled
    counts = {part: int((data.splits == part).sum()) for part in ("train", "validation", "test")}
    identity = selection.identity() or {}
    plugins = {str(entry.plugin): entry.identity for entry in (selection.entry, selection.preprocess, choice.entry)}
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "data": data.origin,
        "modality": data.modality,
        "examples": counts,
        "classes": data.part("train").counts(),
        "backbone": {**compiled.about, "digest": compiled.digest, "weights_digest": identity.get("weights_digest")},
        "preprocess": training.predictor.preprocess.to_json(),
        "head": {
            "name": training.head.name,
            "options": dict(training.head.options),
            "chosen": dict(training.head.chosen),
        },
        "strategy": strategy,
        "refit": refit,
        "runtime": {"name": compiled.runtime, "difference_from_keras": compiled.difference},
        "seed": choice.seed,
        "features_computed": training.computed,
        "skipped": [{"source": item.source, "reason": item.reason} for item in training.skipped],
        "plugins": plugins,
        "plugin_files": _plugin_files(),
        "versions": {**_versions(), "python": platform.python_version()},
    }


def _plugin_files() -> dict[str, str]:
    """The sha256 of each plugin file in use: what ``--plugin`` must be given again."""
    files = {}
    for plugin in registry().host.plugins:
        source = getattr(plugin.module, "__file__", None)
        if not plugin.version and source and plugin.distribution.endswith(".py"):
            files[plugin.distribution] = file_digest(Path(source))
    return files


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _report(info: Mapping[str, Any], training: Training, path: Path) -> ReportInput:
    backbone_info, head, examples = info["backbone"], info["head"], info["examples"]
    weights = f" ({backbone_info['weights']} weights)" if backbone_info["weights"] else ""
    fitted_on = examples["train"] + examples["validation"]
    facts = [
        (
            "data",
            f"{info['data']}: {sum(examples.values())} {info['modality']} examples, {len(info['classes'])} classes",
        ),
        ("split", ", ".join(f"{count} {part}" for part, count in examples.items() if count) + f"; seed {info['seed']}"),
        ("backbone", f"{backbone_info['name']}{weights}, frozen, by {backbone_info['plugin']}"),
        ("head", f"{head['name']} {_settings({**head['options'], **head['chosen']})}"),
        ("preprocess", f"{info['preprocess']['name']} {_settings(info['preprocess']['options'])}"),
        ("runtime", f"{info['runtime']['name']}, within {info['runtime']['difference_from_keras']:.0e} of Keras"),
        ("versions", ", ".join(f"{name} {version}" for name, version in info["versions"].items())),
    ]
    if backbone_info.get("licence"):
        facts.insert(3, ("licence of the weights", backbone_info["licence"]))
    if info["refit"]:
        facts.insert(2, ("refit", "after these figures were measured, the head was fitted on all examples"))
    preview = training.predictor.preprocess.entry().record.preview
    return ReportInput(
        title=path.name,
        lead=(
            f"A {head['name']} head on {backbone_info['name']}{weights}, fitted to {fitted_on} examples of "
            f"{len(info['classes'])} classes: {percent(training.metrics['test']['accuracy'])} of the held-out ones are "
            "answered rightly."
        ),
        run_name=str(path),
        metrics=training.metrics,
        evaluation=training.evaluation,
        train_counts=info["classes"],
        facts=facts,
        skipped=training.skipped,
        preview=load_reference(preview) if preview else None,
    )


def _settings(values: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
    return f"({shown})" if shown else ""
