"""What the program of a SavedModel can do beside computing: a list made before it is loaded.

A SavedModel is a program. Its operations can read and write files, call back into Python, open connections; some run
while it is loaded. Everything that its graph and the library of its functions name is looked at, called or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_SUSPECT = re.compile(
    "File|Dataset|Iterator|Reader|Record|Summary|ImportEvent|Save|Restore|Checkpoint|LoadAndRemap|VocabRemapping"
    "|PyFunc|Debug|Rpc|Remote|Send|Recv|Collective|Nccl|Distributed|Snapshot|Writer|Dump|Abort|XlaCustomCall|TRTEngine"
    "|WorkerHeartbeat|DecodeProto|EncodeProto|^Copy(Host)?$|^_Copy"
    "|^ImmutableConst$|^FixedUnigramCandidateSampler$|^Skipgram$|Mlir|XlaCallModule|XlaHostCompute"
)
"""Names of operations that touch files, the network, other processes or Python, or run what a string holds."""

_FUNCTION = "__"
"""What the names begin with that TensorFlow gives to functions, those that it has loaded before among them."""

_CHECKPOINT = {"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"}
"""What the two functions of a SavedModel that write and read its variables consist of. Nothing calls them here."""

_TABLES = {"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"}
"""What fills a lookup table out of a file, such as the vocabulary that a SavedModel carries among its assets."""


def refused(program: Any) -> list[str]:
    """Return the names of the operations for which a SavedModel is not run without trust, sorted.

    Allowed are: the functions that write and read checkpoints, as long as nothing but the saver refers to them; the
    filling of a lookup table out of a file among the module's assets, as long as the path can be nothing else; and
    printing to the standard streams.

    Args:
        program: a ``SavedModel`` protocol buffer.
    """
    return sorted({operation for graph in program.meta_graphs for operation in _refused(graph)})


def _refused(graph: Any) -> Iterator[str]:
    savers, assets = _savers(graph), _asset_arguments(graph)
    own = {function.signature.name for function in graph.graph_def.library.function}
    for name, nodes in _bodies(graph):
        for node in nodes:
            if node.op == "PrintV2":
                stream = node.attr["output_stream"]
                if b"file:" in stream.s or stream.placeholder:
                    yield node.op
                continue
            saving = node.op in _CHECKPOINT and name in savers
            filling = node.op in _TABLES and node.input[1] in assets.get(name, ())
            if _SUSPECT.search(node.op) and not saving and not filling:
                yield node.op
            for called in _called(node):
                if called.startswith(_FUNCTION) and called not in own:
                    yield f"a function that it does not have, {called!r}"
    for asset in graph.asset_file_def:
        if not re.fullmatch(r"[^/\\\0]+", asset.filename) or asset.filename in (".", ".."):
            yield f"an asset outside the module, {asset.filename!r}"


def _bodies(graph: Any) -> Iterator[tuple[str, Any]]:
    """The nodes of the main graph, under the name "", and of each function in its library."""
    yield "", graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield function.signature.name, function.node_def


def _called(node: Any) -> Iterator[str]:
    """The functions that a node refers to; one can be its operation itself."""
    yield node.op
    for value in node.attr.values():
        if value.func.name:
            yield value.func.name
        for function in value.list.func:
            yield function.name


def _called_by_tensorflow(graph: Any) -> Iterator[str]:
    """The functions that training calls, and those that the graph optimizer may call in the place of others."""
    library = graph.graph_def.library
    for gradient in (*library.gradient, *library.registered_gradients):
        yield gradient.gradient_func
    for function in library.function:
        if "api_implements" in function.attr:
            yield function.signature.name


def _savers(graph: Any) -> set[str]:
    """The functions that the saver of a graph calls, and nobody else."""
    saver = graph.saver_def
    nodes = {saver.save_tensor_name.partition(":")[0], saver.restore_op_name.partition(":")[0]} - {""}
    found: set[str] = set()
    others = {*graph.object_graph_def.concrete_functions, *_called_by_tensorflow(graph)}
    for name, body in _bodies(graph):
        for node in body:
            (found if not name and node.name in nodes else others).update(_called(node))
    return found - others


def _asset_arguments(graph: Any) -> dict[str, set[str]]:
    """By function, the names of the arguments that can be nothing but the path of an asset of the module.

    A function is called with what its object is bound to; one that another function calls is given whatever that one
    wants. The calls of the main graph do not count: only sessions of TensorFlow 1 run it.
    """
    nodes, functions = graph.object_graph_def.nodes, graph.object_graph_def.concrete_functions
    called = set(_called_by_tensorflow(graph))
    called.update(name for caller, body in _bodies(graph) if caller for node in body for name in _called(node))
    found: dict[str, set[str]] = {}
    for function in graph.graph_def.library.function:
        name = function.signature.name
        if name in functions and name not in called:
            names = [argument.name for argument in function.signature.input_arg]
            bound = zip(reversed(names), reversed(functions[name].bound_inputs), strict=False)
            found[name] = {argument for argument, number in bound if nodes[number].WhichOneof("kind") == "asset"}
    return found
