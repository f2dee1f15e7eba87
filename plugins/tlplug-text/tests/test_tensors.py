"""Weights that do not fit, and files that are no weights."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tlplug_text.architecture import read
from tlplug_text.bert import build

NAME = "encoder.layer.1.output.dense.weight"


def changed(folder, **changes):
    stored = load_file(folder / "model.safetensors")
    for name, value in changes.items():
        if value is None:
            del stored[name]
        else:
            stored[name] = value
    save_file(stored, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({NAME: None}, f"it has no '{NAME}'"),
        ({NAME: np.zeros((12, 8), np.float32)}, rf"{NAME} is \(12, 8\), not \(8, 12\)"),
        ({"embeddings.word_embeddings.weight": None}, "it has no 'embeddings.word_embeddings.weight'"),
        (
            {"embeddings.LayerNorm.bias": np.zeros((8, 1), np.float32)},
            r"embeddings.LayerNorm.bias is \(8, 1\), not \(8,\)",
        ),
    ],
)
def test_a_tensor_that_is_missing_or_has_another_shape(checkpoint, change, reason):
    folder = checkpoint()
    changed(folder, **change)
    with pytest.raises(ValueError, match=rf"^The model.safetensors of 'checkpoint' does not fit: {reason}\.$"):
        build(read(folder), folder)


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 7, b"\xff" * 100, b"\x08\x00\x00\x00\x00\x00\x00\x00{}{}{}{}", b"PK\x03\x04"]
)
def test_a_damaged_file_is_refused_in_one_line(checkpoint, content):
    folder = checkpoint()
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"^The model\.safetensors of 'checkpoint' does not fit: ") as caught:
        build(read(folder), folder)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(checkpoint):
    folder = checkpoint()
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="does not fit"):
        build(read(folder), folder)


def test_a_pickle_is_never_loaded(checkpoint):
    folder = checkpoint()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        ValueError, match=r"^'checkpoint' has no model\.safetensors\. Its pytorch_model\.bin is a pickle"
    ):
        build(read(folder), folder)
