"""The image preprocess, case by case, on files that the tests make."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFile
from tlplug_vision import decoding
from tlplug_vision.image import make, preview

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
FILES = (("JPEG", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("GIF", {}), ("BMP", {}), ("TIFF", {}), ("PPM", {}))
FILES = (*FILES, ("JPEG2000", {}), ("PCX", {}), ("TIFF", {"compression": "tiff_lzw"}), ("AVIF", {}), ("QOI", {}))


@pytest.fixture(scope="module")
def read():
    """Read a source at 32 by 32 pixels; ``read(source, height, width, **options)`` for anything else."""

    def read(source, height=32, width=32, **options):
        image = make({"input_shape": (height, width, 3), **options}, {})(source)["image"]
        assert image.shape == (height, width, 3)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        return image

    return read


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(size=(64, 64), left=RED, right=BLUE, mode="RGB"):
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, size[0], size[1]))
    return image


def photo(size=(200, 150)):
    y, x = np.mgrid[: size[1], : size[0]]
    return Image.fromarray(
        np.stack([127 + 120 * np.sin(x / 17), 127 + 120 * np.cos(y / 23), 127 + 60 * np.sin((x + y) / 31)], -1)
        .round()
        .astype(np.uint8)
    )


def close(pixel, colour, tolerance=6):
    return np.abs(pixel.astype(int) - colour).max() <= tolerance


def refused(read, source, reason, **options):
    with pytest.raises(ValueError, match=reason) as caught:
        read(source, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("kind", "options"), FILES)
def test_every_format_is_read_as_path_text_and_bytes(kind, options, read, tmp_path):
    content = encoded(halves(), kind, **options)
    path = tmp_path / "picture"
    path.write_bytes(content)
    results = [read(source) for source in (path, str(path), content, bytearray(content), memoryview(content))]
    assert close(results[0][16, 4], RED, 12)
    assert close(results[0][16, 27], BLUE, 12)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_a_format_without_signature_needs_its_file_name(read, tmp_path):
    (tmp_path / "picture.tga").write_bytes(encoded(halves(), "TGA"))
    assert close(read(tmp_path / "picture.tga")[16, 4], RED)
    refused(read, (tmp_path / "picture.tga").read_bytes(), "It is no image")


def test_a_pillow_image_and_an_array_give_what_their_file_gives(read):
    image = photo()
    expected = read(encoded(image))
    np.testing.assert_array_equal(read(image), expected)
    np.testing.assert_array_equal(read(np.asarray(image)), expected)
    np.testing.assert_array_equal(read(np.asfortranarray(np.asarray(image))), expected)


def test_a_pillow_image_is_left_as_it_was(read):
    image = Image.open(io.BytesIO(encoded(photo((800, 600)), "JPEG")))
    read(image)
    assert image.size == (800, 600)


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 3), (9, 7, 4)])
def test_arrays_of_every_allowed_shape(shape, read):
    array = np.full(shape, 90, np.uint8)
    expected = 255 - (255 - 90) * 90 / 255 if shape[-1] == 4 else 90
    assert close(read(array, 9, 7)[4, 3], [expected] * 3, 1)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4), bool),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((), np.uint8),
        np.array(["text"], object),
    ],
)
def test_other_arrays_are_refused_with_what_was_received(array, read):
    refused(read, array, rf"An image array is uint8 .* Received: {array.dtype} ")


@pytest.mark.parametrize("source", [None, 1, [1, 2], {"path": "x.png"}, object()])
def test_other_sources_are_refused_with_their_type(source, read):
    refused(read, source, rf"Received: {type(source).__name__}\.")


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_orientation_of_exif_is_applied(orientation, kind, read):
    # The red corner of the stored picture, and where each orientation says that it is to be shown.
    shown = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    image = Image.new("RGB", (96, 64), BLUE)
    image.paste(RED, (0, 0, 48, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    height, width = (96, 64) if orientation > 4 else (64, 96)
    result = read(encoded(image, kind, exif=exif), height, width)
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    assert close(result[rows[shown[0]], columns[shown[1]]], RED, 12)
    assert close(result[rows[1 - shown[0]], columns[1 - shown[1]]], BLUE, 12)


def test_damaged_exif_is_ignored(read):
    content = bytearray(encoded(halves(), "JPEG", exif=b"Exif\x00\x00II*\x00" + b"\xff" * 40))
    assert close(read(bytes(content))[16, 4], RED, 12)


def test_transparency_shows_the_background(read):
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    for background, colour in (("white", 255), ("grey", 128), ("black", 0)):
        assert close(read(encoded(clear), background=background)[16, 16], [colour] * 3, 0)
        assert close(read(encoded(half), background=background)[16, 16], [colour * 127 / 255] * 3, 1)
    assert close(read(encoded(Image.new("LA", (8, 8), (0, 0))))[16, 16], WHITE, 0)


def test_hidden_colour_does_not_bleed_into_edges(read):
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 31, 64))
    edge = read(encoded(image))[16, 14:18].astype(int)
    # Between red and white there is pink: the invisible green must not show.
    assert (edge[:, 1] == edge[:, 2]).all()


@pytest.mark.parametrize("transparency", [0, bytes([0, 255])])
def test_a_palette_with_transparency(transparency, read):
    image = Image.new("P", (64, 64), 0)
    image.putpalette([*GREEN, *RED])
    image.paste(1, (32, 0, 64, 64))
    result = read(encoded(image, "PNG", transparency=transparency))
    assert close(result[16, 4], WHITE)
    assert close(result[16, 27], RED)


def test_modes_of_eight_bits_and_fewer(read):
    assert close(read(encoded(Image.new("L", (8, 8), 77)))[0, 0], [77] * 3, 0)
    assert close(read(encoded(Image.new("1", (8, 8), 1)))[0, 0], WHITE, 0)
    assert close(read(encoded(Image.new("L", (8, 8), 77), transparency=77))[0, 0], WHITE, 0)
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette(GREEN)
    assert close(read(encoded(palette))[0, 0], GREEN, 0)
    assert close(read(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))[0, 0], RED, 3)
    for mode, value in (("YCbCr", (76, 85, 255)), ("HSV", (0, 255, 255)), ("RGBX", (255, 0, 0, 9))):
        assert close(read(Image.new(mode, (8, 8), value))[0, 0], RED, 3)
    for mode, value in (("La", (77, 255)), ("RGBa", (77, 77, 77, 255))):
        assert close(read(Image.new(mode, (8, 8), value))[0, 0], [77] * 3, 0)


def test_sixteen_bits_are_scaled_and_not_clipped(read):
    ramp = np.repeat(np.array([[0, 257 * 100, 257 * 200, 65535]], np.uint16), 4, axis=0)
    for source in (Image.fromarray(ramp), encoded(Image.fromarray(ramp)), encoded(Image.fromarray(ramp), "TIFF")):
        np.testing.assert_array_equal(read(source, 4, 4)[0, :, 0], [0, 100, 200, 255])
    wide = Image.fromarray(ramp.astype(np.int32))
    np.testing.assert_array_equal(read(wide, 4, 4)[0, :, 0], [0, 100, 200, 255])
    deep = Image.fromarray(np.array([[-100_000, 0, 100_000, 155_000]], np.int32))
    np.testing.assert_array_equal(read(deep, 1, 4)[0, :, 0], [0, 100, 200, 255])


def test_floating_point_pixels(read):
    unit = np.array([[0, 0.2, 0.4, 1]], np.float32)
    for array in (unit, unit * 255, unit * 4000 - 1000):
        for source in (Image.fromarray(array), encoded(Image.fromarray(array), "TIFF")):
            np.testing.assert_array_equal(read(source, 1, 4)[0, :, 0], [0, 51, 102, 255])
    constant = Image.fromarray(np.full((4, 4), 700, np.float32))
    assert len(np.unique(read(constant, 4, 4))) == 1
    refused(read, Image.fromarray(np.array([[0, np.nan]], np.float32)), "not finite")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_counts(kind, read):
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert close(read(content)[0, 0], RED, 12)


def test_aspect(read):
    wide = Image.new("RGB", (90, 30), RED)
    wide.paste(BLUE, (30, 0, 60, 30))
    padded = read(encoded(wide), 30, 30)
    assert (padded[:10] == 255).all()
    assert (padded[20:] == 255).all()
    assert close(padded[15, 15], BLUE)
    assert (read(encoded(wide), 30, 30, background="black")[:10] == 0).all()
    cropped = read(encoded(wide), 30, 30, aspect="crop")
    assert close(cropped[15, 2], BLUE)
    assert close(cropped[15, 27], BLUE)
    squashed = read(encoded(wide), 30, 30, aspect="squash")
    assert close(squashed[1, 2], RED)
    assert close(squashed[15, 15], BLUE)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
@pytest.mark.parametrize("aspect", ["pad", "crop", "squash"])
def test_extreme_shapes(size, aspect, read):
    result = read(Image.new("RGB", size, RED), 24, 40, aspect=aspect)
    assert (result == RED).all(axis=-1).any()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_smaller_with_nearly_the_same_result(progressive, orientation, read):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(photo((1600, 1200)), "JPEG", quality=95, progressive=progressive, exif=exif)
    for aspect in ("pad", "crop", "squash"):
        drafted = read(content, 48, 64, aspect=aspect)
        whole = read(Image.open(io.BytesIO(content)), 48, 64, aspect=aspect)
        assert np.abs(drafted.astype(int) - whole).mean() < 1.5


def test_more_pixels_than_allowed_are_refused_before_they_are_decoded(read):
    content = encoded(Image.new("1", (4000, 4000)))
    refused(read, content, r"4000 by 4000 pixels\. Valid: at most 1,000,000 \(--set", max_pixels=1_000_000)
    refused(read, np.zeros((50, 50), np.uint8), "50 by 50 pixels", max_pixels=100)


def png(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize("side", [10_000, 20_000, 2_000_000_000])
def test_a_decompression_bomb_costs_nothing(side, read):
    refused(read, png(side, side) + b"\x00\x00\x10\x00IDAT" + bytes(64), "pixels")


def test_a_jpeg_of_endless_scans_is_refused(read):
    content = encoded(photo((640, 480)), "JPEG", progressive=True)
    start = content.rindex(b"\xff\xda")
    scan = content[start:-2]
    refused(read, content[:-2] + scan * 6000 + content[-2:], "scans of 640 by 480 pixels, too many")


@pytest.mark.parametrize(("kind", "options"), FILES)
def test_a_file_cut_in_the_middle_is_refused(kind, options, read):
    content = encoded(photo((64, 48)), kind, **options)
    refused(read, content[: len(content) // 2], "damaged|truncated")


def test_what_is_no_image_is_refused_with_what_is_valid(read, tmp_path):
    refused(read, b"", "The file is empty")
    refused(read, b"%PDF-1.7 and so on", r"starts with 25 50 44 46 2d 31 2e 37 .*\. Valid: JPEG, PNG.* image\.$")
    refused(read, tmp_path / "none.png", "There is no such file")
    refused(read, tmp_path, "It is not a regular file")
    refused(read, Path("\0.png"), "There is no such file")
    os.mkfifo(tmp_path / "pipe.png")
    refused(read, tmp_path / "pipe.png", "It is not a regular file")


def test_a_file_that_would_start_a_program_is_never_opened(read, tmp_path):
    content = encoded(halves(), "EPS")
    (tmp_path / "picture.eps").write_bytes(content)
    refused(read, content, "It is no image")
    refused(read, tmp_path / "picture.eps", "It is no image")
    with Image.open(tmp_path / "picture.eps") as image:
        refused(read, image, r"opened from a EPS file .* Valid: image.convert")


def test_a_huge_file_is_refused_unread(read, tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(decoding.MAX_BYTES + 1)
    refused(read, tmp_path / "huge.png", "1,073,741,825 bytes. Valid: at most")


def test_heic_without_its_decoder_says_what_to_install(read, monkeypatch):
    monkeypatch.setattr(decoding, "_heif_available", lambda: False)
    refused(read, b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "pip install pillow-heif")


def test_pillows_own_warnings_do_not_come_through(read):
    content = encoded(halves(), "TIFF")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        preprocess = make({"input_shape": (8, 8, 3)}, {})
        warnings.warn_explicit("odd file", UserWarning, ImageFile.__file__, 1, module="PIL.ImageFile")
        preprocess(content)
    assert caught == []


def test_it_works_from_several_threads(read):
    sources = [encoded(photo((300, 200)), kind) for kind in ("JPEG", "PNG", "WEBP")]
    expected = [read(source) for source in sources]
    preprocess = make({"input_shape": (32, 32, 3)}, {})
    wrong = []

    def work():
        for _ in range(30):
            for source, result in zip(sources, expected, strict=True):
                if not np.array_equal(preprocess(source)["image"], result):
                    wrong.append(source)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("shape", [None, (None, None, 3), (32, 32), (32, 32, 1), (0, 32, 3)])
def test_an_open_input_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"Images need an input shape \(height, width, 3\)\. Received: "):
        make({"input_shape": shape}, {})


def test_previews_are_small_pictures(tmp_path):
    large, small = encoded(photo((800, 600)), "JPEG"), encoded(photo((8, 8)))
    for source, kind, size in ((large, "image/jpeg", (128, 96)), (small, "image/png", (8, 8))):
        media_type, content = preview(source)
        assert media_type == kind
        with Image.open(io.BytesIO(content)) as image:
            assert image.size == size
            assert image.mode == "RGB"
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(preview(encoded(photo((800, 600)), "JPEG", exif=exif))[1])) as image:
        assert image.size == (96, 128)
    with pytest.raises(ValueError, match="It is no image"):
        preview(b"nothing of the kind")


@settings(max_examples=150, deadline=None)
@given(array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)))
def test_any_uint8_array_is_read_or_refused(array, read):
    fits = array.size and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4)))
    if fits:
        read(array, 5, 7)
    else:
        refused(read, array, "An image array is uint8")


PREFIXES = [encoded(photo((24, 16)), kind, **options)[:64] for kind, options in FILES]


@settings(max_examples=200, deadline=None)
@given(prefix=st.sampled_from([b"", *PREFIXES]), rest=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_one_line(prefix, rest, read):
    try:
        read(prefix + rest)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_cut_anywhere_is_refused_or_complete(kind, read):
    content = encoded(photo((24, 16)), kind)
    whole = read(content)
    for length in range(len(content)):
        try:
            received = read(content[:length])
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017 - both outcomes are right
        else:
            # Nothing but the checksums and the end mark after the last pixel was cut off.
            np.testing.assert_array_equal(received, whole)
            assert length > len(content) - 24


@pytest.mark.parametrize("size", [(229, 307), (307, 229), (83, 250), (1, 999)])
def test_the_centre_of_any_shape_can_be_cropped(size):
    # 307 * (224 / 307) is a little more than 224 in floating point, so the box began at a negative offset.
    crop = make({"input_shape": (224, 224, 3), "aspect": "crop"}, {})
    assert crop(Image.new("RGB", size))["image"].shape == (224, 224, 3)
