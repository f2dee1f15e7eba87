"""What a BERT checkpoint in a folder says of itself, read without TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "keras_hub>gelu_approximate",
    "gelu_pytorch_tanh": "keras_hub>gelu_approximate",
    "relu": "relu",
    "silu": "silu",
}
"""From the names in a checkpoint's configuration to those of Keras, where ``gelu`` is the exact one, too."""

POOLINGS = ("mean", "cls")

_LARGEST = 2_000_000_000
"""Parameters that a network may have; a damaged configuration can ask for any number."""

_LARGEST_FILE = 16 << 20
"""Bytes that a configuration file may have."""

_KEYS = {
    "bert": {
        "vocabulary": "vocab_size",
        "layers": "num_hidden_layers",
        "heads": "num_attention_heads",
        "width": "hidden_size",
        "inner": "intermediate_size",
        "positions": "max_position_embeddings",
        "segments": "type_vocab_size",
    },
    "distilbert": {
        "vocabulary": "vocab_size",
        "layers": "n_layers",
        "heads": "n_heads",
        "width": "dim",
        "inner": "hidden_dim",
        "positions": "max_position_embeddings",
    },
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a BERT network.

    Attributes:
        kind: ``bert`` or ``distilbert``.
        vocabulary: number of tokens.
        layers: number of transformer layers.
        heads: attention heads in each of them.
        width: units of a token's vector, and of the embedding.
        inner: units between the two halves of a feed-forward block.
        positions: tokens that a text can have, special ones included.
        segments: kinds of segments; 0 where the network has none.
        activation: of the feed-forward blocks, as the checkpoint calls it.
        epsilon: of the layer normalizations.
        normalise: whether the embedding is scaled to unit length.
        dropout: share of units that training drops.
        pooling: what makes one embedding out of the tokens' vectors unless stated otherwise, ``mean`` or ``cls``.
    """

    kind: str = "bert"
    vocabulary: int
    layers: int = 12
    heads: int = 12
    width: int = 768
    inner: int = 3072
    positions: int = 512
    segments: int = 2
    activation: str = "gelu"
    epsilon: float = 1e-12
    normalise: bool = False
    dropout: float = field(default=0.1, compare=False)
    pooling: str = field(default="mean", compare=False)

    def __post_init__(self) -> None:
        for name in ("vocabulary", "layers", "heads", "width", "inner", "positions", "segments"):
            value = getattr(self, name)
            if type(value) is not int or value < (name != "segments"):
                raise ValueError(f"the number of {name} is {value!r}")
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide {self.width} units")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"its activation is {self.activation!r}. Valid: {', '.join(ACTIVATIONS)}")
        if self.parameters > _LARGEST:
            raise ValueError(f"it would have {self.parameters:,} parameters, more than {_LARGEST:,}")

    @property
    def parameters(self) -> int:
        """Number of weights without the layers that BERT is pretrained with.

        >>> Architecture(vocabulary=30_522).parameters
        108891648
        """
        width, inner = self.width, self.inner
        tables = (self.vocabulary + self.positions + self.segments) * width
        layer = 4 * (width * width + width) + (2 * width * inner + inner + width) + 4 * width
        return tables + 2 * width + self.layers * layer

    def difference(self, other: Architecture) -> str | None:
        """Say where another architecture differs, in a few words; None when the same weights fit both."""
        for name in (item.name for item in fields(self) if item.compare):
            own, received = getattr(self, name), getattr(other, name)
            if own != received:
                return f"its {name} is {received}, not {own}"
        return None


def read(folder: Path) -> Architecture:
    """Read the configuration of a checkpoint in Hugging Face layout.

    Args:
        folder: with ``config.json``; ``modules.json`` and ``1_Pooling/config.json`` of sentence-transformers count
            where they are there.

    Raises:
        ValueError: it is no BERT, or one that is not supported; one line.
    """
    config = read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind not in _KEYS:
        raise ValueError(f"{folder.name!r} holds no BERT: its model_type is {kind!r}. Valid: {', '.join(_KEYS)}.")
    missing = [key for key in _KEYS[kind].values() if key not in config]
    if missing:
        raise ValueError(f"The config.json of {folder.name!r} lacks {', '.join(missing)}.")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise ValueError(f"{folder.name!r} has {config['position_embedding_type']!r} positions. Valid: absolute.")
    sizes = {name: config[key] for name, key in _KEYS[kind].items()}
    try:
        return Architecture(
            kind=kind,
            **{"segments": 0, **sizes},
            activation=str(config.get("hidden_act", config.get("activation", "gelu"))),
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
            dropout=float(config.get("hidden_dropout_prob", config.get("dropout", 0.1))),
            normalise=_normalised(folder),
            pooling=_pooling(folder),
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"The config.json of {folder.name!r} cannot be used: {error}.") from error


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a small JSON file with one object.

    Raises:
        ValueError: there is none, or it is damaged; one line.
    """
    value = _json(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} of {path.parent.name!r} holds no object.")  # noqa: TRY004 - it is the file's value
    return value


def _json(path: Path) -> Any:
    where = f"{path.name} of {path.parent.name!r}"
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError(f"more than {_LARGEST_FILE:,} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"Cannot read {where}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is damaged: {str(error).partition(chr(10))[0]}.") from error


def _normalised(folder: Path) -> bool:
    path = folder / "modules.json"
    modules = _json(path) if path.is_file() else []
    return any(str(module.get("type", "")).endswith("Normalize") for module in modules if isinstance(module, dict))


def _pooling(folder: Path) -> str:
    path = folder / "1_Pooling" / "config.json"
    return "cls" if path.is_file() and read_json(path).get("pooling_mode_cls_token") is True else "mean"
