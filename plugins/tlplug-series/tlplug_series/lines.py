"""The lines of text files with many series, within bounds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from tlplug_series.formats import MAX_LINE

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines of a text file, each with its end.

    Args:
        path: of the file.
        encoding: by its Python name; a byte order mark of UTF-16 wins.

    Raises:
        DataError: it cannot be opened, is not in this encoding (its message names the byte and the line), or has a line
            that is too long.
        UsageError: there is no such encoding.
    """
    from tlplug import DataError, UsageError

    number = 0
    try:
        if not path.is_file():  # devices and pipes have no end
            raise DataError(f"{str(path)!r} cannot be read: it is no regular file.")
        with path.open("rb") as raw:
            codec = _codec(raw.read(2), encoding)
            raw.seek(0)
            file = io.TextIOWrapper(raw, codec, errors="surrogateescape")
            while line := file.readline(MAX_LINE + 1):
                number += 1
                _check(line, f"{str(path)!r}", number, encoding)
                yield line
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except UnicodeError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{str(path)!r} cannot be read after line {number:,}: {reason}.") from error
    except (LookupError, ValueError) as error:
        raise UsageError(f"Unknown encoding {encoding!r}. Valid: utf-8, latin-1, cp1252, utf-16 ...") from error


def _codec(start: bytes, encoding: str) -> str:
    if start in _UTF_16:
        return "utf-16"
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def _check(line: str, path: str, number: int, encoding: str) -> None:
    from tlplug import DataError

    if len(line) > MAX_LINE:
        raise DataError(f"Line {number:,} of {path} has more than {MAX_LINE:,} characters.")
    if "\0" in line:
        raise DataError(f"{path} is no text file: line {number:,} has a NUL.")
    if line.isascii():
        return
    if wrong := next((sign for sign in line if "\udc80" <= sign <= "\udcff"), None):
        raise DataError(
            f"{path} is not {encoding}: the byte 0x{ord(wrong) - 0xDC00:02x} in line {number:,} cannot be read. "
            "Save it as UTF-8, or state its encoding to a reader that takes one: --set reader.encoding=latin-1"
        )
