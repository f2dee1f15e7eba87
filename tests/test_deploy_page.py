"""The page Deploy: the loading example of each format, run in a process without tlplug, gives the run's answer."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import tlplug

PAGE = Path(__file__).parents[1] / "docs" / "deploy.md"
EXAMPLES = dict(re.findall(r"<!-- (\w+) -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small network of pictures, on noise that is brighter on one side; `rose.png` is one more."""
    Image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLPLUG_CACHE_DIR", str(folder / "cache"))

        @tlplug.register_backbone("small", modality="image", input_shape=(32, 32, 3))
        def small(weights=None):
            import keras

            keras.utils.set_random_seed(0)
            pictures = keras.Input((32, 32, 3), dtype="uint8", name="image")
            hidden = keras.layers.Conv2D(8, 5, strides=4, activation="relu")(keras.layers.Rescaling(1 / 255)(pictures))
            return keras.Model(pictures, keras.layers.Flatten()(hidden))

        generator = np.random.default_rng(0)
        for number in range(31):
            side = ("left", "right")[number % 2]
            pixels = generator.integers(0, 120, (48, 40, 3), np.uint8)
            pixels[:, :20] += np.uint8(100 * (side == "left"))
            pixels[:, 20:] += np.uint8(100 * (side == "right"))
            path = folder / "data" / side / f"{number}.png" if number < 30 else folder / "rose.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
        yield folder, tlplug.train(tlplug.load_data(folder / "data"), backbone="small")


def run(code, folder):
    """What code prints in a process without tlplug."""
    code = f"import sys; sys.modules['tlplug'] = None\n{code}"
    command = [sys.executable, "-IBc", code]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def exported(model, name):
    """Have the run and one of its exports in the folder, which is made once."""
    folder, model = model
    if not (folder / "run").exists():
        model.save(folder / "run")
    if not (folder / f"photos-{name}").exists():
        model.export(folder / f"photos-{name}", format=name)
    return folder, model


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_code_of_the_card_loads_every_format(model, name, tmp_path):
    folder, model = exported(model, name)
    card = (folder / "run" / "README.md").read_text(encoding="utf-8")
    code = re.search(r"What it writes needs no tlplug:\n\n((?:    .*\n)+)", card)[1]
    code = textwrap.dedent(code).replace(f"{folder / 'run'}-savedmodel", str(folder / f"photos-{name}"))
    assert "tlplug export" in card
    code = code.replace("FILE", str(folder / "rose.png"))
    said = run(code, tmp_path)
    (expected,) = model.predict([folder / "rose.png"])
    found = ast.literal_eval(said)
    assert max(found, key=found.get) == expected.label
    assert found == pytest.approx(expected.probabilities, abs=1e-5)


def test_the_page_has_an_example_of_every_format():
    assert sorted(EXAMPLES) == sorted(entry["name"] for entry in tlplug.list_exporters())


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_gives_the_answer_of_the_run(model, name):
    folder, model = exported(model, name)
    said = run(f"{EXAMPLES[name]}\nprint(*probabilities)", folder)
    (expected,) = model.predict([folder / "rose.png"])
    answers = [float(value) for value in said.split()]
    np.testing.assert_allclose(answers, list(expected.probabilities.values()), atol=1e-5)
