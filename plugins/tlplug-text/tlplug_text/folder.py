"""The family ``hf-bert:<folder or repository>``: any BERT checkpoint in Hugging Face layout."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tlplug import Backbone, Option, Source, UsageError, Weights
from tlplug_text import tensors, text, tokenizer
from tlplug_text.architecture import POOLINGS, read
from tlplug_text.bert import build
from tlplug_text.catalogue import FILES, hugging_face, pooling_option

if TYPE_CHECKING:
    import keras

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")


def resolve(rest: str, modality: str | None) -> Backbone:  # noqa: ARG001 - all of them take texts
    """Return the backbone that a folder or a repository holds.

    Args:
        rest: the path of a folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json`` or ``vocab.txt``,
            or a repository of Hugging Face as ``owner/name`` or ``owner/name@revision``, which is fetched at first use
            and has to have a ``tokenizer.json``.
        modality: not needed.

    Raises:
        UsageError: there is no such folder, or no BERT in it that can be loaded.
    """
    folder = Path(rest).expanduser().absolute()
    if not folder.is_dir():
        if _REPOSITORY.fullmatch(rest):
            return _of_repository(rest)
        raise UsageError(
            f"No such folder: {rest!r}. Valid: hf-bert:FOLDER, a downloaded checkpoint, or hf-bert:OWNER/NAME, a "
            "repository of Hugging Face."
        )
    try:
        architecture = read(folder)
        tensors.check(folder)
        files = _files(folder)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return Backbone(
        name=f"hf-bert:{rest}",
        modality="text",
        build=functools.partial(build, architecture),
        input_shape=(None,),
        preprocess="text",
        preprocess_options={"max_length": min(text.MAX_LENGTH, architecture.positions)},
        weights={"folder": Weights(sources=(Source(kind="file", location=str(folder)),))},
        files=files,
        options=(pooling_option(architecture),),
        summary=f"A {architecture.kind} checkpoint in a folder",
        parameters=architecture.parameters,
    )


def _of_repository(repository: str) -> Backbone:
    return Backbone(
        name=f"hf-bert:{repository}",
        modality="text",
        build=build_as_found,
        input_shape=(None,),
        preprocess="text",
        weights={"hugging-face": Weights(sources=(hugging_face(repository),))},
        files=FILES,
        options=(Option(name="pooling", type=str, choices=POOLINGS, help="as the checkpoint says when left out"),),
        summary="A checkpoint on Hugging Face",
        reference=f"https://huggingface.co/{repository.partition('@')[0]}",
    )


def build_as_found(weights: Path | None, *, pooling: str | None = None) -> keras.Model:
    """Build whatever BERT is in a folder, see `tlplug_text.bert.build`.

    Raises:
        ValueError: it cannot be used, or there is no folder to say what random weights would be for; one line.
    """
    if weights is None:
        raise ValueError("what network it is stands in the checkpoint. Valid: --weights random with hf-bert:FOLDER")
    architecture = read(weights)
    return build(architecture, weights, pooling=pooling or architecture.pooling)


def _files(folder: Path) -> dict[str, str]:
    """What the preprocess needs of a folder; tokenizer.json is preferred, it says more."""
    known = {
        text.CONFIG: "config.json",
        tokenizer.SETTINGS: "tokenizer_config.json",
        tokenizer.TOKENIZER: "tokenizer.json",
        tokenizer.VOCABULARY: "vocab.txt",
    }
    files = {name: file for name, file in known.items() if (folder / file).is_file()}
    if tokenizer.TOKENIZER in files:
        files.pop(tokenizer.VOCABULARY, None)
    elif tokenizer.VOCABULARY not in files:
        raise ValueError(f"{folder.name!r} has no tokenizer. Valid: tokenizer.json or vocab.txt.")
    return files
