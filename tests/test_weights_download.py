"""Downloads from a server that breaks off, changes its mind, refuses and lies; and by processes that are killed."""

from __future__ import annotations

import gc
import hashlib
import http.client
import os
import random
import socket
import ssl
import threading
import time
import urllib.error
import warnings

import pytest

from tlplug.cache import prune_cache
from tlplug.errors import WeightsError
from tlplug.specs import Source, Weights
from tlplug.storage import read_json, write_json
from tlplug.weights import WeightsStore
from tlplug.weights.download import ATTEMPTS, download

BODY = random.Random(0).randbytes(700_000)  # noqa: S311 - not a secret; more than two pieces of a download
SHA256 = hashlib.sha256(BODY).hexdigest()
GET = """
import sys
from tlplug.plugins import Plugin
from tlplug.registry import Entry
from tlplug.specs import Backbone, Source, Weights
from tlplug.weights import WeightsStore

weights = Weights(sources=[Source(kind="url", location=sys.argv[1])])
record = Backbone(name="net", modality="image", build="never.imported:build", weights={"default": weights})
print("ready", flush=True)
print(WeightsStore().get(Entry("backbone", record, Plugin("some-plugin", "some-plugin", "1.0")), "default").sha256)
"""


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "arriving"
    folder.mkdir()
    return folder / ".net.h5.partial"


def url(location, **fields):
    return Weights(sources=[Source(kind="url", location=location)], **fields)


def left(target):
    return sorted(path.name for path in target.parent.iterdir())


def started(target, url, *, size, validator):
    """Leave what a process left that was killed after `size` bytes."""
    target.write_bytes(BODY[:size])
    write_json(target.with_name(target.name + ".json"), {"url": url, "validator": validator})


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("body", [BODY, b""])
def test_a_file_arrives_whole_and_nothing_else_is_left(server, target, body, length):
    download(server.put("/net.h5", body, length=length), target)
    assert target.read_bytes() == body
    assert left(target) == [target.name]
    assert server.requests == [("/net.h5", None, None)]


def test_a_broken_connection_is_resumed_where_it_broke(server, target):
    url = server.put("/net.h5", BODY, breaks=[300_000, 10])
    download(url, target, pause=0)
    assert target.read_bytes() == BODY
    assert server.requests == [
        ("/net.h5", None, None),
        ("/net.h5", "bytes=300000-", '"first"'),
        ("/net.h5", "bytes=300010-", '"first"'),
    ]
    assert left(target) == [target.name]


def test_the_date_of_the_file_serves_where_there_is_no_strong_tag(server, target):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    url = server.put("/net.h5", BODY, etag='W/"weak"', modified=date, breaks=[300_000])
    download(url, target, pause=0)
    assert target.read_bytes() == BODY
    assert server.requests[1] == ("/net.h5", "bytes=300000-", date)


def test_without_a_validator_a_broken_download_starts_afresh(server, target):
    url = server.put("/net.h5", BODY, etag="", breaks=[300_000])
    download(url, target, pause=0)
    assert target.read_bytes() == BODY
    assert server.requests[1] == ("/net.h5", None, None)


def test_what_a_killed_process_left_is_gone_on_with(server, target):
    url = server.put("/net.h5", BODY)
    started(target, url, size=123_456, validator='"first"')
    download(url, target)
    assert target.read_bytes() == BODY
    assert server.requests == [("/net.h5", "bytes=123456-", '"first"')]


def test_a_file_that_changed_on_the_server_starts_afresh(server, target):
    new = BODY[::-1]
    url = server.put("/net.h5", new, etag='"second"')
    started(target, url, size=123_456, validator='"first"')
    download(url, target)
    assert target.read_bytes() == new
    assert server.requests == [("/net.h5", "bytes=123456-", '"first"')]


def test_the_start_of_another_address_is_not_used(server, target):
    url = server.put("/net.h5", BODY)
    started(target, server.url + "/other.h5", size=123_456, validator='"first"')
    download(url, target)
    assert target.read_bytes() == BODY
    assert server.requests == [("/net.h5", None, None)]


