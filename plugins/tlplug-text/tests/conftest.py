"""Shared fixtures: this plugin's records, real weights fetched once, small checkpoints, and BERT in NumPy."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.special import erf, expit
from tlplug_text import plugin

from tlplug import Backbone
from tlplug.plugins import Plugin
from tlplug.registry import Entry, registry
from tlplug.weights import WeightsStore

SETTINGS = ("TLPLUG_OFFLINE", "TLPLUG_CACHE_DIR", "TLPLUG_PLUGINS", "TLPLUG_DISABLE_PLUGINS", "HF_HUB_CACHE")


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    """No setting of the person who runs the tests, and none of the checkpoints that Hugging Face has kept for them."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture(scope="session")
def entries():
    """The plugin's named backbones."""
    owner = Plugin("text", "tlplug-text", "0.1.0")
    records = [record for record in plugin.backbone() if isinstance(record, Backbone)]
    return {record.name: Entry("backbone", record, owner) for record in records}


@pytest.fixture(scope="session")
def minilm(entries, tmp_path_factory):
    """The folder of MiniLM's checkpoint, fetched through tlplug's own store.

    It is kept between test runs when TLPLUG_TEST_CACHE names a folder.
    """
    shared = os.environ.get("TLPLUG_TEST_CACHE")
    folder = Path(shared) if shared else tmp_path_factory.mktemp("cache")
    folder.mkdir(parents=True, exist_ok=True)
    return WeightsStore(folder / "weights").get(entries["minilm"], "all-minilm-l6-v2").path


@pytest.fixture(scope="session")
def files(entries, minilm):
    """What MiniLM's checkpoint brings for the preprocess."""
    return {name: minilm / file for name, file in entries["minilm"].record.files.items()}


@pytest.fixture(scope="session")
def golden():
    """Texts with the token numbers and embeddings of the reference implementation."""
    return json.loads((Path(__file__).parent / "data" / "minilm.json").read_text())["items"]


@pytest.fixture
def checkpoint(tmp_path):
    """Write a small checkpoint with random tensors; return its folder."""
    return lambda **changes: write_checkpoint(tmp_path / "checkpoint", **changes)


def padded(ids, length):
    """Token numbers and mask of one text, int32 ``[1, length]``."""
    arrays = {"token_ids": np.zeros((1, length), np.int32), "mask": np.zeros((1, length), np.int32)}
    arrays["token_ids"][0, : len(ids)] = ids
    arrays["mask"][0, : len(ids)] = 1
    return arrays


@pytest.fixture(scope="session", name="padded")
def _padded():
    return padded


@pytest.fixture(scope="session", name="tensors")
def _tensors():
    return tensors


@pytest.fixture(scope="session", name="embed")
def _embed():
    return embed


SIZES = {"vocabulary": 40, "layers": 2, "heads": 2, "width": 8, "inner": 12, "positions": 32, "segments": 2}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "on", "é", "e", "Cat", "caf", "##é"]

PARTS = {
    "bert": {
        "place": "encoder.layer",
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "output": "attention.output.dense",
        "first_norm": "attention.output.LayerNorm",
        "inner": "intermediate.dense",
        "outer": "output.dense",
        "second_norm": "output.LayerNorm",
    },
    "distilbert": {
        "place": "transformer.layer",
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "output": "attention.out_lin",
        "first_norm": "sa_layer_norm",
        "inner": "ffn.lin1",
        "outer": "ffn.lin2",
        "second_norm": "output_layer_norm",
    },
}


def config(kind="bert", *, activation="gelu", **sizes):
    """The config.json of a checkpoint."""
    size = {**SIZES, **sizes}
    shared = {"model_type": kind, "vocab_size": size["vocabulary"], "max_position_embeddings": size["positions"]}
    if kind == "distilbert":
        own = {"n_layers": size["layers"], "n_heads": size["heads"], "dim": size["width"], "hidden_dim": size["inner"]}
        return {**shared, **own, "activation": activation, "dropout": 0.1}
    return {
        **shared,
        "num_hidden_layers": size["layers"],
        "num_attention_heads": size["heads"],
        "hidden_size": size["width"],
        "intermediate_size": size["inner"],
        "type_vocab_size": size["segments"],
        "hidden_act": activation,
        "hidden_dropout_prob": 0.1,
        "layer_norm_eps": 1e-12,
    }


