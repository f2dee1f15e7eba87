"""Real photographs to measure on: the stamps of Tux Paint, out of its Debian package, and larger sets made of them."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.packages import unpacked
from tlplug.storage import new_folder

PACKAGE = "tuxpaint-stamps-default"
INSTALLED = Path("/usr/share/tuxpaint/stamps")

CLASSES: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "birds": (("animals/birds", False),),
    "mammals": (("animals/mammals", True),),
    "insects_fish": (("animals/insects", False), ("animals/fish", False)),
    "fruit": (("food/fruit", False),),
    "vegetables": (("food/vegetables", False),),
    "flowers": (("plants/flowers", False),),
    "clothes": (("clothes", True),),
    "vehicles": (("vehicles", True),),
    "instruments": (("hobbies/music", True),),
}
"""The folders of stamps that make a class, and whether what lies deeper belongs to it."""

DRAWN = {"cartoon", "toys", "plastic"}
"""Folders whose stamps are no photographs of the thing."""


def tux_paint(target: Path) -> Path:
    """Put the nine classes, 235 photographs with transparent backgrounds, into `target` once; return it.

    The stamps come from the installed Debian package, else from one that is downloaded and unpacked.
    """
    if not target.exists():
        with new_folder(target) as folder, _stamps() as stamps:
            for name, places in CLASSES.items():
                (folder / name).mkdir()
                for number, file in enumerate(_photographs(stamps, places)):
                    shutil.copy(file, folder / name / f"{number:04}_{file.name}")
    return target


def made_photos(tux: Path, target: Path, count: int = 2000, seed: int = 0) -> Path:
    """Make JPEGs of 500 by 375 from the stamps, once: scaled, rotated, on a plain or noisy background."""
    import numpy as np
    from PIL import Image

    if not target.exists():
        files = sorted(tux.glob("*/*.png"))
        chance, generator = random.Random(seed), np.random.default_rng(seed)  # noqa: S311 - no secret
        with new_folder(target) as folder:
            for number in range(count):
                file = files[number % len(files)]
                colour = generator.integers(40, 230, 3)
                noise = generator.normal(0, chance.choice((2, 12, 30)), (375, 500, 3))
                picture = Image.fromarray((colour + noise).clip(0, 255).astype("uint8"))
                stamp = Image.open(file).convert("RGBA")
                scale = chance.uniform(0.5, 0.95) * min(500 / stamp.width, 375 / stamp.height)
                stamp = stamp.resize((max(1, int(stamp.width * scale)), max(1, int(stamp.height * scale))))
                stamp = stamp.rotate(chance.uniform(-25, 25), expand=True, resample=Image.Resampling.BICUBIC)
                stamp.thumbnail((500, 375))
                place = (chance.randint(0, 500 - stamp.width), chance.randint(0, 375 - stamp.height))
                picture.paste(stamp, place, stamp)
                (folder / file.parent.name).mkdir(exist_ok=True)
                picture.save(folder / file.parent.name / f"{number:05}.jpg", quality=90)
    return target


def held_out_stamps(tux: Path, photos: Path, target: Path, share: float = 0.2, seed: int = 0) -> Path:
    """Copy the photos of `made_photos` into ``train`` and ``test``, once: those of a share of each class's stamps test.

    So no stamp is in both parts.
    """
    files = sorted(tux.glob("*/*.png"))
    held_out = _sampled(files, share, seed)
    of_stamp = {photo for photo in photos.glob("*/*.jpg") if files[int(photo.stem) % len(files)] in held_out}
    return _parted(photos, of_stamp, target)


def held_out_photos(photos: Path, target: Path, share: float = 0.2, seed: int = 0) -> Path:
    """Copy photos into ``train`` and ``test``, once: a share of each class tests, whatever stamps they show."""
    return _parted(photos, _sampled(sorted(photos.glob("*/*.jpg")), share, seed), target)


def _sampled(files: Sequence[Path], share: float, seed: int) -> set[Path]:
    """A share of the files of each class."""
    chance, found = random.Random(seed), set[Path]()  # noqa: S311 - no secret
    for name in sorted({file.parent.name for file in files}):
        own = [file for file in files if file.parent.name == name]
        found.update(chance.sample(own, round(share * len(own))))
    return found


def _parted(photos: Path, test: set[Path], target: Path) -> Path:
    if not target.exists():
        with new_folder(target) as folder:
            for photo in sorted(photos.glob("*/*.jpg")):
                place = folder / ("test" if photo in test else "train") / photo.parent.name
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(photo, place)
    return target


def many_photos(photos: Path, target: Path, times: int = 10) -> Path:
    """Copy a set of JPEGs some times, once; every copy has other bytes after its end, so it is another example."""
    if not target.exists():
        with new_folder(target) as folder:
            for file in sorted(photos.glob("*/*.jpg")):
                (folder / file.parent.name).mkdir(exist_ok=True)
                data = file.read_bytes()
                for copy in range(times):
                    (folder / file.parent.name / f"{file.stem}-{copy}.jpg").write_bytes(data + bytes([copy]))
    return target


@contextlib.contextmanager
def _stamps() -> Iterator[Path]:
    """The folder of stamps for the time of a block."""
    if INSTALLED.is_dir():
        yield INSTALLED
    else:
        with unpacked(PACKAGE) as root:
            yield root / INSTALLED.relative_to("/")


def _photographs(stamps: Path, places: tuple[tuple[str, bool], ...]) -> Iterator[Path]:
    found: list[Path] = []
    for place, deep in places:
        files = (stamps / place).rglob("*") if deep else (stamps / place).glob("*")
        found += [file for file in files if file.suffix.lower() == ".png" and not DRAWN & set(file.parts)]
    return iter(sorted(found))
