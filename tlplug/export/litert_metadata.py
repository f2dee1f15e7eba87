"""What a ``.tflite`` file says of itself: its inputs, and the class names where MediaPipe and Android look for them.

Source: TensorFlow Lite's metadata, ``metadata_schema.fbs`` (identifier M001), and its page "Adding metadata to
TensorFlow Lite models": a buffer called TFLITE_METADATA, and the files that it names in a zip archive behind the model.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

LABELS, ABOUT = "labels.txt", "about.json"
"""The class names, one a line, and what the preprocess is told."""

_BUFFER, _IDENTIFIER, _PARSER = "TFLITE_METADATA", b"M001", "1.0.0"
_DESCRIPTIONS, _AXIS_LABELS = 1, 2
"""Types of files that a file names: of those that describe it, and of the names of the places of an axis."""

_FIELDS = 8
"""Of the largest table; those at the end that are not there cost nothing."""

_DATE = (1980, 1, 1, 0, 0, 0)


def describe(path: Path, name: str, labels: bytes, about: bytes) -> None:
    """Put names and files into a ``.tflite`` file.

    Args:
        path: of the file, which has no such metadata yet.
        name: what people may call the model.
        labels: the content of labels.txt, which names the places of the first output.
        about: the content of about.json.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    (signature,) = model.signatureDefs
    names = {taken.tensorIndex: taken.name.decode() for taken in signature.inputs}
    graph = model.subgraphs[signature.subgraphIndex]
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(_metadata(name, [names[place] for place in graph.inputs]), np.uint8)
    entry.name, entry.buffer = _BUFFER, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    flatbuffer_utils.write_model(model, str(path))
    with zipfile.ZipFile(path, "a") as archive:
        for file, content in ((LABELS, labels), (ABOUT, about)):
            archive.writestr(zipfile.ZipInfo(file, _DATE), content)


def _metadata(name: str, inputs: Iterable[str]) -> bytes:
    """The root table ModelMetadata; the numbers are those of the fields in the schema."""
    import flatbuffers

    builder = flatbuffers.Builder()

    def text(value: str) -> int:
        return int(builder.CreateString(value.encode("utf-8", "backslashreplace")))  # a name may be that of a file

    def table(fields: Mapping[int, int], type: int = 0) -> int:
        """A table of strings, vectors and tables, and, where it is not 0, of the field `type` of a file."""
        builder.StartObject(_FIELDS)
        for number, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        if type:
            builder.PrependInt8Slot(2, type, 0)
        return int(builder.EndObject())

    def vector(tables: list[int]) -> int:
        builder.StartVector(4, len(tables), 4)
        for offset in reversed(tables):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    described = vector([table({0: text(ABOUT), 1: text("The options of the preprocess.")}, _DESCRIPTIONS)])
    named = vector([table({0: text(LABELS), 1: text("The class names, one a line.")}, _AXIS_LABELS)])
    taken = vector([table({0: text(given)}) for given in inputs])
    answered = vector([table({0: text("probabilities"), 6: named})])
    graphs = vector([table({2: taken, 3: answered})])
    said = {0: text(name), 1: text("A classifier, made by tlplug."), 7: text(_PARSER)}
    builder.Finish(table({**said, 3: graphs, 6: described}), _IDENTIFIER)
    return bytes(builder.Output())