def tensors(kind="bert", *, seed=0, norm=("weight", "bias"), **sizes):
    """Random tensors of a network by their names in a checkpoint."""
    size, draw = {**SIZES, **sizes}, np.random.default_rng(seed)
    width, parts = size["width"], PARTS[kind]

    def values(*shape, mean=0.0):
        return draw.normal(mean, 0.4, shape).astype(np.float32)

    made = {
        "embeddings.word_embeddings.weight": values(size["vocabulary"], width),
        "embeddings.position_embeddings.weight": values(size["positions"], width),
    }
    if kind == "bert":
        made["embeddings.token_type_embeddings.weight"] = values(size["segments"], width)
    norms = ["embeddings.LayerNorm"]
    for number in range(size["layers"]):
        at = f"{parts['place']}.{number}"
        norms += [f"{at}.{parts['first_norm']}", f"{at}.{parts['second_norm']}"]
        shapes = {"query": (width, width), "key": (width, width), "value": (width, width), "output": (width, width)}
        shapes |= {"inner": (size["inner"], width), "outer": (width, size["inner"])}
        for part, shape in shapes.items():
            made[f"{at}.{parts[part]}.weight"] = values(*shape)
            made[f"{at}.{parts[part]}.bias"] = values(shape[0])
    for name in norms:
        made[f"{name}.{norm[0]}"] = values(width, mean=1.0)
        made[f"{name}.{norm[1]}"] = values(width)
    return made


def write_checkpoint(folder, kind="bert", *, activation="gelu", prefix="", dtype=np.float32, modules=(), **changes):
    """Write a small checkpoint with random tensors and return its folder."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(kind, activation=activation)))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    if modules:
        listed = [
            {"idx": number, "type": f"sentence_transformers.models.{name}"} for number, name in enumerate(modules)
        ]
        (folder / "modules.json").write_text(json.dumps(listed))
    made = {prefix + name: tensor.astype(dtype) for name, tensor in tensors(kind, **changes).items()}
    save_file({**made, "some.head.weight": np.ones((2, 2), np.float32)}, folder / "model.safetensors")
    return folder


ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "gelu_new": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * expit(x),
}


def embed(stored, ids, kind="bert", *, activation="gelu", norm=("weight", "bias"), **sizes):
    """The vectors of a text's tokens, ``[len(ids), width]``, computed in double precision without padding."""
    size, parts = {**SIZES, **sizes}, PARTS[kind]
    stored = {name: tensor.astype(np.float64) for name, tensor in stored.items()}

    def dense(x, name):
        return x @ stored[f"{name}.weight"].T + stored[f"{name}.bias"]

    def normalised(x, name):
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return centred / deviation * stored[f"{name}.{norm[0]}"] + stored[f"{name}.{norm[1]}"]

    def heads(x):
        return x.reshape(len(ids), size["heads"], -1).transpose(1, 0, 2)

    x = stored["embeddings.word_embeddings.weight"][list(ids)]
    x = x + stored["embeddings.position_embeddings.weight"][: len(ids)]
    if kind == "bert":
        x = x + stored["embeddings.token_type_embeddings.weight"][0]
    x = normalised(x, "embeddings.LayerNorm")
    for number in range(size["layers"]):
        name = {part: f"{parts['place']}.{number}.{end}" for part, end in parts.items()}
        query, key, value = (heads(dense(x, name[part])) for part in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True)) @ value
        mixed = mixed.transpose(1, 0, 2).reshape(len(ids), -1)
        x = normalised(x + dense(mixed, name["output"]), name["first_norm"])
        inner = ACTIVATIONS[activation](dense(x, name["inner"]))
        x = normalised(x + dense(inner, name["outer"]), name["second_norm"])
    return x
