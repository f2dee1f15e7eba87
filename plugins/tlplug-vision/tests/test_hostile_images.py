"""Pillow's own test images (bombs, truncations, what fuzzers found): each is read or refused, within bounds."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import textwrap

import filelock
import PIL
import pytest

LIMIT = 3 << 30
"""Bytes of address space; the interpreter with NumPy and Pillow maps half a gigabyte."""

SCRIPT = """
    import json, resource, sys, time, warnings
    from pathlib import Path
    from PIL import Image, UnidentifiedImageError
    from tlplug_vision.formats import FORMATS
    from tlplug_vision.image import make, preview

    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
    warnings.simplefilter("error")
    read = make({"input_shape": (224, 224, 3)}, {})

    def outcome(use, source):
        started = time.perf_counter()
        try:
            use(source)
        except ValueError as error:
            wrong = "\\n" in str(error)
        except BaseException as error:
            wrong = repr(error)
        else:
            return "read", time.perf_counter() - started
        return wrong or "refused", time.perf_counter() - started

    def array(source):
        image = read(source)["image"]
        assert image.shape == (224, 224, 3) and image.dtype == "uint8"

    def plain(path):
        try:
            with Image.open(path, formats=FORMATS) as image:
                image.load()
            return True
        except Exception:
            return False

    for path in sorted(Path(sys.argv[1]).rglob("*")):
        if path.is_file():
            uses = [outcome(array, path), outcome(array, path.read_bytes()), outcome(preview, path)]
            line = {"name": path.name, "outcomes": [use[0] for use in uses], "plain": plain(path)}
            line["seconds"] = max(use[1] for use in uses)
            print(json.dumps(line))
    # Not ru_maxrss, which begins with what the process that started this one had in memory.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"kilobytes": int(peak.split()[1])}))
"""


@pytest.fixture(scope="session")
def pillow_images(test_cache):
    """The test images out of Pillow's source distribution."""
    folder = test_cache / f"pillow-{PIL.__version__}"
    with filelock.FileLock(test_cache / "pillow.lock"):
        if not folder.exists():
            _fetch(test_cache, folder)
    return folder


def _fetch(cache, folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary=pillow", "--dest", str(cache), f"pillow=={PIL.__version__}"]
    subprocess.run(command, check=True, capture_output=True)
    archive = cache / f"pillow-{PIL.__version__}.tar.gz"
    arriving = folder.with_suffix(".partial")
    with tarfile.open(archive) as tar:
        members = [member for member in tar if "/Tests/images/" in member.name]
        tar.extractall(arriving, members, filter="data")
    arriving.rename(folder)
    archive.unlink()


def test_every_hostile_image_is_read_or_refused_within_bounds(pillow_images):
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(pillow_images), str(LIMIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    *lines, usage = map(json.loads, done.stdout.splitlines())
    assert len(lines) > 1000
    odd = [line for line in lines if line["outcomes"] not in (["read"] * 3, ["refused"] * 3)]
    # A format without a signature is read from a file with its name, not from bytes.
    assert [line for line in odd if not line["name"].endswith(".tga")] == []
    assert all(set(line["outcomes"]) <= {"read", "refused"} for line in odd)
    lost = [line["name"] for line in lines if line["plain"] and "refused" in line["outcomes"]]
    assert lost == []
    assert sum(line["outcomes"][0] == "read" for line in lines) > 700
    assert max(line["seconds"] for line in lines) < 20
    assert usage["kilobytes"] < 1_000_000


IN_A_GRAPH = """
    import json, resource, sys
    from pathlib import Path
    import numpy as np
    import tensorflow as tf
    from tlplug_vision import graph, image

    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    options = {"input_shape": (64, 48, 3)}
    module, read = graph.make(options, {}), image.make(options, {})
    run = tf.function(lambda raw: module(raw)[0]["image"], input_signature=[module.raw])
    for path in sorted(Path(sys.argv[1]).rglob("*")):
        if path.is_file() and path.stat().st_size < 4_000_000:
            content, expected, found = path.read_bytes(), None, None
            try:
                expected = read(content)["image"].astype(int)
            except ValueError:
                pass
            try:
                found = run(tf.constant([content])).numpy()[0]
            except tf.errors.InvalidArgumentError:
                pass
            both = expected is not None and found is not None
            difference = int(np.abs(found - expected).max()) if both else None
            print(json.dumps([path.name, found is not None, expected is not None, difference]))
"""

TURNED_ELSEWHERE = {"exif_imagemagick_orientation.png", "xmp_tags_orientation.png", "xmp_tags_orientation_exiftool.png"}
"""Pictures whose orientation does not stand in EXIF metadata of their own."""

READ_ALONE = {"png_decompression_dos.png", "unknown_compression_method.png"}
"""What TensorFlow reads, and Pillow refuses for texts and profiles beside the picture."""


def test_the_graph_reads_them_as_the_preprocess_does_or_refuses_them(pillow_images):
    """In a process of its own, which a decoder could end, and whose memory is bounded."""
    command = [sys.executable, "-c", textwrap.dedent(IN_A_GRAPH), str(pillow_images)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = list(map(json.loads, done.stdout.splitlines()))
    assert {name for name, *_, difference in lines if difference} == TURNED_ELSEWHERE
    assert {name for name, found, expected, _ in lines if found and not expected} <= READ_ALONE
    assert sum(difference == 0 for *_, difference in lines) > 400
