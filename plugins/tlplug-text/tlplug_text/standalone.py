"""Reads texts and makes token numbers of them as in training. Needs numpy and tokenizers."""

import functools
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from tokenizers.normalizers import BertNormalizer

FILES = Path(__file__).parent / "files"
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32"}
MARKS |= {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
MAX_BYTES = 16 << 20  # of a file; as many characters of a text
CONTROLS = bytes(set(range(32)) - set(b"\b\t\n\v\f\r\x1a\x1b"))
CONTROLS_ALLOWED = 0.02  # share of these in a text
PIECE, LONGEST_PIECE = 4096, 1 << 16  # characters that are tokenized at once, at least and at most
SPACE = re.compile(r"[ \t\n\r]")
BUCKET = 16  # windows are padded to a multiple of this


class TextError(ValueError):
    """A source that is no text, or none that can be read; the message says why in one line."""


def read(source, about):
    """Return a text: a str as it is, else that of a file or of its bytes."""
    if isinstance(source, Path):
        source = _content(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        if len(source) > MAX_BYTES:
            raise TextError(f"The text has more than {MAX_BYTES:,} bytes.")
        source = _decoded(bytes(source), about["preprocess"]["options"]["encoding"])
    if not isinstance(source, str):
        raise TextError(f"A text is a str, a Path or bytes. Received: {type(source).__name__}.")
    if len(source) > MAX_BYTES:
        raise TextError(f"The text has {len(source):,} characters. Valid: at most {MAX_BYTES:,}.")
    if (place := source.find("\0")) >= 0:
        raise TextError(f"It is no text: character {place:,} is NUL.")
    # Half a surrogate pair, as broken JSON has them, is no character.
    return source.removeprefix("\ufeff").encode("utf-8", "replace").decode("utf-8")


def prepare(raw, about):
    """Return {"token_ids": int32 [windows, length], "mask": int32 [windows, length]}."""
    options, tokenizer = about["preprocess"]["options"], _tokenizer()
    first, last = tokenizer.encode("").ids
    split, content = options["long"] == "split", options["max_length"] - 2
    ids = _ids(tokenizer, raw, content * (options["max_windows"] if split else 1))
    if not ids:
        raise TextError("The text has no words.")
    count = math.ceil(len(ids) / content)
    ends = [len(ids) * number // count for number in range(count + 1)]
    windows = [[first, *ids[start:end], last] for start, end in itertools.pairwise(ends)]
    longest = math.ceil(max(map(len, windows)) / BUCKET) * BUCKET
    arrays = {name: np.zeros((count, min(longest, content + 2)), np.int32) for name in ("token_ids", "mask")}
    for number, window in enumerate(windows):
        arrays["token_ids"][number, : len(window)] = window
        arrays["mask"][number, : len(window)] = 1
    return arrays


def _content(path):
    """Return the bytes of a file, and not more than one beyond the limit."""
    try:
        if not path.is_file():
            raise TextError("There is no such file." if not path.exists() else "It is not a regular file.")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TextError(f"The file cannot be read: {error.strerror or error}.") from error


def _decoded(data, encoding):
    """Decode as stated; by its mark, else as UTF-8, else as Windows-1252 with "auto"."""
    marked = next((marked for mark, marked in MARKS.items() if data.startswith(mark)), None)
    stated = marked if encoding == "auto" else encoding
    if stated is None:
        controls = len(data) - len(data.translate(None, CONTROLS))
        if b"\0" in data or controls > CONTROLS_ALLOWED * len(data):
            raise TextError(f"It is no text file: {controls:,} of its {len(data):,} bytes are control characters.")
    for name in [stated] if stated else ["utf-8", "cp1252"]:
        try:
            return data.decode(name)
        except ValueError as error:
            reason = error
    raise TextError(
        f"The text is not {stated or 'UTF-8, nor Windows-1252'}: {' '.join(str(reason).split()):.200}."
    ) from reason


def _ids(tokenizer, text, most):
    """Return the first tokens, of a piece at a time, cut before white space where there is some."""
    ids, start = [], 0
    while start < len(text) and len(ids) < most:
        space = SPACE.search(text, start + PIECE, start + LONGEST_PIECE)
        end = space.start() if space else start + LONGEST_PIECE
        ids += tokenizer.encode(text[start:end], add_special_tokens=False).ids
        start = end
    return ids[:most]


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
