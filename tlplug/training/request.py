"""What a run was asked for: kept until it is finished, so that it can go on after whatever ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlplug.data import Dataset
from tlplug.errors import DataError, counted

_VERSION = 1


def request_of(data: Dataset, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request in the form that JSON holds.

    Args:
        data: split.
        values: everything else that was asked for.
    """
    return {"version": _VERSION, **values, "classes": list(data.classes), "examples": _examples(data)}


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
    other = len({digest for digest, *_ in before ^ now} & contents[0] & contents[1])
    changes = [(gone, "gone"), (new, "new"), (other, "labelled or split differently")]
    said = ", ".join(f"{counted(count, 'example')} {what}" for count, what in changes if count) or "other class names"
    raise DataError(
        f"The data in {data.origin!r} are not those that the run began with: {said}. Restore them, or train anew "
        "without --resume."
    )


def _examples(data: Dataset) -> list[list[Any]]:
    rows = zip(data.digests, data.labels, data.splits, strict=True)
    return [[digest.hex(), data.classes[label], str(split)] for digest, label, split in rows]
