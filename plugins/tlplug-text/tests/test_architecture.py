"""What configurations say, and what is refused of them."""

from __future__ import annotations

import json

import pytest
from tlplug_text.architecture import Architecture, read


def test_minilm(minilm):
    expected = Architecture(vocabulary=30_522, layers=6, width=384, inner=1536, normalise=True)
    assert read(minilm) == expected
    assert read(minilm).difference(expected) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, "'checkpoint' holds no BERT: its model_type is 'gpt2'. Valid: bert, distilbert."),
        ({"model_type": None}, "'checkpoint' holds no BERT: its model_type is None. Valid: bert, distilbert."),
        ({"hidden_size": None}, "The config.json of 'checkpoint' cannot be used: the number of width is None."),
        ({"vocab_size": -1}, "The config.json of 'checkpoint' cannot be used: the number of vocabulary is -1."),
        ({"num_attention_heads": 3}, "The config.json of 'checkpoint' cannot be used: 3 heads do not divide 8 units."),
        ({"layer_norm_eps": "x"}, "The config.json of 'checkpoint' cannot be used: could not convert string to float"),
        (
            {"hidden_act": "mish"},
            "The config.json of 'checkpoint' cannot be used: its activation is 'mish'. Valid: gelu",
        ),
        ({"vocab_size": 10**12}, "The config.json of 'checkpoint' cannot be used: it would have 8,000,000,00"),
        ({"position_embedding_type": "relative_key"}, "'checkpoint' has 'relative_key' positions. Valid: absolute."),
    ],
)
def test_a_configuration_that_is_refused_in_one_line(checkpoint, change, message):
    folder = checkpoint()
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match="checkpoint") as caught:
        read(folder)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}', b" " * (17 << 20)])
def test_a_damaged_configuration_is_refused_in_one_line(checkpoint, content):
    folder = checkpoint()
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint") as caught:
        read(folder)
    assert "\n" not in str(caught.value)


def test_a_key_that_is_missing_is_named(checkpoint):
    folder = checkpoint()
    config = json.loads((folder / "config.json").read_text())
    del config["hidden_size"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"^The config.json of 'checkpoint' lacks hidden_size\.$"):
        read(folder)


@pytest.mark.parametrize(("mode", "pooling"), [("pooling_mode_cls_token", "cls"), ("pooling_mode_mean_tokens", "mean")])
def test_the_pooling_of_sentence_transformers_counts(checkpoint, mode, pooling):
    folder = checkpoint()
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({mode: True}))
    assert read(folder).pooling == pooling
