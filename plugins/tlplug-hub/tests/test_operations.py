"""What a SavedModel may do: listed before it is loaded, refused unless it is trusted."""

from __future__ import annotations

import re

import pytest
from tlplug_hub.loading import load
from tlplug_hub.modules import digest, read_program
from tlplug_hub.operations import _bodies, refused

import tlplug


@pytest.fixture
def saved(tmp_path):
    """Save a module whose call is a function of texts; return what is refused of it."""
    import tensorflow as tf

    def save(function, **attributes):
        module = tf.Module()
        for name, value in attributes.items():
            setattr(module, name, value)
        module.call = tf.function(function, input_signature=[tf.TensorSpec([None], tf.string)])
        tf.saved_model.save(module, str(tmp_path / "module"))
        return refused(read_program(tmp_path / "module"))

    return save


def operations(program):
    """The names of all operations in the graph and the functions of a program."""
    return {node.op for _, nodes in _bodies(program.meta_graphs[0]) for node in nodes}


@pytest.mark.parametrize("name", ["image", "maps", "yamnet", "vggish", "use", "pair/preprocessor", "pair/encoder"])
def test_ordinary_modules_are_free_of_it(modules, name):
    program = read_program(modules / name)
    assert refused(program) == []
    assert {"SaveV2", "RestoreV2"} <= operations(program) or name == "pair/preprocessor"


def test_a_vocabulary_among_the_assets_is_read(modules):
    assert "InitializeTableFromTextFileV2" in operations(read_program(modules / "use"))


def test_one_that_writes_a_file_is_named(modules):
    assert refused(read_program(modules / "writer")) == ["WriteFile"]


def test_files_processes_and_python_are_named(saved):
    import tensorflow as tf

    def call(texts):
        tf.print("to a file", output_stream="file:///tmp/tlplug-hub-never")
        files = tf.io.matching_files("/etc/*")
        body = tf.io.read_file(files[0])
        (answer,) = tf.numpy_function(lambda x: x, [texts], [tf.string])
        total = tf.data.TextLineDataset("/etc/hostname").reduce("", lambda old, new: old + new)
        return tf.strings.join([answer, body, total])

    assert {"MatchingFiles", "PrintV2", "PyFunc", "ReadFile", "TextLineDataset"} <= set(saved(call))


def test_printing_to_the_standard_streams_is_not(saved):
    import tensorflow as tf

    def call(texts):
        tf.print(texts)
        return texts

    assert saved(call) == []


def test_in_a_branch_that_nothing_takes_it_is_found_too(saved):
    import tensorflow as tf

    def call(texts):
        return tf.cond(tf.size(texts) < 0, lambda: tf.io.read_file("/etc/passwd"), lambda: tf.constant(""))

    assert saved(call) == ["ReadFile"]


def test_saving_outside_the_saver_is_refused(saved):
    import tensorflow as tf

    def call(texts):
        tf.raw_ops.SaveV2(prefix="/etc/x", tensor_names=["a"], shape_and_slices=[""], tensors=[texts])
        return tf.raw_ops.RestoreV2(prefix="/etc/x", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.string])[0]

    assert saved(call) == ["RestoreV2", "SaveV2"]


@pytest.mark.parametrize("way", ["attribute", "list", "operation", "gradient", "implementation"])
def test_the_savers_functions_called_by_another_are_refused(modules, way):
    """A program rewritten so that the module's own function calls the one that writes checkpoints."""
    program = read_program(modules / "image")
    graph = program.meta_graphs[0]
    saver = next(f.signature.name for f in graph.graph_def.library.function if "save" in f.signature.name)
    own = next(f for f in graph.graph_def.library.function if "call" in f.signature.name)
    if way == "gradient":
        graph.graph_def.library.registered_gradients.add(gradient_func=saver, registered_op_type="x")
    elif way == "implementation":
        for function in graph.graph_def.library.function:
            if function.signature.name in (saver, own.signature.name):
                function.attr["api_implements"].s = b"the same"
    else:
        node = own.node_def.add(op=saver if way == "operation" else "StatefulPartitionedCall", name="smuggled")
        if way == "attribute":
            node.attr["f"].func.name = saver
        elif way == "list":
            node.attr["branches"].list.func.add(name=saver)
    assert refused(program) == ["MergeV2Checkpoints", "SaveV2", "ShardedFilename"]


@pytest.mark.parametrize("way", ["operation", "attribute"])
def test_a_function_of_another_module_is_refused_by_its_name(modules, way):
    """TensorFlow names the functions that it has loaded in a way that can be foreseen, the savers' among them."""
    program = read_program(modules / "image")
    own = next(f for f in program.meta_graphs[0].graph_def.library.function if "call" in f.signature.name)
    name = "__inference__traced_save_12"
    node = own.node_def.add(op=name if way == "operation" else "StatefulPartitionedCall", name="smuggled")
    if way == "attribute":
        node.attr["f"].func.name = name
    assert refused(program) == [f"a function that it does not have, {name!r}"]


