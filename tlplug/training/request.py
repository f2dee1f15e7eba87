"""What a run was asked for: kept until it is finished, so that it can go on after whatever ends it."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

from tlplug.data import Dataset
from tlplug.errors import DataError, TlplugError, counted


def request_of(data: Dataset, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request in the form that JSON holds.

    Args:
        data: split.
        values: everything else that was asked for.
    """
    return {**values, "data": data.origin, "classes": list(data.classes), "examples": _examples(data)}


def check_request(request: Mapping[str, Any], data: Dataset) -> None:
    """Refuse to go on with other data than a training began with.

    Raises:
        DataError: examples came or went, have other labels, another split or another order, which trains to other
            weights; the message says how many.
    """
    before, now = request["examples"], _examples(data)
    if before == now and request["classes"] == list(data.classes):
        return
    counts = [collections.Counter(digest for digest, *_ in examples) for examples in (before, now)]
    gone, new = (counts[0] - counts[1]).total(), (counts[1] - counts[0]).total()

    def changed(place: int) -> int:
        pairs = [{(example[0], example[place]) for example in examples} for examples in (before, now)]
        return len({digest for digest, _ in pairs[0] ^ pairs[1]} & set(counts[0] & counts[1]))

    changes = [(gone, "gone"), (new, "new"), (changed(1), "with another label"), (changed(2), "in another part")]
    said = ", ".join(f"{counted(count, 'example')} {what}" for count, what in changes if count)
    said = said or ("another order, as files have other names" if before != now else "other class names")
    raise DataError(
        f"The data in {data.origin!r} are not those that the run began with: {said}. Restore them, or train anew "
        "without --resume."
    )


def data_error(request: Mapping[str, Any], data: str, error: TlplugError) -> DataError:
    """Return what is raised where data cannot be read as a training that goes on asks for.

    Args:
        request: of the training.
        data: their path.
        error: what reading them came to.
    """
    which = f", which were {request['data']!r}" if request.get("data") not in (None, data) else ""
    return DataError(
        f"{data!r} does not have the data that the run began with{which}: {str(error).partition('. ')[0].rstrip('.')}. "
        "Valid: the same data as then."
    )


def _examples(data: Dataset) -> list[list[Any]]:
    rows = zip(data.digests, data.labels, data.splits, strict=True)
    return [[digest.hex(), data.classes[label], str(split)] for digest, label, split in rows]
