"""Embeddings of a data set in a file, for code and tools of one's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import Selection
from tlplug.data import Skipped, content_digests, source_name
from tlplug.errors import DataError, UsageError
from tlplug.features import extractor_for
from tlplug.specs import Example
from tlplug.storage import replace_file

Write = Callable[[Sequence[str], Sequence[str | None], NDArray[np.float32]], None]

FORMATS = (".parquet", ".arrow", ".csv")
"""The endings of files that embeddings can be written to."""


def embed_to_file(
    examples: Sequence[Example], selection: Selection, out: Path, *, runtime: str | None = None
) -> tuple[int, list[Skipped]]:
    """Embed examples and write them to a table, some hundred at a time.

    The table has the columns ``source``, ``label`` (empty where there is none) and ``embedding``, a
    list of float32; in a CSV file one column for each number.

    Args:
        examples: labelled or not, see `tlplug.data.read_sources`.
        selection: the backbone.
        out: a new file that ends in ``.parquet``, ``.arrow`` or ``.csv``.
        runtime: name of the runtime.

    Returns:
        The number of rows, and what was left out.

    Raises:
        UsageError: another ending, or a file that is there already.
        DataError: nothing can be read.
    """
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"Embeddings cannot be written to {str(out)!r}. Valid endings: {', '.join(FORMATS)}.")
    if out.exists():
        raise UsageError(f"There is a file {str(out)!r} already. Choose another --out, or remove it.")
    sources = [example.source for example in examples]
    called = [example.name or source_name(example.source, place) for place, example in enumerate(examples)]
    kept, digests = list[int](), list[bytes]()
    skipped: list[Skipped] = []
    for position, digest in enumerate(content_digests(sources)):
        if isinstance(digest, str):
            skipped.append(Skipped(called[position], digest))
        else:
            kept.append(position)
            digests.append(digest)
    extractor = extractor_for(selection, runtime=runtime)
    count = 0
    with replace_file(out) as temporary, _writer(temporary, out.suffix.lower()) as write:
        for block in extractor.blocks([sources[position] for position in kept], digests):
            rows = [row for row in range(len(block.embeddings)) if block.start + row not in block.failures]
            places = [kept[block.start + row] for row in rows]
            # File names need not be valid text, a table's column must be.
            names = [called[place].encode("utf-8", "backslashreplace").decode() for place in places]
            write(names, [examples[place].label for place in places], block.embeddings[rows])
            count += len(rows)
            for position, reason in block.failures.items():
                skipped.append(Skipped(called[kept[position]], reason))
        if not count:
            reason = f"{skipped[0].source}: {skipped[0].reason}" if skipped else "there is none"
            raise DataError(f"No example can be read: {reason}.")
    return count, skipped


@contextlib.contextmanager
def _writer(path: Path, suffix: str) -> Iterator[Write]:
    if suffix == ".csv":
        with _csv_writer(path) as write:
            yield write
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    with contextlib.ExitStack() as stack:
        opened: list[Any] = []

        def write(names: Sequence[str], labels: Sequence[str | None], embeddings: NDArray[np.float32]) -> None:
            size = embeddings.shape[1]
            values = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), size)
            table = pa.table(
                {"source": pa.array(names, pa.string()), "label": pa.array(labels, pa.string()), "embedding": values}
            )
            if not opened:
                if suffix == ".parquet":
                    opened.append(stack.enter_context(pq.ParquetWriter(str(path), table.schema)))
                else:
                    opened.append(stack.enter_context(pa.ipc.new_file(str(path), table.schema)))
            opened[0].write_table(table)

        yield write


@contextlib.contextmanager
def _csv_writer(path: Path) -> Iterator[Write]:
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)

        def write(names: Sequence[str], labels: Sequence[str | None], embeddings: NDArray[np.float32]) -> None:
            if not file.tell():
                writer.writerow(["source", "label", *(f"e{number}" for number in range(embeddings.shape[1]))])
            for name, label, row in zip(names, labels, embeddings, strict=True):
                writer.writerow([name, label or "", *(f"{value:.9g}" for value in row)])

        yield write