def test_constants_and_samplers_out_of_files_are_named(saved):
    import tensorflow as tf

    def call(texts):
        body = tf.raw_ops.ImmutableConst(dtype=tf.uint8, shape=[4], memory_region_name="/etc/hostname")
        sampled = tf.raw_ops.FixedUnigramCandidateSampler(
            true_classes=tf.constant([[1]], tf.int64),
            num_true=1,
            num_sampled=2,
            unique=False,
            range_max=4,
            vocab_file="/etc/hostname",
        )
        return texts, body, sampled

    assert saved(call) == ["FixedUnigramCandidateSampler", "ImmutableConst"]


def test_a_stream_that_is_filled_in_by_the_caller_is_refused(modules):
    program = read_program(modules / "image")
    node = program.meta_graphs[0].graph_def.library.function[0].node_def.add(op="PrintV2", name="printed")
    node.attr["output_stream"].placeholder = "stream"
    assert "PrintV2" in refused(program)


def test_a_table_out_of_any_other_file_is_refused(modules, saved):
    import tensorflow as tf

    def call(texts):
        table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
        tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=table, filename="/etc/passwd", key_index=-2, value_index=-1
        )
        return tf.raw_ops.LookupTableFindV2(table_handle=table, keys=texts, default_value=tf.constant(-1, tf.int64))

    assert saved(call) == ["InitializeTableFromTextFileV2"]
    program = read_program(modules / "use")
    program.meta_graphs[0].asset_file_def[0].filename = "../../etc/passwd"
    assert refused(program) == ["an asset outside the module, '../../etc/passwd'"]


def test_another_function_may_not_fill_a_table_with_what_it_wants(modules):
    program = read_program(modules / "use")
    functions = program.meta_graphs[0].graph_def.library.function
    filling = next(f for f in functions if any(node.op.startswith("InitializeTable") for node in f.node_def))
    own = next(f for f in functions if "call" in f.signature.name)
    own.node_def.add(op="StatefulPartitionedCall", name="smuggled").attr["f"].func.name = filling.signature.name
    assert refused(program) == ["InitializeTableFromTextFileV2"]


def test_it_is_loaded_only_when_it_is_trusted(modules, monkeypatch):
    folder = modules / "writer"
    with pytest.raises(tlplug.UsageError) as error:
        load(folder, digest(folder))
    assert str(error.value) == (
        "The module 'writer' is not run: beside computing it can use WriteFile. If you trust who made it, add --trust "
        "(in Python: set TLPLUG_TRUST=1)."
    )
    assert not (modules / "written").exists()
    monkeypatch.setenv("TLPLUG_TRUST", "1")
    load(folder, digest(folder))(["good"])
    assert (modules / "written").read_text() == "by the module"
    (modules / "written").unlink()


def test_operations_of_another_library_name_what_to_install(copied, monkeypatch):
    import importlib.util

    folder = copied("image")
    program = read_program(folder)
    own = next(f for f in program.meta_graphs[0].graph_def.library.function if "call" in f.signature.name)
    own.node_def.add(op="NoSuchOperation", name="of_another_library")
    (folder / "saved_model.pb").write_bytes(program.SerializeToString())
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow_text" else found(name))
    with pytest.raises(tlplug.UsageError) as error:
        load(folder, digest(folder))
    assert str(error.value) == (
        "The module 'image' needs the operation NoSuchOperation, which TensorFlow alone does not have. If it is one "
        "for texts, such as the preprocessor of a BERT, type: pip install 'tlplug-hub[bert]'"
    )


def test_every_operation_of_tensorflow_that_touches_files_is_suspect():
    """By their names, inputs and attributes: the list of TensorFlow's operations, so that a new one is noticed."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session
    from tlplug_hub.operations import _SUSPECT

    registered = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    names = {operation.name for operation in registered.op}
    harmless = {"TensorArrayReadV3", "ReadVariableOp", "DisableCopyOnRead", "AssignVariableOp", "LookupTableFindV2"}
    harmless |= {"StringSplitV2", "StatefulPartitionedCall", "PartitionedCall", "If", "While", "Conv2D", "VarHandleOp"}
    harmless |= {"StringToHashBucketFast", "RandomUniform", "RaggedTensorToTensor", "Print", "Assert"}
    assert harmless <= names
    assert not [name for name in harmless if _SUSPECT.search(name)]
    words = re.compile("File|PyFunc|Restore|Save|Rpc|filename|_file$|path|directory|memory_region|address|module$")
    touching = {
        operation.name
        for operation in registered.op
        for place in ("", *(part.name for part in (*operation.attr, *operation.input_arg)))
        if words.search(place or operation.name)
    }
    assert {"ImmutableConst", "Skipgram", "ReadFile", "XlaCallModule"} <= touching
    assert [name for name in touching if not _SUSPECT.search(name)] == [
        "CTCBeamSearchDecoder"
    ]  # its paths are sequences
