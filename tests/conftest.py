"""Shared fixtures: a clean environment, distributions as pip leaves them, a small web server, a disk that fills up."""

from __future__ import annotations

import http.server
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tlplug import progress
from tlplug.plugins import Plugin
from tlplug.registry import Entry, registry
from tlplug.specs import Backbone


def pytest_configure():
    # A shell that starts jobs in the background has them ignore Ctrl-C, and so would every process of a test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as tlplug does, if a test imports TensorFlow before it


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """No switch of the person who runs the tests, and no name of another test."""
    for name in list(os.environ):
        if name.startswith("TLPLUG_") and name != "TLPLUG_TEST_CACHE":
            monkeypatch.delenv(name)
    # What a command of the test sets in this process, such as --offline, is taken back as well.
    for name in ("TLPLUG_OFFLINE", "TLPLUG_TRUST"):
        monkeypatch.setenv(name, "")
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


IMPORTED = """
import os, sys
from tlplug.cli import main
try:
    main()
finally:
    with open(os.environ["IMPORTED"], "w") as file:
        file.write(" ".join({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture
def imported(python, tmp_path, monkeypatch):
    """Run a command in a process of its own; return the packages that it imported."""
    monkeypatch.setenv("IMPORTED", str(tmp_path / "imported"))

    def run(*arguments):
        process = python(IMPORTED, *arguments)
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, ""), output
        return set((tmp_path / "imported").read_text().split())

    return run


@pytest.fixture
def notes():
    """What is said meanwhile."""
    said = []

    class Notes(progress.Silent):
        def note(self, text):
            said.append(text)

    progress.use(Notes())
    yield said
    progress.use(progress.Silent())


@pytest.fixture
def disk(tmp_path, request):
    """A disk of 256 KB, or as it is parametrized; skipped where this user cannot mount one.

    ``disk(read_only=True)`` makes it read-only.
    """
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        return (
            shutil.which("mount") is not None
            and subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False).returncode == 0
        )

    if not mount("-t", "tmpfs", "-o", f"size={getattr(request, 'param', '256k')}", "tmpfs"):
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


VECTORS = """
import numpy as np
import tlplug
from tlplug.specs import Option

CALLS = []

@tlplug.register_preprocess(
    "numbers", modality="vector", suffixes=[".vec"], options=[Option(name="factor", type=float, default=1.0)]
)
def make(options, files):
    def arrays(source):
        values = source if isinstance(source, np.ndarray) else np.loadtxt(source, dtype="float32", ndmin=1)
        CALLS.append(source)
        if values.shape != (8,):
            raise ValueError(f"it has {values.size} numbers, not 8\\nand a second line")
        return {"values": (values * options["factor"]).astype("float32")}

    return arrays

UNITS = Option(name="units", type=int, default=4)

@tlplug.register_backbone("tanh", modality="vector", input_shape=(8,), options=[UNITS])
def build(weights=None, units=4):
    import keras
    inputs = keras.Input((8,), name="values")
    return keras.Model(inputs, keras.layers.Dense(units, activation="tanh")(inputs))
"""


@pytest.fixture
def vectors(tmp_path, cache, monkeypatch):
    """A plugin file, loaded alone: vectors of eight numbers (arrays, or ``.vec`` files) and a small network for them.

    Its ``CALLS`` are the sources that were decoded.
    """
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin")
    path = tmp_path / "vectors.py"
    path.write_text(VECTORS)
    plugin = registry().load_file(path)
    name = plugin.module.__name__
    yield plugin.module
    sys.modules.pop(name, None)


NET = '''
"""A network of the tests' own: eight numbers in, sixteen out."""

from pathlib import Path

from tlplug import Backbone, Source, Weights, hookimpl


def build(weights=None):
    import keras
    import numpy as np

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="tanh")])
    if weights is not None:
        model.set_weights([np.load(weights), np.zeros(16, np.float32)])
    return model


@hookimpl
def backbone():
    weights = Weights(sources=(Source(kind="file", location=str(Path(__file__).with_name("net.npy"))),))
    return [Backbone(name="net", modality="dots", build=build, input_shape=(8,), weights={"fixed": weights})]
'''
DOTS = '''
"""A modality of the tests' own: eight numbers in a file or text. Beyond DOTS_STOP of them it waits for DOTS_GO."""

import itertools
import os
import time
from pathlib import Path

import numpy as np

from tlplug import Option, Preprocess, hookimpl

CALLS = itertools.count(1)


