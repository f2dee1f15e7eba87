"""MiniLM with its real weights against the reference implementation, in Keras and through LiteRT."""

from __future__ import annotations

import numpy as np
import pytest
from tlplug_text.architecture import read
from tlplug_text.bert import build
from tlplug_text.text import make

from tlplug.features import litert

TOLERANCE = 6e-7
"""Measured: 2.6e-7 in Keras; the reference has seven decimals."""


@pytest.fixture(scope="module")
def network(minilm):
    return build(read(minilm), minilm)


def test_the_record_describes_the_checkpoint(entries, minilm, network):
    record = entries["minilm"].record
    assert record.build.args == (read(minilm),)
    assert network.count_params() == record.parameters


def test_embeddings_equal_those_of_the_reference_in_keras(network, golden, padded):
    for item in golden:
        ids = item["token_ids"]
        received = network(padded(ids, -(-len(ids) // 16) * 16)).numpy()[0]
        np.testing.assert_allclose(received, item["embedding"], rtol=0, atol=TOLERANCE, err_msg=item["text"])


def test_embeddings_equal_those_of_the_reference_through_litert(network, golden, padded, files, tmp_path):
    litert.compile_model(network, tmp_path)
    run = litert.open_model(tmp_path)  # refuses operations that are not LiteRT's own
    for item in golden:
        ids = item["token_ids"]
        for length in (len(ids), -(-len(ids) // 32) * 32):
            received = run(padded(ids, length))[0]
            np.testing.assert_allclose(received, item["embedding"], rtol=0, atol=TOLERANCE, err_msg=item["text"])
    preprocess = make({"max_length": 128, "long": "truncate"}, files)
    items = [item for item in golden if len(item["token_ids"]) > 2]
    for item in items:
        arrays = {
            name: array[None] for name, array in preprocess(item["text"]).items() if name not in ("remark", "span")
        }
        np.testing.assert_allclose(run(arrays)[0], item["embedding"], rtol=0, atol=TOLERANCE)
    alone = [run(padded(item["token_ids"], 128)) for item in items]
    together = [padded(item["token_ids"], 128) for item in items]
    batch = run({name: np.concatenate([arrays[name] for arrays in together]) for name in ("token_ids", "mask")})
    np.testing.assert_array_equal(batch, np.concatenate(alone))


def test_no_length_is_too_long_up_to_the_positions(network, padded):
    assert np.isfinite(network(padded([101, *[2000] * 510, 102], 512)).numpy()).all()
