"""Callbacks of Keras in a training that has two phases: choosing the number of epochs, and the final one."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tlplug.backbones import import_keras
from tlplug.errors import UsageError

FIGURES = {"validation_accuracy": "val_accuracy", "validation_loss": "val_loss"}
"""Figures of an epoch, and what callbacks of Keras know them as."""


def check_callbacks(callbacks: Sequence[Any], *, kept: bool = False) -> None:
    """Make callbacks ready for a training, and refuse those that cannot do their work in it.

    Args:
        callbacks: of Keras.
        kept: whether there are checkpoints, which do not hold the weights that a callback remembers.

    Raises:
        UsageError: they are none; or one sets the rate, which has a schedule of its own, or needs a package that is not
            installed.
    """
    if not callbacks:
        return
    keras = import_keras()
    listed = isinstance(callbacks, Sequence) and not isinstance(callbacks, str)
    for callback in callbacks if listed else [None]:
        if not isinstance(callback, keras.callbacks.Callback):
            raise UsageError(
                f"Callbacks are a list of callbacks of Keras. Received: {(callback if listed else callbacks)!r:.80}. "
                "Valid: callbacks=[keras.callbacks.TerminateOnNaN()]."
            )
        if getattr(callback, "monitor", None) == "val_accuracy" and getattr(callback, "mode", None) == "auto":
            callback.mode = "max"  # Keras knows that of metrics that a model was compiled with
        if kept and getattr(callback, "restore_best_weights", False):
            raise UsageError(
                "Checkpoints do not keep the weights that a callback goes back to. Valid: restore_best_weights=False "
                "(the best epoch is found on held-out examples anyway), or no checkpoints."
            )
        if isinstance(callback, keras.callbacks.LearningRateScheduler | keras.callbacks.ReduceLROnPlateau):
            raise UsageError(
                f"The callback {type(callback).__name__} sets the rate, which has a warm-up and half a cosine here. "
                "Valid: the options tuning.learning_rate and tuning.warmup."
            )
        if isinstance(callback, keras.callbacks.TensorBoard) and importlib.util.find_spec("tensorboard") is None:
            raise UsageError(
                "The callback TensorBoard of Keras needs the package tensorboard, which is not installed. Type: pip "
                "install 'tlplug[tensorboard]'; or use tensorboard=FOLDER, which needs nothing."
            )


def with_scalars(callbacks: Sequence[Any], folder: str | Path | None) -> Sequence[Any]:
    """Return callbacks with one that writes for TensorBoard into a folder, where there is to be one.

    Raises:
        UsageError: the folder cannot be made.
    """
    if folder is None:
        return callbacks
    import_keras()
    from tlplug.training.tensorboard import Scalars

    return [*callbacks, Scalars(folder)]


@contextlib.contextmanager
def in_phase(callbacks: Sequence[Any], phase: str, *, validated: bool) -> Iterator[list[Any]]:
    """Yield the callbacks of a phase.

    Those that write for TensorBoard write into a subfolder for each, because each counts its epochs from the first.

    Args:
        callbacks: all of them.
        phase: its name.
        validated: whether held-out examples are answered after each epoch; where not, callbacks that watch how are left
            out.
    """
    kept = [callback for callback in callbacks if validated or not _watches_validation(callback)]
    folders = [(callback, callback.log_dir) for callback in kept if hasattr(callback, "log_dir")]
    try:
        for callback, folder in folders:
            callback.log_dir = str(Path(folder) / phase)
        yield kept
    finally:
        for callback, folder in folders:
            callback.log_dir = folder


def states_of(callbacks: Sequence[Any]) -> list[tuple[str, dict[str, float]]]:
    """Return the numbers that callbacks have, such as for how long nothing was better."""
    return [
        (
            type(callback).__name__,
            {name: value for name, value in vars(callback).items() if isinstance(value, (int, float))},
        )
        for callback in callbacks
    ]


def remembered(callbacks: Sequence[Any], before: Sequence[tuple[str, Mapping[str, float]]]) -> list[Any]:
    """Return what of these numbers has changed since a training began: what a checkpoint keeps."""
    return [
        (kind, {name: value for name, value in state.items() if earlier.get(name) != value})
        for (kind, state), (_, earlier) in zip(states_of(callbacks), before, strict=True)
    ]


def give_back(callbacks: Sequence[Any], states: Sequence[tuple[str, Mapping[str, float]]]) -> None:
    """Let callbacks remember what those of the same kind at the same places did."""
    for callback, (kind, state) in zip(callbacks, states, strict=False):
        if type(callback).__name__ == kind:
            vars(callback).update(state)


def _watches_validation(callback: Any) -> bool:
    watched = str(getattr(callback, "monitor", ""))
    return watched.startswith("val_") and bool(getattr(callback, "save_best_only", True))


def keras_figures(figures: Mapping[str, float]) -> dict[str, float]:
    """Return the figures of an epoch under the names that callbacks of Keras know them by.

    >>> keras_figures({"loss": 0.5, "validation_accuracy": 0.9})
    {'loss': 0.5, 'val_accuracy': 0.9}
    """
    return {FIGURES.get(name, name): value for name, value in figures.items()}
