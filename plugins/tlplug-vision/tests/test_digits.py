"""The demonstration data."""

from __future__ import annotations

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from tlplug_vision.digits import write


def test_every_scan_is_written_as_it_is(tmp_path):
    sentence = write(tmp_path / "digits")
    assert "1,797 scans" in sentence
    assert "UCI" in sentence
    files = sorted((tmp_path / "digits").rglob("*.png"), key=lambda path: path.name)
    digits = load_digits()
    assert [path.parent.name for path in files] == [str(label) for label in digits.target]
    with Image.open(files[3]) as image:
        np.testing.assert_allclose(np.asarray(image) * (16 / 255), digits.images[3], atol=0.04)
