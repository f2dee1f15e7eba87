"""Facts of the whole: what is imported when, that the core knows no modality, and that modules stay small."""

from __future__ import annotations

import ast
import io
import os
import re
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

import tlplug

PACKAGE = Path(tlplug.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

FRAMEWORKS = {"tensorflow", "keras", "sklearn", "matplotlib", "pandas", "torch", "jax"}
"""What takes seconds to import."""

NUMBERS = FRAMEWORKS | {"numpy", "scipy", "pyarrow", "PIL", "ai_edge_litert", "jinja2", "h5py"}
"""What no command that only lists may wait for."""


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "--version",
        "train --help",
        "predict --help",
        "backbones",
        "backbones --json",
        "backbones file:<model.keras> --help",
        "heads",
        "heads mlp",
        "preprocesses",
        "runtimes",
        "exporters",
        "readers",
        "augmentations",
        "plugins list",
        "weights list",
        "weights verify",
        "cache info",
        "cache prune",
    ],
)
def test_listing_imports_nothing_that_computes(imported, cache, command):
    assert imported(*command.split()) & NUMBERS == set()


def test_importing_the_package_imports_next_to_nothing(python):
    process = python("import sys; before = set(sys.modules); import tlplug; print(*set(sys.modules) - before)")
    output, _ = process.communicate(timeout=30)
    packages = {name.partition(".")[0] for name in output.split()}
    assert packages - set(sys.stdlib_module_names) == {"tlplug"}
    assert {name for name in output.split() if name.startswith("tlplug")} == {"tlplug"}


def test_registering_imports_nothing_that_computes(python):
    source = """
    import sys, tlplug
    @tlplug.register_backbone("mine", modality="image")
    def build(weights=None): ...
    @tlplug.register_head("own")
    def head(embedding_size, outputs): ...
    tlplug.Backbone, tlplug.hookimpl, tlplug.TlplugError
    print(*{name.partition(".")[0] for name in sys.modules})
    """
    output, errors = python(source).communicate(timeout=30)
    assert errors == ""
    assert set(output.split()) & NUMBERS == set()


def test_the_frozen_path_never_imports_a_framework(imported, dots, tmp_path):
    data, run = dots.write(tmp_path / "data"), tmp_path / "run"
    for form in ("first", "features cached"):
        out = run if form == "first" else tmp_path / "again"
        assert imported("train", data, "--against", "random", "--out", out, *dots.plugins) & FRAMEWORKS == set(), form
    assert imported("train", data, "--head", "prototype", "--out", tmp_path / "p", *dots.plugins) & FRAMEWORKS == set()
    assert imported("predict", run, data, "--plugin", dots.dots) & FRAMEWORKS == set()
    assert imported("predict", run, data, "--json", "--plugin", dots.dots) & FRAMEWORKS == set()
    other = dots.write(tmp_path / "other", seed=1)
    assert imported("evaluate", run, other, "--plugin", dots.dots) & FRAMEWORKS == set()
    assert imported("embed", data, "--out", tmp_path / "e.parquet", *dots.plugins) & FRAMEWORKS == set()


def test_features_that_are_kept_need_no_runtime(imported, dots, tmp_path):
    data = dots.write(tmp_path / "data")
    imported("train", data, "--out", tmp_path / "run", *dots.plugins)
    assert "ai_edge_litert" not in imported("train", data, "--out", tmp_path / "again", *dots.plugins)


def test_a_head_that_was_trained_by_keras_predicts_without_it(imported, cli, dots, tmp_path):
    data, run = dots.write(tmp_path / "data"), tmp_path / "run"
    assert cli("train", data, "--head", "mlp", "--epochs", 2, "--out", run, *dots.plugins).code == 0
    assert imported("predict", run, data, "--plugin", dots.dots) & FRAMEWORKS == set()


WORDS = re.compile(
    r"image|photo|picture|pixel|jpe?g|png|audio|sound|speech|wav|(?<!re)vision|imagenet"
    r"|mobilenet|efficientnet|resnet|inception|densenet|\bxception|yamnet|minilm|\bbert\b|fracast"
)
"""What a modality or a network of a plugin is called. ``text`` and ``series`` are words of programming as well."""

ALLOWED = {
    # The example of an ending in the message about a wrong one.
    ("specs/preprocess.py", ".png"),
    # A preview is shown in a page, which takes pictures of any modality as data addresses.
    ("evaluation/report.py", "image/"),
    ("evaluation/report.py", "picture"),
}
"""Code that may say such a word: the module, and what is said."""


def _code(path):
    """The names and texts of a module's code: no comment, docstring, help page or help text."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose.update(range(node.lineno, node.end_lineno + 1))
        if isinstance(node, ast.keyword) and node.arg in ("help", "short_help", "summary"):
            prose.update(range(node.value.lineno, node.value.end_lineno + 1))
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            kinds = (tokenize.NAME, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
            if token.type in kinds and token.start[0] not in prose:
                yield token.start[0], token.string


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_core_names_no_modality_and_no_plugin(path):
    module = path.relative_to(PACKAGE).as_posix()
    said = [
        f"{module}:{line}: {text}"
        for line, text in _code(path)
        if WORDS.search(text.lower()) and not any(name == module and allowed in text for name, allowed in ALLOWED)
    ]
    assert said == []


def test_every_allowed_word_is_still_there():
    for name, allowed in ALLOWED:
        assert any(allowed in text for _, text in _code(PACKAGE / name)), (name, allowed)


def test_the_templates_name_no_modality():
    for template in PACKAGE.rglob("*.j2"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"photo|audio|vision|pixel", text.lower()), template.name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_are_short_documented_and_no_utils(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 310
    assert ast.get_docstring(ast.parse(source))
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}


def test_only_dependencies_are_imported_and_all_of_them():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = {re.match(r"[\w-]+", text)[0].replace("-", "_") for text in project["dependencies"]}
    imported = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"tlplug"}
    of_onnx = {"onnx", "onnxruntime", "tf2onnx"}  # of the extra of that name
    # Markupsafe is what the results of jinja2 are made of; the other two lie beside predict.py in an export.
    assert others - stated == {"markupsafe", "network", "preprocess", *of_onnx}
    assert stated - others == {"pip"}  # run as a program


def test_the_plugin_beside_has_the_licence_of_the_whole():
    licences = [path.read_bytes() for path in (PACKAGE.parent / "LICENSE", *PACKAGE.parent.glob("plugins/*/LICENSE"))]
    assert len(licences) == 1 + len(list(PACKAGE.parent.glob("plugins/*/pyproject.toml")))
    assert len(set(licences)) == 1


def test_no_pickle_and_no_unsafe_loading():
    for path in MODULES:
        source = path.read_text(encoding="utf-8")
        for line in io.StringIO(source):
            assert not re.search(r"\bimport (pickle|joblib|dill|marshal)\b|allow_pickle=True|safe_mode=False", line), (
                path
            )
            assert not re.search(r"\b(eval|exec)\(", line), path


def test_no_user_error_is_an_assertion():
    for path in MODULES:
        assert not [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assert)], path


def test_wherever_the_package_lies_it_needs_nothing_beside_it(python, tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = python("from tlplug.cli import main; main()", "backbones", cwd=tmp_path, env=environment)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert "file:<model.keras>" in output
    assert list(tmp_path.iterdir()) == []
