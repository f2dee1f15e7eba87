"""One embedding out of those of the windows."""

from __future__ import annotations

import numpy as np
import pytest
from tlplug_audio.pooling import POOLS, pool

EMBEDDINGS = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


@pytest.mark.parametrize("kind", POOLS)
def test_the_size_depends_on_the_option_alone(kind):
    sizes = {len(pool(EMBEDDINGS[:count], {"pool": kind})) for count in (1, 2, 5)}
    assert pool(EMBEDDINGS, {"pool": kind}).dtype == np.float32
    assert sizes == {12 if kind == "mean_deviation" else 6}


def test_what_is_pooled():
    mean = EMBEDDINGS.mean(axis=0)
    np.testing.assert_allclose(pool(EMBEDDINGS, {"pool": "mean"}), mean, rtol=1e-5)
    np.testing.assert_allclose(pool(EMBEDDINGS, {"pool": "max"}), EMBEDDINGS.max(axis=0))
    both = pool(EMBEDDINGS, {"pool": "mean_deviation"})
    np.testing.assert_allclose(both, np.concatenate([mean, EMBEDDINGS.std(axis=0)]), rtol=1e-5)


def test_the_order_of_windows_does_not_matter():
    for kind in POOLS:
        options = {"pool": kind}
        np.testing.assert_allclose(pool(EMBEDDINGS, options), pool(EMBEDDINGS[::-1], options), rtol=1e-5)
