"""Compiled backbones: equal to Keras, made once, kept whole, and served by the best runtime that takes them."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

import tlplug
from tlplug.backbones import RANDOM, ArraySpec, build_backbone, import_keras, select_backbone
from tlplug.errors import PluginError, UnknownNameError, UsageError
from tlplug.features import CompiledBackbone, compile_backbone, compile_network
from tlplug.features.compiled import BATCH
from tlplug.plugins import Plugin
from tlplug.registry import registry
from tlplug.specs import Runtime
from tlplug.storage import CacheWarning, write_manifest

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables


@pytest.fixture
def network(vectors):
    """Register a network of vectors whose embedding is `function` of its input; ``built`` counts."""

    def register(function=None):
        def build(weights=None):
            keras = import_keras()
            register.built += 1
            inputs = keras.Input((8,), name="values")
            x = keras.layers.Dense(4, name="dense")(inputs)
            return keras.Model(inputs, function(x) if function else x)

        tlplug.register_backbone("own", modality="vector")(build)
        return select_backbone("own", modality="vector", weights=RANDOM)

    register.built = 0
    return register


def erf(x):
    """What LiteRT has no operation of its own for."""
    return import_keras().ops.erf(x)


def add_runtime(run, *, available=lambda: True, compile=lambda model, folder: None):
    """Register a runtime that is asked first and answers with `run`, whatever the network."""
    record = Runtime(name="rival", priority=100, available=available, compile=compile, open=lambda folder: run)
    registry().add("runtime", record, Plugin("rivals", "rivals", "1"))


def values(count=5, seed=0):
    return {"values": np.random.default_rng(seed).normal(size=(count, 8)).astype("float32")}


def test_a_compiled_backbone_equals_keras(vectors):
    selection = select_backbone("tanh", modality="vector", weights=RANDOM, seed=3)
    compiled = compile_backbone(selection)
    built = build_backbone(selection)
    expected = np.asarray(built.model(values()["values"]))
    received = compiled.open()(values())
    assert (received.dtype, received.flags["C_CONTIGUOUS"]) == (np.dtype("float32"), True)
    assert np.abs(received - expected).max() < 1e-5
    assert (compiled.runtime, compiled.embedding_size, compiled.invariant) == ("litert", 4, True)
    assert compiled.difference < 1e-5
    assert compiled.digest == built.digest
    assert compiled.inputs == (ArraySpec("values", (8,), "float32"),)


def test_what_it_was_made_from_is_written_down(vectors):
    compiled = compile_backbone(
        select_backbone("tanh", modality="vector", weights=RANDOM, seed=3, options={"units": 2})
    )
    about = {"name": "tanh", "plugin": "vectors.py", "weights": "random, seed 3", "options": {"units": 2}}
    assert compiled.about == about | {"licence": "", "parameters": 18}


def test_inputs_are_told_apart_by_name(vectors):
    def build(weights=None):
        keras = import_keras()
        second, first = keras.Input((3,), name="second"), keras.Input((3,), dtype="uint8", name="first")
        return keras.Model([second, first], second * 2.0 - keras.ops.cast(first, "float32"))

    tlplug.register_backbone("pair", modality="vector")(build)
    compiled = compile_backbone(select_backbone("pair", modality="vector"))
    assert compiled.runtime == "litert"
    arrays = {"first": np.full((2, 3), 200, "uint8"), "second": np.full((2, 3), 0.5, "float32")}
    assert np.array_equal(compiled.open()(arrays), np.full((2, 3), -199, "float32"))


@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
def test_inputs_may_come_as_a_dictionary(vectors, runtime):
    def build(weights=None):
        keras = import_keras()
        inputs = {"mask": keras.Input((3,), name="mask"), "ids": keras.Input((3,), name="ids")}
        return keras.Model(inputs, inputs["mask"] * 2.0 - inputs["ids"])

    tlplug.register_backbone("pair", modality="vector")(build)
    compiled = compile_backbone(select_backbone("pair", modality="vector"), runtime)
    arrays = {"ids": np.full((2, 3), 5, "float32"), "mask": np.full((2, 3), 0.5, "float32")}
    assert np.array_equal(compiled.open()(arrays), np.full((2, 3), -4, "float32"))


def test_it_is_built_once(network):
    selection = network()
    first, second = compile_backbone(selection), compile_backbone(selection)
    assert first == second
    assert network.built == 1


def test_other_seeds_options_and_runtimes_are_compiled_apart(vectors):
    def folder(*, runtime=None, **fields):
        return compile_backbone(select_backbone("tanh", modality="vector", weights=RANDOM, **fields), runtime).folder

    folders = [folder(), folder(seed=1), folder(options={"units": 2}), folder(runtime="tensorflow")]
    assert len(set(folders)) == 4
    assert folder() == folders[0]


def test_a_kept_backbone_runs_without_tensorflow(vectors, python):
    compile_backbone(select_backbone("tanh", modality="vector", weights=RANDOM))
    process = python(
        """
        import sys
        from pathlib import Path
        import numpy as np
        from tlplug.backbones import select_backbone
        from tlplug.features import extractor_for
        from tlplug.registry import registry
        registry().load_file(Path(sys.argv[1]))
        extractor = extractor_for(select_backbone("tanh", modality="vector", weights="random"))
        features = extractor.all([np.full(8, i / 8) for i in range(20)], [bytes([i] * 32) for i in range(20)])
        print(features.embeddings.shape, np.isfinite(features.embeddings).all(), features.computed)
        print(sorted({"tensorflow", "keras", "h5py", "scipy", "sklearn"} & set(sys.modules)))
        """,
        vectors.__file__,
    )
    output, errors = process.communicate(timeout=60)
    assert output.splitlines() == ["(20, 4) True 20", "[]"], errors


def test_a_damaged_folder_is_made_anew_with_a_note(network, notes):
    selection = network()
    folder = compile_backbone(selection).folder
    expected = CompiledBackbone.read(folder).open()(values())
    model = folder / "model.tflite"

    def inconsistent():
        (folder / "network.json").write_text('{"inputs": []}')
        write_manifest(folder)

    damages = {
        "model.tflite is damaged": lambda: model.write_bytes(model.read_bytes()[:-10]),
        "manifest.json is missing": (folder / "manifest.json").unlink,
        "TypeError: ": inconsistent,
    }
    for problem, damage in damages.items():
        damage()
        assert np.array_equal(compile_backbone(selection).open()(values()), expected)
        note = notes.pop()
        assert note.startswith(f"The compiled backbone in {folder} is damaged ({problem}")
        assert note.endswith("); making it anew.")
        assert "\n" not in note
    assert network.built == 1 + len(damages)


def test_what_litert_refuses_runs_on_tensorflow(network, notes):
    selection = network(erf)
    compiled = compile_backbone(selection)
    assert compiled.runtime == "tensorflow"
    (note,) = notes
    assert note == "own runs on tensorflow: litert lacks operations that it needs"
    assert np.allclose(compiled.open()(values()), np.asarray(build_backbone(selection).model(values()["values"])))
    built = network.built
    assert compile_backbone(selection) == compiled
    assert (network.built, len(notes)) == (built, 1)


def test_a_chosen_runtime_has_no_substitute(network, notes):
    assert compile_backbone(network(), "tensorflow").runtime == "tensorflow"
    with pytest.raises(PluginError) as error:
        compile_backbone(network(erf), "litert")
    assert str(error.value) == "No runtime takes 'own': litert lacks operations that it needs."


def test_a_runtime_that_is_not_there_is_refused(network):
    add_runtime(None, available=lambda: False)
    assert compile_backbone(network()).runtime == "litert"
    with pytest.raises(UsageError) as error:
        compile_backbone(network(), "rival")
    assert str(error.value) == (
        "The runtime 'rival' cannot run here: what it needs is not installed. Valid: litert, tensorflow."
    )
    with pytest.raises(UnknownNameError, match=r"^Unknown runtime 'litertt'\. Did you mean 'litert'\?"):
        compile_backbone(network(), "litertt")


@pytest.mark.parametrize("wrong", [0.0, np.nan, np.inf])
def test_a_runtime_with_other_results_than_keras_is_passed_over(network, notes, wrong):
    add_runtime(lambda arrays: np.full((len(arrays["values"]), 4), wrong, "float32"))
    assert compile_backbone(network()).runtime == "litert"
    (note,) = notes
    assert note.startswith("own runs on litert: rival gives results that differ from Keras by ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("no such chip\nand more"), "RuntimeError: no such chip"),
        (OSError("no such chip"), "OSError: no such chip"),
        (
            OSError(errno.ENOENT, "No such file", "libchip.so"),
            "FileNotFoundError: [Errno 2] No such file: 'libchip.so'",
        ),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "ConnectionRefusedError: [Errno 111] refused"),
    ],
)
def test_a_runtime_that_raises_is_passed_over(network, notes, cache, error, said):
    def run(arrays):
        raise error

    add_runtime(run)
    assert compile_backbone(network()).runtime == "litert"
    assert notes == [f"own runs on litert: rival fails with {said}"]
    assert compile_backbone(network()).folder.parent == cache / "compiled"
    assert len(notes) == 1  # it is not tried again


def test_a_runtime_that_cannot_be_imported_is_passed_over(network, notes):
    add_runtime(None, compile="never.imported:compile")
    assert compile_backbone(network()).runtime == "litert"
    (note,) = notes
    assert note.startswith("own runs on litert: rival fails with ")
    assert "No module named 'never'" in note


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_network_whose_embeddings_are_no_numbers_is_an_error_that_blames_no_runtime(network, notes, value):
    selection = network(lambda x: x * float(value))
    for _ in range(2):
        with pytest.raises(PluginError) as error:
            compile_backbone(selection)
        assert str(error.value) == (
            "The network 'own' gives what is no number (NaN or infinity) for random inputs. Look into its weights, or "
            "take another one: tlplug backbones"
        )
    assert notes == []


ODD = {"every size": lambda count: count, "all but one and the whole": lambda count: count == BATCH - 1}


@pytest.mark.parametrize("odd", ODD)
def test_a_batch_is_filled_up_where_results_depend_on_its_size(network, odd):
    selection = network()
    model, sizes = build_backbone(selection).model, []

    def run(arrays):
        count = len(arrays["values"])
        sizes.append(count)
        return np.asarray(model(arrays["values"])) + np.float32(1e-6 * ODD[odd](count))

    add_runtime(run)
    compiled = compile_backbone(selection)
    assert (compiled.runtime, compiled.invariant) == ("rival", False)
    sizes.clear()
    embed = compiled.open()
    few, one = embed(values(3)), embed({"values": values(3)["values"][2:3]})
    assert sizes == [BATCH, BATCH]
    assert np.array_equal(few[2:3], one)
    assert few.shape == (3, 4)


def test_every_size_of_a_batch_is_compared(network):
    selection = network()
    model, sizes = build_backbone(selection).model, []

    def run(arrays):
        sizes.append(len(arrays["values"]))
        return np.concatenate([np.asarray(model(row[None])) for row in arrays["values"]])  # one by one

    add_runtime(run)
    assert compile_backbone(selection).invariant
    assert set(sizes) == set(range(1, BATCH + 1))


def test_a_runtime_that_is_gone_is_said(network):
    present = [True]
    selection = network()
    model = build_backbone(selection).model
    add_runtime(lambda arrays: np.asarray(model(arrays["values"])), available=lambda: present[0])
    compiled = compile_backbone(selection)
    present.clear()
    present.append(False)
    with pytest.raises(UsageError, match=r"^The runtime 'rival' cannot run here: what it needs is not installed\.$"):
        compiled.open()


@pytest.mark.parametrize("problem", ["read-only", "full"])
def test_a_cache_that_cannot_be_written_is_a_warning(network, disk, monkeypatch, problem):
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(disk() / "cache"))
    if problem == "full":
        with pytest.raises(OSError, match="No space left"):
            (disk() / "large").write_bytes(bytes(1 << 20))
    else:
        disk(read_only=True)
    reason = {"full": "No space left on device", "read-only": "Read-only file system"}[problem]
    with pytest.warns(CacheWarning, match=rf"^Cannot keep the compiled backbone in .*: {reason}\. Going on without"):
        compiled = compile_backbone(network())
    assert compiled.runtime == "litert"
    assert compiled.open()(values()).shape == (5, 4)
    assert not list((disk() / "cache").rglob("*.partial"))


RIVAL = """
import sys
from pathlib import Path
from tlplug.backbones import import_keras, select_backbone
from tlplug.features import compile_backbone
from tlplug.registry import registry

