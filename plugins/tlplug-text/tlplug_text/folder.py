"""The family ``hf-bert:<folder>``: any BERT checkpoint in Hugging Face layout in a folder of one's own."""

from __future__ import annotations

import functools
from pathlib import Path

from tlplug import Backbone, Source, UsageError, Weights
from tlplug_text import tensors, text, tokenizer
from tlplug_text.architecture import read
from tlplug_text.bert import build
from tlplug_text.catalogue import pooling_option


def resolve(rest: str, modality: str | None) -> Backbone:  # noqa: ARG001 - all of them take texts
    """Return the backbone that a folder holds.

    Args:
        rest: the path of a folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json`` or ``vocab.txt``.
        modality: not needed.

    Raises:
        UsageError: there is no such folder, or no BERT in it that can be loaded.
    """
    folder = Path(rest).expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(
            f"No such folder: {rest!r}. Valid: hf-bert:FOLDER, a downloaded checkpoint; a repository is fetched with "
            "hf download NAME --local-dir FOLDER"
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
