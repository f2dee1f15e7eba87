"""Reads texts and makes token numbers of them as in training. Needs numpy and tokenizers."""

import functools
import itertools
import json
import math
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from tokenizers.normalizers import BertNormalizer

FILES = Path(__file__).parent / "files"
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32"}
MARKS |= {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
BUCKET = 16  # windows are padded to a multiple of this


def read(source, about):
    """Return a text: a str as it is, else that of a file or of its bytes."""
    if not isinstance(source, str):
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        source = _decoded(data, about["preprocess"]["options"]["encoding"])
    # Half a surrogate pair, as broken JSON has them, is no character.
    return source.removeprefix("\ufeff").encode("utf-8", "replace").decode("utf-8")


def prepare(raw, about):
    """Return {"token_ids": int32 [windows, length], "mask": int32 [windows, length]}."""
    options, tokenizer = about["preprocess"]["options"], _tokenizer()
    first, last = tokenizer.encode("").ids
    split, content = options["long"] == "split", options["max_length"] - 2
    ids = tokenizer.encode(raw, add_special_tokens=False).ids[: content * (options["max_windows"] if split else 1)]
    if not ids:
        raise ValueError("The text has no words.")
    count = math.ceil(len(ids) / content)
    ends = [len(ids) * number // count for number in range(count + 1)]
    windows = [[first, *ids[start:end], last] for start, end in itertools.pairwise(ends)]
    longest = math.ceil(max(map(len, windows)) / BUCKET) * BUCKET
    arrays = {name: np.zeros((count, min(longest, content + 2)), np.int32) for name in ("token_ids", "mask")}
    for number, window in enumerate(windows):
        arrays["token_ids"][number, : len(window)] = window
        arrays["mask"][number, : len(window)] = 1
    return arrays


def _decoded(data, encoding):
    """Decode as stated; by its mark, else as UTF-8, else as Windows-1252 with "auto"."""
    if encoding != "auto":
        return data.decode(encoding)
    for mark, marked in MARKS.items():
        if data.startswith(mark):
            return data.decode(marked)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")


@functools.cache
def _tokenizer():
    """The checkpoint's tokenizer, with its own word on case, accents and Chinese characters."""
    settings, names = FILES / "tokenizer_config", {"do_lower_case": "lowercase", "strip_accents": "strip_accents"}
    names["tokenize_chinese_chars"] = "handle_chinese_chars"
    settings = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    if (FILES / "tokenizer").is_file():
        tokenizer = Tokenizer.from_file(str(FILES / "tokenizer"))
    else:
        lowercase = bool(settings.get("do_lower_case", True))
        tokenizer = BertWordPieceTokenizer(str(FILES / "vocabulary"), lowercase=lowercase)._tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for name in set(names) & set(settings) if isinstance(tokenizer.normalizer, BertNormalizer) else ():
        setattr(tokenizer.normalizer, names[name], settings[name])
    return tokenizer
