"""The house keeps its plan: imports run one way, files stay small, native modules have stubs."""

from __future__ import annotations

import ast
import gc
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "bearerd"
NATIVE = ROOT / "native"
MOST_LINES = 400

# docs/internals.md, from the ground up: a room imports only from floors below its own, or from its own folder.
FLOORS = (
    ("_native",),
    ("refusals", "limits", "series"),
    ("errors", "jsonobject"),
    ("mcp",),
    ("decision", "request"),
    ("timekeeper",),
    ("log", "metrics", "loops", "lines", "turns"),
    ("jws",),
    ("tricks",),
    ("config",),
    ("store",),
    ("issuers",),
    ("verify",),
    ("apikeys",),
    ("policy",),
    ("rates",),
    ("audit",),
    ("callers",),
    ("approvals", "reviews"),
    ("current",),
    ("service",),
    ("flow",),
    ("explain", "api"),
    ("faces",),
    ("adapters",),
    ("lane",),
    ("serve",),
    ("starter", "doctor"),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

MODULES = sorted(path for path in SOURCE.rglob("*.py") if "_native" not in path.parts)
CODE = sorted([*MODULES, *NATIVE.glob("*.py*"), *NATIVE.glob("*.pxd")])
CODE = [path for path in CODE if path.suffix in {".py", ".pyx", ".pxd", ".pyi"}]


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def parsed(path: Path) -> ast.AST:
    """Without a collection in the midst of it: what that ends may parse, too, and CPython 3.11 then loses count of its depth."""
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()


def imported_by(path: Path) -> set[str]:
    """Every ``bearerd`` module that a file imports, at any depth, for running or for typing."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "bearerd"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_only_run_downward(path: Path) -> None:
    room = room_of(name_of(path))
    if not room:  # bearerd/__init__.py, the face of the package: it hands out api lazily
        return
    for name in imported_by(path):
        other = room_of(name)
        if other in ("", "__version__", room):
            continue
        assert other in FLOOR, f"{name}: no such room in docs/internals.md"
        assert FLOOR[other] < FLOOR[room], f"{name_of(path)} imports {name}, which stands above it"


def plan() -> list[tuple[list[str], set[str]]]:
    """The list at the top of docs/internals.md: the rooms of each entry, and every word that is said of them."""
    text = (ROOT / "docs" / "internals.md").read_text()
    entries: list[tuple[list[str], str]] = []
    for line in text[text.index("    native/") : text.index("\n## ")].splitlines():
        rooms, said = line[4:32].replace("native/ (bearerd._native)", "_native").split(), line[32:]
        if rooms:
            entries.append(([room.rstrip("/") for room in rooms], said))
        else:
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {said}")
    return [(rooms, set(re.findall(r"\w+", said))) for rooms, said in entries]


def test_the_plan_in_the_docs_has_each_room_in_its_place_and_each_file_in_its_room() -> None:
    rooms = [room for rooms, _ in plan() for room in rooms]
    assert len(rooms) == len(set(rooms))
    assert [FLOOR[room] for room in rooms] == sorted(FLOOR[room] for room in rooms)
    assert set(rooms) == set(FLOOR) - {"__main__"}
    said = {room: words for rooms, words in plan() for room in rooms}
    files = [(room_of(name_of(path)), path.stem) for path in MODULES if len(path.relative_to(SOURCE).parts) > 1]
    files += [("_native", path.stem) for path in [*NATIVE.glob("*.pyx"), *NATIVE.glob("*.pxd")]]
    alike = {"config": "check_", "cli": ""}  # named by what is the same of them
    missing = [
        f"{room}/{stem}"
        for room, stem in files
        if not stem.startswith("__") and stem not in said[room] and not stem.startswith(alike.get(room, "/"))
    ]
    assert not missing


def test_no_cycle_within_a_folder() -> None:
    known = {name_of(path) for path in MODULES}
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        name = name_of(path)
        targets = {found if found in known else found.rpartition(".")[0] for found in imported_by(path)}
        # bearerd/__init__.py is the face of the package: it hands out api lazily, so an import of it is no arrow.
        graph[name] = {target for target in targets if target in known and target not in (name, "bearerd")}
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join([*trail, name])}"
        if name not in done:
            for target in graph[name]:
                walk(target, (*trail, name))
            done.add(name)

    for name in graph:
        walk(name, ())


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_enough_to_have_one_subject(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", sorted(NATIVE.glob("*.pyx")), ids=lambda path: path.stem)
def test_a_native_module_has_a_stub_and_imports_nothing_of_src(path: Path) -> None:
    assert path.with_suffix(".pyi").exists()
    imports = [line for line in path.read_text().splitlines() if line.startswith(("import ", "from ", "cimport "))]
    assert not [line for line in imports if "bearerd" in line and "bearerd._native" not in line]


def test_every_folder_with_code_is_packed_into_the_wheel() -> None:
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert set(packed) == {"bearerd._native", *(name_of(path) for path in MODULES if path.name == "__init__.py")}


def test_each_module_can_be_imported() -> None:
    """There is no circle, as the tests above show: what can be imported in one order can in any, and so alone."""
    script = "import sys, importlib; [importlib.import_module(name) for name in sys.argv[1:]]"
    names = [name_of(path) for path in MODULES if path.name != "__main__.py"]
    run = subprocess.run(
        [sys.executable, "-c", script, *names],
        env={**os.environ, "PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]


def test_native_code_links_libc_only() -> None:
    libraries = sorted(NATIVE.glob("*.so"))
    assert libraries
    for library in libraries:
        linked = subprocess.run(["ldd", str(library)], capture_output=True, text=True, check=True).stdout
        names = {line.split()[0] for line in linked.splitlines()}
        assert {
            name for name in names if not name.startswith(("linux-vdso", "libc.so", "/lib", "libpthread"))
        } == set(), linked
