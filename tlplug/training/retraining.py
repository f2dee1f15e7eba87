"""What a model is made of, chosen again out of its run.json, so that more of it can be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlplug.backbones import RANDOM, Selection, select_backbone, split_options
from tlplug.data import Dataset, align_labels, load_again
from tlplug.errors import DataError, OptionError, UsageError, WeightsError
from tlplug.registry import registry
from tlplug.training.callbacks import check_callbacks
from tlplug.training.provenance import how_trained
from tlplug.training.settings import check_tuning

TUNING = ("fine-tune", "full", "auto")
"""Strategies that go on from a frozen model."""


def setup_again(
    info: Mapping[str, Any], options: Mapping[str, Any], *, strategy: str, callbacks: Sequence[Any], **asked: Any
) -> dict[str, Any]:
    """Return what `tlplug.train` takes to choose what a frozen model is made of, and to tune it.

    Args:
        info: as run.json holds it.
        options: of tuning, by address.
        strategy: that it is to be tuned by.
        callbacks: of Keras.
        **asked: what else `check_tuning` takes.

    Raises:
        UsageError: the model was tuned already, or what is asked for does not tune it or does not fit.
        OptionError: an option of another part.
        UnknownNameError: the backbone is not there.
        WeightsError: its weights are not those of the training.
    """
    if (info.get("tuning") or {}).get("epochs_trained"):
        raise UsageError(
            f"This model was tuned already ({how_trained(info)}). Valid: a frozen one, or a new training: "
            f"tlplug.train(data, backbone={info['backbone']['name']!r}, strategy='fine-tune')."
        )
    if strategy not in TUNING:
        raise UsageError(f"A model is tuned by one of {', '.join(TUNING)}. Received: the strategy {strategy!r}.")
    for address in options:
        if not address.startswith("tuning."):
            raise OptionError(
                f"A model that is tuned keeps the options of its parts. Received: {address!r}. Valid: those of tuning, "
                "such as tuning.epochs."
            )
    check_tuning(strategy, split_options(options)["tuning"], **asked)
    check_callbacks(callbacks)
    backbone, head = info["backbone"], info["head"]
    weights = RANDOM if str(backbone["weights"]).startswith(f"{RANDOM}, ") else backbone["weights"]
    chosen = {"backbone": _given(backbone), "preprocess": _given(info["preprocess"]), "head": _given(head)}
    chosen["preprocess"].pop("input_shape", None)  # follows from the backbone
    setup = {"backbone": _qualified("backbone", backbone), "weights": weights, "seed": info["seed"]}
    selection = select_backbone(
        setup["backbone"],
        modality=info["modality"],
        weights=weights,
        options=chosen["backbone"],
        preprocess_options=chosen["preprocess"],
        seed=info["seed"],
    )
    _check_weights(selection, backbone)
    addressed = {f"{part}.{name}": value for part, values in chosen.items() for name, value in values.items()}
    return {
        **setup,
        "head": _qualified("head", head),
        "runtime": info["runtime"]["name"],
        "options": {**addressed, **options},
    }


def data_again(info: Mapping[str, Any], data: Dataset | str | Path) -> Dataset:
    """Return data that a model can be tuned on, its classes in the model's order.

    Args:
        info: as run.json holds it.
        data: split; or a path, which is split with the model's seed.

    Raises:
        UsageError: data of another modality.
        DataError: data of other classes.
    """
    if not isinstance(data, Dataset):
        data = load_again(data, read_with(info), seed=info["seed"], modality=info["modality"])
    if data.modality != info["modality"]:
        raise UsageError(f"The model takes {info['modality']}. Received: {data.modality} data.")
    classes = tuple(info["classes"])
    if set(data.classes) != set(classes):
        new, missing = sorted(set(data.classes) - set(classes)), sorted(set(classes) - set(data.classes))
        differ = [f"{what} {', '.join(names[:5])}" for what, names in (("with", new), ("without", missing)) if names]
        raise DataError(
            f"A model is tuned on the classes that it knows. Received: {data.origin!r} {' and '.join(differ)}. "
            f"Valid: {', '.join(classes)}; for others train anew with tlplug.train."
        )
    return data.relabelled(align_labels(data, classes), classes)


def read_with(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the reader and the options that a model's data were read with, out of its run.json."""
    reader = info.get("reader") or {}
    return reader if isinstance(reader.get("options"), Mapping) else {}


def _given(part: Mapping[str, Any]) -> dict[str, Any]:
    """Its options as they can be given; what is None was left to the part itself."""
    return {name: value for name, value in part["options"].items() if value is not None}


def _qualified(kind: str, part: Mapping[str, Any]) -> str:
    """The name with what brought it, where somebody else brings one of that name too."""
    name = str(part["name"])
    others = [entry for entry in registry().entries(kind) if entry.name == name]
    return f"{part['distribution']}/{name}" if len(others) > 1 and part.get("distribution") else name


def _check_weights(selection: Selection, backbone: Mapping[str, Any]) -> None:
    """Refuse other weights of the same name; where they have no digest, nothing can be said."""
    now = (selection.identity() or {}).get("weights_digest")
    if now and backbone.get("weights_digest") and now != backbone["weights_digest"]:
        raise WeightsError(
            f"The weights {backbone['weights']!r} of {backbone['name']!r} are not those that the model was trained "
            f"with. Received: {now:.40}. Valid: {backbone['weights_digest']:.40}; or train anew with tlplug.train."
        )
