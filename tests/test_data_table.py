"""Tables: which column is what, rows that cannot be used, and every odd thing that a text file can hold."""

from __future__ import annotations

import codecs
import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tlplug
from tlplug.data import load_data
from tlplug.data.table import read, sniff
from tlplug.errors import DataError, UsageError


@pytest.fixture
def table(tmp_path):
    """Write a table; bytes as they are."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(path, **options):
    return [(example.source, example.label, example.problem) for example in read(path, options)]


@pytest.mark.parametrize(
    "header",
    ["text,label", "Text,Label", "sentence,category", "review,class", "id,content,target", "n,body,label,split"],
)
def test_plain_columns_are_found(table, header):
    count = len(header.split(","))
    path = table(f"{header}\n{','.join('abcd'[:count])}\n".replace("split\na,b,c,d", "split\na,b,c,test"))
    (example,) = read(path, {})
    columns = [column.lower() for column in header.split(",")]
    assert example.source == "abcd"[columns.index(next(c for c in columns if c in _INPUTS))]
    assert example.label == "abcd"[columns.index(next(c for c in columns if c in _LABELS))]
    assert sniff(path) == 0.6


_INPUTS = {"text", "sentence", "review", "content", "body"}
_LABELS = {"label", "category", "class", "target"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(table, delimiter):
    assert rows(table(f'text{delimiter}label\n"a{delimiter}b"{delimiter}x\n')) == [(f"a{delimiter}b", "x", "")]


def test_stated_columns_go_before_guessed_ones(table):
    path = table("text,label,title,stars\na,b,c,5\n")
    assert rows(path, input="title", label="stars") == [("c", "5", "")]


def test_a_column_that_is_not_there_is_one_line(table):
    path = table("text,label\na,b\n")
    with pytest.raises(UsageError) as error:
        rows(path, input="txet")
    assert str(error.value) == f"'{path}' has no column 'txet'. Did you mean 'text'? Valid: text, label."


def test_columns_that_cannot_be_guessed_must_be_stated(table):
    path = table("a,b,c\n1,2,3\n")
    with pytest.raises(UsageError, match=r"cannot be told\. Received: a, b, c\. State it: --input COLUMN"):
        rows(path)
    assert sniff(path) == 0.2
    assert rows(path, input="b", label="c") == [("2", "3", "")]


def test_a_message_names_a_few_of_many_columns(table):
    path = table(",".join(f"c{number}" for number in range(1010)) + "\n")
    with pytest.raises(UsageError, match=r"Received: c0, c1, c2, c3, c4, c5, c6, c7 and 1,002 more\. State it: "):
        rows(path)
    with pytest.raises(UsageError, match=r"Valid: c0, c1, c2, c3, c4, c5, c6, c7 and 1,002 more\.$"):
        rows(path, input="d")


def test_a_chosen_column_that_comes_twice_is_one_line(table):
    path = table("text,label,label\na,b,c\n")
    with pytest.raises(DataError, match="has more than one column 'label'"):
        rows(path)


def test_paths_are_seen_from_the_folder_of_the_table(vectors, table, tmp_path, monkeypatch):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one.vec").write_text("1")
    path = table("path,label\nclips/one.vec,a\nclips/two.vec,b\nclips/none.vec,b\nno word.vec,a\n")
    (tmp_path / "elsewhere" / "clips").mkdir(parents=True)
    (tmp_path / "elsewhere" / "clips" / "two.vec").write_text("a decoy")
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = [source for source, *_ in rows(path)]
    assert found == [tmp_path / name for name in ("clips/one.vec", "clips/two.vec", "clips/none.vec", "no word.vec")]


def test_the_split_column_splits(table):
    path = table("text,label,Split\na,x,train\nb,x,dev\nc,x,TEST\nd,x,\ne,x,later\n")
    found = list(read(path, {}))
    assert [example.split for example in found] == ["train", "validation", "test", None, None]
    assert found[4].problem == "its 'Split' is 'later', not train, validation or test"


def test_a_row_that_cannot_be_used_costs_no_other(table):
    path = table("text,label\na,x\n\nb\nc,x,more\n  ,x\nd,\ne,y\n")
    assert rows(path) == [
        ("a", "x", ""),
        ("", None, "it has 1 cells, the header 2"),
        ("", None, "it has 3 cells, the header 2"),
        ("  ", "x", "its 'text' is empty"),
        ("d", None, ""),
        ("e", "y", ""),
    ]


def test_examples_are_called_by_the_line_they_end_on(table):
    path = table('text,label\n"two\nlines",x\nb,y\n')
    assert [(example.name, example.source) for example in read(path, {})] == [
        (f"{path}:3", "two\nlines"),
        (f"{path}:4", "b"),
    ]


def test_json_lines(table):
    lines = [
        {"text": "a", "label": 1},
        {"text": 5, "label": "x"},
        ["no object"],
        {"label": "x"},
        {"text": "b", "label": None},
    ]
    path = table("\n".join(map(json.dumps, lines)) + '\n{"text": \n', "table.jsonl")
    found = rows(path)
    assert found[0] == ("a", "1", "")
    assert found[1][2] == "its 'text' is no text but int"
    assert found[2][2] == "it is no JSON object"
    assert found[3][2] == "its 'text' is empty"
    assert found[4] == ("b", None, "")
    assert found[5][2].startswith("it is no JSON: ")


def test_deeply_nested_json_is_one_row_that_cannot_be_used(table):
    path = table('{"text": "a", "label": "x"}\n' + "[" * 100_000 + "\n", "table.jsonl")
    assert rows(path)[1][2].startswith("it is no JSON: ")


def test_bytes_that_are_no_text_are_said_with_their_line(table):
    path = table("text,label\na,x\ncaf\xe9,y\n".encode("latin-1"))
    with pytest.raises(DataError) as error:
        rows(path)
    assert str(error.value) == (
        f"'{path}' is not utf-8: the byte 0xe9 in line 3 cannot be read. State its encoding, such as "
        "--set reader.encoding=cp1252."
    )
    with pytest.raises(DataError, match=r"such as --set reader\.encoding=latin-1\.$"):  # which takes any byte
        rows(table("text,label\na,x\n\x81,y\n".encode("latin-1")), encoding="cp1252")
    path = table("text,label\na,x\ncaf\xe9,y\n".encode("latin-1"))
    assert rows(path, encoding="cp1252") == rows(path, encoding="latin-1") == [("a", "x", ""), ("café", "y", "")]


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF16_LE + "text,label\na,x\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "text,label\na,x\n".encode("utf-16-be"),
    ],
)
def test_the_encoding_that_a_mark_tells_is_the_one_to_state(table, content):
    path = table(content)
    with pytest.raises(DataError, match=r"is not utf-8: .* such as --set reader\.encoding=utf-16\.$"):
        rows(path)


def test_an_encoding_that_nobody_knows_is_one_line(table):
    with pytest.raises(UsageError, match=r"^Unknown encoding 'klingon'\. Valid: utf-8"):
        rows(table("text,label\na,x\n"), encoding="klingon")


def test_a_byte_order_mark_is_no_part_of_a_name(table):
    assert rows(table("text,label\na,x\n".encode("utf-8-sig"))) == [("a", "x", "")]
    assert rows(table("text,label\na,x\n".encode("utf-16")), encoding="utf-16") == [("a", "x", "")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('"b,y', "unexpected end of data"),
        ('"b" c,y', "',' expected after '\"'"),
        ('"b ""c,y', "unexpected end of data"),
    ],
)
def test_a_quote_that_never_ends_costs_no_other_row(table, line, reason):
    path = table(f"text,label\na,x\n{line}\nc,z\nd,z\n")
    found = [(example.source, example.problem, example.name.rpartition(":")[2]) for example in read(path, {})]
    problem = f"its quotes do not pair, or are not doubled inside a quoted cell ({reason})"
    assert found == [("a", "", "2"), ("", problem, "3"), ("c", "", "4"), ("d", "", "5")]


def test_rows_behind_a_quote_that_never_ends_may_be_quoted(table):
    path = table('text,label\n"b,y\n"c\nd",z\n"e,y\nf,z')
    assert [(str(source), bool(problem)) for source, _, problem in rows(path)] == [
        ("", True),
        ("c\nd", False),
        ("", True),
        ("f", False),
    ]


def test_a_header_with_a_quote_that_never_ends_is_one_line(table):
    path = table('"text,label\na,x\n')
    with pytest.raises(DataError, match=r"^The header of '.*', line 1, cannot be read: its quotes do not pair"):
        rows(path)
    assert sniff(path) == 0.2


def test_a_table_that_is_all_quotes_that_never_end_is_given_up(table, monkeypatch):
    monkeypatch.setattr("tlplug.data.table._LONGEST", 100_000)
    path = table("text,label\n" + 'a","b\n' * 3000)
    with pytest.raises(DataError, match=r"cannot be read from line \d+ on: its quotes do not pair"):
        rows(path)


def test_a_zero_byte_is_a_character(table):
    assert rows(table("text,label\na\0b,x\n")) == [("a\0b", "x", "")]


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \n"])
def test_an_empty_table_is_one_line(table, content):
    path = table(content)
    with pytest.raises(DataError, match=r"is empty\. Valid: a header with the names of the columns"):
        rows(path)
    assert sniff(path) == 0.2


def test_a_long_text_is_read_whole(table):
    long = "word " * 100_000
    assert rows(table(f"text,label\n{long},x\n"))[0][0] == long


def test_other_files_are_no_tables(table, tmp_path):
    assert sniff(table("text,label\na,x\n", "table.txt")) == 0
    assert sniff(tmp_path / "none.csv") == 0
    (tmp_path / "folder.csv").mkdir()
    assert sniff(tmp_path / "folder.csv") == 0


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=8))
def test_what_csv_writes_is_read(tmp_path_factory, pairs):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerows([("text", "label"), *pairs])
    path = tmp_path_factory.mktemp("t") / "table.csv"
    path.write_bytes(buffer.getvalue().encode("utf-8", "replace"))
    wanted = [pair for pair in pairs if any(cell.strip() for cell in pair)]
    found = list(read(path, {}))
    assert len(found) == len(wanted)
    for example, (text, label) in zip(found, wanted, strict=True):
        assert str(example.source) == text.encode("utf-8", "replace").decode()
        assert bool(example.problem) == (not text.strip())
        assert example.label == (label.encode("utf-8", "replace").decode().strip() or None)


def test_paths_that_are_not_there_are_missed_and_no_texts(vectors, table, tmp_path):
    path = table("path,label\n" + "".join(f"gone/{i}.vec,{'ab'[i % 2]}\n" for i in range(10)))
    with pytest.raises(DataError) as error:
        load_data(path)
    assert f"{tmp_path / 'gone' / '9.vec'}: cannot be read: No such file or directory" in str(error.value)


def test_a_sentence_that_ends_like_a_text_file_is_a_sentence(vectors, table):
    tlplug.register_preprocess("plain", modality="plain", suffixes=[".txt"], strings=True)(lambda options, files: None)
    path = table("text,label\nI opened notes.txt,a\nnotes.txt,a\n")
    assert [source for source, *_ in rows(path)] == ["I opened notes.txt", path.parent / "notes.txt"]


def test_a_text_that_ends_like_a_file_of_another_modality_is_a_text(vectors, table):
    texts = ["I opened a.vec", "b.vec", *["word"] * 3]
    path = table("text,label\n" + "".join(f"{text},a\n" for text in texts))
    assert [source for source, *_ in rows(path)] == texts
    (path.parent / "b.vec").touch()
    assert rows(path)[1][0] == path.parent / "b.vec"


def test_columns_of_json_lines_are_those_of_all_lines(table):
    path = table('{"text": "a"}\n{"text": "b", "label": "x"}\n{"text": "c", "label": ["x"]}\n', "table.jsonl")
    assert rows(path) == [("a", None, ""), ("b", "x", ""), ("c", "['x']", "its 'label' is no name but list")]


@pytest.mark.parametrize(
    ("encoding", "error", "message"),
    [
        ("utf-16", DataError, "is not utf-16: "),
        ("undefined", DataError, "is not undefined: "),
        ("a\0", UsageError, "Unknown"),
    ],
)
def test_an_encoding_that_fails_is_one_line(table, encoding, error, message):
    with pytest.raises(error, match=message):
        rows(table("text,label\na,x\n"), encoding=encoding)


def test_a_table_without_labels_asks_for_the_column(vectors, table):
    with pytest.raises(UsageError, match=r"^No labels in .*\. State the column that holds the class names: --label"):
        load_data(table("file,kind\n1.vec,a\n"), options={"input": "file"})
