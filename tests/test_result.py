"""A result in memory and one read back from its folder say the same; gates judge both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from emg_cases import walk

from osimopt import InputError, Result, solve_static
from osimopt.gates import FORCE, gates


def test_read_back(tmp_path: Path) -> None:
    solution = solve_static(walk())
    memory, read = Result.of(solution), Result.read(solution.write(tmp_path / "walk"))
    assert read.name == "walk"
    assert (read.muscles, read.coordinates, read.formula) == (memory.muscles, memory.coordinates, memory.formula)
    for name in ("time", "activation", "muscle_force", "generalized_force", "carried", "solved", "pcsa", "served"):
        np.testing.assert_allclose(getattr(read, name), getattr(memory, name), rtol=1e-12, err_msg=name)
    assert Result.of(read) is read
    assert dict(read.summary)["findings"] == memory.summary["findings"]
    assert repr(read) == "<Result walk: 1201 of 1201 frames solved, Σ a²>"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"solution\.json"):
        Result.read(tmp_path)
    folder = solve_static(walk()).write(tmp_path / "walk")
    (folder / "generalized_force.sto").unlink()
    with pytest.raises(InputError, match=r"no generalized_force\.sto"):
        Result.read(folder)
    folder = solve_static(walk()).write(folder, overwrite=True)
    lines = (folder / "status.csv").read_text().splitlines()
    (folder / "status.csv").write_text("\n".join(lines[:-3]))
    with pytest.raises(InputError, match="as many frames"):
        Result.read(folder)


def found(result: Result) -> dict[str, bool | None]:
    return {gate.name: gate.passes for gate in gates(result)}


def test_gates() -> None:
    result = Result.of(solve_static(walk()))
    assert found(result) == {"frames solved": True, "largest reserve": True, "residuals": None}
    weak = Result.of(solve_static(walk().with_reserves(100.0)))
    gate = gates(weak)[1]
    assert gate.passes is False
    carried = np.abs(weak.carried).max(axis=0) / np.abs(weak.generalized_force).max(axis=0)
    assert f"{100 * carried.max():.0f} %" in gate.found
    assert found(replace(result, solved=np.zeros(1201, dtype=bool)))["frames solved"] is False


def test_residuals_are_those_of_the_floating_base() -> None:
    result = Result.of(solve_static(walk()))
    summary = {**result.summary, "floating": ["ankle_angle_r", "knee_angle_r"]}
    units = {"ankle_angle_r": "N", "knee_angle_r": "N·m"}
    base = replace(result, summary={**summary, "units": units})
    passes = found(base)
    assert passes["residual force"] is bool(np.abs(base.generalized_force[:, 0]).max() <= FORCE)
    assert passes["residual moment"] is True
    still = np.abs(base.generalized_force[:, 0]) < FORCE
    assert {gate.name: gate.passes for gate in gates(base, still)}["residual force"] is True
