"""The exceptions that tlplug raises.

::

    TlplugError                    the root; the command line prints its message and exits with exit_code
     +-- UsageError                what was asked for cannot be done as it was asked (exit code 2)
     |    +-- UnknownNameError     no such backbone, head, command, class, weight set ...
     |    +-- AmbiguousNameError   two distributions claim the name
     |    +-- OptionError          an option that does not exist, or a value that does not fit
     |    +-- RunError             a folder that is no run, or a run that is there already
     |         +-- DamagedRunError a run whose files are not as they were written (exit code 1)
     +-- DataError                 the data set cannot be used as it is (exit code 1)
     +-- PluginError               a plugin gave something that tlplug cannot work with (exit code 1)
     +-- ExportError           an export does not give the answers of its run (exit code 1)
     +-- DownloadError             something could not be fetched (exit code 1)
     +-- WeightsError              pretrained weights could not be had, or are not what they should be (exit code 1)

    TlplugWarning                  what is worth knowing, and stops nothing

Every message is one line: what was wrong, what was received, what is valid, what to type next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TlplugError(Exception):
    """Root of every error that tlplug raises on purpose."""

    exit_code = 1


class UsageError(TlplugError):
    """The request cannot be carried out as it was typed."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that nobody has registered."""


class AmbiguousNameError(UsageError):
    """A name that more than one distribution has registered."""


class OptionError(UsageError):
    """An option that does not exist, or a value that it does not take."""


class RunError(UsageError):
    """A folder that is no run, or that holds one already."""


class DamagedRunError(RunError):
    """A run whose files are not as they were written."""

    exit_code = 1


class DataError(TlplugError):
    """A data set that cannot be used as it is."""


class PluginError(TlplugError):
    """A plugin whose code or records cannot be used."""


class TrainingError(TlplugError):
    """A training came to nothing: its loss became no number, or the memory ran out."""


class ExportError(TlplugError):
    """An export that cannot be run, or that gives other answers than its run."""


class DownloadError(TlplugError):
    """Something that could not be fetched from the network."""


class WeightsError(TlplugError):
    """Weights that could not be had, or that are not what they should be."""


class TlplugWarning(UserWarning):
    """Something that stops nothing and that people should know."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a question with the nearest of some names, after a space; nothing when none is near.

    >>> did_you_mean("liner", ["linear", "mlp"])
    " Did you mean 'linear'?"
    """
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def counted(count: int, noun: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "file"), counted(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def first_line(error: BaseException) -> str:
    """Say an exception in one line: its type and the first line of its message.

    >>> first_line(ValueError("no\\nmore"))
    'ValueError: no'
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
