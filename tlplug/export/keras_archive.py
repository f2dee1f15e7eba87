"""The format ``keras``: the network as Keras saves it, with the code of layers that are not Keras' own."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from tlplug.backbones import quiet
from tlplug.errors import UsageError
from tlplug.export.network import Exportable
from tlplug.specs import Tolerance

CODE = "code"
"""The folder with the modules of such layers."""

_OTHERS = ("keras", "keras_hub")
"""Packages that bring layers and can be installed without tlplug."""


def export(model: Exportable, path: Path, options: Mapping[str, Any]) -> Tolerance:  # noqa: ARG001 - has none
    """Write a ``.keras`` file, and the modules of layers that neither Keras nor KerasHub has.

    Raises:
        UsageError: these need tlplug.
    """
    with quiet():
        model.network.save(path)
    modules = sorted({type(layer).__module__ for layer in model.network._flatten_layers()})
    for module in modules:
        if module.partition(".")[0] not in _OTHERS:
            _copy(module, path.parent / CODE)
    return Tolerance()


def _copy(module: str, folder: Path) -> None:
    """Copy a module and what it imports of its own package, under the same names.

    Raises:
        UsageError: it is no file, or imports tlplug.
    """
    package = module.partition(".")[0]
    waiting, done = [module], set[str]()
    while waiting:
        name = waiting.pop()
        spec = None if name in done else _spec(name)
        if spec is None or spec.origin is None or not Path(spec.origin).is_file():
            if name == module and not done:
                raise UsageError(
                    f"The format 'keras' cannot hold layers of {name!r}, which is no file. Valid: --format savedmodel."
                )
            continue
        done.add(name)
        code, is_package = Path(spec.origin).read_text(encoding="utf-8"), spec.submodule_search_locations is not None
        imported = list(_imports(code, name if is_package else name.rpartition(".")[0]))
        if any(other.partition(".")[0] == "tlplug" for other in imported):
            raise UsageError(
                f"The format 'keras' cannot hold layers of {name!r}, which import tlplug. Valid: --format savedmodel."
            )
        waiting += [other for other in imported if other.startswith(f"{package}.")]
        place = folder.joinpath(*name.split("."))
        target = place / "__init__.py" if is_package else place.with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(code, encoding="utf-8")
        for parent in target.relative_to(folder).parents[:-1]:
            (folder / parent / "__init__.py").touch()


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:  # it is something within a module
        return None


def _imports(code: str, package: str) -> Iterator[str]:
    """Names of modules, or of what is in them, that the code of a module in some package imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package.split(".")[: len(package.split(".")) + 1 - node.level]) if node.level else ""
            name = ".".join(filter(None, (start, node.module)))
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)
