"""The augmentation of texts: tokens are deleted, and what is left is a text of the same form."""

from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tlplug_text import augmentation, plugin
from tlplug_text.augmentation import dropout

from tlplug.features import augmenter_for

FIRST, LAST = 101, 102


def example(tokens, length):
    """A text of different tokens, as the preprocess gives it."""
    token_ids, mask = np.zeros(length, np.int32), np.zeros(length, np.int32)
    token_ids[: tokens + 2] = [FIRST, *range(1000, 1000 + tokens), LAST]
    mask[: tokens + 2] = 1
    return {"token_ids": token_ids, "mask": mask}


def applied(arrays, amount, seed=0):
    """What is left of a text, which must not be touched."""
    before = {name: array.copy() for name, array in arrays.items()}
    for array in arrays.values():
        array.flags.writeable = False
    made = dropout(arrays, np.random.default_rng(seed), amount)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name])
    return made


@given(
    tokens=st.integers(0, 40),
    padding=st.integers(0, 20),
    amount=st.sampled_from([0.0, 0.05, 0.15, 0.6, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_what_is_left_is_the_text_without_some_tokens(tokens, padding, amount, seed):
    arrays = example(tokens, tokens + 2 + padding)
    made = applied(arrays, amount, seed)
    assert made.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (made[name].shape, made[name].dtype) == (array.shape, np.int32)
    count = int(made["mask"].sum())
    assert made["mask"].tolist() == [1] * count + [0] * (len(made["mask"]) - count)
    first, *inner, last = made["token_ids"][:count].tolist()
    assert (first, last) == (FIRST, LAST)
    assert inner == sorted(set(inner))
    assert set(inner) <= set(range(1000, 1000 + tokens))
    assert len(inner) >= min(tokens, 1)
    assert not made["token_ids"][count:].any()
    if amount == 0:
        np.testing.assert_array_equal(made["token_ids"], arrays["token_ids"])
    again = applied(arrays, amount, seed)
    np.testing.assert_array_equal(again["token_ids"], made["token_ids"])


def test_as_many_tokens_are_deleted_as_the_amount_says():
    arrays = example(100, 112)
    left = [int(applied(arrays, 0.15, seed)["mask"].sum()) - 2 for seed in range(300)]
    assert 84 < np.mean(left) < 86


def test_a_text_of_the_special_tokens_alone_stays_as_it_is():
    for length in (0, 1, 2):
        arrays = {"token_ids": np.arange(1, 5, dtype=np.int32), "mask": np.array([1] * length + [0] * (4 - length))}
        made = applied(arrays, 1.0)
        np.testing.assert_array_equal(made["token_ids"], arrays["token_ids"])


def test_a_text_of_the_real_tokenizer_keeps_what_begins_and_ends_it(files):
    from tlplug_text.text import make
    from tlplug_text.tokenizer import load

    (window,) = make({}, files)("The quick brown fox jumps over the lazy dog, and then over another one.")
    arrays = {name: window[name] for name in ("token_ids", "mask")}
    augmenter, tokenizer = augmenter_for("text", "strong", 0), load(files)
    texts = set()
    for view in range(1, 30):
        made = augmenter(arrays, b"key", view)
        ids = made["token_ids"][made["mask"] == 1].tolist()
        assert (ids[0], ids[-1]) == (tokenizer.first, tokenizer.last)
        texts.add(tokenizer.tokenizer.decode(ids))
    assert len(texts) > 10


def test_the_record_names_the_arrays_that_it_works_on():
    (record,) = plugin.augmentation()
    assert (record.name, record.modality, record.arrays) == ("text-dropout", "text", ("token_ids", "mask"))
    assert 0 < record.light < record.strong < 1


def test_augmenting_imports_nothing_but_numpy():
    source = """
import sys
import numpy as np
from tlplug.features import augmenter_for
arrays = {"token_ids": np.arange(1, 17, dtype=np.int32), "mask": np.ones(16, np.int32)}
for strength in ("light", "strong"):
    augmenter_for("text", strength, 0)(arrays, b"", 1)
print({"tensorflow", "keras", "keras_hub", "tokenizers"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(augmentation)
    assert (result.failed, result.attempted > 0) == (0, True)
