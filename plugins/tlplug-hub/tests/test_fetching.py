"""Modules from a server: fetched, validated, fetched again when they are damaged, and never offline."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from tlplug_hub import archives
from tlplug_hub.fetching import fetch
from tlplug_hub.modules import check, digest, read_program

import tlplug
from tlplug.registry import registry
from tlplug.weights import WeightsStore


@pytest.fixture
def target(tmp_path):
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / ".1.partial"


def left(target):
    """What lies beside the target."""
    return sorted(path.name for path in target.parent.iterdir())


def damaged(path):
    """The archive with one bit of the data of its module flipped, packed again."""
    import tarfile

    folder = path.parent / "damaged"
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    data = folder / "variables" / "variables.data-00000-of-00001"
    body = bytearray(data.read_bytes())
    body[200] ^= 4
    data.write_bytes(body)
    with tarfile.open(path.parent / "damaged.tar.gz", "w:gz") as archive:
        archive.add(folder, ".")
    return (path.parent / "damaged.tar.gz").read_bytes()


def test_an_address_is_asked_as_tensorflow_hub_asks(server, pack, modules, target):
    address = server.put("/google/image/1", pack("image").read_bytes())
    fetch(address, target, offline=False)
    assert server.asked == ["/google/image/1?tf-hub-format=compressed"]
    assert digest(target) == digest(modules / "image")
    assert left(target) == [".1.partial"]


def test_what_an_address_asks_already_stays(server, pack, target):
    address = server.put("/google/image/1", pack("image").read_bytes()) + "?key=a%20b&tf-hub-format=compressed"
    fetch(address, target, offline=False)
    assert server.asked == ["/google/image/1?key=a+b&tf-hub-format=compressed"]


def test_an_archive_by_its_name_is_just_downloaded(server, pack, target):
    fetch(server.put("/m/image.tar.gz", pack("image").read_bytes()) + "?key=1", target, offline=False)
    assert server.asked == ["/m/image.tar.gz?key=1"]
    check(target)


def test_a_damaged_download_is_fetched_once_more(server, pack, target):
    whole = pack("image")
    address = server.put("/image.tar.gz", damaged(whole), whole.read_bytes())
    fetch(address, target, offline=False)
    assert len(server.asked) == 2
    check(target)


def test_one_that_stays_damaged_is_refused_and_leaves_nothing(server, pack, target):
    address = server.put("/image.tar.gz", damaged(pack("image")))
    with pytest.raises(ValueError, match=r"^The variables of '\.1\.partial' are damaged or missing: [^\n]*$"):
        fetch(address, target, offline=False)
    assert (len(server.asked), left(target)) == (2, [])


@pytest.mark.parametrize("body", [b"", b"<html>not here</html>"])
def test_what_is_no_archive_is_refused(server, target, body):
    with pytest.raises(ValueError, match=r"^The archive '[^\n]*' is damaged"):
        fetch(server.put("/x.tar.gz", body), target, offline=False)
    assert left(target) == []


def test_a_pair_comes_in_two_folders(server, pack, modules, target):
    addresses = [
        server.put(f"/{part}", pack(f"pair/{part}".replace("/", "-"), folder=modules / "pair" / part).read_bytes())
        for part in ("preprocessor", "encoder")
    ]
    fetch(",".join(addresses), target, offline=False)
    assert sorted(path.name for path in target.iterdir()) == ["encoder", "preprocessor"]
    for path in target.iterdir():
        check(path)


def test_a_pair_may_come_in_one_archive(server, pack, modules, target):
    fetch(server.put("/pair.tar.gz", pack("pair").read_bytes()), target, offline=False)
    for part in ("preprocessor", "encoder"):
        assert digest(target / part) == digest(modules / "pair" / part)


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """The cache of the library tensorflow_hub, with a module in it that it has fetched from an address."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))

    def keep(address, folder):
        kept = tmp_path / "tfhub" / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
        kept.parent.mkdir()
        shutil.copytree(folder, kept)
        kept.with_name(f"{kept.name}.descriptor.txt").write_text("Module: x")
        return kept

    return keep


def test_what_tensorflow_hub_has_fetched_is_used(server, hub_cache, modules, target):
    address = f"{server.url}/google/image/1"
    hub_cache(address, modules / "image")
    fetch(address, target, offline=True)
    assert (server.asked, digest(target)) == ([], digest(modules / "image"))


def test_a_poisoned_cache_of_it_is_purged(server, hub_cache, copied, pack, target, modules):
    address = server.put("/google/image/1", pack("image").read_bytes())
    folder = copied("image")
    data = folder / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1] + b"\x7f")
    kept = hub_cache(address, folder)
    fetch(address, target, offline=False)
    assert (len(server.asked), digest(target)) == (1, digest(modules / "image"))
    assert list(kept.parent.iterdir()) == []


