"""Series made by formulas and chance."""

from __future__ import annotations

import numpy as np
import pytest
from tlplug_series.generated_series import KINDS, draw, generate


def test_they_are_standardised_and_the_same_for_the_same_seed():
    series = generate(300, 256, seed=0)
    assert series.shape == (300, 256)
    assert series.dtype == np.float32
    np.testing.assert_allclose(series.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(series.std(axis=1), 1, atol=1e-4)
    np.testing.assert_array_equal(series[:10], generate(10, 256, seed=0))
    assert not np.allclose(series[:10], generate(10, 256, seed=1))


@pytest.mark.parametrize("length", [32, 100, 512])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.lstrip("_"))
def test_every_kind_gives_numbers_that_change(kind, length):
    for seed in range(30):
        series = kind(np.random.default_rng(seed), length)
        assert series.shape == (length,)
        assert np.isfinite(series).all()
    assert np.std([kind(np.random.default_rng(seed), length) for seed in range(10)]) > 0


def test_they_are_of_many_kinds():
    """Rough and smooth ones: the power that is left after one difference ranges over five orders of magnitude."""
    series = np.stack([draw(np.random.default_rng(seed), 256) for seed in range(300)])
    roughness = np.diff(series, axis=1).var(axis=1)
    assert roughness.min() < 1e-3
    assert roughness.max() > 1
