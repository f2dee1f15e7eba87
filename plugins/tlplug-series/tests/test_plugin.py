"""What the plugin brings, and that asking for it costs nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from tlplug_series.formats import SUFFIXES

from tlplug.plugins import PluginHost
from tlplug.specs import load_reference

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def records():
    ((name, value),) = PROJECT["entry-points"]["tlplug"].items()
    host = PluginHost([metadata.EntryPoint(name, value, "tlplug")], environ={})
    assert host.failures == []
    return [(kind, record) for kind, owner, record in host.records if owner.name == name]


def test_the_entry_point_brings_the_preprocess_and_the_readers(records):
    (preprocess,) = (record for kind, record in records if kind == "preprocess")
    assert (preprocess.name, preprocess.modality, preprocess.suffixes) == ("series", "series", SUFFIXES)
    assert {option.name: option.default for option in preprocess.options} == {
        "fit": "resample",
        "missing": "interpolate",
    }
    readers = {record.name: record.modality for kind, record in records if kind == "reader"}
    assert readers == {"ucr": "series", "series-table": "series", "series-npz": "series"}


def test_every_reference_is_there(records):
    for kind, record in records:
        if kind in ("preprocess", "reader"):
            names = ("make", "suggest", "preview", "demo", "sniff", "read")
            for reference in (getattr(record, name, None) for name in names):
                assert reference is None or callable(load_reference(reference))


def test_importing_it_imports_nothing_heavy():
    source = (
        "import sys; from tlplug_series import plugin; plugin.preprocess(); plugin.reader(); plugin.augmentation();"
        "print([name for name in 'keras tensorflow numpy scipy'.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_of_tables_by_class_is_one_of_series(tmp_path):
    import tlplug

    for label in ("up", "down"):
        (tmp_path / label).mkdir()
        for number in range(5):
            np.savetxt(tmp_path / label / f"{number}.csv", np.arange(5) * (number + 1) * (1 if label == "up" else -1))
    data = tlplug.load_data(tmp_path)
    assert (data.modality, data.classes, len(data)) == ("series", ("down", "up"), 10)
