"""Imports only go down the levels of the house, and rooms on one level never import each other."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import trivium

PACKAGE = Path(trivium.__file__).parent
REPOSITORY = Path(__file__).parents[1]

LEVELS: dict[str, float] = {
    "types": 0, "errors": 0, "extras": 0, "version": 0, "codec": 0,
    "models": 1, "text": 1, "prompts": 1, "journal": 1, "threads": 1,
    "documents": 2,
    "index": 3, "tasks": 3,
    "retrieve": 4, "generate": 4, "evaluate": 4,
    "patterns": 5, "tune": 5,
    "readers": 6, "systems": 6, "evaluation": 6.2, "advise": 6.3,
    "api": 6.5, "": 6.6,  # "" is trivium/__init__.py, the library's face
    "cli": 7, "serve": 7,
    "__main__": 8,
}  # fmt: skip
LEAVES = {"types", "errors", "extras", "version", "codec"}
"""Level 0 modules are not rooms: errors and extras may lean on one another."""


def room_of(module: str) -> str:
    """The room of a dotted module name: `trivium.index.store` is in `index`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Each trivium module that a file imports, wherever in the file, with the line."""
    here = ["trivium", *path.relative_to(package).with_suffix("").parts]
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "trivium":
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: -node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            if module.split(".")[0] != "trivium":
                continue
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                target = package.joinpath(*whole.split(".")[1:])
                yield node.lineno, whole if target.with_suffix(".py").exists() or target.is_dir() else module


def violations(package: Path, files: Iterable[Path]) -> list[str]:
    found = []
    for path in sorted(files):
        parts = path.relative_to(package).with_suffix("").parts
        own = "" if parts == ("__init__",) else parts[0]
        for line, module in imports(path, package):
            room = room_of(module)
            where = f"{path.relative_to(package)}:{line} ({own or 'trivium'}) imports {module}"
            if own not in LEVELS or room not in LEVELS:
                found.append(f"{where}: a room without a level")
            elif LEVELS[room] > LEVELS[own]:
                found.append(f"{where}: upward")
            elif LEVELS[room] == LEVELS[own] and room != own and not {room, own} <= LEAVES:
                found.append(f"{where}: sideways")
    return found


def test_imports_only_go_down() -> None:
    assert violations(PACKAGE, PACKAGE.rglob("*.py")) == []


@pytest.mark.parametrize(
    ("file", "line", "kind"),
    [
        ("text/planted.py", "import trivium.index.store", "upward"),
        ("models/planted.py", "from trivium.text import tokens", "sideways"),
        ("retrieve/planted.py", "def f():\n    from trivium.generate.cite import cite", "sideways"),
        ("index/planted.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import trivium.cli", "upward"),
        ("documents/planted.py", "from ..index import store", "upward"),
        ("patterns/planted.py", "from trivium import api", "upward"),
        ("patterns/planted.py", "import trivium", "upward"),
        ("serve/planted.py", "from trivium.cli import main", "sideways"),
        ("newroom/planted.py", "import trivium.types", "without a level"),
        ("types.py", "import trivium.models.base", "upward"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, line: str, kind: str) -> None:
    copy = tmp_path / "trivium"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "data"))
    (copy / file).parent.mkdir(exist_ok=True)
    (copy / file).write_text(line + "\n")
    found = violations(copy, [copy / file])
    assert len(found) == 1
    assert file in found[0]
    assert kind in found[0]


def test_every_public_name_exists() -> None:
    listed = 0
    for info in pkgutil.walk_packages([str(PACKAGE)], "trivium."):
        if info.name.endswith("__main__") or "__all__" not in (source := _source(info.name)):
            continue
        assert "__all__" in source
        module = importlib.import_module(info.name)
        for name in module.__all__:
            assert hasattr(module, name), f"{info.name}.__all__ lists {name}, which does not exist"
            listed += 1
    for name in trivium.__all__:
        assert hasattr(trivium, name)
    assert listed or trivium.__all__


def _source(module: str) -> str:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text("utf-8")


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text("utf-8")
        if text.count("\n") > 600:
            long.append(f"{path.relative_to(PACKAGE)} has {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno > 80:
                long.append(f"{path.relative_to(PACKAGE)}: {node.name} is {(node.end_lineno or 0) - node.lineno} lines")
    assert long == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.read_text("utf-8").strip() and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def test_the_version_is_one() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    assert trivium.__version__ == project["version"]
    assert f"## [{project['version']}]" in (REPOSITORY / "CHANGELOG.md").read_text("utf-8")


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    lines = (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    names = {name.split(">")[0].split("[")[0].strip().lower().replace("_", "-") for name in wanted}
    assert names <= pinned
    assert not [line for line in lines if "@" in line or "/" in line]
