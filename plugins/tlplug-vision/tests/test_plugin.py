"""What the plugin brings, and that asking for it costs nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from tlplug_vision import plugin
from tlplug_vision.catalogue import FAMILIES
from tlplug_vision.formats import SUFFIXES

from tlplug.plugins import PluginHost

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def test_the_entry_point_brings_41_backbones_and_the_preprocess():
    ((name, value),) = PROJECT["entry-points"]["tlplug"].items()
    host = PluginHost([metadata.EntryPoint(name, value, "tlplug")], environ={})
    assert host.failures == []
    records = [(kind, record) for kind, owner, record in host.records if owner.name == name]
    backbones = {record.name for kind, record in records if kind == "backbone"}
    assert len(backbones) == 41
    assert {"efficientnet_lite0", "mobilenet_v2", "convnext_xlarge", "nasnet_mobile", "vgg16"} <= backbones
    assert [record.name for kind, record in records if kind == "preprocess"] == ["image"]


def test_importing_it_imports_nothing_heavy():
    source = (
        "import sys; from tlplug_vision import plugin; plugin.backbone(); plugin.preprocess(); plugin.augmentation();"
        "print([name for name in ('keras', 'tensorflow', 'numpy', 'PIL', 'sklearn', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_function_of_keras_applications_is_in_the_table():
    import keras

    listed = {member.function for family in FAMILIES for member in family.members}
    there = {
        name for name in dir(keras.applications) if name[0].isupper() and callable(getattr(keras.applications, name))
    }
    assert listed == there


def test_every_record_says_what_people_need_to_know():
    for record in plugin.backbone():
        assert record.summary
        assert record.reference
        assert record.licence == "Apache-2.0"
        assert record.parameters > 900_000
        assert next(iter(record.weights)) == "imagenet"
        (default,) = [option.default for option in record.options if option.name == "image_size"]
        assert record.input_shape == (default, default, 3)


def test_the_default_backbone_is_one_of_its_own_and_suffixes_are_unique():
    (image,) = plugin.preprocess()
    assert image.default_backbone in {record.name for record in plugin.backbone()}
    assert len(set(SUFFIXES)) == len(SUFFIXES)
