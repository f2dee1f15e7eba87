"""Shared fixtures: a clean environment, distributions as pip leaves them, a small web server, a disk that fills up."""

from __future__ import annotations

import http.server
import importlib
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tlplug.plugins import Plugin
from tlplug.registry import Entry, registry
from tlplug.specs import Backbone


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """No switch of the person who runs the tests, and no name of another test."""
    for name in list(os.environ):
        if name.startswith("TLPLUG_") and name != "TLPLUG_TEST_CACHE":
            monkeypatch.delenv(name)
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(folder))
    return folder


class Site:
    """A folder on the path, filled the way pip fills site-packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, distribution, source, *, version="1.0", names=None, direct_url=None, metadata=True):
        """Write a module and the ``.dist-info`` whose entry points name it; return the path of the module."""
        module = self.folder / f"{distribution.replace('-', '_')}.py"
        module.write_text(textwrap.dedent(source))
        info = self.folder / f"{module.stem}-{version}.dist-info"
        info.mkdir()
        if metadata:
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = [f"{name} = {module.stem}" for name in names or [distribution]]
        (info / "entry_points.txt").write_text("\n".join(["[tlplug]", *lines, ""]))
        if direct_url:
            (info / "direct_url.json").write_text(direct_url)
        importlib.invalidate_caches()
        return module

    def install_backbone(self, distribution, name, **fields):
        """Install a distribution that works and brings one backbone."""
        return self.install(
            distribution,
            f"""
            from tlplug import Backbone, hookimpl

            @hookimpl
            def backbone():
                return [Backbone(name={name!r}, modality="image", build="never.imported:build")]
            """,
            **fields,
        )


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder on the path, to install distributions into."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def entry_of():
    """Make the entry of a backbone with some weight sets, as an installed plugin would bring it."""

    def make(weights, name="net", distribution="some-plugin"):
        sets = weights if isinstance(weights, dict) else {"default": weights}
        record = Backbone(name=name, modality="image", build="never.imported:build", weights=sets)
        return Entry("backbone", record, Plugin(distribution, distribution, "1.0"))

    return make


@dataclass
class Page:
    """What the server answers at one address, and how it misbehaves."""

    body: bytes
    etag: str = '"first"'
    modified: str = ""
    statuses: list[int] = field(default_factory=list)  # of the first answers, 200 stands for a good one
    breaks: list[int] = field(default_factory=list)  # bytes that the first good answers send before they break off
    length: bool = True
    gate: threading.Event | None = None  # waited for after `hold` bytes
    hold: int = 0


class Server:
    """Pages by path, and the requests that came: path, Range and If-Range."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, str | None, str | None]] = []
        self.asked = threading.Event()
        self.url = ""

    def put(self, path, body, **fields) -> str:
        self.pages[path] = Page(body, **fields)
        return self.url + path


def _handler(server: Server):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
            server.requests.append((self.path, wanted, condition))
            server.asked.set()
            page = server.pages.get(self.path)
            status = 404 if page is None else page.statuses.pop(0) if page.statuses else 200
            if status != 200:
                self.send_error(status)
                return
            start = 0
            if wanted and condition in {page.etag, page.modified}:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(page.body):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
            if page.length:
                self.send_header("Content-Length", str(len(page.body) - start))
            if page.etag:
                self.send_header("ETag", page.etag)
            if page.modified:
                self.send_header("Last-Modified", page.modified)
            self.end_headers()
            rest = page.body[start:]
            if page.breaks:
                rest = rest[: page.breaks.pop(0)]
            if page.gate:
                self.wfile.write(rest[: page.hold])
                self.wfile.flush()
                page.gate.wait(20)
                rest = rest[page.hold :]
            self.wfile.write(rest)

        def log_message(self, *args):
            pass

        def handle(self):
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

    return Handler


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine, whose pages the test puts up."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Server()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(site)) as listener:
        listener.daemon_threads = True
        listener.block_on_close = False
        site.url = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        yield site
        for page in site.pages.values():
            if page.gate:
                page.gate.set()
        listener.shutdown()
        thread.join()


@pytest.fixture
def disk(tmp_path):
    """A disk of 256 KB; skipped where this user cannot mount one. ``disk(read_only=True)`` makes it read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        return (
            shutil.which("mount") is not None
            and subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False).returncode == 0
        )

    if not mount("-t", "tmpfs", "-o", "size=256k", "tmpfs"):
        pytest.skip("this user cannot mount a file system")

    def use(*, read_only=False):
        if read_only:
            assert mount("-o", "remount,ro")
        return folder

    yield use
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def python():
    """Start another Python process on a piece of source; killed at the end of the test when it still runs."""
    started = []

    def start(source, *arguments, **options):
        command = [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            if process.poll() is None:
                process.kill()
