"""Pictures prepared by TensorFlow's graph and by the code that travels along are those of the preprocess."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tlplug_vision import graph, graph_headers, graph_resizing, image, standalone
from tlplug_vision.pixels import flatten

from tlplug.testing import prepare_alone

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


def deep(kind, dtype, low=0, high=65535):
    """A file with more than 8 bits a pixel."""
    with np.errstate(over="ignore"):
        values = np.linspace(low, high, 70 * 90).reshape(70, 90).astype(dtype)
    return encoded(Image.fromarray(values), kind)


def files():
    for mode in ("RGB", "RGBA", "L", "LA", "P"):
        for size in ((150, 99), (30, 20), (700, 450)):
            yield f"{mode} {size}", encoded(picture(size, mode))
    for size in ((150, 99), (500, 375), (1600, 1200), (90, 900)):
        yield f"JPEG {size}", encoded(picture(size), "JPEG", quality=90)
    yield "grey JPEG", encoded(picture((500, 375), "L"), "JPEG", quality=90)
    for subsampling in range(3):
        settings = {"quality": 40, "subsampling": subsampling, "progressive": True}
        yield f"JPEG {settings}", encoded(picture((801, 633)), "JPEG", **settings)
    yield "PNG of two shades", encoded(picture((120, 90)).convert("1"), "PNG")
    yield "PNG of 16 bits", deep("PNG", np.uint16)
    yield "PNG of a short palette", encoded(picture((120, 90)).quantize(4), "PNG", bits=2)
    for mode, what in (("P", 3), ("P", bytes(range(0, 256, 4))), ("L", 100), ("RGB", (250, 250, 250))):
        made = picture((120, 90), mode)
        if mode == "RGB":
            made.paste(what, (20, 10, 70, 60))
        yield f"PNG {mode} of which {what} is transparent", encoded(made, "PNG", transparency=what)
    for mode in ("RGB", "RGBA", "LA", "P"):
        for size in ((48, 64), (48, 30), (20, 64)):  # some of which need no resizing
            yield f"{mode} {size}", encoded(picture(size, mode), "PNG")
    yield "BMP", encoded(picture((200, 100)), "BMP")


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("background", ["white", "black"])
def test_the_graph_gives_the_same_pixels_bit_for_bit(aspect, background):
    import tensorflow as tf

    settings = options(aspect, background)
    names, contents = zip(*files(), strict=True)
    module = graph.make(settings, {})
    run = tf.function(lambda raw: module(raw)[0]["image"], input_signature=[module.raw])
    found = run(tf.constant(contents)).numpy()
    assert found.dtype == np.uint8
    preprocess = image.make(settings, {})
    for name, content, pixels in zip(names, contents, found, strict=True):
        np.testing.assert_array_equal(preprocess(content)["image"], pixels, name)


def with_exif(content, metadata):
    """A JPEG with metadata of one's own making before all others."""
    return with_segment(content, b"Exif\0\0" + metadata)


