"""The house: who may import whom, and what `import osimopt` may load."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import osimopt

PACKAGE = Path(__file__).resolve().parent.parent / "osimopt"
#: Each layer may import itself and those before it; a name is a module or a subpackage of osimopt.
LAYERS = (
    ("errors",),
    (
        "notices",
        "tables",
        "signals",
        "fingerprint",
        "resampling",
        "data",
        "costs",
        "reserves",
        "problem",
        "archive",
        "tally",
        "solution",
        "results",
        "result",
        "gates",
        "handover",
    ),
    ("isolation", "datasets", "muscle", "polynomial"),
    ("adapters", "static", "emg"),
    ("dynamic", "surrogate"),
    ("studies",),
    ("report", "batch"),
    ("cli",),
)
#: Packages that know nothing of each other, whatever their layer.
BESIDE = (
    {"adapters", "static"},
    {"adapters", "emg"},
    {"static", "emg"},
    {"adapters", "dynamic"},
    {"adapters", "surrogate"},
    {"dynamic", "surrogate"},
)
#: Third-party modules that only one place may import.
OWNERS = {"opensim": "adapters/worker", "casadi": "dynamic/worker", "torch": ("surrogate", "static/device.py")}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> list[str]:
    """Absolute names of everything a module imports, lazily or not."""
    package = ("osimopt", *path.relative_to(PACKAGE).parts[:-1])
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer(name: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_layers(path: Path) -> None:
    own = place(path)
    if own in ("__init__", "__main__"):
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "osimopt" and len(parts) > 1 and parts[1] not in ("__version__",):
            other = osimopt._HOMES.get(parts[1], parts[1]).split(".")[0]
            assert layer(other) <= layer(own), f"{own} imports {other}, a layer above it"
            assert {other, own} not in BESIDE, f"{own} and {other} never import each other"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_owners(path: Path) -> None:
    for name in imported(path):
        owner = OWNERS.get(name.split(".")[0])
        assert owner is None or str(path.relative_to(PACKAGE)).startswith(owner), f"only {owner} may import {name}"
        for worker in ("adapters/worker", "dynamic/worker"):
            inside = str(path.relative_to(PACKAGE)).startswith(worker)
            called = name.startswith(f"osimopt.{worker.replace('/', '.')}")
            assert inside or not called, "the worker is called by name only"


def test_every_module_has_a_layer() -> None:
    known = {name for names in LAYERS for name in names} | {"__init__", "__main__"}
    assert {place(path) for path in MODULES} <= known


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
    assert not loaded_by("import osimopt.cli") & heavy


def test_public_names_resolve() -> None:
    for name in dir(osimopt):
        assert getattr(osimopt, name) is not None
    with pytest.raises(AttributeError, match="load_problem"):
        _ = osimopt.load_problems
