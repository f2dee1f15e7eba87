"""Exports: a model as a file that other systems load, and the proof that it gives the same answers."""

from tlplug.export.examples import EXAMPLES, StoredExample, read_examples, write_examples
from tlplug.export.export import Export, export_model, format_of, options_of
from tlplug.export.network import Exportable, RawInput
from tlplug.export.proof import Proof
from tlplug.export.source import ExportSource

__all__ = [
    "EXAMPLES",
    "Export",
    "ExportSource",
    "Exportable",
    "Proof",
    "RawInput",
    "StoredExample",
    "export_model",
    "format_of",
    "options_of",
    "read_examples",
    "write_examples",
]
