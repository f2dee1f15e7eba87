"""The frozen records that plugins return from their hooks.

Every record is keyword-only and checked when it is made. A callable may be given as a ``"module:function"`` string,
which is imported at first use; so a plugin module that only lists records imports in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tlplug.specs.augmentation import Augmentation
from tlplug.specs.backbone import Backbone, BackboneFamily
from tlplug.specs.exporter import Exporter, Tolerance
from tlplug.specs.head import Head, HeadFit
from tlplug.specs.option import Option, parse_options
from tlplug.specs.preprocess import Preprocess
from tlplug.specs.reader import Example, Reader
from tlplug.specs.reference import API, Reference, accepted_options, load_reference
from tlplug.specs.runtime import Runtime
from tlplug.specs.weights import SOURCE_KINDS, Source, Weights

Record = Backbone | BackboneFamily | Preprocess | Head | Runtime | Exporter | Reader | Augmentation

KINDS: Mapping[str, tuple[type[Any], ...]] = MappingProxyType(
    {
        "backbone": (Backbone, BackboneFamily),
        "preprocess": (Preprocess,),
        "head": (Head,),
        "runtime": (Runtime,),
        "exporter": (Exporter,),
        "reader": (Reader,),
        "augmentation": (Augmentation,),
    }
)
"""The hooks, and the records that each may return."""

__all__ = [
    "API",
    "KINDS",
    "SOURCE_KINDS",
    "Augmentation",
    "Backbone",
    "BackboneFamily",
    "Example",
    "Exporter",
    "Head",
    "HeadFit",
    "Option",
    "Preprocess",
    "Reader",
    "Record",
    "Reference",
    "Runtime",
    "Source",
    "Tolerance",
    "Weights",
    "accepted_options",
    "load_reference",
    "parse_options",
]
