"""Embeddings in a file: tables that other tools read, whole or not there."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tlplug.backbones import RANDOM, select_backbone
from tlplug.data import read_sources
from tlplug.embedding import embed_to_file
from tlplug.errors import DataError, UsageError
from tlplug.features import extractor_for

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables


@pytest.fixture
def selection(vectors, warm):
    return select_backbone("tanh", modality="vector", weights=RANDOM)


@pytest.fixture
def data(tmp_path):
    """Two classes, a file beside them, one that is damaged, one that cannot be opened."""
    folder = tmp_path / "data"
    for number, name in enumerate(["a/1", "a/2, ü", "b/3", "4"]):
        path = folder / f"{name}.vec"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, np.linspace(-1, number, 8))
    (folder / "b" / "damaged.vec").write_text("1 2 3")
    (folder / "b" / "gone.vec").symlink_to("nowhere")
    return folder


def embed(data, selection, out):
    """Write the table of the vectors at a path."""
    examples, problems = read_sources(data, "vector")
    assert problems == []
    return embed_to_file(examples, selection, out)


def read(path):
    """The table as columns: sources, labels, a matrix."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert header == ["source", "label", "e0", "e1", "e2", "e3"]
        return [r[0] for r in rows], [r[1] or None for r in rows], np.array([r[2:] for r in rows], "float32")
    table = pq.read_table(path) if path.suffix.lower() == ".parquet" else pa.ipc.open_file(path).read_all()
    assert table.column("embedding").type.value_type == pa.float32()
    embeddings = np.array(table.column("embedding").to_pylist(), "float32")
    return table.column("source").to_pylist(), table.column("label").to_pylist(), embeddings


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv", ".PARQUET"])
def test_a_table_has_sources_labels_and_embeddings(selection, data, tmp_path, suffix):
    out = tmp_path / "new" / f"out{suffix}"
    count, skipped = embed(data, selection, out)
    sources, labels, embeddings = read(out)
    paths = [data / "4.vec", data / "a" / "1.vec", data / "a" / "2, ü.vec", data / "b" / "3.vec"]
    assert sorted(sources) == sorted(map(str, paths))
    assert dict(zip(sources, labels, strict=True)) == dict(zip(map(str, paths), [None, "a", "a", "b"], strict=True))
    ordered = [paths[[str(path) for path in paths].index(source)] for source in sources]
    expected = extractor_for(selection, keep=False).all(ordered).embeddings
    assert np.allclose(embeddings, expected, rtol=1e-6, atol=0 if suffix != ".csv" else 1e-7)
    assert count == 4
    assert {(item.source, item.reason) for item in skipped} == {
        (str(data / "b" / "damaged.vec"), "it has 3 numbers, not 8"),
        (str(data / "b" / "gone.vec"), "cannot be read: No such file or directory"),
    }
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_binary_tables_have_every_bit(selection, data, tmp_path):
    for suffix in (".parquet", ".arrow"):
        embed(data, selection, tmp_path / f"out{suffix}")
        sources, _, embeddings = read(tmp_path / f"out{suffix}")
        again = extractor_for(selection).all([Path(source) for source in sources]).embeddings
        assert embeddings.tobytes() == again.tobytes()


def test_numbers_in_csv_are_float32_to_the_bit(selection, data, tmp_path):
    for suffix in (".arrow", ".csv"):
        embed(data, selection, tmp_path / f"out{suffix}")
    assert np.array_equal(read(tmp_path / "out.csv")[2], read(tmp_path / "out.arrow")[2])


def test_one_file_and_a_folder_without_classes_have_no_labels(selection, data, tmp_path):
    assert embed(data / "4.vec", selection, tmp_path / "one.arrow") == (1, [])
    assert read(tmp_path / "one.arrow")[1] == [None]
    assert embed(data / "a", selection, tmp_path / "two.csv") == (2, [])
    assert read(tmp_path / "two.csv")[1] == [None, None]


def test_embeddings_are_shared_with_training(selection, data, tmp_path, vectors):
    embed(data, selection, tmp_path / "one.csv")
    vectors.CALLS.clear()
    embed(data, selection, tmp_path / "two.csv")
    assert [path.name for path in vectors.CALLS] == ["damaged.vec"]


@pytest.mark.parametrize("name", ["out.npy", "out", "out.csv.gz"])
def test_another_ending_is_refused_before_any_work(selection, data, tmp_path, vectors, name):
    with pytest.raises(UsageError) as error:
        embed(data, selection, tmp_path / name)
    assert str(error.value) == (
        f"Embeddings cannot be written to '{tmp_path / name}'. Valid endings: .parquet, .arrow, .csv."
    )
    assert vectors.CALLS == []


def test_a_file_that_is_there_is_kept(selection, data, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(UsageError) as error:
        embed(data, selection, out)
    assert str(error.value) == f"There is a file '{out}' already. Choose another --out, or remove it."
    assert out.read_text() == "mine"


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_when_nothing_can_be_read_nothing_is_left(selection, tmp_path, suffix):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "1.vec").write_text("1 2 3")
    with pytest.raises(DataError) as error:
        embed(folder, selection, tmp_path / f"out{suffix}")
    reason = "it has 3 numbers, not 8"
    assert str(error.value) == f"No example can be read: {folder / '1.vec'}: {reason}."
    assert not list(tmp_path.glob("*out*"))


def test_no_files_and_no_folder_are_one_line(selection, tmp_path):
    for name in ("missing", "empty"):
        if name == "empty":
            (tmp_path / name).mkdir()
        with pytest.raises(UsageError, match=r"^No vector file at '.*'\. Valid: a folder or file, \.vec\.$"):
            embed(tmp_path / name, selection, tmp_path / "out.csv")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_a_full_disk_leaves_nothing(selection, data, disk, suffix):
    with pytest.raises(OSError, match="No space left"):
        (disk() / "large").write_bytes(bytes(1 << 20))
    with pytest.raises(OSError, match="No space left"):
        embed(data, selection, disk() / f"out{suffix}")
    assert [path.name for path in disk().iterdir()] == ["large"]