def test_a_start_that_is_all_of_the_file_gives_the_file(server, target):
    url = server.put("/net.h5", BODY)
    started(target, url, size=len(BODY), validator='"first"')
    download(url, target, pause=0)
    assert target.read_bytes() == BODY
    assert left(target) == [target.name]


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_damaged_note_about_the_start_means_afresh(server, target, text):
    url = server.put("/net.h5", BODY)
    target.write_bytes(b"something")
    target.with_name(target.name + ".json").write_text(text)
    download(url, target, pause=0)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(server, target, status):
    url = server.put("/net.h5", BODY, statuses=[status])
    with pytest.raises(urllib.error.HTTPError) as error:
        download(url, target, pause=0)
    error.value.close()
    assert error.value.code == status
    assert len(server.requests) == 1


def test_a_server_that_recovers_gives_the_file(server, target):
    url = server.put("/net.h5", BODY, statuses=[500, 503])
    download(url, target, pause=0)
    assert target.read_bytes() == BODY
    assert len(server.requests) == 3


def test_no_connection_is_left_open(server, target):
    url = server.put("/net.h5", BODY, statuses=[500, 503])
    started(target, url, size=len(BODY), validator='"first"')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        download(url, target, pause=0)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_a_server_error_on_the_way_does_not_cost_what_has_arrived(server, target):
    url = server.put("/net.h5", BODY, statuses=[200, 503], breaks=[300_000])
    download(url, target, pause=0)
    assert target.read_bytes() == BODY
    assert server.requests[-1] == ("/net.h5", "bytes=300000-", '"first"')


def test_a_tls_error_on_the_way_is_tried_again(server, target, monkeypatch):
    read, errors = http.client.HTTPResponse.read, [ssl.SSLError(1, "record layer failure")]

    def broken(self, amount=None):
        if target.exists() and target.stat().st_size and errors:
            raise errors.pop()
        return read(self, amount)

    monkeypatch.setattr(http.client.HTTPResponse, "read", broken)
    url = server.put("/net.h5", BODY)
    download(url, target, pause=0)
    assert target.read_bytes() == BODY
    assert errors == []
    assert len(server.requests) == 2


def test_a_server_that_does_not_recover_is_given_up_with_growing_pauses(server, target, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    url = server.put("/net.h5", BODY, statuses=[500] * 10)
    with pytest.raises(urllib.error.HTTPError) as error:
        download(url, target, pause=0.5)
    error.value.close()
    assert len(server.requests) == ATTEMPTS == 4
    assert pauses == [0.5, 1, 2]


def test_a_connection_that_breaks_without_coming_further_is_given_up(server, target):
    url = server.put("/net.h5", BODY, breaks=[300_000] + [0] * 10)
    with pytest.raises(ConnectionError, match=r"the connection ended after 300,000 of 700,000 bytes"):
        download(url, target, pause=0)
    assert target.read_bytes() == BODY[:300_000]
    assert read_json(target.with_name(".net.h5.partial.json")) == {"url": url, "validator": '"first"'}


def test_a_connection_that_comes_further_each_time_is_not_given_up(server, target):
    url = server.put("/net.h5", BODY, breaks=[100_000] * 6)
    download(url, target, pause=0)
    assert target.read_bytes() == BODY
    assert len(server.requests) == 7


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (True, "it has 700,000 bytes, more than the 699,999 expected"),
        (False, "it has more than the 699,999 bytes expected"),
    ],
)
def test_more_than_expected_is_refused(server, target, length, said):
    url = server.put("/net.h5", BODY, length=length)
    with pytest.raises(ValueError, match=said):
        download(url, target, limit=len(BODY) - 1)
    assert not target.exists() or target.stat().st_size < len(BODY)


def test_the_limit_holds_for_the_sum_of_the_pieces(server, target):
    url = server.put("/net.h5", BODY, breaks=[300_000])
    with pytest.raises(ValueError, match="more than the 500,000 expected"):
        download(url, target, limit=500_000, pause=0)