def test_an_older_module_in_it_stays(server, hub_cache, copied, target):
    folder = copied("image")
    program = read_program(folder)
    program.meta_graphs[0].ClearField("object_graph_def")
    (folder / "saved_model.pb").write_bytes(program.SerializeToString())
    kept = hub_cache(f"{server.url}/google/image/1", folder)
    with pytest.raises(ValueError, match="is no SavedModel of TensorFlow 2"):
        fetch(f"{server.url}/google/image/1", target, offline=False)
    assert (server.asked, digest(kept)) == ([], digest(folder))


def test_offline_nothing_is_asked(server, pack, target):
    address = server.put("/image.tar.gz", pack("image").read_bytes())
    for handle in (address, "google/yamnet/tensorFlow2/yamnet/1"):
        with pytest.raises(tlplug.DownloadError, match=r"^offline, where nothing is fetched"):
            fetch(handle, target, offline=True)
    assert server.asked == []


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """The cache of kagglehub with a module in it, and no way to reach Kaggle."""
    pytest.importorskip("kagglehub")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    def keep(folder):
        kept = tmp_path / "kaggle" / "models" / "google" / "image" / "tensorFlow2" / "image" / "1"
        shutil.copytree(folder, kept)
        kept.with_name("1.complete").touch()
        return kept

    return keep


def test_what_kagglehub_has_fetched_is_used(kaggle, modules, target):
    kaggle(modules / "image")
    fetch("google/image/tensorFlow2/image/1", target, offline=False)
    assert digest(target) == digest(modules / "image")


def test_a_poisoned_cache_of_kagglehub_is_purged_and_asked_for_again(kaggle, copied, target):
    folder = copied("image")
    (folder / "variables" / "variables.index").write_bytes(b"")
    kept = kaggle(folder)
    with pytest.raises(tlplug.DownloadError, match=r"^no connection to Kaggle$"):
        fetch("google/image/tensorFlow2/image/1", target, offline=False)
    assert not Path(kept, "saved_model.pb").exists()
    assert os.environ["KAGGLEHUB_CACHE"] in str(kept)


@pytest.mark.parametrize(
    ("name", "set_name", "typed"),
    [
        ("vggish", "youtube-8m", "tlplug weights add vggish/youtube-8m PATH"),
        ("hub:google/image/tensorFlow2/image/1", "module", "--backbone hub:PATH"),
    ],
)
def test_without_a_connection_it_says_so_and_what_to_type(kaggle, name, set_name, typed):
    entry = registry().get("backbone", name, modality="audio")
    with pytest.raises(tlplug.WeightsError) as error:
        WeightsStore().get(entry, set_name)
    assert ": no connection to Kaggle. Get the file" in str(error.value)
    assert str(error.value).endswith(f" type: {typed}")
    assert "HTTPSConnectionPool" not in str(error.value)


def test_what_is_no_module_is_not_added_and_the_one_before_stays(pack, modules, copied, tmp_path, monkeypatch):
    entry, store = registry().get("backbone", "universal_sentence_encoder"), WeightsStore()
    stored = store.add(entry, "published", pack("use"))
    assert store.verify(entry, "published") is None
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").write_text("a,b\n")
    (tmp_path / "noise.tar.gz").write_bytes(b"no archive")
    broken = copied("use")
    (broken / "variables" / "variables.index").write_bytes(b"")
    wrong = {
        tmp_path / "tables": r"'tables' has no saved_model\.pb",
        tmp_path / "tables" / "a.csv": r"The archive 'a\.csv' is damaged",
        tmp_path / "noise.tar.gz": r"The archive 'noise\.tar\.gz' is damaged",
        broken: "The variables of 'use' are damaged or missing",
    }
    for path, reason in wrong.items():
        with pytest.raises(tlplug.WeightsError, match=rf"^'.*' has no weights 'published' of '\w+': {reason}[^\n]*$"):
            store.add(entry, "published", path)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    with pytest.raises(tlplug.WeightsError, match="or 2 members"):
        store.add(entry, "published", pack("use"))
    assert store.find(entry, "published") == stored


def test_an_added_pair_is_checked(modules, copied):
    entry, store = registry().get("backbone", "hub_bert"), WeightsStore()
    store.add(entry, "wiki-books", modules / "pair")
    broken = copied("pair")
    (broken / "encoder" / "variables" / "variables.index").write_bytes(b"")
    with pytest.raises(tlplug.WeightsError, match="The variables of 'encoder' are damaged or missing"):
        store.add(entry, "wiki-books", broken)
