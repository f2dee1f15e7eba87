"""The whole way: synthesised sounds, trained on, kept, and predicted without TensorFlow and librosa."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import soundfile
from tlplug_audio.synthesis import write

import tlplug
from tlplug.registry import registry
from tlplug.weights import WeightsStore

PREDICT = """
import json, sys, tlplug
answers = [answer.to_json() for answer in tlplug.load(sys.argv[1]).predict(sys.argv[2:])]
heavy = [name for name in ("tensorflow", "keras", "librosa", "numba", "matplotlib") if name in sys.modules]
print(json.dumps([answers, heavy]))
"""


def test_sounds(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin,audio")
    write(tmp_path / "all")
    for kind in ("birds", "engines", "rain"):
        (tmp_path / "sounds" / kind).mkdir(parents=True)
        for path in sorted((tmp_path / "all" / kind).iterdir())[:12]:
            shutil.copy(path, tmp_path / "sounds" / kind)
    (tmp_path / "sounds" / "rain" / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "sounds" / "rain" / "silence.wav", np.zeros(16_000), 16_000)
    # The weights that the session has fetched, given by hand, so that nothing is fetched twice.
    entry = registry().get("backbone", "yamnet")
    WeightsStore().add(entry, "audioset", weights)
    model = tlplug.train(tlplug.load_data(tmp_path / "sounds", seed=1))
    assert model.metrics["test"]["accuracy"] >= 0.8
    assert model.info["remarks"] == {"silent": 1}
    (skipped,) = model.info["skipped"]
    assert skipped["source"].endswith("text.wav")
    run = model.save(tmp_path / "run")
    engine = sorted((tmp_path / "all" / "engines").iterdir())[-1]
    clip, rate = soundfile.read(engine)
    soundfile.write(tmp_path / "stereo.flac", np.stack([clip, clip], axis=1), rate)
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(run), str(tmp_path / "stereo.flac"), str(tmp_path / "gone.mp3")],
        capture_output=True,
        text=True,
        check=True,
    )
    (answer, gone), heavy = json.loads(done.stdout)
    assert heavy == []
    assert answer["label"] == "engines"
    assert gone["error"] == "There is no such file."
