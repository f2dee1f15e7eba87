"""Archives that modules come in, unpacked without trusting them."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import Self

SUFFIXES = (".tar.gz", ".tgz", ".tar")
LARGEST = 16 << 30
"""Bytes that the files of an archive may have together."""

MOST_MEMBERS = 10_000
RATIO = 100
"""How many times larger than the archive its files may be, beyond `SMALL`; weights hardly compress."""

SMALL = 256 << 20


LONGEST_HEADER = 1 << 20
"""Bytes that a long name or the further attributes of a member may have; they are read into memory."""

_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class _Member(tarfile.TarInfo):
    """A member whose headers are read only when they are as small as headers are."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _HEADERS and member.size > LONGEST_HEADER:
            raise tarfile.ReadError(f"a header has {member.size:,} bytes")
        return member


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a ``.tar``, compressed or not, into a new folder.

    Raises:
        ValueError: it is damaged; it has links, devices or paths that lead outside; or it is larger than modules are.
        OSError: the disk does not take it.
    """
    limit = min(LARGEST, max(SMALL, RATIO * archive.stat().st_size))
    folder.mkdir(parents=True)
    total = count = 0
    try:
        with tarfile.open(archive, "r:*", tarinfo=_Member) as tar:
            for member in tar:
                total, count = total + member.size, count + 1
                if total > limit or count > MOST_MEMBERS:
                    raise ValueError(
                        f"The archive {archive.name!r} has more than {limit:,} bytes or {MOST_MEMBERS:,} members."
                    )
                if not member.isreg() and not member.isdir():
                    raise ValueError(f"The archive {archive.name!r} has a link or device: {member.name[:100]!r}.")
                tar.extract(member, folder, filter="data")
    except tarfile.FilterError as error:
        raise ValueError(f"The archive {archive.name!r} has a path that leads outside: {_line(error)}") from error
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"The archive {archive.name!r} is damaged: {_line(error)}") from error
    except OSError as error:
        if error.errno is None:  # what bz2 says of damaged data
            raise ValueError(f"The archive {archive.name!r} is damaged: {_line(error)}") from error
        raise


def _line(error: Exception) -> str:
    line, more, _ = str(error).partition("\n")
    if more:  # what each kind of compression has against it follows
        return "it is no .tar, compressed or not"
    return (line or type(error).__name__)[:200]
