"""The model that people hold, and the functions that give one: a facade over everything below."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlplug import run
from tlplug.backbones import options_for, split_options
from tlplug.data import Dataset, align_labels, load_examples
from tlplug.errors import TlplugWarning, UsageError
from tlplug.evaluation import Evaluation
from tlplug.export import Export, ExportSource, check_export, export_model, format_of
from tlplug.predictor import Prediction, Predictor
from tlplug.saving import write_run
from tlplug.training import FEATURES, MAX_UNREADABLE, Training, data_again, read_with, run_training, setup_again

DEFAULT_HEAD = "linear"


class Model:
    """A trained classifier, of `tlplug.train` or `tlplug.load`: predicts, evaluates, and is saved as a run folder.

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

    def __repr__(self) -> str:
        name, accuracy = self.info["backbone"]["name"], self.metrics["test"]["accuracy"]
        return f"<Model {self.info['head']['name']} on {name}: {len(self.classes)} classes, accuracy {accuracy:.3f}>"

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self.predictor.classes

    def predict(
        self,
        inputs: Sequence[Any],
        *,
        reader: str | None = None,
        options: Mapping[str, Any] | None = None,
        windows: bool = False,
    ) -> list[Prediction]:
        """Predict some inputs.

        Args:
            inputs: files, folders, patterns, tables, or other sources that the preprocess takes, such as arrays.
            reader: name of the reader of all files and folders; when left out, the surest one reads tables.
            options: of the reader, by address: ``{"reader.input": "text"}``; else those of the model's data if they fit
            windows: predict each window of a source on its own, such as each second of a recording.

        Returns:
            One `Prediction` for each source, or for each of its windows, which says as `span` where it is; one that
            cannot be read has `error` instead of a label.
        """
        if isinstance(inputs, str | Path):
            inputs = [inputs]
        settings = split_options(options or {})["reader"]
        return self.predictor.predict(inputs, settings, reader=reader, earlier=read_with(self.info), windows=windows)

    def evaluate(
        self, data: Dataset | str | Path, *, reader: str | None = None, options: Mapping[str, Any] | None = None
    ) -> Evaluation:
        """Measure the model on labelled examples.

        Args:
            data: a part of a `Dataset`, or a path: then its test part where it has one, else everything.
            reader: name of the reader of a path; the surest one when left out.
            options: of the reader, by address.

        Raises:
            DataError: it has classes that the model does not know, or nothing that can be read.
        """
        if isinstance(data, str | Path):
            settings = split_options(options or {})["reader"]
            fields: dict[str, Any] = {"reader": reader, "options": settings, "earlier": read_with(self.info)}
            data = load_examples(data, modality=self.predictor.modality, **fields)
        if data.modality != self.predictor.modality:
            raise UsageError(f"The model takes {self.predictor.modality}. Received: {data.modality} data.")
        aligned = data.relabelled(align_labels(data, self.classes), self.classes)
        probabilities, features = self.predictor.probabilities(aligned.sources, aligned.digests)
        return Evaluation.of(aligned, probabilities, features.failures)

    def fine_tune(
        self,
        data: Dataset | str | Path,
        *,
        stages: int | None = None,
        unfreeze: str | None = None,
        strategy: str = "fine-tune",
        augment: str = "none",
        options: Mapping[str, Any] | None = None,
        checkpoints: str | Path | None = None,
        callbacks: Sequence[Any] = (),
        tensorboard: str | Path | None = None,
    ) -> Model:
        """Train the backbone of a frozen model too; the model becomes the tuned one.

        It is what `train` does with the same backbone, weights, preprocess, head, options, seed and runtime.

        Args:
            data: a `Dataset` of the model's classes, or a path for `tlplug.load_data`, split with the model's seed.
            strategy: ``fine-tune``, ``full`` or ``auto``.
            options: of tuning, by address: ``{"tuning.epochs": 5}``.
            stages, unfreeze, augment, checkpoints, callbacks, tensorboard: see `tlplug.train`.

        Returns:
            The model itself. Where an error is raised it stays as it was.

        Raises:
            UsageError: it was tuned already, or something asked for does not exist or fit.
            DataError: the data has other classes, or cannot be used.
            TrainingError: fine-tuning came to nothing.
        """
        asked: dict[str, Any] = {
            "strategy": strategy,
            "stages": stages,
            "unfreeze": unfreeze,
            "augment": augment,
            "callbacks": callbacks,
            "tensorboard": tensorboard,
        }
        setup = setup_again(self.info, options or {}, **asked)
        tuned = train(data_again(self.info, data), checkpoints=checkpoints, **asked, **setup)
        self.predictor, self.metrics, self.info = tuned.predictor, tuned.metrics, tuned.info
        self.path, self._training = None, tuned._training
        return self

    def save(self, path: str | Path, *, examples: bool = True) -> Path:
        """Write the run folder: the model, its figures, answers, report and card.

        Args:
            path: of the folder.
            examples: whether it keeps copies of some examples, on which exports are proven.

        Raises:
            RunError: there is something of that name already, or it cannot be written.
        """
        path = Path(path)
        with run.new_run(path) as folder:
            self.write(folder, path, examples=examples)
        return path

    def write(self, folder: Path, path: Path, *, examples: bool) -> None:
        """Write the files of a run into `folder`, which will be called `path` when all is there; see `save`."""
        training = self._training
        if training is None:
            raise UsageError(f"This model was loaded from {str(self.path)!r}: copy that folder instead.")
        self.path = path
        write_run(folder, path, training, self.metrics, self.info, examples=examples)

    def export(
        self,
        path: str | Path,
        *,
        format: str | None = None,
        options: Mapping[str, Any] | None = None,
        tolerance: float | None = None,
        force: bool = False,
    ) -> Export:
        """Write the model as a file that other systems load, proven to give the same answers.

        Args:
            path: of a new folder, which gets the model, what loads it, and the proof, see docs/deploy.md. With the
                ending of the format, ``photos.tflite``, it is that of the model alone, and the rest goes into
                ``photos.tflite.export``.
            format: ``savedmodel``, ``keras``, ``litert``, ``onnx`` or a plugin's; by the path's ending when None.
            options: of the exporter, by address: ``{"exporter.precision": "int8"}``.
            tolerance: the largest difference of a probability, instead of the format's own.
            force: keep the export even where it gives other answers.

        Returns:
            What was written, and how it answered held-out examples.

        Raises:
            UsageError, ExportError: see `tlplug.export.export_model`.

        Example::

            tlplug.load("runs/photos").export("photos.tflite").proof.arrays.difference
        """
        path, settings = Path(path), options_for("exporter", options or {}, "format")
        name = format or format_of(path)
        check_export(path, name, settings, tolerance, self.path)
        with tempfile.TemporaryDirectory(prefix="tlplug-export-") as folder:
            if self._training is not None:
                source = ExportSource.of_training(self._training, self.info, Path(folder))
            else:
                source = ExportSource.of_run(Path(str(self.path)), self.info, self.predictor)
            return export_model(source, path, name, settings, tolerance=tolerance, force=force)


