"""The preprocess of texts: whatever holds a text becomes token numbers and a mask."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tlplug_text.architecture import read_json
from tlplug_text.decoding import AUTO, TextError, check_encoding, read
from tlplug_text.tokenizer import TextTokenizer, load

CONFIG = "config"
MAX_LENGTH = 256
"""Tokens that the network takes at once unless stated otherwise; the README has what other lengths measured."""

MAX_WINDOWS = 16
"""Windows of a text that count unless stated otherwise: some 3,000 words."""

BUCKET = 16
"""A text is padded to a multiple of this."""

PREVIEW = 300
"""Characters that a preview has."""

Arrays = dict[str, Any]


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> Callable[[Any], Arrays | list[Arrays]]:
    """Make the function that turns a text into the input of a BERT.

    Args:
        options: ``max_length`` (tokens, the two special ones included), ``long`` (``split`` or ``truncate``),
            ``max_windows`` (of a text that is split) and ``encoding`` (of files and bytes).
        files: what the checkpoint brings, see `tlplug_text.tokenizer.load`, and ``config``, its config.json.

    Returns:
        A function of one source (a str, a Path or bytes) that returns a list of windows, each ``{"token_ids": int32
        [length], "mask": int32 [length]}`` and its ``span`` in tokens, where the length depends on the text alone; the
        first has a ``remark`` where something is remarkable. With ``long=truncate`` it returns the one window itself.
        It raises `ValueError` with one line for what it cannot read, and may be called from several threads.

    Raises:
        OptionError: a length that the network does not have, or an unknown encoding.
        ValueError: the checkpoint's files are damaged.
    """
    max_length, encoding = options.get("max_length", MAX_LENGTH), options.get("encoding", AUTO)
    limit = read_json(files[CONFIG]).get("max_position_embeddings") if CONFIG in files else None
    try:
        if isinstance(limit, int) and max_length > limit:
            raise ValueError(f"Option 'max_length' is {limit} or less for this network. Received: {max_length}.")
        check_encoding(encoding)
    except ValueError as error:
        from tlplug import OptionError  # here, as the rest travels with exports and does without

        raise OptionError(str(error)) from error
    tokenizer = load(files)
    split = options.get("long", "split") == "split"
    content = max_length - 2
    most = content * (options.get("max_windows", MAX_WINDOWS) if split else 1)

    def preprocess(source: Any) -> Arrays | list[Arrays]:
        text, remark = read(source, encoding)
        ids = tokenizer.ids(text, limit=most + 1)
        if not ids:
            raise TextError(
                "The text is empty." if not text else "The text has no words, only white space or the like."
            )
        remarks = [remark] if remark else []
        if len(ids) > most:
            remarks.append(f"cut after {most:,} tokens")
        ids = ids[:most]
        windows = [
            _arrays(tokenizer, ids[start:end], max_length) | {"span": (start, end, "tokens")}
            for start, end in _windows(len(ids), content)
        ]
        if remarks:
            windows[0]["remark"] = "; ".join(remarks)
        return windows if split else windows[0]

    return preprocess


def _windows(length: int, content: int) -> Iterable[tuple[int, int]]:
    """Cut a text into as few windows as can be, of the same length but for one token: where each starts and ends."""
    count = math.ceil(length / content)
    return itertools.pairwise(length * number // count for number in range(count + 1))


def _arrays(tokenizer: TextTokenizer, content: list[int], max_length: int) -> Arrays:
    import numpy as np

    ids = [tokenizer.first, *content, tokenizer.last]
    length = min(math.ceil(len(ids) / BUCKET) * BUCKET, max_length)
    token_ids, mask = np.zeros(length, np.int32), np.zeros(length, np.int32)
    token_ids[: len(ids)] = ids
    mask[: len(ids)] = 1
    return {"token_ids": token_ids, "mask": mask}


def preview(source: Any) -> tuple[str, bytes]:
    """Return the beginning of a text for a report: its media type, and the text in UTF-8.

    Raises:
        ValueError: the source cannot be read; one line.
    """
    text, _ = read(source)
    start = " ".join(text[: 4 * PREVIEW].split())
    shown = start if len(start) <= PREVIEW else f"{start[: PREVIEW - 1]}…"
    return "text/plain", shown.encode("utf-8", "replace")
