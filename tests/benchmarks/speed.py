"""How fast: whole processes against the tutorial, start-up against importing TensorFlow, extraction against Keras."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.photos import made_photos, tux_paint
from tests.benchmarks.process import TLPLUG, Usage, compare, run

TUTORIAL = str(Path(__file__).with_name("tutorial.py"))

KERAS_PREDICT = """
import sys, time, keras, tlplug
base = tlplug.backbone("mobilenet_v2", weights="dog-breeds").build()
data = keras.utils.image_dataset_from_directory(
    sys.argv[1], image_size=(224, 224), batch_size=32, shuffle=False, labels=None, verbose=False)
base.predict(data.take(1), verbose=0)
started = time.perf_counter()
base.predict(data, verbose=0)
print(time.perf_counter() - started)
"""

TLPLUG_EXTRACT = """
import sys, time, pathlib
from tlplug.backbones import select_backbone
from tlplug.features import extractor_for
extractor = extractor_for(select_backbone("mobilenet_v2", modality="image", weights="dog-breeds"), keep=False)
files = sorted(pathlib.Path(sys.argv[1]).glob("*/*.jpg"))
extractor.all(files[:32])
started = time.perf_counter()
extractor.all(files)
print(time.perf_counter() - started)
"""


def measure(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield rows of what, measured and target."""
    cache = folder / "cache"
    tux = tux_paint(folder / "tux")
    photos = made_photos(tux, folder / "photos")
    call = functools.partial(run, cwd=folder, TLPLUG_CACHE_DIR=str(cache))

    def tutorial(data: Path) -> Usage:
        return call([sys.executable, TUTORIAL, str(data), "--fine-tune", "0"])

    def train(data: Path, *, fresh: bool) -> Usage:
        shutil.rmtree(folder / "run", ignore_errors=True)
        if fresh:
            shutil.rmtree(cache / "features", ignore_errors=True)
        return call([TLPLUG, "train", str(data), "--out", "run"])

    train(tux, fresh=True)  # fetches the weights and compiles the backbone
    for name, data, times, fresh, target in (
        ("235 photos, empty feature cache", tux, 3, True, 7),
        ("2,000 photos, empty feature cache", photos, 1, True, 10),
        ("235 photos, features cached", tux, 3, False, 9),
    ):
        ours, theirs, ratio = compare(
            functools.partial(train, data, fresh=fresh), functools.partial(tutorial, data), times
        )
        measured = f"{ratio:.1f} times faster ({ours:.1f} s against {theirs:.1f} s)"
        yield f"tlplug train against the tutorial's ten frozen epochs, {name}", measured, f"at least {target}"

    train(tux, fresh=False)
    picture = str(next(tux.glob("birds/*")))
    tensorflow = functools.partial(call, [sys.executable, "-c", "import tensorflow"])
    for name, command, target in (
        ("tlplug backbones", [TLPLUG, "backbones"], 10),
        ("tlplug predict RUN one.png", [TLPLUG, "predict", "run", picture], 8),
    ):
        ours, theirs, ratio = compare(functools.partial(call, command), tensorflow, 5)
        measured = f"1/{ratio:.1f} of it ({ours:.2f} s against {theirs:.2f} s)"
        yield f"{name}, against python -c 'import tensorflow'", measured, f"at most 1/{target}"

    ours = float(call([sys.executable, "-c", TLPLUG_EXTRACT, str(photos)]).output)
    theirs = float(call([sys.executable, "-c", KERAS_PREDICT, str(photos)]).output)
    again = float(call([sys.executable, "-c", TLPLUG_EXTRACT, str(photos)]).output)
    ours = min(ours, again)
    measured = f"{theirs / ours:.1f} times ({2000 / ours:.0f} against {2000 / theirs:.0f} images/s)"
    yield (
        ("MobileNetV2 at 224 on 2,000 JPEGs, decoding included, against keras.Model.predict", measured, "at least 2")
    )
