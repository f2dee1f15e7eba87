"""Run the benchmarks and put their tables into docs/benchmarks.md: ``python -m tests.benchmarks [NAME...]``."""

from __future__ import annotations

import importlib
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from tlplug.storage import cache_dir

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
NAMES = (
    "accuracy",
    "texts",
    "sounds",
    "series",
    "hub",
    "strategies",
    "auto",
    "tuning",
    "exports",
    "modalities",
    "speed",
    "head",
    "memory",
)


def main(names: list[str]) -> None:
    unknown = set(names) - set(NAMES)
    if unknown:
        sys.exit(f"No such benchmark: {', '.join(sorted(unknown))}. Valid: {', '.join(NAMES)}.")
    folder = Path(os.environ.get("TLPLUG_BENCHMARK_DIR") or cache_dir().with_name("tlplug-benchmarks"))
    folder.mkdir(parents=True, exist_ok=True)
    if not names:  # a process each: what one has in memory must not be counted with the next
        for name in NAMES:
            subprocess.run([sys.executable, "-m", "tests.benchmarks", name], check=True)
    for name in names:
        module = importlib.import_module(f"tests.benchmarks.{name}")
        lines = ["| what | measured | target |", "|---|---|---|"]
        for row in module.measure(folder):
            lines.append(f"| {' | '.join(row)} |")
            print(lines[-1], flush=True)
            _replace(name, "\n".join([*lines, "", f"Measured on {_machine()}."]))


def _replace(name: str, text: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not section.search(page):
        sys.exit(f"{PAGE} has no section <!-- {name} -->.")
    PAGE.write_text(section.sub(lambda match: f"{match[1]}{text}\n{match[2]}", page), encoding="utf-8")


def _machine() -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ("tensorflow", "keras", "ai-edge-litert", "scikit-learn", "numpy", "scipy", "pillow")
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    cores = len(os.sched_getaffinity(0))
    return f"{cpu}, {cores} cores, {memory:.0f} GB, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    main(sys.argv[1:])
