"""Archives from anywhere: unpacked whole, or refused in one line."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tlplug_hub import archives
from tlplug_hub.archives import unpack


@pytest.fixture
def archive(tmp_path):
    """Write a ``.tar.gz`` of members; each a name and its content, or a `tarfile.TarInfo`."""

    def write(*members):
        path = tmp_path / "module.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for member, body in members:
                info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
        return path

    return write


def refused(path, folder):
    with pytest.raises(ValueError, match=r"^The archive 'module\.tar\.gz' ") as error:
        unpack(path, folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def special(name, kind, target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_files_and_folders_come_out(archive, tmp_path):
    unpack(archive(("./saved_model.pb", b"one"), ("variables/variables.index", b"two")), tmp_path / "out")
    assert (tmp_path / "out" / "saved_model.pb").read_bytes() == b"one"
    assert (tmp_path / "out" / "variables" / "variables.index").read_bytes() == b"two"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "./../evil"])
def test_paths_that_lead_outside_are_refused(archive, tmp_path, name):
    assert "has a path that leads outside" in refused(archive((name, b"hi")), tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_absolute_paths_stay_inside(archive, tmp_path):
    unpack(archive((f"{tmp_path}/evil", b"hi")), tmp_path / "out")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(archive, tmp_path, kind):
    assert "has a link or device: 'a'" in refused(archive((special("a", kind), b"")), tmp_path / "out")


def test_bombs_are_refused(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "SMALL", 1 << 20)
    path = archive(("zeros", bytes(4 << 20)))
    assert path.stat().st_size < 10_000
    assert "has more than 1,048,576 bytes" in refused(path, tmp_path / "out")
    assert not (tmp_path / "out" / "zeros").exists()
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    assert "3 members" in refused(archive(*((str(number), b"") for number in range(4))), tmp_path / "more")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_fills_the_memory_is_refused(tmp_path, kind):
    import tracemalloc

    info = special("././@LongLink", kind, "")
    info.size = 64 << 20
    with gzip.open(tmp_path / "module.tar.gz", "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(info.size) + special("a", tarfile.REGTYPE).tobuf())
    tracemalloc.start()
    assert "is damaged" in refused(tmp_path / "module.tar.gz", tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_a_damaged_archive_is_said_to_be(archive, tmp_path):
    path = archive(("a", bytes(range(256)) * 400))
    body = path.read_bytes()
    for number, damaged in enumerate((b"", b"no archive", body[:-200], body[:40], gzip.compress(b"no tar"))):
        path.write_bytes(damaged)
        assert "is damaged" in refused(path, tmp_path / f"out{number}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(st.data())
def test_any_damage_is_one_line(archive, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("t")
    body = bytearray(archive(("a", b"some"), ("b/c", bytes(2000))).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    (folder / "x.tar.gz").write_bytes(body)
    said = ""
    try:
        unpack(folder / "x.tar.gz", folder / "out")
    except ValueError as error:
        said = str(error)
    assert "\n" not in said
