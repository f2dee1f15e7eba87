"""Exports: every format gives the answers of its run in a process without tlplug, or leaves nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tlplug
from tlplug import Tolerance
from tlplug.errors import DamagedRunError, ExportError, OptionError, UnknownNameError, UsageError
from tlplug.export.proof import Comparison, Proof
from tlplug.registry import registry
from tlplug.storage import read_json

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

FORMATS = {"savedmodel": "model/1", "keras": "model.keras", "litert": "model.tflite", "onnx": "model.onnx"}

READS = '''
"""Reads and prepares eight numbers. Needs numpy."""

import numpy as np


def read(source, about):
    return np.loadtxt(source, dtype=np.float32, ndmin=1)


def prepare(raw, about):
    return {"numbers": raw[None] * np.float32(about["preprocess"]["options"]["scale"])}
'''
GRAPH = """
def make_graph(options, files):
    import tensorflow as tf

    class Graph(tf.Module):
        raw = tf.TensorSpec([None, 8], tf.float32, "numbers")

        def __call__(self, numbers):
            return {"numbers": numbers * options["scale"]}, None

    return Graph()
"""
WRONG = '''
"""Answers the first class with certainty, whatever it is asked."""

import json
from pathlib import Path

import numpy as np

ABOUT = json.loads((Path(__file__).parent / "export.json").read_text(encoding="utf-8"))


def load():
    classes = len(ABOUT["classes"])
    return lambda arrays: np.eye(1, classes, dtype=np.float32).repeat(len(next(iter(arrays.values()))), axis=0)
'''


@pytest.fixture
def run(dots, dots_run):
    dots.load()
    return dots_run


@pytest.fixture
def model(run):
    return tlplug.load(run)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write modules and a plugin file of exporters that use them; load the file."""

    def write(text, **modules):
        monkeypatch.syspath_prepend(tmp_path / "modules")
        (tmp_path / "modules").mkdir(exist_ok=True)
        for name, code in modules.items():
            (tmp_path / "modules" / f"{name}.py").write_text(code)
        path = tmp_path / "exporters.py"
        path.write_text(f"from tlplug import Exporter, Tolerance, hookimpl\n{text}")
        registry().load_file(path)
        return path

    return write


EXPORTERS = """
def export(model, path, options):
    path.write_text("nothing")
    return Tolerance()


@hookimpl
def exporter():
    return [Exporter(name="other", suffix=".txt", export=export, loader="LOADER", summary="Of the tests.")]
"""


