"""A training from what people ask for to what it gave: everything is checked and chosen, then the strategy trains."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlplug.backbones import RANDOM, other_backbones, select_backbone, split_options
from tlplug.data import Dataset, load_data
from tlplug.errors import UsageError
from tlplug.heads import HeadChoice
from tlplug.training.auto import train_auto
from tlplug.training.callbacks import check_callbacks, with_scalars
from tlplug.training.candidate import TrainingContext
from tlplug.training.fine_tune import train_tuned
from tlplug.training.frozen import Training, train_frozen
from tlplug.training.provenance import run_info
from tlplug.training.settings import check_tuning
from tlplug.training.strategy import AUTO


def run_training(
    data: Dataset | str | Path,
    *,
    backbone: str | None,
    head: str,
    strategy: str,
    stages: int | None,
    unfreeze: str | None,
    augment: str,
    weights: str | None,
    options: Mapping[str, Any] | None,
    seed: int,
    runtime: str | None,
    against: str | None,
    refit: bool,
    max_unreadable: float,
    checkpoints: str | Path | None,
    callbacks: Sequence[Any],
    tensorboard: str | Path | None,
) -> tuple[Training, dict[str, Any]]:
    """Train a classifier; the arguments and errors are those of `tlplug.train`.

    Returns:
        What training gave, and how it was made, as run.json holds it.
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
    if tuning is None and callbacks:
        raise UsageError("Callbacks are for a backbone that trains. Valid: strategy='fine-tune'.")
    check_callbacks(callbacks, kept=checkpoints is not None)
    if strategy == "scratch" and weights not in (None, RANDOM):
        raise UsageError(
            f"The strategy 'scratch' starts from random weights. Received: --weights {weights}. Valid: --strategy full."
        )
    if strategy == AUTO and unfreeze is not None and backbone is None:
        raise UsageError("--unfreeze names a layer of one backbone: say with --backbone of which.")
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
    context = TrainingContext(runtime, kept, with_scalars(callbacks or (), tensorboard) if tuning else ())
    arguments: dict[str, Any] = {"against_random": against == RANDOM, "max_unreadable": max_unreadable}
    if tuning is None:
        training = train_frozen(data, selection, choice, runtime=runtime, refit=refit, **arguments)
    elif strategy == AUTO:
        others = [] if backbone or weights or parts["backbone"] else other_backbones(selection, **chosen)
        training = train_auto(data, [selection, *others], choice, tuning, context, **arguments)
    else:
        training = train_tuned(data, selection, choice, tuning, context, **arguments)
    info = run_info(training, choice, strategy=strategy, refit=refit)
    info["seconds"] = round(time.perf_counter() - started, 3)
    return training, info
