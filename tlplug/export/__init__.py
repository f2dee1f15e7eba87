"""Exports: a model as a file that other systems load, and the proof that it gives the same answers."""

from tlplug.export.examples import EXAMPLES, write_examples
from tlplug.export.export import Export, check_export, export_model, format_of
from tlplug.export.network import Exportable
from tlplug.export.source import ExportSource

__all__ = [
    "EXAMPLES",
    "Export",
    "ExportSource",
    "Exportable",
    "check_export",
    "export_model",
    "format_of",
    "write_examples",
]
