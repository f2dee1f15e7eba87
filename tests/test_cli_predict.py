"""``tlplug predict``, ``evaluate`` and ``embed``: what they take, print, and say when something is missing."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest

from tlplug.storage import read_json, write_json, write_manifest


@pytest.fixture
def predict(cli, dots, dots_run):
    """Predict with the run of the session."""
    return lambda *arguments: cli("predict", dots_run, *arguments, "--plugin", dots.dots)


@pytest.fixture
def evaluate(cli, dots, dots_run):
    """Evaluate the run of the session."""
    return lambda *arguments: cli("evaluate", dots_run, *arguments, "--plugin", dots.dots)


@pytest.fixture
def files(dots, tmp_path):
    """A folder of five files in two folders, two of them broken."""
    folder = dots.write(tmp_path / "new", {"high": 2, "low": 3}, seed=8)
    (folder / "low" / "0001.dots").write_text("broken")
    (folder / "low" / "0002.dots").write_text("1 2 3")
    return folder


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_files_folders_and_patterns_are_predicted_once_each_in_order(predict, files):
    inputs = [files / "low" / "0000.dots", files / "high", files / "*" / "*0.dots"]
    result = predict(*inputs, "--json")
    assert (result.code, result.err) == (0, "")
    assert [item["source"] for item in result.json] == [
        str(files / "low" / "0000.dots"),
        str(files / "high" / "0000.dots"),
        str(files / "high" / "0001.dots"),
    ]


def test_json_has_the_stable_keys(predict, files):
    answers = predict(files, "--json").json
    assert [list(item) for item in answers] == [
        ["source", "label", "probability", "probabilities"],
        ["source", "label", "probability", "probabilities"],
        ["source", "label", "probability", "probabilities"],
        ["source", "error"],
        ["source", "error"],
    ]
    assert list(answers[0]["probabilities"]) == ["high", "low", "wide"]
    assert answers[0]["probability"] == answers[0]["probabilities"][answers[0]["label"]]
    assert answers[3]["error"] == "these are no numbers"


def test_csv_and_the_table_say_the_same(predict, files):
    rows = table(predict(files, "--csv").out)
    answers = predict(files, "--json").json
    shown = predict(files).out.splitlines()
    assert shown[0].split() == ["source", "label", "probability"]
    assert len(rows) == len(answers) == len(shown) - 1 == 5
    shares = [f"probability of {name}" for name in ("high", "low", "wide")]
    assert list(rows[0]) == ["source", "label", "probability", *shares, "error"]
    for row, answer, line in zip(rows, answers, shown[1:], strict=True):
        assert row["source"] == answer["source"]
        assert answer["source"] in line
        assert row["label"] == answer.get("label", "")
        assert row["error"] == answer.get("error", "")
        if "error" in answer:
            assert ({row[name] for name in ("probability", *shares)}, answer["error"] in line) == ({""}, True)
        else:
            assert float(row["probability"]) == pytest.approx(answer["probability"], abs=1e-6)
            received = [float(row[name]) for name in shares]
            assert received == pytest.approx(list(answer["probabilities"].values()), abs=1e-6)
            assert f"{answer['probability']:.1%}" in line


def test_windows_of_a_preprocess_that_makes_none_are_one_line(predict, files):
    result = predict(files, "--windows")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "Error: The preprocess 'dots' of the backbone 'net' does not say where its windows are, so nothing can be "
        "predicted for each. Leave out --windows.\n"
    )


def test_two_forms_at_once_are_refused(predict, files):
    result = predict(files, "--json", "--csv")
    assert (result.code, result.out) == (2, "")
    assert result.err == "Error: Both --json and --csv were given. Valid: one of them.\n"


def test_a_text_that_no_file_is_called_is_predicted_as_a_text(predict):
    long = " ".join(["0." + "0" * 700] * 8)
    result = predict("0 0 0 0 0 0 0 0", long, "--json")
    assert (result.code, result.err) == (0, "")
    short, answer = result.json
    assert answer == {**short, "source": long}


def test_the_exit_code_is_one_when_nothing_could_be_predicted(predict, files):
    assert predict(files / "low").code == 0
    for form in ((), ("--csv",), ("--json",)):
        result = predict(files / "low" / "0001.dots", files / "gone.dots", *form)
        assert result.code == 1
        assert "Traceback" not in result.err
    answers = predict(files / "low" / "0001.dots", files / "gone.dots", files / "no*match.dots", "--json").json
    assert [list(item) for item in answers] == [["source", "error"]] * 3
    assert "No such file" in answers[1]["error"]
    assert "No such file" in answers[2]["error"]


def test_a_folder_without_files_of_the_modality_is_no_success(predict, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("1 2 3")
    result = predict(tmp_path / "empty")
    assert result.code != 0
    assert len(result.lines) == 1
    assert ".dots" in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    "name", [b"\xff.dots", b"a\nb.dots", b"\x1b[31mred.dots", b"a\rb.dots", "\u202etxt.dots".encode()]
)
@pytest.mark.parametrize("content", ["0 0 0 0 0 0 0 0", "broken"])
def test_names_are_shown_and_never_obeyed(predict, files, tmp_path, name, content):
    folder = tmp_path / "odd"
    folder.mkdir()
    path = folder / os.fsdecode(name)
    path.write_text(content)
    result = predict(folder, files / "high")
    assert (result.code, result.err) == (0, "")
    assert len(result.out.splitlines()) == 1 + 3
    assert all(letter.isprintable() for letter in result.out.replace("\n", ""))
    assert len(predict(folder, "--json").json) == 1
    assert len(table(predict(folder, "--csv").out)) == 1
    answers = predict(path, "--json").json
    assert ("label" in answers[0]) is (content != "broken")


def test_json_gives_names_back_as_they_are(predict, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (b"\xff.dots", b"a\nb.dots", "ümlaut.dots".encode(), b'"quoted", too.dots'):
        (folder / os.fsdecode(name)).write_text("0 0 0 0 0 0 0 0")
    expected = {str(path) for path in folder.iterdir()}
    assert {item["source"] for item in predict(folder, "--json").json} == expected


def test_the_backbones_plugin_is_not_needed_but_the_preprocess_is(cli, predict, dots, dots_run, files):
    assert predict(files).code == 0
    result = cli("predict", dots_run, files, "--plugin", dots.net)
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert result.err == (
        "Error: The preprocess 'dots' of dots.py is needed and not there: pass the plugin file that it was trained "
        "with: --plugin dots.py. (tlplug plugins list shows what is.)\n"
    )


def test_the_preprocess_of_a_distribution_says_what_to_install(cli, dots_run, files, tmp_path):
    run = shutil.copytree(dots_run, tmp_path / "run")
    about = read_json(run / "model" / "model.json")
    about["preprocess"].update(distribution="tlplug-dots", version="1.5", file_sha256="")
    write_json(run / "model" / "model.json", about)
    write_manifest(run / "model")
    for command in ("predict", "evaluate"):
        result = cli(command, run, files)
        assert (result.code, result.out, len(result.lines)) == (1, "", 1)
        assert "pip install tlplug-dots==1.5" in result.err


def test_another_state_of_the_plugin_file_is_said(cli, dots, dots_run, files, tmp_path):
    changed = tmp_path / "dots.py"
    changed.write_text(dots.dots.read_text() + "\n# changed\n")
    result = cli("predict", dots_run, files, "--plugin", changed, "--json")
    assert result.code == 0
    assert len(result.json) == 5
    (line,) = result.lines
    assert line.startswith("Warning: dots.py is not as it was in training, so answers may differ (sha256 ")


@pytest.mark.parametrize("name", ["model/model.json", "model/head.npz", "model/backbone/model.tflite"])
def test_a_damaged_run_is_one_line(cli, dots, dots_run, files, tmp_path, name):
    run = shutil.copytree(dots_run, tmp_path / "run")
    (run / name).write_bytes(b"damaged")
    for command in ("predict", "evaluate"):
        result = cli(command, run, files, "--plugin", dots.dots)
        assert (result.code, result.out, len(result.lines)) == (1, "", 1)
        assert f"{name.removeprefix('model/')} is damaged" in result.err


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("metrics.json", "{", "its metrics.json cannot be read. Train again."),
        ("run.json", "[]", "its run.json has no JSON object"),
    ],
)
def test_a_run_whose_own_files_are_damaged_is_one_clear_line(
    cli, dots, dots_run, files, tmp_path, name, content, reason
):
    run = shutil.copytree(dots_run, tmp_path / "run")
    (run / name).write_text(content)
    result = cli("predict", run, files, "--plugin", dots.dots)
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert f"Error: The run '{run}' is damaged: {reason}" in result.err


def test_evaluating_gives_figures_a_class_and_the_stable_keys(evaluate, dots, dots_run, tmp_path):
    data = dots.write(tmp_path / "other", seed=4)
    result = evaluate(data, "--json")
    assert (result.code, result.err) == (0, "")
    assert list(result.json) == ["run", "backbone", "head", "strategy", "metrics", "seconds"]
    assert result.json["run"] == str(dots_run)
    assert set(result.json["metrics"]) == {"test"}
    assert set(result.json["metrics"]["test"]) == set(read_json(dots_run / "metrics.json")["test"])
    out = evaluate(data).out
    assert "on 42 examples" in out
    assert f"{100 * result.json['metrics']['test']['accuracy']:.1f}%" in out
    per_class = result.json["metrics"]["test"]["per_class"]
    assert [line.split() for line in out.splitlines()[-3:]] == [
        [name, str(row["examples"]), *(f"{100 * row[figure]:.1f}%" for figure in ("precision", "recall", "f1"))]
        for name, row in per_class.items()
    ]
    assert list(per_class) == ["high", "low", "wide"]


def test_one_example_is_said_in_the_singular(evaluate, dots, tmp_path):
    assert "on 1 example " in evaluate(dots.write(tmp_path / "other", {"high": 1}, seed=4)).out


def test_evaluating_writes_every_answer_where_asked(evaluate, dots, tmp_path):
    data = dots.write(tmp_path / "other", {"high": 3, "low": 2}, seed=4)
    assert evaluate(data, "--predictions", tmp_path / "answers.csv").code == 0
    rows = table((tmp_path / "answers.csv").read_text())
    assert [row["label"] for row in rows] == ["high"] * 3 + ["low"] * 2


def test_evaluating_on_what_was_trained_on_warns(evaluate, dots_run):
    data = dots_run.with_name("data")
    result = evaluate(data, "--json")
    assert result.code == 0
    assert result.json["metrics"]["test"]["examples"] == 42
    trained = sum(row["split"] == "train" for row in table((dots_run / "split.csv").read_text()))
    assert result.err == f"Warning: {trained} of these examples were trained on, so the figures are too good.\n"


def test_evaluating_on_unknown_classes_is_refused_and_on_fewer_is_not(evaluate, dots, tmp_path):
    result = evaluate(dots.write(tmp_path / "unknown", {"high": 3, "strange": 2}, seed=4))
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert "strange. Valid: high, low, wide" in result.err
    assert evaluate(dots.write(tmp_path / "fewer", {"low": 3}, seed=4)).code == 0


def test_evaluating_says_what_it_left_out(evaluate, files):
    result = evaluate(files)
    assert result.code == 0
    assert result.lines == [
        f"left out: {files / 'low' / '0001.dots'}: these are no numbers",
        f"left out: {files / 'low' / '0002.dots'}: eight numbers are needed, there are 3",
    ]


def test_nothing_is_evaluated_where_nothing_can_be_read(evaluate, files):
    shutil.rmtree(files / "high")
    (files / "low" / "0000.dots").unlink()
    result = evaluate(files)
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv"])
def test_embeddings_are_written_with_source_and_label(cli, dots, files, tmp_path, ending):
    out = tmp_path / f"table{ending}"
    result = cli("embed", files, "--out", out, "--json", *dots.plugins)
    assert (result.code, result.err) == (0, "")
    assert (result.json["examples"], result.json["backbone"], result.json["out"]) == (3, "net", str(out))
    assert result.json["skipped"][0]["reason"] == "these are no numbers"
    sources, labels, embeddings = _columns(out)
    assert sources == [
        str(files / "high" / "0000.dots"),
        str(files / "high" / "0001.dots"),
        str(files / "low" / "0000.dots"),
    ]
    assert labels == ["high", "high", "low"]
    kernel = np.load(dots.net.with_name("net.npy"))
    rows = np.array([[float(number) for number in (files / source).read_text().split()] for source in sources])
    np.testing.assert_allclose(embeddings, np.tanh(rows @ kernel), atol=1e-5)


def _columns(path):
    import pyarrow as pa
    from pyarrow import parquet

    if path.suffix == ".csv":
        rows = table(path.read_text())
        numbers = [[float(value) for name, value in row.items() if name not in ("source", "label")] for row in rows]
        return [row["source"] for row in rows], [row["label"] for row in rows], np.array(numbers)
    if path.suffix == ".parquet":
        read = parquet.read_table(path)
    else:
        with pa.OSFile(str(path)) as file:
            read = pa.ipc.open_file(file).read_all()
    return *(read.column(name).to_pylist() for name in ("source", "label")), np.array(
        read.column("embedding").to_pylist()
    )


def test_embeddings_need_no_classes(cli, dots, files, tmp_path):
    result = cli("embed", files / "high", "--out", tmp_path / "table.csv", *dots.plugins)
    assert result.code == 0
    assert result.out == f"2 embeddings by net in {tmp_path / 'table.csv'}\n"
    assert _columns(tmp_path / "table.csv")[1] == ["", ""]


@pytest.mark.parametrize(
    ("out", "code", "message"),
    [("table.txt", 2, "Valid endings: .parquet, .arrow, .csv"), ("there.csv", 2, "already"), ("no/table.csv", 0, "")],
)
def test_embeddings_go_to_a_new_file_of_a_known_kind(cli, dots, files, tmp_path, out, code, message):
    (tmp_path / "there.csv").write_text("mine")
    result = cli("embed", files, "--out", tmp_path / out, *dots.plugins)
    assert result.code == code
    assert message in result.err
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not (tmp_path / "table.txt").exists()


def test_embeddings_of_nothing_leave_no_file(cli, dots, files, tmp_path):
    (tmp_path / "bad").mkdir()
    shutil.copy(files / "low" / "0001.dots", tmp_path / "bad")
    result = cli("embed", tmp_path / "bad", "--out", tmp_path / "table.csv", *dots.plugins)
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert not list(tmp_path.glob("*table*"))


def test_predicting_with_json_is_json_even_for_numbers_that_are_none(predict, tmp_path):
    (tmp_path / "nan.dots").write_text("nan nan nan nan nan nan nan nan")
    text = predict(tmp_path / "nan.dots", "--json").out
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_folder_with_nothing_to_predict_is_said_beside_what_is_predicted(cli, dots, dots_run, files, tmp_path):
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "notes.txt").write_text("nothing here")
    result = cli("predict", dots_run, files, tmp_path / "nothing", "--json", *dots.plugins)
    assert result.code == 0
    assert result.json[-1] == {"source": str(tmp_path / "nothing"), "error": "it is a folder without dots files"}


def test_after_refitting_the_held_out_part_counts_as_trained_on(cli, dots, tmp_path):
    data = dots.write(tmp_path / "data")
    assert cli("train", data, "--refit", "--out", tmp_path / "run", *dots.plugins).code == 0
    assert "42 of these examples were trained on" in cli("evaluate", tmp_path / "run", data, *dots.plugins).err


def test_options_of_the_reader_can_be_set_and_no_others(predict):
    result = predict("1 2 3", "--set", "head.penalty=1")
    assert result.code == 2
    assert "Here only options of the reader can be set. Received: 'head.penalty'. Valid: reader.NAME." in result.err