def make(options, files):
    def read(source):
        text = source.read_text() if isinstance(source, Path) else source
        if isinstance(text, str):
            try:
                source = np.array([float(number) for number in text.split()], np.float32)
            except ValueError:
                raise ValueError("these are no numbers") from None
        if source.shape != (8,):
            raise ValueError(f"eight numbers are needed, there are {source.size}")
        if next(CALLS) > int(os.environ.get("DOTS_STOP", 1 << 30)):
            wait("decoding")
        return {"numbers": source * options["scale"]}

    return read


def preview(source):
    if "DOTS_SHOW" in os.environ:
        wait("showing")
    return "image/svg+xml", b"<svg/>"


def wait(what):
    go = Path(os.environ["DOTS_GO"])
    go.with_name(what).touch()
    while not go.exists():
        time.sleep(0.01)


def demo(folder):
    for number in range(40):
        path = folder / ("even", "odd")[number % 2] / f"{number}.dots"
        path.parent.mkdir(exist_ok=True)
        path.write_text(" ".join(str((-1) ** number * (place + number / 100)) for place in range(8)))
    return "40 files of numbers"


@hookimpl
def preprocess():
    scale = Option(name="scale", type=float, default=1.0, help="what every number is multiplied by")
    return [
        Preprocess(
            name="dots",
            modality="dots",
            make=make,
            suffixes=(".dots",),
            options=(scale,),
            default_backbone="net",
            preview=preview,
            demo=demo,
        )
    ]
'''


class Dots:
    """A modality in two plugin files, compiled once a session: its network, and its preprocess."""

    def __init__(self, folder: Path) -> None:
        self.net, self.dots, self.cache = folder / "net.py", folder / "dots.py", folder / "cache"
        self.net.write_text(NET)
        self.dots.write_text(DOTS)
        np.save(folder / "net.npy", np.random.default_rng(0).normal(0, 0.4, (8, 16)).astype(np.float32))
        self.plugins = ["--plugin", str(self.net), "--plugin", str(self.dots)]

    def load(self) -> None:
        """Load both files into this process, as ``--plugin`` does."""
        for path in (self.net, self.dots):
            registry().load_file(path)

    def write(self, folder: Path, sizes=None, *, seed=0, noise=0.6) -> Path:
        """Write a data set, ``<folder>/<class>/<number>.dots``; the more noise, the more classes look alike."""
        generator = np.random.default_rng(seed)
        for place, (name, size) in enumerate((sizes or {"high": 16, "low": 14, "wide": 12}).items()):
            (folder / name).mkdir(parents=True)
            for number, row in enumerate(generator.normal(0, noise, (size, 8))):
                row[place] += 1.5
                (folder / name / f"{number:04d}.dots").write_text(" ".join(f"{value:.6f}" for value in row))
        return folder


def _train(cache, *arguments):
    command = [sys.executable, "-c", "from tlplug.cli import main; main()", "train", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TLPLUG_")}
    environment["TLPLUG_CACHE_DIR"] = str(cache)
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def compiled_dots(tmp_path_factory):
    """The modality, with its network compiled into a cache that nobody writes to afterwards."""
    folder = tmp_path_factory.mktemp("dots")
    dots = Dots(folder)
    data = dots.write(folder / "data", {"a": 4, "b": 4})
    _train(dots.cache, data, "--against", "random", "--out", folder / "run", *dots.plugins)
    shutil.rmtree(dots.cache / "features")
    return dots


@pytest.fixture
def dots(compiled_dots, cache):
    """A modality of the tests' own, its network compiled in a cache of this test's, which has no features."""
    shutil.copytree(compiled_dots.cache, cache)
    before = set(sys.modules)
    yield compiled_dots
    for name in set(sys.modules) - before:
        if name.startswith("tlplug_file_"):
            del sys.modules[name]


@pytest.fixture(scope="session")
def dots_run(compiled_dots, tmp_path_factory):
    """A run on that modality and the data it was trained on, for tests that only read."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(compiled_dots.cache, folder / "cache")
    data = compiled_dots.write(folder / "data")
    _train(folder / "cache", data, "--out", folder / "run", *compiled_dots.plugins)
    return folder / "run"


@dataclass
class Result:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.err.splitlines()


@pytest.fixture
def cli(capfd):
    """Run a command in this process, as typed after ``tlplug``."""
    from tlplug.cli import main

    def run(*arguments):
        capfd.readouterr()
        registry.cache_clear()  # a command is a process of its own
        with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        progress.use(progress.Silent())
        return Result(ended.value.code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def _compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def warm(cache, _compiled):
    """The test's own cache, with the networks in it that tests before have compiled; no features."""
    shutil.copytree(_compiled, cache / "compiled")
    yield
    shutil.copytree(cache / "compiled", _compiled, dirs_exist_ok=True)
