"""The record of how a source becomes arrays."""

from __future__ import annotations

from dataclasses import dataclass

from tlplug.specs.option import Option
from tlplug.specs.reference import Reference, check_module, check_name, check_reference, freeze


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How a source (a path, bytes, an array) becomes the arrays that backbones of a modality take.

    Args:
        name: how backbones and people name it.
        modality: what it serves.
        make: ``make(options: Mapping, files: Mapping[str, Path]) -> callable``. The callable takes one source and
            returns a dict of arrays without a batch axis, or a list of such dicts: the windows of a long source, which
            are embedded one by one and pooled. A text under the key ``remark``, one of few such as ``"cut after 128
            tokens"``, is kept with the embedding, counted and shown. Under the key ``span`` a window says what part of
            the source it is: start, end and their unit, such as ``(0.0, 0.975, "s")``. The callable raises `ValueError`
            with one line for a source it cannot read, may be called from several threads, and must not import
            TensorFlow. `options` holds this record's options, and ``input_shape``, the shape that the backbone takes.
            `files` is what the backbone brings along, such as a vocabulary.
        suffixes: file endings that it reads, with the dot, in lower case.
        strings: whether a text that is no path is a source.
        pool: ``pool(embeddings, options) -> vector`` makes one embedding out of those of the windows, float32
            ``[windows, size]`` to ``[pooled size]``, with NumPy alone; their mean when left out.
        options: its settings.
        make_graph: ``make_graph(options, files) -> tf.Module``, the same in operations of TensorFlow, for exports that
            take raw input. Its ``raw`` is the `tf.TensorSpec` of a batch of raw sources, with a name, such as encoded
            pictures, texts or waveforms; called with one it returns the dict of arrays ``[windows, ...]``, and int32
            ``[batch]``, the windows of each source, or None where each is one and has been made one. Exports keep
            no assertions of it: what must be refused fails in another operation.
        pool_graph: ``pool_graph(embeddings, options)``, the same as `pool` in `keras.ops`, ``[windows, size]`` to
            ``[pooled size]``; needed for exports where there is a `pool`.
        standalone: name of the module whose file travels with exports as ``preprocess.py``, and with it all that it
            imports of its own package. None of that imports tlplug, but within functions that are not called there.
            Its ``read(source, about)`` returns what a source holds, as `make_graph` takes it but without the axis of
            the batch, and its ``prepare(raw, about)`` makes of that the dict of arrays ``[windows, ...]``; ``about`` is
            what export.json holds.
        suggest: ``suggest(source) -> Mapping``, values for options of backbones that the data call for, such as
            ``{"channels": 6}``. It is asked with some of the data; the chosen backbone gets those of its options that
            nobody has set. It raises `ValueError` for a source it cannot read.
        default_backbone: the backbone that ``tlplug train`` takes for this modality when none is named.
        candidates: names of the backbones that the strategy ``auto`` tries as well when none is named.
        preview: ``preview(source) -> (media type, bytes)``, a small picture of a source for the report, or its
            beginning as ``text/plain`` in UTF-8.
        demo: ``demo(folder: Path) -> str``, writes a small labelled data set for ``tlplug demo`` and says what it is.
        summary: one sentence.
    """

    name: str
    modality: str
    make: Reference
    suffixes: tuple[str, ...] = ()
    strings: bool = False
    pool: Reference | None = None
    make_graph: Reference | None = None
    pool_graph: Reference | None = None
    standalone: str | None = None
    suggest: Reference | None = None
    options: tuple[Option, ...] = ()
    default_backbone: str | None = None
    candidates: tuple[str, ...] = ()
    preview: Reference | None = None
    demo: Reference | None = None
    summary: str = ""

    def __post_init__(self) -> None:
        check_name(self, self.name)
        check_name(self, self.modality)
        check_reference(self, "make", self.make)
        check_reference(self, "pool", self.pool, optional=True)
        check_reference(self, "make_graph", self.make_graph, optional=True)
        check_reference(self, "pool_graph", self.pool_graph, optional=True)
        check_module(self, "standalone", self.standalone, optional=True)
        check_reference(self, "suggest", self.suggest, optional=True)
        check_reference(self, "preview", self.preview, optional=True)
        check_reference(self, "demo", self.demo, optional=True)
        freeze(self, suffixes=tuple(self.suffixes), options=tuple(self.options), candidates=tuple(self.candidates))
        for suffix in self.suffixes:
            if not suffix.startswith(".") or suffix != suffix.lower():
                raise ValueError(f"Preprocess {self.name!r}: a suffix looks like '.png'. Received: {suffix!r}.")
