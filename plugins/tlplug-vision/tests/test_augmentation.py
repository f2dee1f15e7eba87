"""The augmentations of images: what they may change, and what stays as it is."""

from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tlplug_vision import augmentation, plugin
from tlplug_vision.image import BACKGROUNDS, make

from tlplug.features import augmenter_for
from tlplug.specs import load_reference

RECORDS = {record.name: record for record in plugin.augmentation()}


def applied(name, image, amount, seed=0):
    """What an augmentation makes of an image, which it must not touch."""
    before, generator = image.copy(), np.random.default_rng(seed)
    image.flags.writeable = False
    made = load_reference(RECORDS[name].apply)({"image": image}, generator, amount)
    image.flags.writeable = True
    np.testing.assert_array_equal(image, before)
    return made["image"]


def random_image(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def photo(size=64, background="white", shape=(40, 64), seed=0):
    """A picture of smooth colours with bars above and below it, as the preprocess makes it."""
    small = Image.fromarray(random_image(4, 4, seed)).resize(shape[::-1], Image.Resampling.BICUBIC)
    return make({"input_shape": (size, size, 3), "background": background}, {})(small)["image"]


def test_every_record_is_of_images_and_names_its_code():
    assert list(RECORDS) == ["image-flip", "image-crop", "image-colour", "image-randaugment"]
    for record in RECORDS.values():
        assert (record.modality, record.arrays) == ("image", ("image",))
        assert callable(load_reference(record.apply))
        assert record.summary


@given(
    name=st.sampled_from(sorted(RECORDS)),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    amount=st.sampled_from([0.0, 0.3, 0.92, 1.0]),
    seed=st.integers(0, 2**32),
    plain=st.sampled_from([None, *BACKGROUNDS.values(), (3, 200, 77)]),
)
def test_shape_dtype_and_chance(name, height, width, amount, seed, plain):
    image = random_image(height, width, seed) if plain is None else np.full((height, width, 3), plain, np.uint8)
    first = applied(name, image, amount, seed)
    assert (first.shape, first.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(applied(name, image, amount, seed), first)


@given(name=st.sampled_from(["image-flip", "image-crop", "image-colour"]), seed=st.integers(0, 2**32))
def test_the_amount_0_changes_nothing(name, seed):
    image = random_image(9, 7, seed)
    np.testing.assert_array_equal(applied(name, image, 0.0, seed), image)


def test_a_flip_is_left_to_right_and_half_of_the_time():
    image = random_image(3, 5, 0)
    made = [applied("image-flip", image, 0.5, seed) for seed in range(400)]
    flipped = [np.array_equal(one, image[:, ::-1]) for one in made]
    assert all(np.array_equal(one, image) or turned for one, turned in zip(made, flipped, strict=True))
    assert 160 < sum(flipped) < 240


@given(amount=st.floats(0.05, 0.95), seed=st.integers(0, 2**32), size=st.sampled_from([(64, 64), (40, 90)]))
def test_a_crop_is_of_the_share_and_shape_that_it_says(amount, seed, size):
    height, width = size
    grid = np.zeros((height, width, 3), np.uint8)
    grid[..., 0] = np.linspace(0, 255, width)[None].round()
    grid[..., 1] = np.linspace(0, 255, height)[:, None].round()
    made = applied("image-crop", grid, amount, seed).astype(float)
    # How many steps of the colour are left, and how many the resizing takes off at both ends.
    wide, high = (np.ptp(made[..., 0]) + 6) / 255, (np.ptp(made[..., 1]) + 6) / 255
    assert wide * high >= 1 - amount
    assert 0.7 < (wide / high) ** np.sign(np.log(wide / high)) * 0.72 < 1.15


def test_colours_change_by_no_more_than_the_factor():
    image = np.full((8, 8, 3), 100, np.uint8)  # without contrast and saturation, only brightness is left to change
    values = np.array([int(applied("image-colour", image, 0.2, seed)[0, 0, 0]) for seed in range(300)])
    assert values.min() in range(79, 84)
    assert values.max() in range(117, 122)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_bars_beside_a_picture_keep_their_colour(background):
    image, colour = photo(background=background), BACKGROUNDS[background]
    assert augmentation.background(image) == colour
    tones = [lambda picture, tone=tone, by=by: tone(picture, by) for tone in augmentation._TONES for by in (-0.9, 0.9)]
    made = [augmentation._in_front(image, tone) for tone in tones]
    made += [applied("image-colour", image, 0.4, seed) for seed in range(10)]
    for one in made:
        np.testing.assert_array_equal(one[:12], image[:12])
        np.testing.assert_array_equal(one[-12:], image[-12:])
        assert (one[12:-12] != image[12:-12]).any()


def test_what_comes_from_beyond_the_border_is_of_the_background():
    bare = np.full((64, 64, 3), (10, 200, 90), np.uint8)
    for colour, image in [((255, 255, 255), bare), *((rgb, photo(background=n)) for n, rgb in BACKGROUNDS.items())]:
        rotated, sheared, _, right, down = (augmentation._moved(image, move(1.0)) for move in augmentation._MOVES)
        assert (right[:, 37:] == colour).all()
        assert (down[37:] == colour).all()
        for made in (rotated, sheared):
            assert (made[[0, -1], [0, -1]] == colour).all() or (made[[0, -1], [-1, 0]] == colour).all()


def test_a_move_of_no_strength_moves_nothing():
    image = random_image(16, 24, 1)
    for move in augmentation._MOVES:
        np.testing.assert_array_equal(augmentation._moved(image, move(0.0)), image)


def test_a_move_is_about_the_centre_and_as_far_as_it_says():
    image = np.zeros((101, 101, 3), np.uint8)
    image[45:56, 45:56] = 250
    rotate, shear_x, shear_y, right, down = (augmentation._moved(image, move(1.0)) for move in augmentation._MOVES)
    for made in (rotate, shear_x, shear_y):
        assert (made[50, 50] == 250).all()
    # 0.45 of 101 pixels; white has come in from beyond the border, but no 250.
    centres = [np.argwhere(made[..., 0] == 250).mean(axis=0).tolist() for made in (right, down)]
    np.testing.assert_allclose(centres, [[50, 4.5], [4.5, 50]], atol=0.6)
    # A corner of the turned square is above the straight one.
    assert (rotate[44, :, 0] == 250).any()
    assert not (image[44] == 250).any()


def test_an_object_in_front_of_a_plain_background_is_changed_alone():
    image = np.full((40, 40, 3), 255, np.uint8)
    image[10:30, 10:30] = (200, 40, 40)
    for seed in range(20):
        made = applied("image-colour", image, 0.4, seed)
        np.testing.assert_array_equal(made[:10], image[:10])
        np.testing.assert_array_equal(made[12:28, :10], image[12:28, :10])
        assert (made[20, 20] != image[20, 20]).any()


def test_a_picture_of_the_background_alone_stays_as_it_is():
    image = np.full((8, 8, 3), 255, np.uint8)
    np.testing.assert_array_equal(applied("image-colour", image, 0.4), image)


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_views_differ_and_stay_near_the_picture(strength):
    augmenter, arrays = augmenter_for("image", strength, 0), {"image": photo()}
    views = [augmenter(arrays, b"key", view)["image"] for view in range(1, 20)]
    assert len({view.tobytes() for view in views}) == len(views)
    assert augmenter.identity is not None
    if strength == "light":
        spread = np.abs(np.mean(views, axis=0) - arrays["image"]).mean()
        assert spread < 40


def test_augmenting_imports_neither_tensorflow_nor_keras():
    source = """
import sys
import numpy as np
from tlplug.features import augmenter_for
image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
for strength in ("light", "strong"):
    for view in range(20):
        augmenter_for("image", strength, 0)({"image": image}, b"", view)
print({"tensorflow", "keras", "sklearn", "scipy"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(augmentation)
    assert (result.failed, result.attempted > 0) == (0, True)
