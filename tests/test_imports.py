"""The house: who may import whom, and what `import osimopt` may load."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import osimopt
from osimopt import _HOMES

PACKAGE = Path(__file__).resolve().parent.parent / "osimopt"
#: Each module or folder of osimopt may import itself and those before it.
ORDER = (
    "errors",
    "options",
    "notices",
    "isolation",
    "namespace",
    "devices",
    "splines",
    "signals",
    "files",
    "problem",
    "muscle",
    "polynomial",
    "multibody",
    "paths",
    "solution",
    "adapters",
    "datasets",
    "static",
    "emg",
    "dynamic",
    "surrogate",
    "analysis",
    "calibration",
    "training",
    "pipeline",
    "batch",
    "report",
    "cli",
)
#: Pairs that never import each other, whatever their order.
BESIDE = (
    {"adapters", "static"},
    {"adapters", "emg"},
    {"static", "emg"},
    {"adapters", "dynamic"},
    {"adapters", "surrogate"},
    {"dynamic", "surrogate"},
)
#: Third-party modules that only one place may import.
OWNERS = {"opensim": "adapters/worker", "casadi": "dynamic/worker", "torch": ("surrogate", "devices.py")}
#: Methods of early classes that call a later module, which they import by name.
LATER = {
    ("problem/problem.py", ".resampling"),
    ("problem/problem.py", ".part"),
    ("solution/solution.py", ".folder"),
    ("polynomial/geometry.py", ".files"),
}
MODULES = sorted(PACKAGE.rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def statements(path: Path) -> list[tuple[ast.AST, bool]]:
    """Statements of a module, without the expressions in them, and whether each is for types alone."""
    found: list[tuple[ast.AST, bool]] = []
    left: list[tuple[ast.AST, bool]] = [(parsed(path), False)]
    while left:
        node, for_types = left.pop()
        found.append((node, for_types))
        for_types |= isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        inside = (node, *getattr(node, "handlers", ()), *getattr(node, "cases", ()))
        parts = [part for one in inside for name in ("body", "orelse", "finalbody") for part in getattr(one, name, ())]
        left += [(part, for_types) for part in parts if isinstance(part, ast.stmt)]
    return found


@cache
def imports(path: Path, typing: bool = True) -> tuple[str, ...]:
    """Absolute names of everything a module imports, lazily or not; for types alone only where ``typing``."""
    package = ("osimopt", *path.relative_to(PACKAGE).parts[:-1])
    names = []
    for node, for_types in statements(path):
        if for_types and not typing:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names += [f"{module}.{alias.name}" for alias in node.names]
    return tuple(names)


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


#: The folder of each public name, for imports of the package's face.
FACE = {name: home.split(".")[0] for name, home in _HOMES.items()}


@cache
def inner() -> list[tuple[Path, str]]:
    """Modules, and the modules or folders of osimopt that each imports, but for the package's public face."""
    found = []
    for path in MODULES:
        if place(path) not in ("__init__", "__main__"):
            parts = [name.split(".") for name in imports(path)]
            found += [(path, name[1]) for name in parts if name[0] == "osimopt" and name[1] != "__version__"]
    return found


def test_every_module_has_a_place_in_the_order() -> None:
    assert {place(path) for path in MODULES} - {"__init__", "__main__"} == set(ORDER)


def test_imports_go_back_only() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path, other in inner()
        if ORDER.index(FACE.get(other, other)) > ORDER.index(place(path))
    ]
    assert not wrong


def test_the_command_line_and_batch_do_not_import_the_public_face() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path, other in inner()
        if place(path) in ("cli", "batch") and other in FACE and other not in ORDER
    ]
    assert not wrong


def test_some_never_import_each_other() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}" for path, other in inner() if {place(path), other} in BESIDE
    ]
    assert not wrong


def test_only_the_owner_imports_a_library_and_workers_are_called_by_name() -> None:
    wrong = []
    for path in MODULES:
        own = str(path.relative_to(PACKAGE))
        for name in imports(path):
            owner = OWNERS.get(name.split(".")[0])
            if owner is not None and not own.startswith(owner):
                wrong.append(f"{own} imports {name}: only {owner} may")
            for worker in ("adapters/worker", "dynamic/worker"):
                if name.startswith(f"osimopt.{worker.replace('/', '.')}") and not own.startswith(worker):
                    wrong.append(f"{own} imports {name}")
    assert not wrong


def test_a_class_name_stands_once() -> None:
    names = [node.name for path in MODULES for node in parsed(path).body if isinstance(node, ast.ClassDef)]
    assert sorted(names) == sorted(set(names))


def test_no_circle() -> None:
    """Between files, imports inside functions included."""
    files = {".".join(("osimopt", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in MODULES}
    graph = {
        name: {
            own for asked in imports(path, typing=False) for own in (asked, asked.rpartition(".")[0]) if own in files
        }
        for name, path in files.items()
    }
    inside: set[str] = set()
    while inside != set(graph):  # until every module left imports one that is left, and is imported by one
        inside = set(graph)
        graph = {name: asked & inside - {name} for name, asked in graph.items() if asked & inside - {name}}
        asked_for = set().union(*graph.values())
        graph = {name: asked for name, asked in graph.items() if name in asked_for}
    assert not graph


def test_methods_that_call_a_later_module_are_known() -> None:
    found = set()
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            by_name = isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module"
            if by_name and isinstance(node.args[0], ast.Constant):
                found.add((str(path.relative_to(PACKAGE)), node.args[0].value))
    assert found == LATER


def loaded_by(statement: str) -> set[str]:
    """Top-level third-party modules that a fresh interpreter has loaded after a statement."""
    report = "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    code = f"import sys; before = set(sys.modules); {statement}; {report}"
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    top = {name.split(".")[0] for name in json.loads(done.stdout)}
    return {name for name in top if name not in sys.stdlib_module_names and not name.startswith("_")}


def test_import_osimopt_loads_nothing_else(tmp_path: Path) -> None:
    assert loaded_by(f"import os; os.chdir({str(tmp_path)!r}); import osimopt") <= {"osimopt", "numpy"}
    assert not list(tmp_path.iterdir())


def test_from_arrays_needs_only_numpy() -> None:
    assert loaded_by("import osimopt; osimopt.RedundancyProblem.from_arrays([0.1], [100.0], 5.0)") <= {
        "osimopt",
        "numpy",
    }


def test_command_line_starts_light() -> None:
    heavy = {"opensim", "casadi", "torch", "scipy", "pandas", "matplotlib", "loky"}
    assert not loaded_by("import osimopt.cli; osimopt.cli.make_app()") & heavy


def test_short_tables_and_splines_need_no_large_packages(tmp_path: Path) -> None:
    rows = "".join(f"{0.01 * row}\t{row**2 % 7}\n" for row in range(20))
    (tmp_path / "q.sto").write_text(f"q\ninDegrees=no\nendheader\ntime\tq\n{rows}")
    read = f"table = osimopt.files.storage.read_columns({str(tmp_path / 'q.sto')!r})"
    spline = "osimopt.signals.differentiate(table.index.to_numpy(), table.to_numpy())"
    heavy = {"pandas", "pyarrow", "scipy.interpolate", "scipy.linalg", "scipy.signal", "scipy.sparse"}
    loaded_by(
        f"import osimopt.files.storage, osimopt.signals; {read}; {spline}; assert not {heavy!r} & set(sys.modules)"
    )


def test_public_names_resolve() -> None:
    for name in dir(osimopt):
        assert getattr(osimopt, name) is not None
    with pytest.raises(AttributeError, match="load_problem"):
        _ = osimopt.load_problems