def standing(folder):
    """What is there, names that begin with a dot included."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_answers_of_the_run_without_tlplug(model, tmp_path, name):
    exported = model.export(tmp_path / "out", format=name)
    assert exported.file == tmp_path / "out" / FORMATS[name]
    about = read_json(tmp_path / "out" / "export.json")
    arrays = about["proof"]["arrays"]
    assert (arrays["examples"], arrays["changed"]) == (8, 0)
    assert arrays["difference"] <= 1e-6
    assert arrays["accuracy_before"] == arrays["accuracy_after"] == model.metrics["test"]["accuracy"]
    assert about["proven"] is True
    assert about["classes"] == list(model.classes)
    assert about["inputs"][0]["shape"] == [8]
    assert about["bytes"] == sum(p.stat().st_size for p in [exported.file, *exported.file.rglob("*")] if p.is_file())
    assert standing(tmp_path) == ["cache", "out"]


def test_the_loader_beside_it_answers_prepared_arrays_in_plain_python(model, tmp_path):
    model.export(tmp_path / "out", format="litert")
    rows = np.random.default_rng(0).normal(0, 1, (5, 8)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    code = (
        "import sys; sys.modules['tlplug'] = None; sys.path.insert(0, 'out')\n"
        "import numpy as np, network\n"
        "np.save('answers.npy', network.load()({network.ABOUT['inputs'][0]['name']: np.load('rows.npy')}))\n"
    )
    subprocess.run([sys.executable, "-IBc", code], cwd=tmp_path, check=True, capture_output=True)
    expected, _ = model.predictor.probabilities(list(rows))
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), expected, atol=1e-6)


@pytest.mark.slow
def test_a_model_just_trained_is_exported_as_a_saved_one_is(dots, tmp_path):
    dots.load()
    model = tlplug.train(dots.write(tmp_path / "data"))
    found = model.export(tmp_path / "out", format="keras").about
    model.save(tmp_path / "run")
    again = tlplug.load(tmp_path / "run").export(tmp_path / "again", format="keras").about
    apart = {"versions", "bytes"}  # Keras numbers the layers of a process, and the file has their names
    for about in (found, again):
        for comparison in ("arrays", "raw"):
            (about["proof"][comparison] or {}).pop("milliseconds", None)
    assert {k: v for k, v in found.items() if k not in apart} == {k: v for k, v in again.items() if k not in apart}


def test_the_ending_of_a_path_says_the_format_and_that_the_model_stands_alone(model, tmp_path):
    exported = model.export(tmp_path / "made" / "numbers.tflite")
    assert exported.about["format"] == "litert"
    assert standing(tmp_path / "made") == ["numbers.tflite", "numbers.tflite.export"]
    code = "import sys; sys.path.insert(0, 'numbers.tflite.export'); import network; network.load()"
    subprocess.run([sys.executable, "-IBc", code], cwd=tmp_path / "made", check=True, capture_output=True)
    with pytest.raises(UsageError, match="There is something at"):
        model.export(tmp_path / "made" / "numbers.tflite")
    beside = tmp_path / "made" / "numbers.tflite.export"
    (tmp_path / "made" / "numbers.tflite").rename(beside / "model.tflite")  # as a kill before the last step leaves it
    model.export(tmp_path / "made" / "numbers.tflite")
    assert standing(tmp_path / "made") == ["numbers.tflite", "numbers.tflite.export"]
    (tmp_path / "made" / "numbers.tflite").rename(tmp_path / "elsewhere.tflite")  # deployed
    with pytest.raises(UsageError, match=r"There is something at .*numbers\.tflite\.export' already"):
        model.export(tmp_path / "made" / "numbers.tflite")
    assert (beside / "export.json").is_file()


def test_the_class_names_are_inside_the_file(model, tmp_path):
    import zipfile

    import onnx
    import tensorflow as tf
    from ai_edge_litert.tools import flatbuffer_utils

    model.export(tmp_path / "a.tflite")
    with zipfile.ZipFile(tmp_path / "a.tflite") as archive:
        assert archive.read("labels.txt").decode().split() == list(model.classes)
        assert json.loads(archive.read("about.json"))["preprocess"]["options"]["scale"] == 1.0
    file = flatbuffer_utils.read_model(str(tmp_path / "a.tflite"))
    (entry,) = (entry for entry in file.metadata if entry.name == b"TFLITE_METADATA")
    said = bytes(file.buffers[entry.buffer].data)
    assert said[4:8] == b"M001"
    assert b"labels.txt" in said
    model.export(tmp_path / "a.onnx")
    metadata = {item.key: item.value for item in onnx.load(tmp_path / "a.onnx").metadata_props}
    assert json.loads(metadata["classes"]) == list(model.classes)
    exported = model.export(tmp_path / "saved", format="savedmodel")
    assert (exported.file / "assets" / "labels.txt").read_text().split() == list(model.classes)
    program = tf.saved_model.load(str(exported.file))
    assert sorted(program.signatures) == ["arrays", "serving_default"]


@pytest.mark.parametrize(
    ("precision", "share"),
    [
        pytest.param("float16", 0.55, marks=pytest.mark.slow),
        pytest.param("dynamic", 0.4, marks=pytest.mark.slow),
        ("int8", 0.4),
    ],
)
def test_lower_precisions_are_smaller_and_judged_by_what_they_explain(dots, tmp_path, precision, share):
    dots.load()
    model = tlplug.train(
        dots.write(tmp_path / "data"), head="mlp", options={"head.hidden": "512,512", "head.epochs": 5}
    )
    found = model.export(tmp_path / "out", format="litert", options={"exporter.precision": precision})
    assert found.about["bytes"] < share * found.about["weights_bytes"]
    assert found.proof.tolerance.difference == (5e-3 if precision == "float16" else None)
    assert found.proof.arrays.difference > 0


@pytest.mark.parametrize("most", [0, 10**9])
def test_a_program_holds_its_weights_once_as_constants_or_as_variables(dots, tmp_path, monkeypatch, most):
    import tensorflow as tf

    monkeypatch.setattr("tlplug.export.network.CONSTANTS", most)
    dots.load()
    options = {"head.hidden": "512,512", "head.epochs": 2}
    model = tlplug.train(dots.write(tmp_path / "data"), head="mlp", options=options)
    exported = model.export(tmp_path / "out", format="savedmodel")
    weights = exported.about["weights_bytes"]
    assert weights < exported.about["bytes"] < weights + 100_000
    program = tf.saved_model.load(str(exported.file))
    read = {id(v): v.shape.num_elements() for function in program.signatures.values() for v in function.variables}
    assert sum(read.values()) * 4 == (0 if most else weights)


def test_what_embeds_in_16_bits_is_exported(dots, tmp_path):
    dots.load()

    @tlplug.register_backbone("half", modality="dots", input_shape=(8,))
    def half(weights=None):
        import keras

        numbers = keras.Input((8,), name="numbers")
        return keras.Model(numbers, keras.layers.Dense(4, dtype="float16", kernel_initializer="ones")(numbers))

    model = tlplug.train(dots.write(tmp_path / "data"), backbone="half")
    assert model.export(tmp_path / "out", format="savedmodel").proof.arrays.changed == 0


@pytest.mark.parametrize("head", ["prototype", pytest.param("mlp", marks=pytest.mark.slow)])
def test_heads_that_hold_more_than_weights_are_exported_to_onnx(dots, tmp_path, head):
    dots.load()

    @tlplug.register_backbone("wide", modality="dots", input_shape=(8,))
    def wide(weights=None):
        import keras

        keras.utils.set_random_seed(0)
        numbers = keras.Input((8,), name="numbers")
        scaled = keras.layers.Normalization(mean=[0.1] * 200, variance=[2.0] * 200)
        return keras.Model(numbers, scaled(keras.layers.Dense(200)(numbers)))

    model = tlplug.train(dots.write(tmp_path / "data"), backbone="wide", head=head)
    assert model.export(tmp_path / "out", format="onnx").proof.arrays.difference < 1e-5


@pytest.fixture
def with_graph(dots, tmp_path, monkeypatch):
    """Load the backbone, and the preprocess with the code of a graph and with code that travels along."""
    (tmp_path / "modules").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "modules")

    def load(graph):
        (tmp_path / "modules" / "reads_numbers.py").write_text(READS)
        text = dots.dots.read_text().replace("            demo=demo,\n", "            demo=demo,\n            RAW\n")
        text = text.replace("RAW", 'make_graph=make_graph, standalone="reads_numbers",')
        (tmp_path / "dots.py").write_text(text.replace("def preview", f"{graph}\n\ndef preview"))
        registry().load_file(dots.net)
        registry().load_file(tmp_path / "dots.py")

    return load


def test_what_has_no_graph_with_these_options_takes_prepared_arrays(with_graph, dots, tmp_path, notes):
    with_graph("def make_graph(options, files):\n    raise ValueError('Only halves are made a graph.')")
    model = tlplug.train(dots.write(tmp_path / "data"))
    exported = model.export(tmp_path / "out", format="savedmodel")
    assert exported.about["raw"] is None
    assert exported.proof.raw.changed == 0  # read by the code beside it
    told = (
        "The export takes prepared arrays alone: the preprocess has no graph. ValueError: Only halves are made a graph."
    )
    assert notes.count(told) == 1


def test_raw_input_is_served_by_the_graph_and_read_by_the_code_that_travels_along(with_graph, dots, tmp_path):
    with_graph(GRAPH)
    model = tlplug.train(dots.write(tmp_path / "data"), options={"preprocess.scale": 0.5})
    for name in ("savedmodel", "litert"):
        exported = model.export(tmp_path / name, format=name)
        assert exported.proof.raw.changed == 0
        assert exported.proof.raw.difference < 1e-6
    assert exported.about["raw"] is None
    file = next((tmp_path / "data").rglob("*.dots"))
    said = subprocess.run(
        [sys.executable, "-B", tmp_path / "savedmodel" / "predict.py", file],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    (expected,) = model.predict([file])
    assert said.stdout.split("\t") == [str(file), expected.label, f"{expected.probability:.3f}\n"]
    command = [sys.executable, "-B", tmp_path / "savedmodel" / "predict.py"]
    (tmp_path / "words.dots").write_text("no numbers")
    said = subprocess.run(
        [*command, tmp_path / "words.dots", tmp_path / "none.dots", file], capture_output=True, text=True, check=False
    )
    errors = [line for line in said.stderr.splitlines() if line.startswith(str(tmp_path))]
    assert (said.returncode, len(errors), said.stdout.split("\t")[1]) == (1, 2, expected.label)
    assert errors[0].startswith(f"{tmp_path / 'words.dots'}\terror\tcould not convert string")
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.splitlines()[-1].startswith("Usage: python predict.py FILE...")
    said = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("Usage: python predict.py FILE...")
    code = f"import predict; print(max(predict.classify({str(file)!r}).values()))"
    said = subprocess.run(
        [sys.executable, "-Bc", code], capture_output=True, text=True, check=True, cwd=tmp_path / "savedmodel"
    )
    assert float(said.stdout) == pytest.approx(expected.probability, abs=1e-5)
    code = "import predict; predict.classify('none.dots')"
    said = subprocess.run(
        [sys.executable, "-Bc", code], capture_output=True, text=True, check=False, cwd=tmp_path / "savedmodel"
    )
    assert said.stderr.endswith("FileNotFoundError: No such file: 'none.dots'\n")
    readme = (tmp_path / "savedmodel" / "README.md").read_text()
    assert "python predict.py FILE..." in readme
    assert "`serving_default` takes `numbers`" in readme


def test_what_the_code_that_travels_along_cannot_read_is_told_and_counts_as_changed(with_graph, dots, tmp_path):
    with_graph(GRAPH)
    reads = tmp_path / "modules" / "reads_numbers.py"
    reads.write_text(
        READS.replace("    return np.loadtxt", "    if '0002' in str(source):\n        [].pop()\n    return np.loadtxt")
    )
    model = tlplug.train(dots.write(tmp_path / "data"))
    with pytest.raises(
        ExportError, match=r"1 of 8 predictions from raw input are others, 1 of them not read: pop from"
    ):
        model.export(tmp_path / "out", format="litert")
    proof = model.export(tmp_path / "out", format="litert", force=True).proof
    assert (proof.raw.unread, proof.raw.changed, proof.raw.reason) == (1, 1, "pop from empty list")
    assert proof.raw.difference < 1e-6
    assert "1 could not be read: pop from empty list" in (tmp_path / "out" / "README.md").read_text()


def compared(after, unread=None, examples=200):
    """Compare answers to examples of one class, all of which the run answers with 0.9."""
    before = np.tile(np.array([[0.9, 0.1]], np.float32), (examples, 1))
    labels, took = np.zeros(examples, np.int64), np.ones(examples)
    return Comparison.of(before, np.array(after, np.float32), labels, took, unread)


SAME, OTHER, NONE = [0.9, 0.1], [0.4, 0.6], [np.nan, np.nan]


@pytest.mark.parametrize(
    ("raw", "by_graph", "said"),
    [
        ([OTHER] * 2 + [SAME] * 198, True, None),
        ([OTHER] * 3 + [SAME] * 197, True, "3 of 200 predictions from raw input are others"),
        ([NONE] * 3 + [SAME] * 197, True, "3 of 200 predictions from raw input are others"),
        ([[0.8, 0.2]] * 200, True, None),
        ([[0.8, 0.2]] + [SAME] * 199, False, "a probability from raw input differs by 1.0e-01, and 1e-04 is tolerated"),
        ([SAME] * 200, False, None),
    ],
)
def test_raw_input_is_judged_by_what_reads_it(raw, by_graph, said):
    problem = Proof(compared([SAME] * 200), compared(raw), by_graph, Tolerance()).problem()
    assert (problem and problem.said) == said


def test_what_is_no_number_is_another_answer():
    found = compared([NONE] + [SAME] * 199)
    assert (found.changed, found.difference, found.accuracy_after) == (1, 1.0, 0.995)
    found = compared([NONE] + [SAME] * 199, {0: "no picture"})
    assert (found.changed, found.difference, found.unread, found.reason) == (1, 0.0, 1, "no picture")


def test_names_of_classes_are_written_as_they_are_or_escaped(dots, tmp_path):
    import zipfile

    dots.load()
    data = dots.write(tmp_path / "data")
    (data / "high").rename(data / "<b>a`b")
    (data / "low").rename(data / os.fsdecode(b"caf\xe9"))
    exported = tlplug.train(data).export(tmp_path / "out", format="litert")
    with zipfile.ZipFile(exported.file) as archive:
        assert archive.read("labels.txt").decode().splitlines()[0] == "<b>a`b"
        assert "caf\\udce9" in archive.read("labels.txt").decode().splitlines()
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "&lt;b&gt;a\\`b" in readme
    assert "<b>" not in readme


def test_modules_of_layers_travel_with_what_they_import(tmp_path, monkeypatch):
    from tlplug.export.travel import file_of, files_with, place

    monkeypatch.syspath_prepend(tmp_path / "path")
    files = {
        "own/__init__.py": "raise AssertionError('not what is needed')",
        "own/layers.py": "from ._deep import VALUE\nfrom .parts import two\nimport numpy",
        "own/_deep.py": "VALUE = 1",
        "own/parts/__init__.py": "from . import one\ntwo = one.ONE + 1",
        "own/parts/one.py": "from typing import TYPE_CHECKING\nfrom .._deep import VALUE as ONE\n"
        "if TYPE_CHECKING:\n    from own.forbidden import THING",
        "own/forbidden.py": "import tlplug\nTHING = 1",
    }
    for name, code in files.items():
        path = tmp_path / "path" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    (tmp_path / "path" / "own" / "__init__.py").write_text("")
    place(files_with("own.layers"), tmp_path / "code")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'code')!r}); import own.layers; print(own.layers.two)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "2\n"
    for name in ("nowhere", "own.nothing", "sys"):
        with pytest.raises(ExportError, match=rf"The module '{name}', which travels with exports, is not there as a"):
            file_of(name)
    (tmp_path / "path" / "own" / "_deep.py").write_text("def later():\n    import tlplug\n\n\nVALUE = 1\n")
    found = {"own/layers.py", "own/_deep.py", "own/parts/__init__.py", "own/parts/one.py"}
    assert files_with("own.layers").keys() == found
    assert files_with("own.parts.one").keys() == {"own/_deep.py", "own/parts/one.py"}
    place(files_with("own.parts") | files_with("own.parts.one"), tmp_path / "other")
    (tmp_path / "path" / "own" / "_deep.py").write_text("import tlplug.model\nVALUE = 1\n")
    with pytest.raises(ExportError, match=r"The module 'own\._deep' cannot travel with an export"):
        files_with("own.layers")


def test_packages_of_plugins_are_absent_but_for_what_travels_along(tmp_path, monkeypatch):
    from tlplug.export.worker import Absent

    (tmp_path / "code" / "own").mkdir(parents=True)
    (tmp_path / "code" / "own" / "layers.py").write_text("")
    absent = Absent(["own", "tlplug"], tmp_path / "code")
    assert absent.find_spec("numpy") is None
    assert absent.find_spec("own").submodule_search_locations is not None
    assert absent.find_spec("own.layers", [str(tmp_path / "code" / "own")]).origin.endswith("layers.py")
    for name, path in (("tlplug", None), ("own.plugin", [str(tmp_path / "code" / "own")])):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}' travels with the export"):
            absent.find_spec(name, path)


def test_what_gives_other_answers_leaves_nothing_unless_told_otherwise(model, plugin, tmp_path):
    plugin(EXPORTERS.replace("LOADER", "wrong_answers"), wrong_answers=WRONG)
    before = standing(tmp_path)
    with pytest.raises(ExportError, match=r"^The export gives other answers than the run: a probability differs by"):
        model.export(tmp_path / "out", format="other")
    with pytest.raises(ExportError, match=r"accuracy falls from 1\.000 to 0\.\d+"):
        model.export(tmp_path / "out", format="other", tolerance=1)
    assert standing(tmp_path) == before
    exported = model.export(tmp_path / "out", format="other", force=True)
    assert exported.about["proven"] is False
    assert "This is beyond what is tolerated" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def load():\n    raise ValueError('no such thing')\n", "ValueError: no such thing"),
        ("import tlplug.model\n", "ModuleNotFoundError: No module named 'tlplug' travels with the export"),
        ("import os\nos.kill(os.getpid(), 9)\n", "it was ended by SIGKILL"),
    ],
)
def test_what_does_not_run_leaves_nothing(model, plugin, tmp_path, code, reason):
    plugin(EXPORTERS.replace("LOADER", "does_not_run"), does_not_run=code)
    before = standing(tmp_path)
    with pytest.raises(ExportError, match=re.escape(reason)):
        model.export(tmp_path / "out", format="other")
    assert standing(tmp_path) == before


def test_what_a_converter_refuses_ends_in_one_line_that_names_the_others(model, plugin, tmp_path):
    text = EXPORTERS.replace('path.write_text("nothing")', "raise KeyError('an op\\nof many lines')")
    plugin(text.replace("LOADER", "json"))
    with pytest.raises(
        UsageError, match=r"^The format 'other' cannot hold this net: KeyError: .* Valid: --format keras"
    ):
        model.export(tmp_path / "out", format="other")


def test_mistakes_end_in_one_line(run, dots, cli, tmp_path, monkeypatch):
    def refused(*arguments, code=2):
        found = cli("export", *arguments, *dots.plugins)
        assert (found.code, found.out, len(found.lines)) == (code, "", 1), found
        return found.err

    out = tmp_path / "out"
    assert "A format is missing. Valid: --format savedmodel" in refused(run)
    assert "Unknown exporter 'tflight'" in refused(run, "--format", "tflight", "--out", out)
    assert "The ending of 'a.tfl' says no format. Valid: .keras, .tflite, .onnx" in refused(run, "--out", "a.tfl")
    assert "would lie in the run" in refused(run, "--format", "keras", "--out", run / "keras")
    assert "Unknown option 'exporter.bits'" in refused(run, "--format", "litert", "--set", "exporter.bits=8")
    assert "Option 'precision' cannot be 'int4'" in refused(run, "--format", "litert", "--precision", "int4")
    assert "The format 'keras' has no --precision" in refused(run, "--format", "keras", "--precision", "int8")
    twice = ("--precision", "int8", "--set", "exporter.precision=float16")
    assert "The precision is stated twice" in refused(run, "--format", "litert", *twice)
    assert "The path of --out is empty" in refused(run, "--format", "keras", "--out", "")
    assert "A tolerance is from 0 to 1. Received: nan" in refused(run, "--format", "keras", "--tolerance", "nan")
    assert "A tolerance is from 0 to 1. Received: -1" in refused(run, "--format", "keras", "--tolerance", "-1")
    assert "is that of the format 'litert'. Received: --format keras." in refused(
        run, "--format", "keras", "--out", tmp_path / "a.TFLITE"
    )
    assert "Received: 'head.x'" in refused(run, "--format", "keras", "--set", "head.x=1")
    assert "No such run" in refused(tmp_path / "none", "--format", "keras")
    assert "is no run" in refused(tmp_path, "--format", "keras")
    out.mkdir()
    assert f"There is something at {str(out)!r} already" in refused(run, "--format", "keras", "--out", out)
    find = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: (name != "tf2onnx" and find(name, *rest)) or None
    )
    said = refused(run, "--format", "onnx", "--out", tmp_path / "a")
    assert said == "Error: The format 'onnx' needs what is not installed. Type: pip install 'tlplug[onnx]'\n"


def test_a_run_whose_files_are_not_as_they_were_is_refused(run, tmp_path):
    for name, error in (("model/backbone/model.keras", "model"), ("examples/test-0000.dots", "examples")):
        copy = tmp_path / error
        shutil.copytree(run, copy)
        with (copy / name).open("ab") as file:
            file.write(b"x")
        with pytest.raises(DamagedRunError, match="is damaged"):
            tlplug.load(copy).export(tmp_path / "out", format="keras")
    copy = tmp_path / "older"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "examples")
    with pytest.raises(UsageError, match="The run keeps no held-out examples"):
        tlplug.load(copy).export(tmp_path / "out", format="keras")


def test_a_run_may_keep_no_examples(dots, cli, tmp_path):
    data = dots.write(tmp_path / "data")
    done = cli("train", data, "--no-examples", "--out", tmp_path / "run", *dots.plugins)
    assert done.code == 0, done.err
    assert not (tmp_path / "run" / "examples").exists()
    assert cli("predict", tmp_path / "run", next(data.rglob("*.dots")), *dots.plugins).code == 0
    refused = cli("export", tmp_path / "run", "--format", "keras", *dots.plugins)
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert "The run keeps no held-out examples to prove an export on: it was trained with --no-examples" in refused.err


def test_a_format_of_other_modalities_is_refused(model, plugin, tmp_path):
    text = EXPORTERS.replace('loader="LOADER"', 'loader="json", modalities=["image", "text"]')
    plugin(text)
    with pytest.raises(UsageError, match=r"The format 'other' is for image, text\. Received: a run of dots\. Valid:"):
        model.export(tmp_path / "out", format="other")
    with pytest.raises(UnknownNameError):
        model.export(tmp_path / "out", format="another")
    with pytest.raises(OptionError):
        model.export(tmp_path / "out", format="keras", options={"precision": 1})


@pytest.mark.parametrize("disk", ["64k"], indirect=True)
def test_a_full_disk_leaves_nothing(run, dots, cli, disk):
    folder = disk()
    (folder / "filling").write_bytes(bytes(56 << 10))
    found = cli("export", run, "--format", "keras", "--out", folder / "out", *dots.plugins)
    assert (found.code, len(found.lines)) == (1, 1), found
    assert "No space left on device" in found.err
    assert standing(folder) == ["filling"]


@pytest.mark.slow
def test_after_a_kill_the_next_one_is_right(run, dots, tmp_path):
    command = [sys.executable, "-c", "from tlplug.cli import main; main()", "export", str(run), "--format", "keras"]
    command += ["--out", str(tmp_path / "out"), *dots.plugins]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, stderr=subprocess.DEVNULL)
    while not (tmp_path / "out.partial" / "export.json").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert read_json(tmp_path / "out" / "export.json")["proven"] is True
    assert standing(tmp_path) == ["cache", "out"]


def test_the_command_shows_the_proof(run, dots, cli, tmp_path):
    found = cli("export", run, "--format", "keras", "--out", tmp_path / "out", *dots.plugins)
    assert found.code == 0
    assert re.search(r"prepared arrays +0 of 8 +\d\.\de-\d\d +(\S+) +\1 ", found.out)
    assert "model.keras" in found.out
    assert "exporter.precision" in cli("exporters", "litert").out
    found = cli("export", run, "--out", tmp_path / "a.keras", "--json", *dots.plugins)
    assert found.json["file"] == str(tmp_path / "a.keras")
    assert found.json["proof"]["arrays"]["changed"] == 0


@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_predict_py_says_what_is_missing_in_one_line(with_graph, dots, tmp_path, name):
    with_graph("make_graph = None")
    exported = tlplug.train(dots.write(tmp_path / "data")).export(tmp_path / "out", format=name)
    file = next((tmp_path / "data").rglob("*.dots"))
    reads = exported.path / "preprocess.py"
    whole = reads.read_text()

    def said():
        command = [sys.executable, "-B", exported.path / "predict.py", file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr.strip().splitlines()[-1]

    reads.write_text(f"import none_such\n{whole}")
    assert said().startswith("No module named 'none_such'. network.py and preprocess.py say at their beginning")
    reads.write_text(whole.replace("    return np.loadtxt", "    import none_such\n    return np.loadtxt"))
    assert said() == "No module named 'none_such'. preprocess.py says at its beginning what it needs."
    exported.file.write_bytes(b"")
    assert said().startswith("The model cannot be loaded: ")
