"""What a run was asked for: kept until it is finished, so that it can go on after whatever ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlplug.data import Dataset
from tlplug.errors import DataError, TlplugError, counted

_VERSION = 1


def request_of(data: Dataset, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request in the form that JSON holds.

    Args:
        data: split.
        values: everything else that was asked for.
    """
    about = {"data": data.origin, "classes": list(data.classes), "examples": _examples(data)}
    return {"version": _VERSION, **values, **about}


def check_request(request: Mapping[str, Any], data: Dataset) -> None:
    """Refuse to go on with other data than a training began with.

    Raises:
        DataError: examples came or went, or have other labels or another split; the message says how many.
    """
    before, now = {tuple(example) for example in request["examples"]}, {tuple(example) for example in _examples(data)}
    if before == now and request["classes"] == list(data.classes):
        return
    contents = [{digest for digest, *_ in examples} for examples in (before, now)]
    gone, new = len(contents[0] - contents[1]), len(contents[1] - contents[0])

    def changed(place: int) -> int:
        pairs = [{(example[0], example[place]) for example in examples} for examples in (before, now)]
        return len({digest for digest, _ in pairs[0] ^ pairs[1]} & contents[0] & contents[1])

    changes = [(gone, "gone"), (new, "new"), (changed(1), "with another label"), (changed(2), "in another part")]
    said = ", ".join(f"{counted(count, 'example')} {what}" for count, what in changes if count) or "other class names"
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