def train(
    data: Dataset | str | Path,
    *,
    backbone: str | None = None,
    head: str = DEFAULT_HEAD,
    strategy: str = FEATURES,
    stages: int | None = None,
    unfreeze: str | None = None,
    augment: str = "none",
    weights: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    runtime: str | None = None,
    against: str | None = None,
    refit: bool = False,
    max_unreadable: float = MAX_UNREADABLE,
    checkpoints: str | Path | None = None,
    callbacks: Sequence[Any] = (),
    tensorboard: str | Path | None = None,
) -> Model:
    """Train a classifier and measure it on the held-out part of the data.

    Args:
        data: a `Dataset`, or a path for `tlplug.load_data`.
        backbone: its name; the modality's default when None.
        head: its name.
        strategy: ``features``: the backbone stays frozen; ``fine-tune``: then its topmost stages train together with
            the head; ``full``: then all of it; ``scratch``: all of it, from random weights; ``auto``: what
            held-out training examples say with confidence is best among some frozen backbones, if none is named, and
            training 1, 2, 4 ... stages.
        stages: how many train with ``fine-tune``, from the top; 1 when None. With ``auto``, the only number tried.
        unfreeze: name of the lowest layer that trains, instead of `stages`.
        augment: ``none``, ``light`` or ``strong``: how the examples that train are changed at random.
        weights: name of a weight set of the backbone, or ``random``; its first one when None.
        options: values by address, such as ``{"head.dropout": 0.2, "tuning.epochs": 5}``.
        seed: of the split, the folds and whatever else is random.
        runtime: how the backbone is run; the best that takes it when None.
        against: ``random`` measures the same head on random weights as well.
        refit: afterwards fit the head on the held-out part too; the figures stay those measured before.
        max_unreadable: the share of unreadable examples above which nothing is trained.
        checkpoints: folder that keeps the state of fine-tuning after each epoch, and goes on from what is there.
        callbacks: of Keras, for fine-tuning.
        tensorboard: folder that fine-tuning writes its figures into after each epoch, for TensorBoard.

    Raises:
        TrainingError: fine-tuning came to nothing.
        UsageError: a name or an option that does not exist or fit.
        DataError: the data cannot be used.
        WeightsError: the weights cannot be had.

    Example::

        data = tlplug.load_data("photos/", holdout=0.2, seed=0)
        model = tlplug.train(data, backbone="efficientnet_lite0")
        print(model.metrics["test"]["accuracy"])
        model.save("runs/photos")
    """
    training, info = run_training(
        data,
        backbone=backbone,
        head=head,
        strategy=strategy,
        stages=stages,
        unfreeze=unfreeze,
        augment=augment,
        weights=weights,
        options=options,
        seed=seed,
        runtime=runtime,
        against=against,
        refit=refit,
        max_unreadable=max_unreadable,
        checkpoints=checkpoints,
        callbacks=callbacks,
        tensorboard=tensorboard,
    )
    return Model(training.predictor, training.metrics, info, training=training)


def load(path: str | Path) -> Model:
    """Load a run.

    Args:
        path: the folder of a run.

    Raises:
        RunError: it is none.
        DamagedRunError: its files are not as they were written.
        PluginError: it needs a plugin that is not there.
    """
    path = Path(path)
    info = run.read_info(path)
    predictor = Predictor.load(path / run.MODEL)
    if changed := predictor.preprocess.changed():
        warnings.warn(changed, TlplugWarning, stacklevel=2)
    return Model(predictor, run.read_metrics(path), info, path=path)
