"""The tokenizer that a checkpoint brings: from a text to the numbers of its tokens, without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlplug_text.architecture import read_json

if TYPE_CHECKING:
    import tokenizers

TOKENIZER = "tokenizer"
VOCABULARY = "vocabulary"
SETTINGS = "tokenizer_config"

_PIECE = 4096
"""Characters that are tokenized at once, at least; a text is cut at white space, where no token goes across."""

_LONGEST_PIECE = 1 << 16
"""Where a text is cut in any case, so that one without white space needs bounded memory."""

_SPACE = re.compile(r"[ \t\n\r]")  # what every tokenizer takes for white space; Python's \s has more

_NORMALIZER = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
"""From the names in tokenizer_config.json to those of the library's BertNormalizer."""


@dataclass(frozen=True)
class TextTokenizer:
    """A tokenizer, and the tokens that begin and end a text. It may be used from several threads."""

    tokenizer: tokenizers.Tokenizer
    first: int
    last: int

    def ids(self, text: str, limit: int | None = None) -> list[int]:
        """Return the numbers of a text's tokens, without the special ones.

        Args:
            text: any text.
            limit: stop soon after as many tokens; the rest of the text is not looked at.
        """
        ids: list[int] = []
        for piece in pieces(text):
            # Half a surrogate pair, as broken JSON has them, is no character.
            clean = piece.encode("utf-8", "replace").decode("utf-8")
            ids += self.tokenizer.encode(clean, add_special_tokens=False).ids
            if limit is not None and len(ids) >= limit:
                break
        return ids


def pieces(text: str) -> Iterator[str]:
    """Cut a text before white space, every few thousand characters."""
    start = 0
    while start < len(text):
        space = _SPACE.search(text, start + _PIECE, start + _LONGEST_PIECE)
        end = space.start() if space else start + _LONGEST_PIECE
        yield text[start:end]
        start = end


def load(files: Mapping[str, Path]) -> TextTokenizer:
    """Load a checkpoint's tokenizer.

    Args:
        files: ``tokenizer`` (a tokenizer.json), or ``vocabulary`` (a vocab.txt of WordPiece, one token a line), and
            ``tokenizer_config``, whose word on case, accents and Chinese characters counts.

    Raises:
        ValueError: a file is missing or damaged; one line.
    """
    from tokenizers import Tokenizer

    settings = read_json(files[SETTINGS]) if SETTINGS in files else {}
    try:
        if TOKENIZER in files:
            tokenizer = Tokenizer.from_file(str(files[TOKENIZER]))
        elif VOCABULARY in files:
            tokenizer = _word_piece(files[VOCABULARY], settings)
        else:
            raise ValueError(f"there is neither {TOKENIZER!r} nor {VOCABULARY!r} among the files {sorted(files)}")
        tokenizer.no_truncation()
        tokenizer.no_padding()
        _set_normalizer(tokenizer, settings)
        first, last = tokenizer.encode("").ids
    except Exception as error:  # the library raises plain Exception for a damaged file
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(f"The checkpoint's tokenizer cannot be used: {reason}.") from error
    return TextTokenizer(tokenizer, first, last)


def _word_piece(vocabulary: Path, settings: Mapping[str, object]) -> tokenizers.Tokenizer:
    from tokenizers.implementations import BertWordPieceTokenizer

    lowercase = bool(settings.get("do_lower_case", True))
    made = BertWordPieceTokenizer(str(vocabulary), lowercase=lowercase)
    return made._tokenizer  # the class wraps what the rest here works with


def _set_normalizer(tokenizer: tokenizers.Tokenizer, settings: Mapping[str, object]) -> None:
    from tokenizers.normalizers import BertNormalizer

    normalizer = tokenizer.normalizer
    if isinstance(normalizer, BertNormalizer):
        for key, attribute in _NORMALIZER.items():
            if key in settings:
                setattr(normalizer, attribute, settings[key])
