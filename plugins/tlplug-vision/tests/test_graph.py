"""Pictures prepared by TensorFlow's graph and by the code that travels along are those of the preprocess."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from tlplug_vision import graph, image, standalone

ASPECTS = ("pad", "squash", "crop")


def options(aspect="pad", background="white"):
    return {"input_shape": (64, 48, 3), "aspect": aspect, "background": background, "max_pixels": 10**8}


def picture(size, mode="RGB", seed=0):
    """A smooth picture with some detail, as photographs are; transparent in parts where the mode has alpha."""
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (9, 7, 4), np.uint8)
    whole = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    return whole.quantize(64) if mode == "P" else whole.convert(mode)


def encoded(made, kind="PNG", **settings):
    file = io.BytesIO()
    made.save(file, kind, **settings)
    return file.getvalue()


def files():
    for mode in ("RGB", "RGBA", "L", "LA", "P"):
        for size in ((150, 99), (30, 20), (700, 450)):
            yield f"{mode} {size}", encoded(picture(size, mode))
    for size in ((150, 99), (500, 375), (1600, 1200), (90, 900)):
        yield f"JPEG {size}", encoded(picture(size), "JPEG", quality=90)
    yield "grey JPEG", encoded(picture((500, 375), "L"), "JPEG", quality=90)
    yield "GIF", encoded(picture((200, 100), "P"), "GIF")
    yield "BMP", encoded(picture((200, 100)), "BMP")


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("background", ["white", "black"])
def test_the_graph_gives_nearly_the_same_pixels(aspect, background):
    import tensorflow as tf

    settings = options(aspect, background)
    names, contents = zip(*files(), strict=True)
    module = graph.make(settings, {})
    run = tf.function(lambda raw: module(raw)[0]["image"], input_signature=[module.raw])
    found = run(tf.constant(contents)).numpy()
    assert found.dtype == np.uint8
    preprocess = image.make(settings, {})
    for name, content, pixels in zip(names, contents, found, strict=True):
        difference = np.abs(preprocess(content)["image"].astype(int) - pixels)
        assert difference.mean() < 0.6, name  # of 255
        assert difference.max() <= 8, name


@pytest.mark.parametrize("aspect", ASPECTS)
def test_the_code_that_travels_along_gives_the_same_pixels_bit_for_bit(aspect):
    settings = options(aspect)
    about, preprocess = {"preprocess": {"options": settings}}, image.make(settings, {})
    turned = Image.Exif()
    for orientation in range(1, 9):
        turned[0x0112] = orientation
        for kind in ("JPEG", "PNG"):
            content = encoded(picture((300, 200)), kind, exif=turned)
            found = standalone.prepare(standalone.read(content, about), about)["image"]
            np.testing.assert_array_equal(found[0], preprocess(content)["image"], f"{kind} {orientation}")
    for name, content in files():
        found = standalone.prepare(standalone.read(content, about), about)["image"]
        np.testing.assert_array_equal(found[0], preprocess(content)["image"], name)
    for array in (np.zeros((20, 30), np.uint8), np.full((8, 8, 1), 7, np.uint8), np.full((9, 9, 4), 99, np.uint8)):
        found = standalone.prepare(standalone.read(array, about), about)["image"]
        np.testing.assert_array_equal(found[0], preprocess(array)["image"])


def test_a_program_of_the_graph_needs_nothing_but_tensorflow(tmp_path):
    import tensorflow as tf

    module = graph.make(options(), {})
    served = tf.function(lambda raw: module(raw)[0], input_signature=[module.raw])
    tf.saved_model.save(module, str(tmp_path / "program"), signatures=served)
    loaded = tf.saved_model.load(str(tmp_path / "program"))
    content = encoded(picture((150, 99)))
    found = loaded.signatures["serving_default"](tf.constant([content, content]))["image"].numpy()
    assert found.shape == (2, 64, 48, 3)
    np.testing.assert_array_equal(found[0], module(tf.constant([content]))[0]["image"].numpy()[0])
