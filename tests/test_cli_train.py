"""``tlplug train``: the run folder, the figures that stay the same, and every option."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import shlex

import numpy as np
import pytest

FILES = {"run.json", "split.csv", "metrics.json", "predictions.csv", "report.html", "README.md", "model", "examples"}


@pytest.fixture
def data(dots, tmp_path):
    """Three classes that overlap, so that there are mistakes."""
    return dots.write(tmp_path / "data", {"high": 30, "low": 25, "wide": 20}, noise=1.0)


@pytest.fixture
def train(cli, dots, data, tmp_path):
    """Train on the data into ``<tmp_path>/run``; further arguments are added."""

    def run(*arguments, out="run", on=data):
        return cli("train", on, "--out", tmp_path / out, *dots.plugins, *arguments)

    return run


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def info(folder):
    return json.loads((folder / "run.json").read_text())


def numbers_only(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and numbers_only(item) for key, item in value.items())
    if isinstance(value, list):
        return all(numbers_only(item) for item in value)
    return type(value) in (int, float)


def test_a_run_folder_has_every_file_and_nothing_else(train, tmp_path):
    result = train()
    assert (result.code, result.err) == (0, "")
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == FILES
    assert {path.name for path in (run / "model").iterdir()} == {"manifest.json", "model.json", "head.npz", "backbone"}
    assert {path.name for path in tmp_path.iterdir()} >= {"run", "data"}
    assert not (tmp_path / "run.partial").exists()
    assert not [path for path in run.rglob("*") if path.name.startswith(".")]


def test_the_files_say_the_same(train, data, tmp_path):
    train()
    run = tmp_path / "run"
    split, predictions, figures = read(run / "split.csv"), read(run / "predictions.csv"), metrics(run)
    assert len(split) == 75
    assert {row["source"] for row in split} == {str(path) for path in data.glob("*/*")}
    assert all(re.fullmatch(r"[0-9a-f]{64}", row["sha256"]) for row in split)
    held_out = [row for row in split if row["split"] == "test"]
    assert [row["source"] for row in predictions] == [row["source"] for row in held_out]
    assert [row["label"] for row in predictions] == [row["label"] for row in held_out]
    assert figures["test"]["examples"] == len(held_out) == 15
    right = sum(row["label"] == row["prediction"] for row in predictions)
    assert figures["test"]["accuracy"] == pytest.approx(right / 15)
    assert 0 < right < 15
    for row in predictions:
        shares = dict(zip(("high", "low", "wide"), map(float, list(row.values())[-3:]), strict=True))
        assert row["prediction"] == max(shares, key=shares.get)
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)


def test_the_figures_are_figures_and_nothing_else(train, tmp_path):
    train("--against", "random")
    figures = metrics(tmp_path / "run")
    assert set(figures) == {"test", "cross_validation", "random_weights"}
    assert numbers_only(figures)
    assert set(figures["test"]) == set(figures["random_weights"])


def test_what_settings_were_chosen_on_has_its_own_name_where_there_is_a_validation_part(cli, dots, tmp_path):
    for seed, part in enumerate(("train", "val", "test")):
        dots.write(tmp_path / "parts" / part, {"high": 12, "low": 12}, seed=seed, noise=1.2)
    result = cli("train", tmp_path / "parts", "--out", tmp_path / "run", *dots.plugins)
    assert (result.code, result.err) == (0, "")
    figures = metrics(tmp_path / "run")
    assert set(figures) == {"test", "validation"}
    share = f"{100 * figures['validation']['accuracy']:.1f}%"
    assert re.search(rf"^validation +{re.escape(share)} +what settings were chosen on$", result.out, re.MULTILINE)
    assert "cross-validation" not in result.out
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"<b>{share}</b>validation" in page
    assert "cross-validation" not in page


def test_the_report_has_every_figure_and_loads_nothing(train, tmp_path):
    train("--against", "random")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    figures = metrics(tmp_path / "run")
    assert f"{100 * figures['test']['accuracy']:.1f}%" in page
    assert f"{100 * figures['random_weights']['accuracy']:.1f}%" in page
    assert "data:image/svg+xml;base64," in page
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:|//)""", page)
    assert "<script" not in page
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert f"tlplug predict {tmp_path / 'run'}" in card
    assert f"{100 * figures['test']['accuracy']:.1f}%" in card


