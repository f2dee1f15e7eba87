"""What people type after `predict`: files, folders, patterns and other sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tlplug.data import find_inputs, load_data, prevailing_modality, read_inputs, read_sources
from tlplug.data.inputs import looks_like_path
from tlplug.errors import DataError, UsageError
from tlplug.specs import Example

ENDINGS = [".vec", ".num"]


@pytest.fixture
def folder(tmp_path):
    for name in ("b.vec", "a.NUM", "c.txt", ".hidden.vec", "deep/d.vec", ".git/e.vec", "x[1].vec"):
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "files"


def names(found):
    return [path.name for path in found]


def test_a_file_is_itself_whatever_its_ending(folder):
    assert find_inputs([str(folder / "c.txt"), folder / "b.vec"], ENDINGS) == [folder / "c.txt", folder / "b.vec"]


def test_a_folder_means_the_files_of_the_modality_below_it(folder):
    assert names(find_inputs([folder], ENDINGS)) == ["a.NUM", "b.vec", "x[1].vec", "d.vec"]


def test_a_pattern_means_the_files_that_match_and_those_below_folders_that_do(folder):
    assert names(find_inputs([str(folder / "*")], ENDINGS)) == ["a.NUM", "b.vec", "c.txt", "d.vec", "x[1].vec"]
    assert names(find_inputs([str(folder / "d*")], ENDINGS)) == ["d.vec"]
    assert names(find_inputs([str(folder / "[bc].*")], ENDINGS)) == ["b.vec", "c.txt"]
    assert names(find_inputs([str(folder / "**" / "?.vec")], ENDINGS)) == ["b.vec", "d.vec"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(folder):
    assert names(find_inputs([str(folder / "x[1].vec")], ENDINGS)) == ["x[1].vec"]


@pytest.mark.parametrize("name", ["missing.vec", "no*thing.NUM", "[.vec", "missing/b.vec"])
def test_a_file_that_is_not_there_is_kept_to_be_missed(folder, name):
    assert find_inputs([str(folder / name)], ENDINGS) == [folder / name]
    assert find_inputs([folder / "no ending"], ENDINGS) == [folder / "no ending"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a sentence",
        "really?",
        "[",
        "a" * 5000,
        "why? " * 1000,
        "a/b? " * 1000,
        "a\0b",
        "a\0b?",
        "a\0/b?",
        "\udcff*",
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_any_other_text_is_a_source_as_it_is(folder, monkeypatch, text):
    monkeypatch.chdir(folder)
    assert find_inputs([text, folder / "b.vec"], ENDINGS) == [text, folder / "b.vec"]


@pytest.mark.parametrize(
    "text", ["no.vec", "no.NUM", "./no", "../my files/no", "~/no", "/no thing", "files/no.vec", "*.md", "no[12].md"]
)
def test_what_is_meant_as_a_path_looks_like_one(text):
    assert looks_like_path(text, ENDINGS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "word",
        "why?",
        "a/b or c",
        "It is in no.vec",
        "2*3=6.0",
        "/ or",
        "/no\nthing",
        "example.com",
        "a/\0",
        "and/or",
        "24/7",
    ],
)
def test_a_word_or_a_sentence_does_not_look_like_a_path(text):
    assert not looks_like_path(text, ENDINGS)
    assert not looks_like_path("a/" * 5000, ENDINGS)


def test_what_leads_into_a_folder_is_meant_as_a_path(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert looks_like_path("deep/no", ENDINGS)
    assert not looks_like_path("deeper/no", ENDINGS)


def test_each_file_comes_once_in_the_order_given(folder):
    inputs = [str(folder / "deep"), str(folder / "*.vec"), folder, folder / "b.vec"]
    assert names(find_inputs(inputs, ENDINGS)) == ["d.vec", "b.vec", "x[1].vec", "a.NUM"]


def test_a_tilde_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert find_inputs(["~/b.vec"], ENDINGS) == [folder / "b.vec"]


def test_sources_of_other_kinds_are_themselves_and_stand_beside_files(folder):
    array = np.zeros(3)
    found = find_inputs([array, str(folder / "b.vec"), b"bytes", array], ENDINGS)
    assert found[1:3] == [folder / "b.vec", b"bytes"]
    assert found[0] is array
    assert found[3] is array


def test_files_given_twice_come_once_beside_other_sources_too(folder):
    found = find_inputs([b"bytes", folder / "b.vec", str(folder / "b.vec")], ENDINGS)
    assert found == [b"bytes", folder / "b.vec"]


def test_nothing_means_nothing(tmp_path):
    assert find_inputs([], ENDINGS) == []
    assert find_inputs([tmp_path], ENDINGS) == []


def test_sources_have_labels_where_there_are_class_folders(vectors, tmp_path):
    for name in ("a/1.vec", "a/deep/2.vec", "b/3.vec", "4.vec"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    pairs = {example.source.name: example.label for example in read_sources(tmp_path / "data", "vector")[0]}
    assert pairs == {"1.vec": "a", "2.vec": "a", "3.vec": "b", "4.vec": None}


def test_a_folder_without_class_folders_and_a_file_have_no_labels(vectors, tmp_path):
    (tmp_path / "1.vec").write_text("1")
    assert read_sources(tmp_path / "1.vec", "vector") == ([Example(source=tmp_path / "1.vec")], [])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "2.vec").write_text("2")
    assert read_sources(tmp_path / "data", "vector") == ([Example(source=tmp_path / "data" / "2.vec")], [])


def test_what_the_system_refuses_to_read_costs_no_other_input(vectors, tmp_path, monkeypatch):
    """As a file without permission; the one who runs the tests may be permitted everything."""

    def refuses(path, *others):
        if path.name == "2.vec":
            raise PermissionError(13, "Permission denied", str(path))
        return [], None

    files = [tmp_path / f"{number}.vec" for number in range(1, 4)]
    for path in files:
        path.write_text("1")
    monkeypatch.setattr("tlplug.data.reading._rows_of", refuses)
    problems = [example.problem for example in read_inputs(files, "vector")]
    assert problems == ["", "it cannot be read: Permission denied", ""]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_no_source_is_one_line(vectors, tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError) as error:
        read_sources(tmp_path / name, "vector")
    assert str(error.value) == f"No vector file at '{tmp_path / name}'. Valid: a folder or file, .vec."


def test_the_modality_is_that_of_most_files(vectors, tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.VEC").write_text("1")
    (tmp_path / "notes.txt").write_text("1")
    assert prevailing_modality(tmp_path) == "vector"
    assert prevailing_modality(tmp_path / "0.VEC") == "vector"


def test_several_modalities_are_an_error_that_counts_them(vectors, tmp_path):
    vectors.tlplug.register_preprocess("words", modality="word", suffixes=[".word"])(lambda options, files: None)
    for number in range(4):
        (tmp_path / f"{number}.word").write_text("1")
    for number in range(2):
        (tmp_path / f"{number}.vec").write_text("1")
    assert prevailing_modality(tmp_path) == "word"
    (tmp_path / "3.vec").write_text("1")
    with pytest.raises(UsageError) as error:
        prevailing_modality(tmp_path)
    message = f"'{tmp_path}' has files of several modalities: 3 vector, 4 word. Choose with --modality word."
    assert str(error.value) == message


def test_files_that_no_plugin_reads_are_an_error_with_their_endings(vectors, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.docx").write_text("1")
    with pytest.raises(DataError, match=r"Received: files with \.docx\. Valid: vector \(\.vec\)\.$"):
        prevailing_modality(tmp_path / "data")
    with pytest.raises(UsageError, match=r"^No such data: .*missing'\. Valid: a folder or a file\.$"):
        prevailing_modality(tmp_path / "missing")


def test_without_any_plugin_the_error_says_where_to_find_one(monkeypatch, tmp_path):
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin")
    (tmp_path / "a.png").write_text("1")
    valid = "Valid: none before a plugin is installed, see the README (tlplug plugins list shows what is)."
    with pytest.raises(DataError) as error:
        prevailing_modality(Path(tmp_path))
    assert str(error.value) == f"No installed plugin reads any data. {valid}"
    for modality, message in (("photo", "Unknown modality 'photo'."), (None, "Sources that are no files need a")):
        with pytest.raises(UsageError) as error:
            load_data([b"a"], ["x"], modality=modality)
        assert str(error.value).startswith(message)
        assert str(error.value).endswith(valid)