def test_a_refused_connection_is_final(target, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("waited for nothing"))
    with pytest.raises(urllib.error.URLError, match="Connection refused"):
        download(f"http://127.0.0.1:{port}/net.h5", target)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://example.org/x", "/net.h5", "", "data:,x"])
def test_only_http_is_spoken(target, url):
    with pytest.raises(ValueError, match="only http and https addresses can be downloaded, not "):
        download(url, target)
    assert left(target) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a b.h5", "http://[::1/net.h5", "http:///net.h5"])
def test_an_address_that_cannot_be_asked_for_is_not_tried_again(target, monkeypatch, url):
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("waited for nothing"))
    with pytest.raises((ValueError, urllib.error.URLError)):
        download(url, target)


def test_two_processes_share_one_download(cache, server, python):
    gate = threading.Event()
    location = server.put("/net.h5", BODY, gate=gate, hold=1000)
    first = python(GET, location)
    assert server.asked.wait(20)
    second = python(GET, location)
    assert second.stdout.readline() == "ready\n"
    time.sleep(0.2)  # long enough to come to the lock
    gate.set()
    assert first.communicate(timeout=30) == (f"ready\n{SHA256}\n", "")
    assert second.communicate(timeout=30) == (f"{SHA256}\n", "")
    assert len(server.requests) == 1


def test_what_a_killed_process_has_fetched_is_gone_on_with(cache, server, python, entry_of):
    gate = threading.Event()
    location = server.put("/net.h5", BODY, gate=gate, hold=400_000)
    process = python(GET, location)
    folder = cache / "weights" / "some-plugin" / "net" / "default"
    part = folder / ".net.h5.partial"
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    gate.set()
    arrived = part.stat().st_size
    assert 0 < arrived <= 400_000
    entry = entry_of(url(location))
    assert WeightsStore().find(entry, "default") is None
    assert WeightsStore().get(entry, "default").sha256 == SHA256
    assert server.requests[1:] == [("/net.h5", f"bytes={arrived}-", '"first"')]
    assert sorted(path.name for path in folder.iterdir()) == ["net.h5", "record.json"]


def test_what_a_broken_connection_has_brought_is_kept_for_the_next_time(cache, server, entry_of, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    entry = entry_of(url(server.put("/net.h5", BODY, breaks=[400_000] + [0] * 3)))
    with pytest.raises(WeightsError, match="the connection ended after 400,000 of 700,000 bytes"):
        WeightsStore().get(entry, "default")
    assert WeightsStore().get(entry, "default").sha256 == SHA256
    assert server.requests[-1] == ("/net.h5", "bytes=400000-", '"first"')


def test_a_start_that_nobody_goes_on_with_is_pruned(cache, server, entry_of, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    entry = entry_of(url(server.put("/net.h5", BODY, breaks=[400_000] + [0] * 9)))
    with pytest.raises(WeightsError, match="the connection ended"):
        WeightsStore().get(entry, "default")
    folder = cache / "weights" / "some-plugin" / "net" / "default"
    names = {path.name for path in folder.iterdir()}
    assert names == {".net.h5.partial", ".net.h5.partial.json"}
    prune_cache(0)
    assert {path.name for path in folder.iterdir()} == names  # the next attempt may still go on with it
    for name in names:
        os.utime(folder / name, (0, 0))
    assert prune_cache(365) >= 400_000
    assert list(folder.iterdir()) == []


def test_a_source_that_broke_off_leaves_nothing_once_another_has_answered(cache, server, entry_of, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    broken = Source(kind="url", location=server.put("/a/net.h5", BODY, breaks=[400_000] + [0] * 9))
    good = Source(kind="url", location=server.put("/b/other.h5", BODY))
    stored = WeightsStore().get(entry_of(Weights(sources=[broken, good])), "default")
    assert sorted(path.name for path in stored.path.parent.iterdir()) == ["other.h5", "record.json"]
