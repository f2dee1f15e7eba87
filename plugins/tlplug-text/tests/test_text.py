"""The preprocess: lengths, long texts, texts with nothing in them."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tlplug_text.text import BUCKET, MAX_LENGTH, MAX_WINDOWS, make, preview

from tlplug import OptionError


@pytest.fixture(scope="module")
def preprocess(files):
    return make({"max_length": 64, "long": "truncate"}, files)


def tokens(arrays):
    return arrays["token_ids"][arrays["mask"] == 1].tolist()


def test_the_arrays_of_a_text(preprocess, golden):
    arrays = preprocess(golden[0]["text"])
    assert list(arrays) == ["token_ids", "mask", "span"]
    assert arrays.pop("span") == (0, len(golden[0]["token_ids"]) - 2, "tokens")
    assert tokens(arrays) == golden[0]["token_ids"]
    assert {(array.dtype, array.shape) for array in arrays.values()} == {(np.dtype(np.int32), (BUCKET,))}


@pytest.mark.parametrize(("words", "length"), [(1, 16), (14, 16), (15, 32), (62, 64), (63, 64), (1000, 64)])
def test_a_length_is_a_multiple_that_depends_on_the_text_alone(preprocess, words, length):
    assert preprocess("word " * words)["mask"].shape == (length,)


def test_the_largest_length_need_not_be_a_multiple(files):
    arrays = make({"max_length": 21, "long": "truncate"}, files)("word " * 30)
    assert arrays["mask"].tolist() == [1] * 21
    assert tokens(arrays)[-1] == 102


def test_what_is_cut_is_remarked(preprocess):
    assert "remark" not in preprocess("word " * 62)
    arrays = preprocess("word " * 63)
    assert arrays["remark"] == "cut after 62 tokens"
    assert tokens(arrays) == [101, *[2773] * 62, 102]
    assert preprocess("café ".encode("cp1252") * 90)["remark"] == (
        "not UTF-8, read as Windows-1252; cut after 62 tokens"
    )


def test_a_long_text_is_split_into_windows_of_one_length(files):
    preprocess = make({"max_length": 32, "long": "split"}, files)
    text = " ".join(str(number % 10) for number in range(95))
    windows = preprocess(text)
    assert [int(window["mask"].sum()) - 2 for window in windows] == [23, 24, 24, 24]
    joined = [number for window in windows for number in tokens(window)[1:-1]]
    assert joined == tokens(make({"max_length": 512, "long": "truncate"}, files)(text))[1:-1]
    assert [window["span"][:2] for window in windows] == [(0, 23), (23, 47), (47, 71), (71, 95)]
    assert all(set(window) == {"token_ids", "mask", "span"} for window in windows)
    assert len(preprocess("short")) == 1


def test_a_text_has_so_many_windows_and_not_more(files):
    preprocess = make({"max_length": 32, "max_windows": 3}, files)
    assert len(preprocess("word " * 90)) == 3
    windows = preprocess("word " * 91)
    assert [int(window["mask"].sum()) for window in windows] == [32, 32, 32]
    assert [window.get("remark") for window in windows] == ["cut after 90 tokens", None, None]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "The text is empty."),
        (b"", "The text is empty."),
        (b"\xef\xbb\xbf", "The text is empty."),
        ("  \n\t ", "The text has no words, only white space or the like."),
        ("\u200b\u00ad\x07", "The text has no words, only white space or the like."),
    ],
)
@pytest.mark.parametrize("long", ["truncate", "split"])
def test_a_text_with_nothing_in_it_gets_its_reason(files, source, reason, long):
    with pytest.raises(ValueError, match=rf"^{reason}$"):
        make({"long": long}, files)(source)


def test_an_empty_file_gets_its_reason(preprocess, tmp_path):
    path = tmp_path / "empty.txt"
    path.touch()
    with pytest.raises(ValueError, match=r"^The text is empty\.$"):
        preprocess(path)


@pytest.mark.parametrize(("long", "count"), [("truncate", 1), ("split", MAX_WINDOWS)])
def test_a_hundred_thousand_words_need_little_time_and_memory(files, long, count):
    text = "A hundred thousand words, more or less. " * 15_000
    preprocess = make({"long": long}, files)
    start = time.perf_counter()
    tracemalloc.start()
    made = preprocess(text)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - start < 1
    assert most < 2 << 20
    windows = made if long == "split" else [made]
    assert [window["mask"].shape for window in windows] == [(MAX_LENGTH,)] * count


def test_white_space_without_end_before_a_word(preprocess):
    assert tokens(preprocess(" \n" * 500_000 + "word")) == [101, 2773, 102]


def test_threads_get_what_one_alone_gets(preprocess):
    texts = [f"text number {number} " * number for number in range(1, 40)]
    with ThreadPoolExecutor(8) as pool:
        for together, text in zip(pool.map(preprocess, texts), texts, strict=True):
            np.testing.assert_array_equal(together["token_ids"], preprocess(text)["token_ids"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 513}, r"^Option 'max_length' is 512 or less for this network\. Received: 513\.$"),
        ({"encoding": "utf-9"}, r"^Unknown text encoding 'utf-9'\. Valid: auto, utf-8, "),
    ],
)
def test_options_that_do_not_fit(files, options, message):
    with pytest.raises(OptionError, match=message):
        make(options, files)


def test_a_preview_is_the_beginning(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Café \n\n au   lait".encode("cp1252"))
    assert preview(path) == ("text/plain", "Café au lait".encode())
    media, data = preview("word " * 1000)
    assert media == "text/plain"
    assert len(data.decode()) == 300
    assert data.decode().endswith("…")
    assert preview("\ud800")[1] == b"?"
    with pytest.raises(ValueError, match=r"^There is no such file\.$"):
        preview(tmp_path / "none.txt")


def test_it_never_imports_tensorflow(files):
    source = (
        "import sys; from pathlib import Path; from tlplug_text.text import make;"
        f"make({{}}, {{name: Path(path) for name, path in {[(n, str(p)) for n, p in files.items()]}}})('a text');"
        "print([name for name in ('tensorflow', 'keras', 'keras_hub', 'safetensors') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
