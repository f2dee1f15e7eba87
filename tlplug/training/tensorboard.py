"""What TensorBoard shows of a training: its figures after each epoch. Importing this imports Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.compat.v1 import SummaryMetadata

from tlplug import progress
from tlplug.errors import UsageError, first_line
from tlplug.training.callbacks import FIGURES

_NAMES = {keras_name: name for name, keras_name in FIGURES.items()}


class Scalars(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes loss and rate, and accuracy and loss on held-out examples, with the number of the epoch as the step.

    ``tf.summary.scalar``, which Keras' own callback calls, is part of the package tensorboard; ``tf.summary.write``, of
    which it is made, is in TensorFlow. The package is needed to look at what was written.

    Args:
        folder: for the event files; each phase of a training has a subfolder.

    Raises:
        UsageError: it cannot be made.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.log_dir = str(folder)
        self._writer: Any = None
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"Cannot write for TensorBoard into {str(folder)!r}: {error.strerror}. Choose another folder."
            ) from error

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - the signature is that of Keras
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = {**(logs or {}), "learning_rate": float(self.model.optimizer.learning_rate)}
        try:
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(self.log_dir)
            with self._writer.as_default(epoch + 1):
                for name, value in values.items():
                    tf.summary.write(_NAMES.get(name, name), tf.constant(value, tf.float32), metadata=_scalar())
            self._writer.flush()
        except tf.errors.OpError as error:
            progress.note(f"Cannot write for TensorBoard into {self.log_dir}: {first_line(error)}")
            self._writer = tf.summary.create_noop_writer()

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        if self._writer is not None:
            self._writer.close()


def _scalar() -> Any:
    """What says that a number is one of a curve, as the plugin of TensorBoard that draws them has it."""
    metadata = SummaryMetadata(data_class=1)  # DATA_CLASS_SCALAR
    metadata.plugin_data.plugin_name = "scalars"
    return metadata