def test_the_summary_says_what_was_done_and_what_to_type_next(train, tmp_path):
    out = train().out
    assert out.startswith("75 dots examples, 3 classes: 60 train, 15 test\n")
    assert "net (fixed), frozen, and the head linear (penalty " in out
    assert f"{100 * metrics(tmp_path / 'run')['test']['accuracy']:.1f}%" in out
    assert f"Report  {tmp_path / 'run' / 'report.html'}" in out
    assert f"Next    tlplug predict {tmp_path / 'run'} FILE..." in out


def test_the_same_command_twice_gives_the_same_bytes(train, tmp_path):
    assert train("--seed", 3).code == train("--seed", 3, out="again").code == 0
    one, two = tmp_path / "run", tmp_path / "again"
    for name in ("metrics.json", "predictions.csv", "split.csv", "model/head.npz", "model/model.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    assert (info(one)["features_computed"], info(two)["features_computed"]) == (75, 0)


def test_json_stands_alone_and_has_the_stable_keys(train, tmp_path):
    result = train("--json", "--against", "random")
    assert list(result.json) == ["run", "backbone", "head", "strategy", "metrics", "seconds"]
    assert result.json["run"] == str(tmp_path / "run")
    assert (result.json["backbone"], result.json["head"], result.json["strategy"]) == ("net", "linear", "features")
    assert result.json["metrics"] == metrics(tmp_path / "run")
    assert isinstance(result.json["seconds"], float)


def test_the_run_says_how_it_was_made(train, tmp_path, data):
    train("--seed", 2, "--set", "preprocess.scale=0.5", "--set", "head.class_weight=balanced")
    made = info(tmp_path / "run")
    assert made["seed"] == 2
    assert made["data"] == str(data)
    assert made["preprocess"]["options"]["scale"] == 0.5
    assert made["head"]["options"]["class_weight"] == "balanced"
    assert made["command"]
    assert set(made["plugin_files"]) == {"net.py", "dots.py"}


def test_another_seed_is_another_split(train, tmp_path):
    train()
    train("--seed", 1, out="other")
    parts = [{row["source"] for row in read(tmp_path / run / "predictions.csv")} for run in ("run", "other")]
    assert parts[0] != parts[1]
    assert info(tmp_path / "other")["features_computed"] == 0


@pytest.mark.parametrize(("share", "held_out"), [("0.5", 37), ("0.01", 3)])
def test_the_share_held_out_can_be_chosen(train, tmp_path, share, held_out):
    train("--holdout", share)
    assert metrics(tmp_path / "run")["test"]["examples"] == pytest.approx(held_out, abs=1)


def test_with_test_data_all_the_rest_trains(train, dots, tmp_path):
    other = dots.write(tmp_path / "other", {"high": 4, "wide": 4}, seed=9)
    assert train("--test", other).code == 0
    split = read(tmp_path / "run" / "split.csv")
    assert {row["source"] for row in split if row["split"] == "test"} == {str(path) for path in other.glob("*/*")}
    assert sum(row["split"] == "train" for row in split) == 75
    assert metrics(tmp_path / "run")["test"]["per_class"]["low"]["examples"] == 0


def test_test_data_with_an_unknown_class_is_refused(train, dots, tmp_path):
    other = dots.write(tmp_path / "other", {"high": 4, "strange": 4}, seed=9)
    result = train("--test", other)
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert "strange. Valid: high, low, wide" in result.err


def test_refitting_keeps_the_figures(train, tmp_path):
    train()
    train("--refit", out="refitted")
    one, two = tmp_path / "run", tmp_path / "refitted"
    for name in ("metrics.json", "predictions.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    with np.load(one / "model" / "head.npz") as plain, np.load(two / "model" / "head.npz") as refitted:
        assert not np.array_equal(plain["kernel"], refitted["kernel"])
    assert info(two)["refit"] is True
    assert "the head was fitted on all examples" in (two / "report.html").read_text()


@pytest.mark.parametrize("head", ["linear", "prototype"])
def test_heads_without_epochs_say_so(train, tmp_path, head):
    result = train("--head", head, "--epochs", 3)
    assert (result.code, result.out, len(result.lines)) == (2, "", 1)
    assert "Unknown option 'head.epochs'. Valid: " in result.err
    assert result.err.endswith("; or choose another head: --head mlp.\n")
    assert not (tmp_path / "run").exists()


def test_a_head_with_epochs_takes_them(train, cli, dots, data, tmp_path):
    result = train("--head", "mlp", "--epochs", 3, "--learning-rate", 0.01, "--set", "head.hidden=none", "--json")
    assert result.code == 0
    made = info(tmp_path / "run")["head"]
    assert (made["name"], made["options"]["epochs"], made["options"]["learning_rate"]) == ("mlp", 3, 0.01)
    assert 1 <= made["chosen"]["epochs"] <= 3
    answers = cli("predict", tmp_path / "run", data / "high", "--json", *dots.plugins).json
    assert len(answers) == 30
    assert all(answer["label"] for answer in answers)


def test_too_many_unreadable_files_stop_the_run_and_more_can_be_allowed(train, data, tmp_path):
    for path in sorted((data / "high").iterdir())[:10]:
        path.write_text(f"broken {path}")
    result = train()
    assert (result.code, result.out, len(result.lines)) == (1, "", 1)
    assert "10 of 75 examples" in result.err
    assert not list(tmp_path.glob("run*"))
    result = train("--max-unreadable", 0.2)
    assert result.code == 0
    assert "10 left out, such as " in result.out
    assert len(info(tmp_path / "run")["skipped"]) == 10
    assert (data / "high" / "0000.dots").exists()


def test_classes_that_cannot_be_told_apart_are_said_to_be_no_better_than_chance(train, dots, tmp_path):
    other = dots.write(tmp_path / "noise", {"a": 2, "b": 18}, noise=4)
    said = "no better than always answering the largest class"
    assert said in train(on=other).out
    assert all(said in (tmp_path / "run" / name).read_text(encoding="utf-8") for name in ("report.html", "README.md"))


def test_the_run_of_a_file_is_called_after_it_without_its_suffix(cli, dots, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{path.read_text()},{path.parent.name}" for path in sorted(data.glob("*/*"))]
    (tmp_path / "my.numbers.csv").write_text("\n".join(["numbers,class", *rows]))
    done = cli("train", "my.numbers.csv", "--label", "class", "--input", "numbers", "--json", *dots.plugins)
    assert re.fullmatch(r"runs/my\.numbers-\d{8}-\d{4}", done.json["run"])


def test_a_run_without_a_name_is_called_after_its_data(cli, dots, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [cli("train", "data", "--json", *dots.plugins).json["run"] for _ in range(2)]
    assert re.fullmatch(r"runs/data-\d{8}-\d{4}", runs[0])
    assert runs[0] != runs[1]
    assert sorted(f"runs/{path.name}" for path in (tmp_path / "runs").iterdir()) == sorted(runs)
    monkeypatch.chdir(data)  # where the run would be a class of the next training
    assert "would lie inside the data set '.'" in cli("train", ".", *dots.plugins).err
    run = cli("train", ".", "--out", "../here", "--json", *dots.plugins).json["run"]
    assert run == "../here"


@pytest.mark.parametrize("name", [b"\xff.dots", b"a\nb.dots", b"\x1b[31mred.dots", b"<b>&\"'.dots", b"-x.dots"])
def test_any_file_name_can_be_trained_on(train, data, tmp_path, name):
    for position, path in enumerate(sorted((data / "high").iterdir())):
        path.rename(path.with_name(f"{position}{os.fsdecode(name)}"))
    result = train("--json")
    assert (result.code, result.err) == (0, "")
    assert result.json["metrics"] == metrics(tmp_path / "run")
    assert b"<b>&" not in (tmp_path / "run" / "report.html").read_bytes()
    assert len(read(tmp_path / "run" / "split.csv")) == 75


@pytest.mark.parametrize("label", ["two words", "naïve ひまわり", '"quoted", too', "<script>", "-x"])
def test_any_class_name_can_be_trained_on(train, dots, tmp_path, label):
    data = dots.write(tmp_path / "odd", {label: 10, "other": 10})
    assert train(on=data, out="odd-run").code == 0
    assert label in metrics(tmp_path / "odd-run")["test"]["per_class"]
    assert {row["label"] for row in read(tmp_path / "odd-run" / "split.csv")} == {label, "other"}
    assert "<script>" not in (tmp_path / "odd-run" / "report.html").read_text()
    assert "<script>" not in (tmp_path / "odd-run" / "README.md").read_text()


def test_a_class_may_be_called_as_a_column_is(train, dots, tmp_path):
    data = dots.write(tmp_path / "odd", {"label": 10, "source": 10, "probability": 8})
    assert train(on=data, out="odd-run").code == 0
    with (tmp_path / "odd-run" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert len(header) == len(set(header)) == 7
    rows = read(tmp_path / "odd-run" / "predictions.csv")
    assert {row["label"] for row in rows} == {"label", "source", "probability"}
    assert {row["source"] for row in rows} <= {str(path) for path in data.glob("*/*")}


def test_a_run_inside_its_data_is_refused(cli, dots, tmp_path):
    data = dots.write(tmp_path / "data")
    result = cli("train", data, "--out", data / "run", *dots.plugins)
    assert result.code == 2
    assert "would lie inside the data set" in result.err
    assert not list(data.glob("run*"))


def test_what_is_odd_in_the_data_is_said(cli, dots, tmp_path):
    data = dots.write(tmp_path / "data")
    (data / "loose.dots").write_text("1 2 3 4 5 6 7 8")
    (data / "low" / "copy.dots").write_text((data / "high" / "0000.dots").read_text())
    result = cli("train", data, "--out", tmp_path / "a run", *dots.plugins)
    assert result.code == 0, result.err
    pair = f"'{data / 'high' / '0000.dots'}' and '{data / 'low' / 'copy.dots'}'"
    assert result.lines == [
        f"In no class folder, so left out: 1 file directly in '{data}'.",
        f"Warning: The same content has two labels: {pair}.",
    ]
    assert f"tlplug predict '{tmp_path / 'a run'}' FILE..." in result.out


def test_one_of_a_thing_is_said_in_the_singular(cli, dots, tmp_path):
    dots.write(tmp_path / "data" / "train", {"high": 3, "low": 3})
    dots.write(tmp_path / "data" / "test", {"high": 1}, seed=1)
    out = cli("train", tmp_path / "data", "--out", tmp_path / "run", *dots.plugins).out
    assert "on 1 held-out example " in out
    assert out.startswith("7 dots examples, 2 classes: 6 train, 1 test\n")


def test_the_commands_in_the_card_can_be_copied(cli, dots, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "my run's $HOME"
    assert cli("train", dots.write(tmp_path / "data"), "--out", name, *dots.plugins).code == 0
    card = (tmp_path / name / "README.md").read_text(encoding="utf-8")
    (shell,) = re.findall(r"^    (tlplug predict .*) FILE\.\.\.$", card, re.MULTILINE)
    (literal,) = re.findall(r"^    model = tlplug\.load\((.*)\)$", card, re.MULTILINE)
    assert (shlex.split(shell)[2:], ast.literal_eval(literal)) == ([name], name)
