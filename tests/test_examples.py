"""The examples in docstrings run as printed, and every public function has one."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path

import pytest

import osimopt

#: Examples that take seconds; ``make test`` leaves them to ``make test-slow``.
SLOW = {
    *("Surrogate", "fit_geometry", "fit_geometry_network", "iterate_study", "read_manifest", "run_study"),
    *("train_dynamic_surrogate", "train_static_surrogate", "rank_costs"),
}
#: Exceptions say what they are for; they have no examples.
PUBLIC = [
    name
    for name in sorted(osimopt._HOMES)
    if callable(getattr(osimopt, name))
    and not (inspect.isclass(getattr(osimopt, name)) and issubclass(getattr(osimopt, name), Exception))
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in PUBLIC])
def test_example(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    public = getattr(osimopt, name)
    tests = doctest.DocTestFinder(recurse=False).find(public, name, globs={"__name__": "example"})
    assert any(test.examples for test in tests), f"osimopt.{name} has no example in its docstring"
    for test in tests:
        output: list[str] = []
        found = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=output.append)
        assert not found.failed, "".join(output)
