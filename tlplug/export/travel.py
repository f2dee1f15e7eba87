"""Code that travels with exports: modules, with what they import of their own package, under the same names."""

from __future__ import annotations

import ast
import filecmp
import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path

from tlplug.errors import ExportError


def file_of(module: str) -> Path:
    """Return the file of a module.

    Raises:
        ExportError: there is no such module, or it is no file.
    """
    spec = _spec(module)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ExportError(f"The module {module!r}, which travels with exports, is not there as a file.")
    return Path(spec.origin)


def files_with(module: str) -> dict[str, Path]:
    """Return the files of a module and of all that it imports of its own package, by their places below a folder.

    Raises:
        ExportError: one is no file, or needs tlplug to be imported.
    """
    package, files = module.partition(".")[0], {}
    waiting, done = [module], set[str]()
    while waiting:
        name = waiting.pop()
        spec = None if name in done else _spec(name)
        done.add(name)
        if name != module and (spec is None or spec.origin is None):
            continue  # it was there already, or is something within a module
        file = file_of(name)
        is_package = spec is not None and spec.submodule_search_locations is not None
        tree = ast.parse(file.read_text(encoding="utf-8"))
        parent = name if is_package else name.rpartition(".")[0]
        if any(other.partition(".")[0] == "tlplug" for node in tree.body for other in _imports(node, parent)):
            raise ExportError(f"The module {name!r} cannot travel with an export, as it imports tlplug.")
        imported = [other for node in _walk(tree) for other in _imports(node, parent)]
        waiting += [other for other in imported if other.startswith(f"{package}.")]
        place = Path(*name.split("."))
        files[str(place / "__init__.py" if is_package else place.with_suffix(".py"))] = file
    return files


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # not there, or something within a module; ValueError: __main__
        return None


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements but those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            yield from _walk(node)


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    """Names of modules, or of what is in them, that a statement in a module of some package imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")
        start = parents[: len(parents) + 1 - node.level] if node.level else []
        name = ".".join([*start, *([node.module] if node.module else [])])
        yield name
        yield from (f"{name}.{alias.name}" for alias in node.names)


def place(files: Mapping[str, Path], folder: Path) -> None:
    """Copy files to their places below a folder, in packages that hold nothing else.

    Raises:
        ExportError: another file has such a place.
    """
    for name, origin in files.items():
        target = folder / name
        if target.exists() and not filecmp.cmp(origin, target, shallow=False):
            raise ExportError(f"Two files of the export would be called {name!r}. Rename that of the plugin.")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, target)
    for name in files:
        for parent in Path(name).parents[:-1]:
            (folder / parent / "__init__.py").touch()