def with_segment(content, segment):
    return content[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + content[2:]


def with_segment_last(content, segment):
    """A JPEG with metadata in front of its tables, behind all others."""
    place = content.index(b"\xff\xdb")
    return content[:2] + content[2:place] + with_segment(content[:2], segment)[2:] + content[place:]


def orientation_exif(number, order="<", kind=3, before=()):
    """Metadata with an orientation, behind as many other tags as stated."""
    entries = [struct.pack(f"{order}HHI4s", tag, 2, 1, b"x") for tag in before]
    value = struct.pack(f"{order}HH", number, 0) if kind == 3 else struct.pack(f"{order}I", number)
    entries.append(struct.pack(f"{order}HHI", 0x0112, kind, 1) + value)
    mark = b"II" if order == "<" else b"MM"
    header = mark + struct.pack(f"{order}HIH", 42, 8, len(entries))
    return header + b"".join(entries) + bytes(4)


def turned_files():
    plain = encoded(picture((300, 200)), "JPEG", quality=95)
    for number in range(10):
        yield f"little endian {number}", with_exif(plain, orientation_exif(number))
    for number in (6, 7):
        yield f"big endian {number}", with_exif(plain, orientation_exif(number, ">", before=(0x010F, 0x0110)))
    yield "a long number", with_exif(plain, orientation_exif(8, kind=4))
    large = encoded(picture((1600, 1200)), "JPEG", quality=95, icc_profile=bytes(300_000))
    yield "far behind", with_segment_last(large, b"Exif\0\0" + orientation_exif(5))
    yield "decoded smaller", with_exif(large, orientation_exif(6))
    turned = Image.Exif()
    turned[0x0112] = 8
    yield "behind a profile", encoded(picture((300, 200)), "JPEG", exif=turned, icc_profile=bytes(3000), quality=95)
    yield "filled up", plain[:2] + b"\xff\xff" + with_exif(plain, orientation_exif(6))[2:]
    yield "other data first", with_segment(with_exif(plain, orientation_exif(3)), b"http://ns.adobe.com/xap/1.0/\0<x/>")
    yield "damaged", with_exif(plain, b"II*\0\xff\xff\xff\x00")
    yield "cut off", with_exif(plain, orientation_exif(6)[:12])
    yield "none", plain
    for number in range(1, 9):
        turned[0x0112] = number
        yield f"PNG {number}", encoded(picture((300, 200)), "PNG", exif=turned)
    yield "PNG, big endian", encoded(picture((300, 200)), "PNG", exif=b"Exif\0\0" + orientation_exif(6, ">"))


@pytest.mark.parametrize("aspect", ASPECTS)
def test_the_graph_turns_pictures_as_the_preprocess_does(aspect):
    import tensorflow as tf

    settings = options(aspect)
    module, preprocess = graph.make(settings, {}), image.make(settings, {})
    run = tf.function(lambda raw: module(raw)[0]["image"], input_signature=[module.raw])
    names, contents = zip(*turned_files(), strict=True)
    for name, content, pixels in zip(names, contents, run(tf.constant(contents)).numpy(), strict=True):
        np.testing.assert_array_equal(preprocess(content)["image"], pixels, name)


@given(
    source=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    target=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    channels=st.sampled_from([1, 3, 4]),
    box=st.none() | st.tuples(*[st.floats(0, 0.45)] * 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_resizing_is_pillows_bit_for_bit(source, target, channels, box, seed):
    import tensorflow as tf

    pixels = np.random.default_rng(seed).integers(0, 256, (*source, channels), np.uint8)
    height, width = source
    top, left, bottom, right = box or (0.0, 0.0, 0.0, 0.0)
    corners = (left * width, top * height, width - right * width, height - bottom * height)
    bands = [Image.fromarray(np.ascontiguousarray(pixels[:, :, channel])) for channel in range(channels)]
    made = [band.resize(target[::-1], Image.Resampling.BILINEAR, corners, reducing_gap=2.0) for band in bands]
    left, top, right, bottom = corners
    start, stop = (tf.constant(side, tf.float64) for side in ((top, left), (bottom, right)))
    found = graph_resizing.resize(tf.constant(pixels, tf.int32), tf.constant(target), start, stop).numpy()
    np.testing.assert_array_equal(found, np.stack(made, axis=2))


@pytest.mark.parametrize("background", [(255, 255, 255), (128, 128, 128), (10, 0, 200)])
def test_every_colour_of_every_opacity_is_composed_as_pillow_does(background):
    import tensorflow as tf

    alpha, level = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    pixels = np.stack([level, 255 - level, level // 2, alpha], axis=2)
    through = Image.fromarray(pixels).convert("RGBa")
    premultiplied = graph_resizing.premultiplied(tf.constant(pixels, tf.int32))
    found = graph_resizing.in_front(graph_resizing.divided(premultiplied), background)
    expected = flatten(through.convert("RGBA"), background)
    np.testing.assert_array_equal(found.numpy(), np.asarray(expected))


@given(damage=st.binary(max_size=60), place=st.integers(0, 120), kind=st.sampled_from(["JPEG", "PNG"]))
@settings(max_examples=150, deadline=None)
def test_damaged_metadata_are_no_error(damage, place, kind):
    import tensorflow as tf

    content = encoded(picture((30, 20)), kind, exif=b"Exif\0\0" + orientation_exif(6))
    content = content[:place] + damage + content[place:]
    try:
        assert 1 <= int(graph_headers.read(tf.constant(content)).orientation) <= 8
    except tf.errors.InvalidArgumentError as error:
        assert "Invalid JPEG data" in str(error)  # noqa: PT017 - most damages are none to the picture


def other_files():
    """What TensorFlow does not read, and the code that travels along does."""
    yield "dark 16-bit PNG", deep("PNG", np.uint16, 100, 900)
    yield "16-bit TIFF", deep("TIFF", np.uint16)
    yield "32-bit TIFF", deep("TIFF", np.int32)
    yield "32-bit TIFF beyond 16 bits", deep("TIFF", np.int32, -70_000, 900_000)
    for low, high in ((0, 1), (0, 255), (-3, 900), (7, 7)):
        yield f"float TIFF {low} {high}", deep("TIFF", np.float32, low, high)
    for mode in ("CMYK", "LAB", "YCbCr"):
        yield f"TIFF {mode}", encoded(picture((120, 90)).convert(mode), "TIFF")
    for mode in ("1", "L", "LA", "P", "RGBA"):
        yield f"PNG {mode}", encoded(picture((120, 90), mode), "PNG")
    yield "transparent PNG", encoded(picture((120, 90), "P"), "PNG", transparency=3)
    for kind in ("WEBP", "JPEG2000", "PPM", "PCX", "AVIF"):
        yield kind, encoded(picture((120, 90)), kind)
    yield "animated", animated("WEBP")
    yield "MPO", encoded(picture((300, 200)), "MPO", save_all=True, append_images=[picture((300, 200), seed=1)])
    wrong = Image.Exif()
    wrong[0x0112] = 9
    yield "orientation 9", encoded(picture((300, 200)), "JPEG", exif=wrong)
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "turned TIFF", encoded(picture((300, 200)), "TIFF", exif=turned)
    yield "damaged EXIF", encoded(picture((300, 200)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x00")


def animated(kind):
    frames = [picture((90, 60), seed=seed) for seed in range(3)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=40)


ARRAYS = [
    (20, 30),
    (8, 8, 1),
    (9, 9, 3),
    (9, 9, 4),
    (1, 9, 3),
    (1, 1, 3),
    (9, 1, 3),
    (1, 9),
    (1, 1),
    (1, 1, 1),
    (5, 1, 1),
]


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
    for name, content in (*files(), *other_files()):
        found = standalone.prepare(standalone.read(content, about), about)["image"]
        np.testing.assert_array_equal(found[0], preprocess(content)["image"], name)
    for shape in ARRAYS:
        array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        found = standalone.prepare(standalone.read(array, about), about)["image"]
        np.testing.assert_array_equal(found[0], preprocess(array)["image"], str(shape))


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
def test_the_code_that_travels_along_knows_by_its_name_what_has_no_signature(mode, tmp_path):
    about, path = {"preprocess": {"options": options()}}, tmp_path / "picture.TGA"
    for content in (encoded(picture((120, 90), mode), "TGA"), encoded(picture((120, 90)), "JPEG")):
        path.write_bytes(content)
        found = standalone.prepare(standalone.read(path, about), about)["image"]
        np.testing.assert_array_equal(found[0], image.make(options(), {})(path)["image"])


def reason(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return ""


def refused():
    yield "empty", b""
    yield "text", b"no picture\n" * 20
    yield "cut off", encoded(picture((300, 200)), "PNG")[:500]
    yield "cut off TIFF", encoded(picture((300, 200)), "TIFF")[:500]
    yield "EPS", encoded(picture((20, 20)), "EPS")
    yield "ICO", encoded(picture((32, 32)), "ICO")
    yield "TGA without its name", encoded(picture((20, 20)), "TGA")
    yield "not finite", deep("TIFF", np.float32, 0, 1e39)
    yield "large", encoded(Image.new("1", (1001, 1000)), "PNG")
    yield "bomb", encoded(Image.new("1", (20_000, 20_000)), "PNG")
    yield "scans", encoded(picture((900, 900)), "JPEG", progressive=True) + b"\xff\xda\0" * 30
    for array in (np.zeros((4, 4), np.float32), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)):
        yield f"array {array.dtype} {array.shape}", array
    yield "four axes", np.zeros((1, 4, 4, 3), np.uint8)
    yield "None", None


def test_the_code_that_travels_along_refuses_in_one_line_what_the_preprocess_refuses(tmp_path):
    settings = {**options(), "max_pixels": 10**6}
    about, preprocess = {"preprocess": {"options": settings}}, image.make(settings, {})
    for name, source in (*refused(), ("missing", tmp_path / "none.png"), ("folder", tmp_path), ("name", "a\0b")):
        assert reason(lambda source=source: preprocess(source)), name
        found = reason(lambda source=source: standalone.prepare(standalone.read(source, about), about))
        assert len(found.splitlines()) == 1, name
    within = encoded(Image.new("1", (1000, 1000)), "PNG")
    np.testing.assert_array_equal(standalone.prepare(within, about)["image"][0], preprocess(within)["image"])


def test_heic_without_its_decoder_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install pillow-heif"):
        standalone.prepare(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", {"preprocess": {"options": options()}})


UNREAD = """
    import sys
    from pathlib import Path
    import tensorflow as tf
    program = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
    good, *others = [Path(name).read_bytes() for name in sys.argv[2:]]
    for other in others:
        try:
            program(tf.constant([good, other]))
        except tf.errors.InvalidArgumentError as error:
            print(str(error).splitlines()[0])
    print(program(tf.constant([good, good]))["image"].shape)
"""


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


def test_a_program_of_the_graph_refuses_what_it_does_not_read(tmp_path):
    """In a process of its own, which TensorFlow's decoder of WebP would end."""
    import tensorflow as tf

    module = graph.make(options(), {})
    served = tf.function(lambda raw: module(raw)[0], input_signature=[module.raw])
    stripped = tf.saved_model.SaveOptions(experimental_debug_stripper=True)  # as exports are
    tf.saved_model.save(module, str(tmp_path / "program"), signatures=served, options=stripped)
    contents = [
        encoded(picture((90, 60)), "PNG"),
        animated("WEBP"),
        animated("GIF"),
        encoded(picture((90, 60)), "WEBP"),
        deep("TIFF", np.uint16),
        encoded(picture((120, 90), "P"), "BMP"),
        encoded(picture((120, 90), "RGBA"), "BMP"),
        encoded(picture((120, 90), "P"), "GIF"),
        encoded(picture((120, 90), "CMYK"), "JPEG"),
        encoded(picture((120, 90)), "PNG", save_all=True, append_images=[picture((120, 90), seed=1)]),
        b"",
        b"B",
    ]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
    names = [tmp_path / str(number) for number in range(len(contents))]
    command = [sys.executable, "-c", textwrap.dedent(UNREAD), tmp_path / "program", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    *lines, shape = done.stdout.splitlines()
    assert shape == "(2, 64, 48, 3)"
    for line, content in zip(lines, contents[1:], strict=True):
        begins = " ".join(map(str, content[:4]))
        assert f"its first bytes are {begins}. Valid: {graph_headers.READ}." in line


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "BMP from top"])
def test_the_graph_refuses_what_is_too_large_before_it_decodes_it(kind):
    import tensorflow as tf

    content = encoded(picture((200, 100)), kind.split()[0])
    if kind == "BMP from top":
        content = content[:22] + struct.pack("<i", -100) + content[26:]
    least = graph.make({**options(), "max_pixels": 20_000}, {})
    assert least(tf.constant([content]))[0]["image"].shape == (1, 64, 48, 3)
    less = graph.make({**options(), "max_pixels": 19_999}, {})
    with pytest.raises(tf.errors.InvalidArgumentError, match="the picture has 20000 pixels in "):
        less(tf.constant([content]))


def test_the_code_that_travels_needs_neither_tlplug_nor_tensorflow(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture((300, 200))))
    arrays = prepare_alone("tlplug_vision.standalone", tmp_path / "a.png", options())
    assert {name: array.shape for name, array in arrays.items()} == {"image": (1, 64, 48, 3)}
