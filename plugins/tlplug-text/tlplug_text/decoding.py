"""From a source to a text: files and bytes of whatever encoding, with everything that could go wrong named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MAX_BYTES = 16 << 20
"""Size of the largest text that is read, in bytes; a thousand pages have three million."""

AUTO = "auto"

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),  # before UTF-16, whose mark it starts with
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_WINDOWS = "cp1252"

_CONTROLS = bytes(set(range(32)) - set(b"\b\t\n\v\f\r\x1a\x1b"))
_CONTROLS_ALLOWED = 0.02
"""Share of control characters above which bytes are no text."""


class TextError(ValueError):
    """A source that is no text, or none that can be read; the message says why in one line."""


def read(source: Any, encoding: str = AUTO) -> tuple[str, str]:
    """Return the text of a source, and a remark: empty, or how it had to be read.

    Args:
        source: a text itself, the path of a file, or the bytes of one.
        encoding: of files and bytes, by its Python name. ``auto`` goes by the byte order mark, else tries UTF-8 and
            falls back on Windows-1252, which Latin-1 files are written in as well.

    Raises:
        TextError: there is no such file, it is too large, it is no text, or it has another encoding than stated.

    >>> read(b"caf\\xe9")
    ('café', 'not UTF-8, read as Windows-1252')
    """
    text, remark = _text_of(source, encoding)
    if len(text) > MAX_BYTES:
        raise TextError(f"The text has {len(text):,} characters. Valid: at most {MAX_BYTES:,}.")
    if (position := text.find("\0")) >= 0:
        raise TextError(f"It is no text: character {position:,} is NUL.")
    return text.removeprefix("\ufeff"), remark


def check_encoding(name: str) -> None:
    """Raise `ValueError` with one line for what is no text encoding."""
    try:
        if name != AUTO:
            b"ab".decode(name)
    except UnicodeDecodeError:
        pass  # it is there, these are no characters of it
    except (LookupError, ValueError) as error:
        raise ValueError(f"Unknown text encoding {name!r}. Valid: auto, utf-8, latin-1, cp1252, utf-16 ...") from error


def _text_of(source: Any, encoding: str) -> tuple[str, str]:
    if isinstance(source, str):
        return source, ""
    if isinstance(source, Path):
        from tlplug import read_source  # here, as the rest travels with exports and does without

        try:
            source = read_source(source, MAX_BYTES)
        except ValueError as error:
            raise TextError(str(error)) from error
    if not isinstance(source, (bytes, bytearray, memoryview)):
        raise TextError(f"A text is a str, a Path or bytes. Received: {type(source).__name__}.")
    data = bytes(source)
    if len(data) > MAX_BYTES:
        raise TextError(f"The text has more than {MAX_BYTES:,} bytes.")
    if encoding != AUTO:
        return _decoded(data, encoding), ""
    for mark, marked in _MARKS:
        if data.startswith(mark):
            return _decoded(data, marked), ""
    _check_text(data)
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        try:
            return data.decode(_WINDOWS), "not UTF-8, read as Windows-1252"
        except UnicodeDecodeError:
            raise TextError(
                f"The text is neither UTF-8 ({_position(error)}) nor Windows-1252. "
                "Save it as UTF-8, or state its encoding when training: --set preprocess.encoding=NAME"
            ) from error


def _check_text(data: bytes) -> None:
    if (position := data.find(0)) >= 0:
        raise TextError(
            f"It is no text file: byte {position:,} is NUL. "
            "UTF-16 without a byte order mark: save it as UTF-8, or train with --set preprocess.encoding=utf-16-le"
        )
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if controls > _CONTROLS_ALLOWED * len(data):
        raise TextError(f"It is no text file: {controls:,} of its {len(data):,} bytes are control characters.")


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TextError(f"The text is not {encoding}: {_position(error)}.") from error
    except ValueError as error:  # some encodings have errors of their own
        raise TextError(f"The text is not {encoding}: {str(error).partition(chr(10))[0]}.") from error


def _position(error: UnicodeDecodeError) -> str:
    line = error.object.count(b"\n", 0, error.start) + 1
    return f"byte 0x{error.object[error.start]:02x} at position {error.start:,}, line {line:,}"
