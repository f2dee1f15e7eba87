"""The whole way with a network that only flattens what it gets: from every kind of data to answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tlplug_series.source import read

FLAT = '''
"""A network that only flattens 50 steps."""

import tlplug


@tlplug.register_backbone("flat", modality="series", options=(tlplug.Option(name="channels", type=int, default=1),))
def flat(weights=None, *, channels=1):
    import keras

    series = keras.Input((50, channels), name="series")
    return keras.Model(series, keras.layers.Flatten()(series))
'''


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Run ``tlplug`` in a process of its own; its last line on stderr is what it imported of TensorFlow and Keras."""
    folder = tmp_path_factory.mktemp("tlplug")
    (folder / "flat.py").write_text(FLAT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TLPLUG_")}
    environment |= {"TLPLUG_CACHE_DIR": str(folder / "cache"), "TLPLUG_PLUGINS": "builtin,series"}
    source = (
        "import sys; from tlplug.cli import main\n"
        "try: main()\n"
        "finally: sys.stderr.write('\\n' + str(sorted({'tensorflow', 'keras'} & set(sys.modules))))"
    )

    def run(*arguments, succeeds=True):
        done = subprocess.run(
            [sys.executable, "-c", source, *map(str, arguments), "--plugin", str(folder / "flat.py")],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == succeeds, done.stderr
        done.imported = done.stderr.rpartition("\n")[2]
        return done

    return run


def train(command, data, run, *more):
    done = command("train", data, "--backbone", "flat", "--out", run, "--json", *more)
    return json.loads(done.stdout)["metrics"]["test"], json.loads((run / "run.json").read_text())


def test_a_folder_of_files_by_class(command, gun_point, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(gun_point, data)
    (data / "train" / "1" / "empty.csv").touch()
    (data / "train" / "1" / "text.csv").write_text("no series\nat all\n")
    np.save(data / "train" / "2" / "constant.npy", np.full(10, 3.0))
    metrics, about = train(command, data, tmp_path / "run")
    assert metrics["examples"] == 150
    assert metrics["accuracy"] > 0.8
    assert about["remarks"] == {"constant": 1}
    reasons = {item["source"].rpartition("/")[2]: item["reason"] for item in about["skipped"]}
    assert (
        reasons == {"empty.csv": "The file is empty.", "text.csv": "Line 2 has 2 values, the first 2."}
        or len(reasons) == 2
    )
    report = (tmp_path / "run" / "report.html").read_text()
    assert "data:image/svg+xml;base64," in report
    files = [data / "test" / "1" / "000.csv", data / "train" / "1" / "empty.csv"]
    files[0] = next((data / "test" / "1").iterdir())
    done = command("predict", tmp_path / "run", *files, "--json")
    good, bad = json.loads(done.stdout)
    assert good["label"] in ("1", "2")
    assert bad["error"] == "The file is empty."
    assert done.imported == "[]"


@pytest.fixture
def walks(tmp_path):
    """Sixty walks of two channels, not equally long, that go up or down."""
    generator = np.random.default_rng(0)
    walks = []
    for number in range(60):
        steps = generator.normal((0.3, -0.3)[number % 2], 1, (generator.integers(40, 80), 2))
        walks.append((("up", "down")[number % 2], steps.cumsum(axis=0)))
    return walks


def write_long(path, walks):
    rows = ["id,time,label,x,y"]
    rows += [f"{n},{t},{label},{x},{y}" for n, (label, s) in enumerate(walks) for t, (x, y) in enumerate(s)]
    path.write_text("\n".join(rows))
    return path


def write_npz(path, walks):
    x = np.full((len(walks), max(len(series) for _, series in walks), 2), np.nan)
    for row, (_, series) in zip(x, walks, strict=True):
        row[: len(series)] = series
    np.savez(path, X=x, y=[label for label, _ in walks])
    return path


def write_ts(path, walks):
    path.mkdir()
    for part, rows in (("TRAIN", walks[:40]), ("TEST", walks[40:])):
        lines = [":".join(",".join(map(str, c)) for c in s.T) + f":{label}" for label, s in rows]
        head = "@univariate false\n@dimensions 2\n@equalLength false\n@classLabel true up down\n@data\n"
        (path / f"{path.name}_{part}.ts").write_text(head + "\n".join(lines))
    return path


@pytest.mark.slow
def test_a_wide_table_with_another_column_of_labels_says_which_reader_to_choose(command, walks, tmp_path):
    data = tmp_path / "wide.csv"
    rows = [f"{label}," + ",".join(map(str, series[:40, 0])) for label, series in walks]
    data.write_text("\n".join(["gesture," + ",".join(f"s{number}" for number in range(40)), *rows]))
    done = command("train", data, "--backbone", "flat", succeeds=False)
    assert "Received: gesture, s0, s1, s2, s3, s4, s5, s6 and 33 more. State it: --input COLUMN" in done.stderr
    assert "; or choose another reader: --reader series-table." in done.stderr
    metrics, _ = train(command, data, tmp_path / "run", "--reader", "series-table", "--label", "gesture")
    assert metrics["examples"] == 12


@pytest.mark.slow
def test_columns_with_other_names_are_stated_once(command, walks, tmp_path):
    data = write_long(tmp_path / "a.csv", walks)
    data.write_text(data.read_text().replace("id,time,label", "walk,t,kind", 1))
    stated = ("--reader", "series-table", "--set", "reader.id=walk", "--set", "reader.time=t")
    metrics, _ = train(command, data, tmp_path / "run", *stated, "--label", "kind")
    assert metrics["examples"] == 12
    for more in ((*stated, "--set", "reader.label=kind"), ()):
        done = command("predict", tmp_path / "run", data, *more, "--json")
        assert [item["source"] for item in json.loads(done.stdout)] == [f"{data}:{number}" for number in range(60)]
    done = command("evaluate", tmp_path / "run", data, "--json")
    assert json.loads(done.stdout)["metrics"]["test"]["examples"] == 60
    embedded = ("embed", data, "--backbone", "flat", "--set", "backbone.channels=2", *stated, "--label", "kind")
    done = command(*embedded, "--out", tmp_path / "e.csv", "--json")
    assert json.loads(done.stdout)["examples"] == 60
    data.write_text(data.read_text().replace("walk,t,kind", "a,b,c", 1))
    done = command("predict", tmp_path / "run", data, "--set", "reader.id=a", succeeds=False)
    assert "State who reads it: --reader series-table." in done.stderr


@pytest.mark.parametrize(
    ("write", "name", "tested"),
    [
        (write_long, "a.csv", 12),
        pytest.param(write_npz, "a.npz", 12, marks=pytest.mark.slow),
        pytest.param(write_ts, "a", 20, marks=pytest.mark.slow),
    ],
)
def test_many_series_in_one_place(command, walks, tmp_path, write, name, tested):
    data = write(tmp_path / name, walks)
    metrics, _ = train(command, data, tmp_path / "run")
    assert metrics["examples"] == tested
    assert metrics["accuracy"] > 0.8
    done = command("predict", tmp_path / "run", data, "--json")
    assert len(json.loads(done.stdout)) == 60
    assert done.imported == "[]"
    one = tmp_path / "one.csv"
    one.write_text("x,y\n" + "\n".join(f"{x},{y}" for x, y in walks[0][1]))
    (answer,) = json.loads(command("predict", tmp_path / "run", one, "--json").stdout)
    assert answer["label"] == "up"
    one.write_text("1\n2\n")
    done = command("predict", tmp_path / "run", one, "--json", succeeds=False)
    assert "The series has 1 channel and 2 steps. Valid: 2 channels" in done.stdout + done.stderr


def test_a_wide_table_is_predicted_without_its_labels(command, gun_point, tmp_path):
    names = ["id", "label", *map(str, range(150))]
    rows = [(path, path.parent.name, read(path)[:, 0]) for path in sorted((gun_point / "train").rglob("*.csv"))]
    wide, unlabelled = tmp_path / "wide.csv", tmp_path / "new.csv"
    lines = [",".join([path.stem, label, *map(str, values)]) for path, label, values in rows]
    wide.write_text("\n".join([",".join(names), *lines]))
    metrics, _ = train(command, wide, tmp_path / "run", "--set", "preprocess.fit=pad", "--holdout", "0.3")
    assert metrics["examples"] == 15
    lines = [",".join([path.stem, *map(str, values)]) for path, _, values in rows]
    unlabelled.write_text("\n".join([",".join(["id", *names[2:]]), *lines]))
    answers = json.loads(command("predict", tmp_path / "run", unlabelled, "--json").stdout)
    assert [answer["source"].rpartition(":")[2] for answer in answers] == [str(row) for row in range(2, 52)]
    assert all("label" in answer for answer in answers)


def test_listing_imports_nothing(command):
    for what in ("preprocesses", "readers"):
        done = command(what, "--json")
        assert any(item["plugin"] == "tlplug-series" for item in json.loads(done.stdout))
        assert done.imported == "[]"
