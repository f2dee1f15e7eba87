"""A run is a folder: written under another name, complete when it has its own."""

from __future__ import annotations

import contextlib
import csv
import glob
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tlplug import progress
from tlplug.claim import LOCK, PARTIAL, RunBusyError, claimed, discard, empty, is_claimed, partial_path
from tlplug.data import Dataset
from tlplug.errors import DamagedRunError, RunError, TlplugError
from tlplug.storage import open_text, read_json, replace_file, write_json

RUNS = Path("runs")
INFO, SPLIT, METRICS, PREDICTIONS = "run.json", "split.csv", "metrics.json", "predictions.csv"
MODEL, REPORT, CARD = "model", "report.html", "README.md"
REQUEST, CHECKPOINTS = "request.json", "checkpoints"
"""What an unfinished run has of its own: how it was asked for, on which data, and how far it has come."""

REQUEST_VERSION = 2
"""Of what request.json holds."""

UNFINISHED = (REQUEST, CHECKPOINTS)


def default_name(data_name: str) -> str:
    """Return what a run of some data is called: ``photos-20261125-0731``."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in data_name).strip("-.") or "run"
    return f"{name}-{time.strftime('%Y%m%d-%H%M')}"


def default_path(data_name: str, folder: Path = RUNS) -> Path:
    """Return a path for a new run that nothing has yet, below a folder."""
    stem = default_name(data_name)
    for number in range(1, 10_000):
        path = folder / (stem if number == 1 else f"{stem}-{number}")
        if not path.exists() and not partial_path(path).exists():
            return path
    raise RunError(f"{str(folder)!r} has no free name left for {stem!r}: choose one with --out.")


def check_free(path: Path) -> None:
    """Refuse a name that something has.

    Raises:
        RunError: it is there already.
    """
    if path.exists() or path.is_symlink():
        what = "a run" if (path / INFO).exists() else "something"
        raise RunError(f"There is {what} at {str(path)!r} already. Choose another name with --out, or remove it.")


@contextlib.contextmanager
def new_default_run(data_name: str, folder: Path = RUNS) -> Iterator[tuple[Path, Path]]:
    """Yield the name and the folder of a new run that is called after its data; see `new_run`.

    What a killed process has left of a run of these data is noted, as it can be gone on with.
    """
    for left in _unfinished(data_name, folder):
        again = f"tlplug train DATA --resume {shlex.quote(str(left))}"
        progress.note(f"An unfinished training is in {str(left)!r}. To go on with it, type: {again}")
    with contextlib.ExitStack() as stack:
        while True:
            path = default_path(data_name, folder)
            with contextlib.suppress(RunBusyError):  # another process took the name a moment ago
                partial = stack.enter_context(new_run(path))
                break
        yield path, partial


def _unfinished(data_name: str, folder: Path) -> Iterator[Path]:
    """Yield the folders of runs that have checkpoints, and that no process is writing."""
    stem = default_name(data_name).rsplit("-", 2)[0]  # without the date and the time
    dated = f"{glob.escape(stem)}-{'[0-9]' * 8}-{'[0-9]' * 4}*{PARTIAL}"
    for partial in sorted(folder.glob(dated)):
        if is_resumable(partial) and not is_claimed(partial):
            yield partial


def is_resumable(partial: Path) -> bool:
    """Whether an unfinished run has its request and at least one checkpoint, so that something is lost without it."""
    try:
        return (partial / REQUEST).is_file() and any((partial / CHECKPOINTS).glob("*/*.npz"))
    except OSError:  # it is another user's
        return False


@contextlib.contextmanager
def new_run(path: Path, *, resume: bool = False) -> Iterator[Path]:
    """Yield the folder to write a run into; it gets its name when the block ends well.

    An error removes the folder, unless there are checkpoints in it, or it was there to go on with. A killed process
    leaves it. The next one of the same name finds the checkpoints, each of which says what it is of, and no more; with
    `resume` there must be a request as well.

    Raises:
        RunError: the name is taken, or cannot be written; or there is nothing to resume.
        RunBusyError: another process is writing a run of this name.
    """
    if resume and (path / INFO).is_file():
        for name in UNFINISHED:  # where its process was killed when it had just got its name
            discard(path / name)
        raise RunError(f"The run {str(path)!r} is complete: there is nothing to go on with.")
    check_free(path)
    if resume and not (partial_path(path) / REQUEST).is_file():
        raise RunError(
            f"There is no unfinished run {str(partial_path(path))!r} to go on with. Valid: tlplug train DATA --out RUN."
        )

    def resumable(folder: Path) -> bool:
        return is_resumable(folder) or (resume and (folder / REQUEST).is_file())

    with claimed(path, check_free, "a run", unfinished=UNFINISHED, resumable=resumable) as partial:
        if not resume and is_resumable(partial):
            progress.note(f"There is an unfinished training in {str(partial)!r}: what fits of it is gone on from.")
        empty(partial, kept=(LOCK, *UNFINISHED))
        yield partial


@contextlib.contextmanager
def requested(partial: Path, request: Mapping[str, Any]) -> Iterator[None]:
    """Keep how an unfinished run is asked for; a request that is refused leaves the one before it, and its checkpoints.

    Args:
        partial: its folder.
        request: see `tlplug.training.request_of`.
    """
    path = partial / REQUEST
    earlier = path.read_bytes() if path.is_file() else None
    with contextlib.suppress(ValueError):  # of a setting that is no number, which training refuses
        write_json(path, {"version": REQUEST_VERSION, **request})
    try:
        yield
    except TlplugError:
        if earlier is not None:
            with replace_file(path) as temporary:
                temporary.write_bytes(earlier)
        raise


@contextlib.contextmanager
def saying_how_to_go_on(data: str) -> Iterator[list[Path]]:
    """Say what to type to go on with the run whose path is put into the list, where an error leaves checkpoints of it.

    Args:
        data: what it is trained on, as people type it.
    """
    paths: list[Path] = []
    try:
        yield paths
    except BaseException as error:
        if not paths or not is_resumable(partial_path(paths[0])) or isinstance(error, TlplugError):
            raise  # an error of ours says itself what to do
        again = f"tlplug train {shlex.quote(data)} --resume {shlex.quote(str(paths[0]))}"
        kept = f"What was trained is kept. To go on, type: {again}"
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(kept) from error
        progress.note(kept)
        raise


def read_info(path: Path) -> dict[str, Any]:
    """Return a run's run.json.

    Raises:
        RunError: the folder is no run.
    """
    if not path.exists():
        partial = partial_path(path)
        hint = f" There is an unfinished one: {str(partial)!r}." if partial.exists() else ""
        if (partial / REQUEST).exists():
            hint += f" To go on with it, type: tlplug train DATA --resume {shlex.quote(str(path))}."
        raise RunError(f"No such run: {str(path)!r}.{hint} Valid: a folder that tlplug train has made.")
    if path.name.endswith(PARTIAL):
        raise RunError(f"The run {str(path)!r} is not finished. Valid: a folder that tlplug train has completed.")
    try:
        info = read_json(path / INFO)
    except ValueError:
        raise DamagedRunError(
            f"The run {str(path)!r} is damaged: its {INFO} cannot be read. Train again, or restore it."
        ) from None
    except PermissionError as error:
        raise RunError(f"The run {str(path)!r} cannot be read: {error.strerror}.") from None
    except OSError:
        raise RunError(
            f"{str(path)!r} is no run: it has no {INFO} that can be read. Valid: a folder that tlplug train has made."
        ) from None
    if not isinstance(info, dict):
        raise DamagedRunError(
            f"The run {str(path)!r} is damaged: its {INFO} has no JSON object. Train again, or restore it."
        )
    return info


def read_metrics(path: Path) -> dict[str, Any]:
    """Return a run's metrics.json.

    Raises:
        DamagedRunError: it cannot be read.
    """
    try:
        metrics: dict[str, Any] = dict(read_json(path / METRICS))
    except (OSError, ValueError, TypeError) as error:
        raise DamagedRunError(
            f"The run {str(path)!r} is damaged: its {METRICS} cannot be read. Train again."
        ) from error
    return metrics


def read_request(partial: Path) -> dict[str, Any]:
    """Return how an unfinished run was asked for.

    Raises:
        DamagedRunError: that cannot be read.
    """
    try:
        request: dict[str, Any] = dict(read_json(partial / REQUEST))
    except (OSError, ValueError, TypeError):
        raise DamagedRunError(
            f"The unfinished run {str(partial)!r} is damaged: its {REQUEST} cannot be read. Remove it, and train anew."
        ) from None
    if request.get("version") != REQUEST_VERSION:
        raise RunError(f"The run {str(partial)!r} was begun by another version of tlplug. Remove it, and train anew.")
    return request


def write_split(path: Path, data: Dataset) -> None:
    """Write split.csv: source, content hash, label and split of every example."""
    with replace_file(path / SPLIT) as temporary, open_text(temporary) as file:
        writer = csv.writer(file)
        writer.writerow(["source", "sha256", "label", "split"])
        for position, label in enumerate(data.labels):
            digest = data.digests[position].hex()
            writer.writerow([data.name(position), digest, data.classes[label], data.splits[position]])


def trained_digests(path: Path, *, refitted: bool = False) -> set[str]:
    """Return the content hashes of the examples that a run was fitted on; empty where that cannot be read.

    Args:
        path: of the run.
        refitted: whether its head was fitted on everything in the end.
    """
    try:
        with (path / SPLIT).open(newline="", encoding="utf-8") as file:
            return {row["sha256"] for row in csv.DictReader(file) if refitted or row["split"] != "test"}
    except (OSError, ValueError, KeyError, csv.Error):
        return set()
