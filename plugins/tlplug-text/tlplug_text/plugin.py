"""What this distribution brings to tlplug: records only; their code is imported at first use."""

from __future__ import annotations

from tlplug import Augmentation, Backbone, BackboneFamily, Option, Preprocess, hookimpl
from tlplug_text.catalogue import backbones
from tlplug_text.text import MAX_LENGTH, MAX_WINDOWS

TLPLUG_API = 1


@hookimpl
def backbone() -> list[Backbone | BackboneFamily]:
    family = BackboneFamily(
        prefix="hf-bert",
        resolve="tlplug_text.folder:resolve",
        modality="text",
        pattern="<folder or owner/name>",
        summary="Any BERT or DistilBERT in Hugging Face layout",
    )
    return [*backbones(), family]


@hookimpl
def preprocess() -> list[Preprocess]:
    return [
        Preprocess(
            name="text",
            modality="text",
            make="tlplug_text.text:make",
            make_graph="tlplug_text.graph:make",
            standalone="tlplug_text.standalone",
            suffixes=(".txt",),
            strings=True,
            options=(
                Option(
                    name="max_length",
                    type=int,
                    default=MAX_LENGTH,
                    minimum=8,
                    help="tokens that the network takes at once, the two special ones included",
                ),
                Option(
                    name="long",
                    type=str,
                    default="split",
                    choices=("split", "truncate"),
                    help="a text with more tokens is split into windows whose embeddings are averaged, or cut",
                ),
                Option(
                    name="max_windows",
                    type=int,
                    default=MAX_WINDOWS,
                    minimum=1,
                    help="windows of a text that count",
                ),
                Option(
                    name="encoding",
                    type=str,
                    default="auto",
                    help="of text files; auto goes by the byte order mark, then UTF-8, then Windows-1252",
                ),
            ),
            default_backbone="minilm",
            preview="tlplug_text.text:preview",
            demo="tlplug_text.bbc:write",
            summary="Text files, bytes and texts themselves: tokenized as the network's checkpoint says",
        )
    ]


@hookimpl
def augmentation() -> list[Augmentation]:
    return [
        Augmentation(
            name="text-dropout",
            modality="text",
            apply="tlplug_text.augmentation:dropout",
            arrays=("token_ids", "mask"),
            light=0.05,
            strong=0.15,
            summary="Deletes this share of the tokens",
        )
    ]
