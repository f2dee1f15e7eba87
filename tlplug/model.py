"""The model that people hold, and the functions that give one: a facade over everything below."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlplug import run
from tlplug.backbones import RANDOM, other_backbones, select_backbone, split_options
from tlplug.data import Dataset, align_labels, load_data, load_examples
from tlplug.errors import DamagedRunError, TlplugWarning, UsageError
from tlplug.evaluation import Evaluation, render_card, render_report
from tlplug.heads import HeadChoice
from tlplug.predictor import Prediction, Predictor
from tlplug.storage import open_text, read_json, replace_file, write_json
from tlplug.training import (
    AUTO,
    FEATURES,
    MAX_UNREADABLE,
    Surroundings,
    Training,
    check_tuning,
    report_input,
    run_info,
    train_auto,
    train_frozen,
    train_tuned,
    with_scalars,
)

DEFAULT_HEAD = "linear"


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
            options: of the reader, by address: ``{"reader.input": "text"}``.
            windows: predict each window of a source on its own, such as each second of a recording.

        Returns:
            One `Prediction` for each source, or for each of its windows, which says as `span` where it is; one that
            cannot be read has `error` instead of a label.
        """
        if isinstance(inputs, str | Path):
            inputs = [inputs]
        settings = split_options(options or {})["reader"]
        return self.predictor.predict(inputs, settings, reader=reader, windows=windows)

    def evaluate(
        self, data: Dataset | str | Path, *, reader: str | None = None, options: Mapping[str, Any] | None = None
    ) -> Evaluation:
        """Measure the model on labelled examples.

        Args:
            data: a part of a `Dataset`, or a path: then its test part where it has one, else everything.
            reader: name of the reader of a path; the surest one when left out.
            options: of the reader, by address.

        Returns:
            The answers; `metrics` of it has the figures.

        Raises:
            DataError: it has classes that the model does not know, or nothing that can be read.
        """
        if isinstance(data, str | Path):
            settings = split_options(options or {})["reader"]
            data = load_examples(data, modality=self.predictor.modality, reader=reader, options=settings)
        if data.modality != self.predictor.modality:
            raise UsageError(f"The model takes {self.predictor.modality}. Received: {data.modality} data.")
        aligned = data.relabelled(align_labels(data, self.classes), self.classes)
        probabilities, features = self.predictor.probabilities(aligned.sources, aligned.digests)
        return Evaluation.of(aligned, probabilities, features.failures)

    def save(self, path: str | Path) -> Path:
        """Write the run folder: the model, its figures, answers, report and card.

        Raises:
            RunError: there is something of that name already, or it cannot be written.
        """
        path = Path(path)
        with run.new_run(path) as folder:
            self.write(folder, path)
        return path

    def write(self, folder: Path, path: Path) -> None:
        """Write the files of a run into `folder`, which will be called `path` when all is there."""
        training = self._training
        if training is None:
            raise UsageError(f"This model was loaded from {str(self.path)!r}: copy that folder instead.")
        self.path = path
        training.predictor.save(folder / run.MODEL, training.head)
        run.write_split(folder, training.data)
        training.evaluation.write_csv(folder / run.PREDICTIONS)
        write_json(folder / run.METRICS, self.metrics)
        write_json(folder / run.INFO, self.info)
        report = report_input(self.info, training, path)
        for name, text in ((run.REPORT, render_report(report)), (run.CARD, render_card(report))):
            with replace_file(folder / name) as temporary, open_text(temporary) as file:
                file.write(text)


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
    started = time.perf_counter()
    if not 0 <= max_unreadable <= 1:
        raise UsageError(
            f"The share that may be unreadable is from 0 to 1. Received: {max_unreadable}. Valid: --max-unreadable 0.5."
        )
    if against not in (None, RANDOM):
        raise UsageError(f"A model can be measured against 'random'. Received: {against!r}.")
    parts = split_options(options or {})
    tuning = check_tuning(
        strategy,
        parts["tuning"],
        stages=stages,
        unfreeze=unfreeze,
        augment=augment,
        refit=refit,
        tensorboard=tensorboard,
    )
    choice = HeadChoice.of(head, parts["head"], seed)
    if not isinstance(data, Dataset):
        data = load_data(data, seed=seed, options=parts["reader"])
    if not len(data.test):
        raise UsageError("The data set has no test part to report on. Valid: tlplug.load_data(...) makes one.")
    chosen: dict[str, Any] = {
        "modality": data.modality,
        "weights": weights,
        "options": parts["backbone"],
        "preprocess_options": parts["preprocess"],
        "sources": data.train.sources,
        "seed": seed,
    }
    selection = select_backbone(backbone, **chosen)
    kept = Path(checkpoints) if checkpoints is not None else None
    around = Surroundings(runtime, kept, with_scalars(callbacks, tensorboard) if tuning else ())
    arguments: dict[str, Any] = {"against_random": against == RANDOM, "max_unreadable": max_unreadable}
    if tuning is None:
        training = train_frozen(data, selection, choice, runtime=runtime, refit=refit, **arguments)
    elif strategy == AUTO:
        others = [] if backbone or weights or parts["backbone"] else other_backbones(selection, **chosen)
        training = train_auto(data, [selection, *others], choice, tuning, around, **arguments)
    else:
        training = train_tuned(data, selection, choice, tuning, around, **arguments)
    info = run_info(training, choice, strategy=strategy, refit=refit)
    info["seconds"] = round(time.perf_counter() - started, 3)
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
    try:
        metrics = read_json(path / run.METRICS)
    except (OSError, ValueError) as error:
        raise DamagedRunError(
            f"The run {str(path)!r} is damaged: its {run.METRICS} cannot be read. Train again."
        ) from error
    return Model(predictor, metrics, info, path=path)
