"""The preprocess as a graph, and as it travels along with exports, against the preprocess itself."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_text import decoding, plugin, standalone
from tlplug_text.bbc import write
from tlplug_text.graph import make as make_graph
from tlplug_text.text import make

from tlplug.testing import prepare_alone

OPTIONS = {option.name: option.default for option in plugin.preprocess()[0].options}
SHORT = {**OPTIONS, "max_length": 16, "max_windows": 3}
ODD = [
    "",
    " ",
    "a",
    "ing",
    "\t",
    "\u00a0",
    "é",
    "İ",
    "ß",
    "東京",
    "[MASK]",
    "[ SEP]",
    "🙂",
    "\u200b",
    "x" * 101,
    "\ufeff",
]
WORDS = st.lists(st.one_of(st.characters(codec="utf-8", exclude_characters="\0"), st.sampled_from(ODD)), max_size=120)


@pytest.fixture(scope="module")
def articles(tmp_path_factory):
    """The paths of 300 news articles."""
    folder = tmp_path_factory.mktemp("bbc")
    write(folder)
    return sorted(folder.glob("*/*.txt"))


@pytest.fixture(scope="module")
def graph_of(files):
    import tensorflow as tf

    def graph(options):
        made = make_graph(options, files)
        return tf.function(made, input_signature=[made.raw])

    return graph


@pytest.fixture(scope="module")
def short(graph_of):
    return graph_of(SHORT)


@pytest.fixture(scope="module")
def alone(files, tmp_path_factory):
    """Load preprocess.py as an export has it, with the checkpoint's files beside it."""

    def load(files=files):
        folder = tmp_path_factory.mktemp("export")
        (folder / "files").mkdir()
        for name, path in files.items():
            shutil.copyfile(path, folder / "files" / name)
        shutil.copyfile(standalone.__file__, folder / "preprocess.py")
        spec = importlib.util.spec_from_file_location("preprocess_of_export", folder / "preprocess.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def short_alone(files, alone):
    return make(SHORT, files), alone()


def about(options):
    return {"preprocess": {"options": options}}


def expected(made):
    """What a source became, windows together: token numbers and masks without padding, and the longest padded."""
    windows = made if isinstance(made, list) else [made]
    return [window["token_ids"][window["mask"] == 1].tolist() for window in windows], max(
        len(window["mask"]) for window in windows
    )


def check(arrays, made):
    """Compare arrays ``[windows, length]`` of one text with what the preprocess makes of it."""
    windows, longest = expected(made)
    ids, mask = (np.asarray(arrays[name]) for name in ("token_ids", "mask"))
    assert ids.dtype == mask.dtype == np.int32
    assert ids.shape == mask.shape
    assert ids.shape[0] == len(windows)
    assert ids.shape[1] >= longest
    for row, kept, window in zip(ids, mask, windows, strict=True):
        assert kept.tolist() == [1] * len(window) + [0] * (len(row) - len(window))
        assert row.tolist() == window + [0] * (len(row) - len(window))


def check_batch(graph, texts, preprocess):
    arrays, counts = graph(np.array([text.encode() for text in texts], object))
    assert counts.dtype == np.int32
    ends = np.cumsum(counts)
    assert ends[-1] == len(arrays["mask"])
    for start, end, text in zip(ends - counts, ends, texts, strict=True):
        check({name: array[start:end] for name, array in arrays.items()}, preprocess(text))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"long": "truncate", "max_length": 128}, {"max_length": 64, "max_windows": 4}])
def test_articles_become_what_they_were_in_training(articles, graph_of, files, alone, options):
    options = {**OPTIONS, **options}
    graph, preprocess, module = graph_of(options), make(options, files), alone()
    texts = [module.read(path, about(options)) for path in articles]
    for start in range(0, len(texts), 20):
        check_batch(graph, texts[start : start + 20], preprocess)
    for path, text in zip(articles, texts, strict=True):
        check(module.prepare(text, about(options)), preprocess(path))


def test_a_text_by_itself_is_padded_as_in_training(short, files):
    preprocess = make(SHORT, files)
    for text in ("A short text.", "word " * 20, "word " * 100):
        arrays, counts = short(np.array([text.encode()], object))
        windows, longest = expected(preprocess(text))
        assert counts.numpy().tolist() == [len(windows)]
        assert arrays["token_ids"].shape == (len(windows), longest)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(WORDS.map(" ".join), min_size=1, max_size=8))
def test_any_texts_become_the_same_windows(short, files, short_alone, texts):
    preprocess, module = short_alone
    readable = []
    for text in texts:
        try:
            made = preprocess(text)
        except ValueError:
            with pytest.raises(ValueError, match=r"no words|empty"):
                module.prepare(module.read(text, about(SHORT)), about(SHORT))
            continue
        readable.append(text)
        check(module.prepare(module.read(text, about(SHORT)), about(SHORT)), made)
    if readable:
        check_batch(short, readable, preprocess)


@pytest.mark.parametrize("length", [1, 13, 14, 15, 28, 29, 41, 42, 43, 100])
def test_windows_end_where_they_do_in_training(short, files, length):
    check_batch(short, ["a " * length, "b", "c " * (length + 1)], make(SHORT, files))


