"""Handles: folders, archives, addresses and Kaggle's names, told apart without TensorFlow."""

from __future__ import annotations

import pytest
from tlplug_hub.handles import is_remote, local_path, resolve

import tlplug


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_a_folder_may_be_written_in_several_ways(modules, form):
    folder = modules / "use"
    record = resolve(form.format(folder), "text")
    (weights,) = record.weights.values()
    assert (record.modality, record.preprocess, weights.sources[0].location) == ("text", "strings", str(folder))
    assert record.network_in_weights


def test_a_tilde_is_the_home_folder_and_escapes_are_read(copied, monkeypatch, tmp_path):
    folder = copied("use")
    monkeypatch.setenv("HOME", str(folder.parent))
    assert local_path("~/use") == folder
    spaced = folder.rename(folder.with_name("a module"))
    assert local_path(f"file://{folder.parent}/a%20module") == spaced
    monkeypatch.chdir(folder.parent)
    assert local_path("a module") == spaced
    assert tmp_path in spaced.parents


@pytest.mark.parametrize(
    "handle",
    ["https://tfhub.dev/google/yamnet/1", "http://127.0.0.1:1/x.tar.gz", "google/yamnet/tensorFlow2/yamnet/1"],
)
def test_remote_ones_are_fetched_by_the_plugin(handle):
    record = resolve(handle, "text")
    (source,) = record.weights["module"].sources
    assert (str(source), source.fetch) == (f"hub:{handle}", "tlplug_hub.fetching:fetch")
    assert is_remote(handle)
    pair = resolve(f"{handle},{handle}", "text")
    assert pair.weights["module"].sources[0].location == f"{handle},{handle}"


@pytest.mark.parametrize(
    "handle",
    [
        "",
        "missing",
        "missing.tar.gz",
        "file:///missing",
        "file://elsewhere/etc",
        "a/b/pyTorch/c/1",
        "\0",
        "x" * 5000,
        "ftp://a/b",
        "https://a/b,https://a/b,https://a/b",
        "https://a/b,missing",
        "~nobody-of-this-name/x",
    ],
)
def test_what_is_no_handle_is_refused_in_one_line(handle):
    with pytest.raises(tlplug.UsageError, match=r"^No such module: ") as error:
        resolve(handle, "text")
    assert "\n" not in str(error.value)
    assert "Valid: hub:HANDLE" in str(error.value)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_other_files_are_told_from_missing_ones(tmp_path, form):
    for name in ("edges.zip", "tuned.keras", "tuned.KERAS"):
        (tmp_path / name).write_bytes(b"some")
    handle = form.format(tmp_path / "edges.zip")
    with pytest.raises(tlplug.UsageError) as error:
        resolve(handle, "text")
    assert str(error.value) == (
        f"{handle!r} is no archive that a module is taken from. Valid: .tar.gz, .tgz, .tar, or the folder that is in "
        "it, unpacked."
    )
    for name in ("tuned.keras", "tuned.KERAS"):
        with pytest.raises(tlplug.UsageError) as error:
            resolve(form.format(tmp_path / name), "text")
        assert str(error.value).endswith(f"is a Keras file, no SavedModel. Type: file:{tmp_path / name}")


@pytest.mark.parametrize(("name", "modality"), [("use", "text"), ("pair", "text")])
def test_the_signature_says_what_a_local_module_takes(modules, pack, name, modality):
    assert resolve(str(modules / name), None).modality == modality
    assert resolve(str(pack(name)), None).modality == modality


def test_what_the_signature_does_not_say_is_asked_for(modules, tmp_path):
    for handle in ("https://tfhub.dev/google/yamnet/1", str(modules / "pair" / "encoder")):
        with pytest.raises(tlplug.UsageError, match=r"^What 'hub:.*' takes cannot be told .*: add --modality\.$"):
            resolve(handle, None)
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    with pytest.raises(tlplug.UsageError, match=r"^'empty' has no saved_model\.pb"):
        resolve(str(tmp_path / "empty"), None)
    with pytest.raises(tlplug.UsageError, match=r"^The archive 'x\.tar\.gz' is damaged"):
        resolve(str(tmp_path / "x.tar.gz"), None)


def test_other_modalities_and_missing_preprocesses_are_named(modules, monkeypatch):
    with pytest.raises(tlplug.UsageError, match=r"^Modules take image, text, audio\. Received: series for 'hub:"):
        resolve(str(modules / "use"), "series")
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin,hub")
    for modality, plugin in (("image", "tlplug-vision"), ("audio", "tlplug-audio")):
        message = f"Nothing that is installed reads {modality} data. Type: pip install {plugin}"
        with pytest.raises(tlplug.UsageError) as error:
            resolve(str(modules / "image"), modality)
        assert str(error.value) == message


def test_with_a_modality_tensorflow_is_not_imported(modules, python):
    source = (
        "import sys; from tlplug_hub.handles import resolve; resolve(sys.argv[1], 'text');"
        "print([name for name in ('tensorflow', 'keras', 'numpy') if name in sys.modules])"
    )
    assert python(source, modules / "use").strip() == "[]"
