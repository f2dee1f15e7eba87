"""What this distribution brings to tlplug: records only; their code is imported at first use."""

from __future__ import annotations

from tlplug import Backbone, BackboneFamily, Option, Preprocess, hookimpl
from tlplug_hub.catalogue import backbones
from tlplug_hub.strings import MAX_CHARACTERS

TLPLUG_API = 1


@hookimpl
def backbone() -> list[Backbone | BackboneFamily]:
    family = BackboneFamily(
        prefix="hub",
        resolve="tlplug_hub.handles:resolve",
        pattern="<handle>",
        summary="Any TensorFlow 2 SavedModel: a folder, a .tar.gz, an address, or a Kaggle handle",
    )
    return [*backbones(), family]


@hookimpl
def preprocess() -> list[Preprocess]:
    return [
        Preprocess(
            name="strings",
            modality="text",
            make="tlplug_hub.strings:make",
            make_graph="tlplug_hub.graph:make",
            standalone="tlplug_hub.standalone",
            suffixes=(".txt",),
            strings=True,
            options=(
                Option(
                    name="max_characters",
                    type=int,
                    default=MAX_CHARACTERS,
                    minimum=1,
                    help="longer texts are used so far, and counted",
                ),
                Option(name="encoding", type=str, default="utf-8", help="of text files"),
            ),
            preview="tlplug_hub.strings:preview",
            summary="Text files, bytes and texts themselves, as they are: for networks that take strings",
        )
    ]