def test_a_text_without_words_leaves_the_others_of_its_batch_as_they_are(short, files):
    arrays, counts = short(np.array([b"one", b"", b" \n", b"two words \xff\xfe"], object))
    assert counts.numpy().tolist() == [1, 1, 1, 1]
    assert arrays["mask"].numpy().sum(axis=1).tolist()[:3] == [3, 2, 2]
    preprocess = make(SHORT, files)
    check({name: array[:1] for name, array in arrays.items()}, preprocess("one"))


@pytest.mark.slow
def test_a_saved_model_needs_nothing_but_tensorflow(files, tmp_path):
    import tensorflow as tf

    module = make_graph({"max_length": 16}, files)
    module.serve = tf.function(lambda text: module(text)[0], input_signature=[module.raw])
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.serve)
    source = (
        "import sys, tensorflow as tf; model = tf.saved_model.load(sys.argv[1]);"
        "made = model.signatures['serving_default'](text=tf.constant(['The cat sits outside.']));"
        "print(made['token_ids'][0, :8].numpy().tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path / "saved")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[101, 1996, 4937, 7719, 2648, 1012, 102, 0]"


@pytest.mark.parametrize(
    ("source", "encoding"),
    [
        ("caf\ud83d", "auto"),
        ("café".encode(), "auto"),
        ("café".encode("latin-1"), "auto"),
        ("\ufeffcafé".encode(), "auto"),
        ("café".encode("utf-16"), "auto"),
        ("café".encode("utf-32"), "auto"),
        ("café".encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_sources_are_read_as_in_training(files, alone, tmp_path, source, encoding):
    options, module = {**OPTIONS, "encoding": encoding}, alone()
    preprocess = make(options, files)
    check(module.prepare(module.read(source, about(options)), about(options)), preprocess(source))
    if isinstance(source, bytes):
        (tmp_path / "text.txt").write_bytes(source)
        raw = module.read(tmp_path / "text.txt", about(options))
        assert raw == module.read(source, about(options)) == "café"


LONG = [
    "word " * 5000,
    "東京" * 50_000,
    "x" * 70_000 + " y",
    "a.b" * 30_000,
    "ab\u00a0" * 3000,
    ("x" * 4094 + "\t") * 20,
]


@pytest.mark.parametrize("source", LONG, ids=range(len(LONG)))
def test_long_texts_are_cut_as_in_training(files, alone, source):
    options, module = {**OPTIONS, "max_windows": 400}, alone()
    check(module.prepare(module.read(source, about(options)), about(options)), make(options, files)(source))


@pytest.mark.parametrize(
    ("source", "encoding"),
    [
        (b"a\0b", "auto"),
        ("a\0b", "auto"),
        ("a\0b".encode("utf-16"), "auto"),
        ("café".encode("utf-16-le"), "auto"),
        (b"\x01\x02\x03text", "auto"),
        (b"\x89PNG\r\n\x1a\n" + np.random.default_rng(0).bytes(2000), "auto"),
        (b"\xff\xfea", "auto"),
        (b"text\x81\x8d", "auto"),
        (b"a line\ncaf\xe9\n", "utf-8"),
        (b"+\n-\xff", "utf-7"),
        (b"a" * (decoding.MAX_BYTES + 1), "auto"),
        ("a" * (decoding.MAX_BYTES + 1), "auto"),
        (None, "auto"),
        (1.5, "auto"),
        (np.zeros(3), "auto"),
        (Path("none.txt"), "auto"),
        (Path(), "auto"),
        (Path("a" * 300), "auto"),
        (Path("/dev/zero"), "auto"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_text_is_refused_in_one_line(files, alone, source, encoding):
    options, module = {**OPTIONS, "encoding": encoding}, alone()
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        make(options, files)(source)
    with pytest.raises((ValueError, OSError), match=r"^[^\n]+$"):
        module.read(source, about(options))


def test_a_huge_file_is_not_read_as_a_whole(alone, tmp_path):
    path = tmp_path / "log.txt"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="more than"):
        alone().read(path, about(OPTIONS))


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), encoding=st.sampled_from(["auto", "utf-8", "utf-7", "utf-16", "shift_jis"]))
def test_any_bytes_are_read_or_refused_as_in_training(data, encoding):
    stated = about({"encoding": encoding})
    try:
        expected, _ = decoding.read(data, encoding)
    except ValueError:
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            standalone.read(data, stated)
    else:
        assert standalone.read(data, stated) == expected.encode("utf-8", "replace").decode("utf-8")


@pytest.mark.parametrize("said", ['{"do_lower_case": false}', '{"do_lower_case": true, "strip_accents": false}'])
def test_case_and_accents_are_as_the_checkpoint_says(checkpoint, alone, said):
    folder = checkpoint()
    (folder / "tokenizer_config.json").write_text(said)
    files = {"vocabulary": folder / "vocab.txt", "tokenizer_config": folder / "tokenizer_config.json"}
    module, text = alone(files), "Cat café Café CAT sats"
    check(module.prepare(module.read(text, about(OPTIONS)), about(OPTIONS)), make(OPTIONS, files)(text))


def test_the_code_that_travels_needs_neither_tlplug_nor_tensorflow(files, tmp_path):
    (tmp_path / "a.txt").write_text("some words")
    arrays = prepare_alone("tlplug_text.standalone", tmp_path / "a.txt", SHORT, files)
    assert {name: array.shape for name, array in arrays.items()} == {"token_ids": (1, 16), "mask": (1, 16)}
