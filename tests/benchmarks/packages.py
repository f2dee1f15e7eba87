"""Files out of Debian packages, which need not be installed."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def unpacked(package: str) -> Iterator[Path]:
    """Download a package and unpack it for the time of the block; yield what would be ``/``."""
    with tempfile.TemporaryDirectory(prefix="package-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # apt downloads as another user
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True, capture_output=True)
        (archive,) = folder.glob("*.deb")
        subprocess.run(["dpkg", "-x", archive, folder / "unpacked"], check=True)
        yield folder / "unpacked"
