"""Mixup: every window of a batch is averaged with another one of the batch, and their targets are.

Sources: Zhang et al.: mixup: Beyond empirical risk minimization, 2018, arXiv:1710.09412; for what is kept at a cut, a
hidden layer, Verma et al.: Manifold mixup, 2019, arXiv:1806.05236, here always at that one layer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import Selection, build_network, cut_for, split_at, stages_of
from tlplug.errors import PluginError, UsageError, WeightsError
from tlplug.training.settings import Tuning

if TYPE_CHECKING:
    import keras

    from tlplug.training.batches import Batch

LEAST_AXES = 3
"""Axes of one example from which uint8 says how much there is of something, and not what it is."""


def mix(
    arrays: Mapping[str, NDArray[Any]],
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    alpha: float,
    generator: np.random.Generator,
) -> Batch:
    """Average each window of a batch with another one of it, drawn by a permutation; one share for all of them.

    Args:
        arrays: ``[n, ...]`` each, of floating point or uint8.
        targets: float32 ``[n, classes]``.
        weights: what each window counts, float32 ``[n]``.
        alpha: above 0; the share of a window itself is drawn from Beta(alpha, alpha).
        generator: of all chance.

    Returns:
        Arrays, targets and weights of the same names, shapes and dtypes.

    Example::

        arrays, targets, weights = mix(arrays, targets, weights, 0.2, np.random.default_rng(0))
    """
    share = float(generator.beta(alpha, alpha))
    return blend(arrays, targets, weights, generator.permutation(len(targets)), share)


def blend(
    arrays: Mapping[str, NDArray[Any]],
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    others: NDArray[np.int64],
    share: float,
) -> Batch:
    """Average each window with another one: ``share * own + (1 - share) * other``; see `mix`.

    Args:
        arrays, targets, weights: as for `mix`.
        others: which window each one is averaged with, int64 ``[n]``.
        share: of the window itself, 0 to 1.
    """
    if share == 1:  # a gap in the other window is none then
        return dict(arrays), targets, weights
    mixed = {name: _average(array, others, share) for name, array in arrays.items()}
    return mixed, _average(targets, others, share), _average(weights, others, share)


def _average(array: NDArray[Any], others: NDArray[np.int64], share: float) -> NDArray[Any]:
    """Computed in float32 at least, and rounded to integers where the array has those."""
    own = array.astype(np.result_type(array.dtype, np.float32), copy=False)
    mean = own * share
    mean += own[others] * (1 - share)
    if np.issubdtype(array.dtype, np.integer):
        np.rint(mean, out=mean)
    return mean.astype(array.dtype, copy=False)


def check_mixup(selections: Sequence[Selection], tuning: Tuning) -> None:
    """Refuse mixup where what trains takes arrays whose average says nothing; builds the networks to know.

    Args:
        selections: the backbones; one that cannot be built is left to what builds it later.
        tuning: what trains, and how.

    Raises:
        UsageError: what trains takes token ids, texts, or several arrays, such as ids and a mask; or there is no such
            stage or layer.
    """
    if not tuning.options["mixup"]:
        return
    for selection in selections:
        with contextlib.suppress(WeightsError, PluginError):
            _check(build_network(selection), selection, tuning)


def _check(model: keras.Model, selection: Selection, tuning: Tuning) -> None:
    named = selection.entry.record.stages
    cut = tuning.cut(model, selection.entry)
    taken = _inputs_above(model, cut)
    if _can_be_mixed(taken):
        return
    fewer = None
    if tuning.strategy != "scratch":
        counts = range(len(stages_of(model, named)) - 1, 0, -1)
        fewer = next((n for n in counts if _can_be_mixed(_inputs_above(model, cut_for(model, n, named)))), None)
    stages = f"{'--strategy fine-tune ' if tuning.strategy == 'full' else ''}--stages {fewer}"
    where = f"above the layer {cut!r}, takes" if cut else "all of it, takes"
    shown = ", ".join(f"{tensor.name} ({tensor.dtype} {list(tensor.shape[1:])})" for tensor in taken)
    raise UsageError(
        f"Mixup averages one array of floating point, or of uint8 with {LEAST_AXES} axes or more. Received: --set "
        f"tuning.mixup={tuning.options['mixup']:g}, and what trains of {selection.entry.name!r}, {where} {shown}. "
        f"Valid: {f'{stages}, or ' if fewer else ''}no mixup, --set tuning.mixup=0."
    )


def _inputs_above(model: keras.Model, cut: str | None) -> list[Any]:
    return list(model.inputs if cut is None else split_at(model, cut)[1].inputs)


def _can_be_mixed(tensors: Sequence[Any]) -> bool:
    """Whether there is one array alone, and its type is one of amounts; a mask beside it would have to be mixed too."""
    if len(tensors) != 1:
        return False
    dtype, axes = str(tensors[0].dtype), len(tensors[0].shape) - 1
    return dtype.startswith("float") or (dtype == "uint8" and axes >= LEAST_AXES)
