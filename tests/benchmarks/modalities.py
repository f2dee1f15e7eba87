"""How fast on texts, sounds and series: against the libraries that people use, and cold against TensorFlow's import."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.accuracy import Row
from tests.benchmarks.process import TLPLUG, compare, run

PEERS = ("torch==2.13.0", "sentence-transformers==6.2.0")
"""What is installed into an environment of its own."""

PAIRS = 3

THEIR_TEXTS = """
import json, sys, time, torch
from sentence_transformers import SentenceTransformer
torch.set_num_threads(2)
model = SentenceTransformer(sys.argv[1], device="cpu")
model.max_seq_length = int(sys.argv[3])
texts = json.load(open(sys.argv[2]))
model.encode(texts[:32])
started = time.perf_counter()
model.encode(texts, batch_size=32)
print(len(texts) / (time.perf_counter() - started))
"""

OUR_TEXTS = """
import json, sys, time
from tlplug.backbones import select_backbone
from tlplug.features import extractor_for
options = {"long": "truncate", "max_length": int(sys.argv[2])}
extractor = extractor_for(select_backbone("minilm", modality="text", preprocess_options=options), keep=False)
texts = json.load(open(sys.argv[1]))
extractor.all(texts[:32])
started = time.perf_counter()
extractor.all(texts)
print(len(texts) / (time.perf_counter() - started))
"""

CLIPS = """
import sys, pathlib
from tlplug_audio.waveform import read
clips = [read(path, 600).samples for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.wav"))]
seconds = sum(map(len, clips)) / 16_000
"""

THEIR_SOUNDS = """
import time, tensorflow as tf
model = tf.saved_model.load(sys.argv[2]).signatures["serving_default"]
model(tf.constant(clips[0][None]))
started = time.perf_counter()
for clip in clips:
    for output in model(tf.constant(clip[None])).values():
        output.numpy()
print(seconds / (time.perf_counter() - started))
"""

OUR_SOUNDS = """
import time
from tlplug.backbones import select_backbone
from tlplug.features import extractor_for
options = {"layer": int(sys.argv[2])}
extractor = extractor_for(select_backbone("yamnet", modality="audio", options=options), keep=False)
extractor.all(clips[:8])
started = time.perf_counter()
extractor.all(clips)
print(seconds / (time.perf_counter() - started))
"""


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target."""
    data = {modality: _demo(modality, folder) for modality in ("text", "audio", "series")}
    yield from _texts(data["text"][0], folder)
    yield from _sounds(data["audio"][0], folder)
    tensorflow = functools.partial(run, [sys.executable, "-c", "import tensorflow"], folder)
    for modality, (files, path) in data.items():
        source = next(file for file in sorted(files.rglob("*.*")) if not file.name.startswith("."))
        ours, theirs, ratio = compare(functools.partial(run, [TLPLUG, "predict", path, source], folder), tensorflow, 5)
        measured = f"1/{ratio:.1f} of it ({ours:.2f} s against {theirs:.2f} s)"
        yield f"tlplug predict, {modality}, against python -c 'import tensorflow'", measured, "at most 1/4"


def _demo(modality: str, folder: Path) -> tuple[Path, str]:
    """Train on a plugin's demo data; return where they are, and the run."""
    run_of = json.loads(run([TLPLUG, "demo", modality, "--folder", "demo", "--json"], folder).output)["run"]
    return folder / "demo" / modality, run_of


def _texts(articles: Path, folder: Path) -> Iterator[Row]:
    from tlplug.registry import registry
    from tlplug.weights import WeightsStore

    python = folder / "sentence-transformers" / "bin" / "python"
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
    weights = WeightsStore().get(registry().get("backbone", "minilm"), "all-minilm-l6-v2").path
    texts = [file.read_text(encoding="utf-8") for file in sorted(articles.rglob("*.txt"))]
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    for length in (64, 256):
        theirs = [str(python), "-c", THEIR_TEXTS, str(weights), "texts.json", str(length)]
        ours = [sys.executable, "-c", OUR_TEXTS, "texts.json", str(length)]
        yield (
            f"minilm on {len(texts)} articles, the first {length} tokens, against sentence-transformers, same weights",
            _rates(ours, theirs, folder, "texts/s"),
            "goal 1.0",
        )


def _sounds(clips: Path, folder: Path) -> Iterator[Row]:
    from tlplug.registry import registry
    from tlplug.weights import WeightsStore

    weights = WeightsStore().get(registry().get("backbone", "yamnet"), "audioset").path
    theirs = [sys.executable, "-c", CLIPS + THEIR_SOUNDS, str(clips), str(weights)]
    for layer in (10, 14):
        ours = [sys.executable, "-c", CLIPS + OUR_SOUNDS, str(clips), str(layer)]
        what = f"yamnet up to layer {layer}, against its SavedModel called clip by clip"
        yield what, _rates(ours, theirs, folder, "s of sound a second"), "at least 3"


def _rates(ours: list[str], theirs: list[str], folder: Path, unit: str) -> str:
    """Compare what two programs print, the best of pairs in turn."""
    pairs = [(float(run(ours, folder).output), float(run(theirs, folder).output)) for _ in range(PAIRS)]
    best, other = (max(rates) for rates in zip(*pairs, strict=True))
    return f"{best / other:.1f} times ({best:,.0f} against {other:,.0f} {unit})"
