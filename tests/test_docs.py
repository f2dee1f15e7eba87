"""The pages of the documentation are run as they stand."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tlplug.training.settings import OPTIONS

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {
    "images.md": "accuracy",
    "texts.md": "texts",
    "sounds.md": "sounds",
    "series.md": "series",
    "hub.md": "hub",
}
"""Of each page: the benchmark that gives its figures."""

BENCHMARKS = ["accuracy", "texts", "sounds", "series", "hub", "strategies", "auto", "tuning", "exports", "modalities"]
BENCHMARKS += ["speed", "head", "memory"]


@pytest.fixture
def shell(tmp_path, cache):
    """Run one line of a page in an empty folder; what it installs goes into a folder of the test's own."""
    site = tmp_path / "site"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "PIP_TARGET": str(site),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "false",  # which is how pip is told not to isolate: hatchling is there already
        "PIP_NO_INDEX": "1",
    }

    def run(line):
        return subprocess.run(
            shlex.split(line), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def run_page(name, shell, folder, start=""):
    """Write the files of a page and run its lines, in order, from a heading on; return what each line printed."""
    outputs = {}
    for language, file, body in BLOCK.findall((DOCS / name).read_text(encoding="utf-8").partition(start or "# ")[2]):
        if file:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(body, encoding="utf-8")
        if language == "console":
            for line in body.splitlines():
                done = shell(line.removeprefix("$ "))
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
                outputs[line.removeprefix("$ ").split(" --out ")[-1]] = done.stdout
    return outputs


@pytest.mark.slow
def test_the_page_on_your_own_backbone_runs_from_top_to_bottom(shell, tmp_path):
    pytest.importorskip("tlplug_vision")
    outputs = run_page("your-own-backbone.md", shell, tmp_path)
    accuracy = re.compile(r"^accuracy +([\d.]+)%", re.MULTILINE)
    for run in ("runs/edges", "runs/two", "runs/installed"):
        assert float(accuracy.search(outputs[run])[1]) > 80
    assert re.search(r"^edges +tlplug-edges +1\.0 +backbone +1$", outputs["tlplug plugins list"], re.MULTILINE)
    assert "backbone.image_size" in outputs["tlplug backbones edges"]
    assert outputs["tlplug predict runs/edges patterns/checks"].count("checks ") >= 25


@pytest.mark.slow
def test_the_module_of_the_page_on_hub_trains_predicts_and_is_tuned(shell, tmp_path):
    pytest.importorskip("tlplug_hub")
    image = pytest.importorskip("PIL.Image")
    generator = np.random.default_rng(0)
    for name, axis in (("rows", 0), ("columns", 1)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            stripes = np.repeat(generator.integers(0, 256, (64, 1), np.uint8), 64, axis=1)
            image.fromarray(stripes if axis == 0 else stripes.T).save(tmp_path / "photos" / name / f"{number}.png")
    outputs = run_page("hub.md", shell, tmp_path, start="## A module of your own")
    assert float(re.search(r"^accuracy +([\d.]+)%", outputs["runs/edges"], re.MULTILINE)[1]) > 80
    assert (tmp_path / "tuned.keras").is_file()


def test_the_generated_pages_are_up_to_date():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for page, write in generate.PAGES.items():
        assert (DOCS / page).read_text(encoding="utf-8") == write().rstrip() + "\n", f"make docs: {page} is behind"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_a_table_of_what_was_measured(name):
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^<!-- {name} -->\n(.*?)^<!-- end -->$", page, re.MULTILINE | re.DOTALL)
    header, line, *rows = [row for row in section.splitlines() if row.startswith("|")] or ["none", "none"]
    assert (header, line) == ("| what | measured | target |", "|---|---|---|"), f"make bench: {name} is not measured"
    assert rows
    for row in rows:
        what, measured, _ = (cell.strip() for cell in row.strip("|").split("|"))
        assert what
        assert re.search(r"\d", measured), row
    assert re.search(r"^Measured on .+\.$", section, re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_on_a_modality_states_what_was_measured(name):
    benchmarks = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^<!-- {PAGES[name]} -->\n(.*?)^<!-- end -->$", benchmarks, re.MULTILINE | re.DOTALL)
    page = (DOCS / name).read_text(encoding="utf-8")
    example = page.partition("## A measured example")[2].partition("##")[0]
    (figure,) = re.findall(r"\*\*(0\.\d{3})\*\*", example)
    assert re.search(rf"\| {figure}[ ;]", section)
    assert f"python -m tests.benchmarks {PAGES[name]}" in example
    assert set(re.findall(r"\b0\.\d{3}\b", example)) <= set(re.findall(r"\b0\.\d{3}\b", section))


def test_the_page_on_fine_tuning_has_the_table_that_was_measured():
    benchmarks = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^<!-- strategies -->\n(.*?)^<!-- end -->$", benchmarks, re.MULTILINE | re.DOTALL)
    rows = [row.rsplit("|", 2)[0] for row in section.splitlines() if row.startswith("| tlplug")]
    page = (DOCS / "fine-tuning.md").read_text(encoding="utf-8")
    assert rows
    assert all(f"{row}|\n" in page for row in rows)


def test_the_page_on_fine_tuning_has_every_setting():
    page = (DOCS / "fine-tuning.md").read_text(encoding="utf-8")
    for option in OPTIONS:
        default = "" if option.default is None else option.default
        assert f"| `{option.name}` | {default} | {option.help} |" in page


def test_every_section_of_the_page_of_benchmarks_is_one_that_is_measured():
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    sections = re.findall(r"^<!-- (\w+) -->$", page, re.MULTILINE)
    assert sections[::2] == BENCHMARKS
    assert sections[1::2] == ["end"] * len(BENCHMARKS)


def test_the_pages_link_to_what_exists():
    for page in [DOCS.parent / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