registry().load_file(Path(sys.argv[1]))
import_keras()
print("ready", flush=True)
sys.stdin.readline()
print(compile_backbone(select_backbone("counted", modality="vector", weights="random")).folder)
"""

COUNTED = """
@tlplug.register_backbone("counted", modality="vector")
def counted(weights=None):
    from pathlib import Path
    with Path(__file__).with_suffix(".built").open("a") as file:
        file.write("once")
    return build(weights)
"""


def test_two_processes_build_it_once(vectors, python):
    code = Path(vectors.__file__)
    code.write_text(code.read_text() + COUNTED)
    registry().load_file(code)
    rival = python(RIVAL, code, stdin=-1)
    assert rival.stdout.readline() == "ready\n"
    rival.stdin.write("go\n")
    rival.stdin.flush()
    mine = compile_backbone(select_backbone("counted", modality="vector", weights=RANDOM))
    output, errors = rival.communicate(timeout=120)
    assert output == f"{mine.folder}\n", errors
    assert code.with_suffix(".built").read_text() == "once"
    assert [path for path in mine.folder.parent.iterdir() if path.is_dir()] == [mine.folder]


def test_a_network_is_compiled_into_a_folder_of_its_own(vectors, tmp_path):
    keras = import_keras()
    model = keras.Sequential([keras.Input((3,), name="rows"), keras.layers.Dense(2)])
    compiled = compile_network(model, tmp_path / "head", "the head x")
    assert (compiled.folder, compiled.about) == (tmp_path / "head", {"name": "the head x"})
    assert CompiledBackbone.read(tmp_path / "head") == compiled
    rows = np.ones((4, 3), "float32")
    assert np.allclose(compiled.open()({"rows": rows}), np.asarray(model(rows)), atol=1e-6)
    assert {"manifest.json", "network.json", "model.tflite", "model.keras"} == {
        path.name for path in (tmp_path / "head").iterdir()
    }
    assert json.loads((tmp_path / "head" / "network.json").read_text())["embedding_size"] == 2


def network_of(*inputs):
    return CompiledBackbone(None, inputs, 1, "", "litert", invariant=True, difference=0.0, about={})


def test_arrays_are_cast_to_what_the_network_takes():
    prepared = network_of(ArraySpec("x", (2, None), "uint8")).prepare({"pixels": np.zeros((2, 5))})
    assert {name: (array.shape, array.dtype.name) for name, array in prepared.items()} == {"x": ((2, 5), "uint8")}


@pytest.mark.parametrize("arrays", [{"y": [1.0]}, {"x": [[1.0]]}, {"x": [1.0, 2.0]}, {"x": [1.0], "z": [1.0]}, {}])
def test_arrays_that_do_not_fit_are_a_plugin_error(arrays):
    network = network_of(ArraySpec("x", (1,), "float32"), ArraySpec("y", (1,), "float32"))
    with pytest.raises(
        PluginError, match=r"^The network takes '[xy]' of shape \(1,\)\. Received from the preprocess: "
    ):
        network.prepare(arrays)


def test_an_input_without_a_name_runs_on_tensorflow_too(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin")
    path = tmp_path / "unnamed.py"
    path.write_text(
        "import tlplug\n"
        '@tlplug.register_preprocess("rows", modality="row")\n'
        "def make(options, files):\n"
        '    return lambda source: {"row": source}\n'
        '@tlplug.register_backbone("unnamed", modality="row", input_shape=(4,))\n'
        "def build(weights=None):\n"
        "    import keras\n"
        "    keras.Input((1,))  # so that the one below has a number that it loses when it is saved\n"
        "    inputs = keras.Input((4,))\n"
        "    return keras.Model(inputs, keras.layers.Dense(3)(inputs))\n"
    )
    registry().load_file(path)
    selection = select_backbone("unnamed", modality="row")
    results = []
    for runtime in ("tensorflow", "litert"):
        compiled = compile_backbone(selection, runtime)
        assert compile_backbone(selection, runtime).folder == compiled.folder  # built anew, found again
        results.append(compiled.open()({compiled.inputs[0].name: np.ones((2, 4), np.float32)}))
    np.testing.assert_allclose(*results, atol=1e-5)


def test_the_best_runtime_serves_whatever_was_compiled_before(network, notes):
    selection = network()
    assert compile_backbone(selection, "tensorflow").runtime == "tensorflow"
    assert compile_backbone(selection).runtime == "litert"


def test_equal_networks_keep_their_own_names(network):
    def build(weights=None):
        import keras

        return keras.Sequential([keras.Input((8,)), keras.layers.Dense(2, kernel_initializer="ones")])

    names = []
    for name in ("one", "two"):
        tlplug.register_backbone(name, modality="vector", input_shape=(8,))(build)
        names.append(compile_backbone(select_backbone(name, modality="vector")).about["name"])
    assert names == ["one", "two"]


def test_the_random_twin_of_a_model_file_follows_the_file(network, tmp_path, monkeypatch):
    keras = import_keras()
    monkeypatch.chdir(tmp_path)
    sizes = []
    for size in (3, 5):
        keras.Sequential([keras.Input((8,)), keras.layers.Dense(size)]).save("m.keras")
        selection = select_backbone("file:m.keras", modality="vector", weights=RANDOM)
        sizes.append(compile_backbone(selection).embedding_size)
    assert sizes == [3, 5]


def test_a_lack_of_memory_is_no_refusal(network):
    selection = network()
    model, lacks = build_backbone(selection).model, [True]

    def run(arrays):
        if lacks:
            lacks.clear()
            raise MemoryError("for a moment")
        return np.asarray(model(arrays["values"]))

    add_runtime(run)
    with pytest.raises(MemoryError):
        compile_backbone(selection)
    assert compile_backbone(selection).runtime == "rival"


def test_a_network_of_variable_length_may_have_a_shortest_input(vectors, cache):
    @tlplug.register_backbone("lengths", modality="vector", input_shape=(None, 2))
    def build(weights=None):
        import keras

        inputs = keras.Input((None, 2), name="values")
        hidden = keras.layers.Conv1D(4, 5, padding="valid")(inputs)
        return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(hidden))

    compiled = compile_backbone(select_backbone("lengths", modality="vector"))
    assert compiled.runtime == "litert"
    embed = compiled.open()
    good = np.random.default_rng(0).normal(size=(2, 8, 2)).astype("float32")
    first = embed({"values": good})
    with pytest.raises((RuntimeError, ValueError)):
        embed({"values": good[:, :2]})
    assert np.array_equal(embed({"values": good}), first)
