"""One embedding out of those of the windows."""

from __future__ import annotations

import numpy as np
import pytest
from tlplug_audio.pooling import POOLS, pool

EMBEDDINGS = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


@pytest.mark.parametrize("kind", POOLS)
def test_the_size_depends_on_the_option_alone(kind):
    sizes = {len(pool(EMBEDDINGS[:count], {"pool": kind, "power": 0.25})) for count in (1, 2, 5)}
    assert sizes == {12 if kind == "mean_deviation" else 6}


def test_what_is_pooled():
    plain = {"power": 1.0}
    mean = EMBEDDINGS.mean(axis=0)
    np.testing.assert_allclose(pool(EMBEDDINGS, {"pool": "mean", **plain}), mean, rtol=1e-5)
    np.testing.assert_allclose(pool(EMBEDDINGS, {"pool": "max", **plain}), EMBEDDINGS.max(axis=0))
    both = pool(EMBEDDINGS, {"pool": "mean_deviation", **plain})
    np.testing.assert_allclose(both, np.concatenate([mean, EMBEDDINGS.std(axis=0)]), rtol=1e-5)


def test_a_power_keeps_the_signs_and_nothing_is_no_number():
    pooled = pool(EMBEDDINGS, {"pool": "mean", "power": 0.25})
    plain = pool(EMBEDDINGS, {"pool": "mean", "power": 1.0})
    np.testing.assert_allclose(pooled, np.sign(plain) * np.abs(plain) ** 0.25, rtol=1e-5)
    assert np.array_equal(pool(np.zeros((2, 3), np.float32), {"pool": "mean", "power": 0.25}), np.zeros(3))
    assert pooled.dtype == np.float32


def test_the_order_of_windows_does_not_matter():
    for kind in POOLS:
        options = {"pool": kind, "power": 0.25}
        np.testing.assert_allclose(pool(EMBEDDINGS, options), pool(EMBEDDINGS[::-1], options), rtol=1e-5)
