"""Programs in stages, and fatrop beside IPOPT, which knows nothing of stages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dynamic_cases import elbow, solved
from test_dynamic_tendon import problem_of

from osimopt import SealedSolution, solve_dynamic
from osimopt.dynamic import solving
from osimopt.dynamic.emg import EmgTracking
from osimopt.dynamic.layout import Layout
from osimopt.dynamic.mesh import Mesh
from osimopt.dynamic.program import Group, Program
from osimopt.dynamic.scaling import LEADING, in_units, leading_units, within
from osimopt.dynamic.scheme import RADAU
from osimopt.dynamic.stages import Staged, in_stages
from osimopt.errors import InputError

Array = np.ndarray

SCHEMES = ("trapezoidal", "hermite-simpson", RADAU)
#: Solutions of two solvers: their last barrier parameters, a tenth and a hundredth of the tolerance, leave objectives
#: and, where those are flat, activations this far apart. A largest activation is so flat that 1e-8 is not reached.
SAME_OBJECTIVE, SAME = 1e-6, 1e-4
#: Sums in another order.
EXACT = 1e-12


def assembled(monkeypatch: pytest.MonkeyPatch, transcription: str, compliant: bool = False) -> tuple[Any, ...]:
    """Layout, program and mesh of a small problem, as they come to the solver."""
    seen: list[tuple[Any, ...]] = []

    def note(program: Program, layout: Layout, mesh: Mesh, near: bool) -> Staged:
        seen.append((layout, program, mesh))
        return in_stages(program, layout, mesh, near)

    monkeypatch.setattr(solving, "in_stages", note)
    time = np.linspace(0.0, 1.0, 101)
    problem = problem_of(time, 20.0 + 5.0 * np.sin(4.0 * time), 2) if compliant else elbow()
    options: dict[str, Any] = {"transcription": transcription, "mesh_interval": 0.125, "on_failure": "return"}
    solve_dynamic(problem, "compliant" if compliant else "rigid", solver="fatrop", max_iterations=1, **options)
    return seen[0]


def outputs(group: Group, x: Array) -> Array:
    """Some function of what a group takes, that tells places, unknowns and data apart."""
    taken = x[group.variables] if group.units is None else x[group.variables] * group.units
    return np.asarray(np.cos(taken @ np.arange(1.0, taken.shape[1] + 1)) + group.data.sum(axis=1))


def evaluated(program: Program, x: Array) -> tuple[float, Array]:
    c = np.concatenate([outputs(group, x) for group in program.groups])
    return float(program.cost @ c + program.linear_cost @ x), program.linear @ x + program.nonlinear @ c


def pattern(program: Program) -> Any:
    """(rows, unknowns) what may depend on what."""
    widths = [group.variables.shape for group in program.groups]
    places = np.concatenate([np.repeat(np.arange(count), width) for count, width in widths])
    starts = np.repeat(np.cumsum([0, *(count for count, _ in widths)])[:-1], [count * width for count, width in widths])
    columns = np.concatenate([group.variables.ravel() for group in program.groups])
    depends = np.zeros((len(program.cost), len(program.start)))
    depends[places + starts, columns] = 1.0
    return (abs(program.linear).toarray() + abs(program.nonlinear).toarray() @ depends) != 0.0


CASES = [*((name, False) for name in (*SCHEMES, f"{RADAU}-1")), *((name, True) for name in SCHEMES)]


@pytest.mark.parametrize(("transcription", "compliant"), CASES)
def test_values_are_those_of_the_original(monkeypatch: pytest.MonkeyPatch, transcription: str, compliant: bool) -> None:
    layout, program, mesh = assembled(monkeypatch, transcription, compliant)
    staged = in_stages(program, layout, mesh)
    x = np.random.default_rng(1).uniform(-1.0, 1.0, len(program.start))
    y = np.full(len(staged.program.start), np.nan)
    y[staged.unknowns] = x / staged.units
    ties = np.setdiff1d(np.arange(len(staged.program.lower)), staged.rows)
    for row in staged.program.linear.tocsr()[ties]:
        state, copy = (int(row.indices[row.data == sign][0]) for sign in (1.0, -1.0))
        assert len(row.data) == 2
        y[copy] = y[state]
    objective, rows = evaluated(program, x)
    objective_too, rows_too = evaluated(staged.program, y)
    assert objective_too == pytest.approx(objective, rel=EXACT)
    assert rows_too[staged.rows] == pytest.approx(rows, rel=EXACT, abs=EXACT * np.abs(rows).max())
    assert not rows_too[ties].any()
    for old, new in ((program.least, staged.program.least), (program.most, staged.program.most)):
        assert new[staged.unknowns] * staged.units == pytest.approx(old, rel=EXACT)
    assert np.array_equal(staged.program.lower[staged.rows], program.lower)
    assert np.array_equal(staged.program.upper[staged.rows], program.upper)


@pytest.mark.parametrize(("transcription", "compliant"), CASES)
def test_stages_are_blocks(monkeypatch: pytest.MonkeyPatch, transcription: str, compliant: bool) -> None:
    layout, program, mesh = assembled(monkeypatch, transcription, compliant)
    staged = in_stages(program, layout, mesh)
    stages, depends = staged.stages, pattern(staged.program)
    assert len(stages.states) == len(mesh) == 8
    assert stages.states[0] == 0
    if transcription.startswith(RADAU):  # only what has a rate is shared
        assert (stages.states[1:] == layout.activation.shape[1] * (1 + compliant)).all()
    row = column = 0
    for states, controls, rows, after in zip(
        stages.states, stages.controls, stages.rows, [*stages.states[1:], 0], strict=True
    ):
        own, following = slice(column, column + states + controls), slice(column + states + controls, None)
        tie = depends[row : row + after]
        assert np.array_equal(tie[:, following][:, :after], np.eye(after, dtype=bool))
        assert not tie[:, following][:, after:].any()
        block = depends[row : row + after + rows]
        assert not block[:, :column].any()
        assert not block[after:, following].any()
        assert not tie[:, column : column + states].any()
        row, column = row + after + rows, own.stop
    assert (row, column) == depends.shape


@pytest.mark.parametrize("transcription", SCHEMES)
@pytest.mark.parametrize(
    "options",
    [{}, {"initial_activation": "free"}, {"exponent": 3}, {"cost": "min_max", "tolerance": 1e-6}],
    ids=lambda options: str(options),
)
def test_the_answer_is_ipopts(transcription: str, options: dict[str, Any]) -> None:
    one, other = (solved(transcription=transcription, solver=solver, **options) for solver in ("ipopt", "fatrop"))
    assert other.total_objective == pytest.approx(one.total_objective, abs=SAME_OBJECTIVE)
    if options.get("cost") != "min_max":  # has more than one
        assert other.activation == pytest.approx(one.activation, abs=SAME)
        assert other.reserve_control == pytest.approx(one.reserve_control, abs=SAME)
    assert other.provenance["solver"]["used"] == "fatrop"
    assert other.provenance["rounds"][0]["said"] == ["Success"]
    assert other.provenance["rounds"][0]["stationarity"] < 1e-6


@pytest.mark.parametrize("transcription", SCHEMES)
def test_the_answer_is_ipopts_with_elastic_tendons(transcription: str) -> None:
    time = np.linspace(0.0, 0.5, 51)
    problem = problem_of(time, 20.0 + 5.0 * np.sin(4.0 * np.pi * time), 2)
    options: dict[str, Any] = {"transcription": transcription, "mesh_interval": 0.05, "tolerance": 1e-8}
    one, other = (solve_dynamic(problem, "compliant", solver=solver, **options) for solver in ("ipopt", "fatrop"))
    assert other.total_objective == pytest.approx(one.total_objective, rel=1e-6)
    assert other.activation == pytest.approx(one.activation, abs=SAME)
    assert other.muscle_force == pytest.approx(one.muscle_force, rel=SAME)


def test_broken_exponents_above_zero() -> None:
    problem = replace(elbow(), lower=np.full(3, 0.01))
    one, other = (solved(problem, exponent=1.5, solver=solver) for solver in ("ipopt", "fatrop"))
    assert other.total_objective == pytest.approx(one.total_objective, abs=SAME_OBJECTIVE)


@pytest.mark.parametrize(
    "options",
    [
        {"periodic": True},
        {"exponent": 1.5},
        {"emg": EmgTracking(pd.DataFrame({"ONE": [0.2, 0.2]}, index=[0.0, 1.0]), {"biceps": "ONE"})},
    ],
    ids=("periodic", "exponent", "emg"),
)
def test_what_has_no_stages_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"solver='ipopt'"):
        solved(solver="fatrop", **options)


def test_failure_is_sealed() -> None:
    sealed = solved(solver="fatrop", max_iterations=3, on_failure="return")
    assert isinstance(sealed, SealedSolution)
    assert "MaxIterExceeded" in str(sealed)


def test_progress_is_told() -> None:
    said: list[tuple[int, float, float]] = []
    solved(mesh_interval=0.004, solver="fatrop", progress=lambda *line: said.append(line))
    assert said
    assert said[-1][2] < said[0][2] or len(said) == 1


def test_weak_reserves_are_eliminated_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """In their own unit they make the matrix look indefinite; see osimopt.dynamic.scaling."""
    quick = solved(solver="fatrop", initial_activation="equal").provenance["rounds"][0]["iterations"]
    monkeypatch.setattr("osimopt.dynamic.stages.leading_units", lambda program, layout: np.ones(len(program.start)))
    slow = solved(solver="fatrop", max_iterations=2 * quick, on_failure="return", initial_activation="equal")
    assert not slow.success


def test_units_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, program, _ = assembled(monkeypatch, "hermite-simpson", compliant=True)
    units = leading_units(program, layout)
    linear = abs(in_units(program, units).linear)
    assert linear[:, layout.force_rate.ravel()].max(axis=0).toarray() == pytest.approx(LEADING)
    rest = np.setdiff1d(np.arange(len(units)), np.r_[layout.force_rate.ravel(), layout.reserve.ravel()])
    assert (units[rest] == 1.0).all()


@pytest.mark.parametrize(("near", "share"), [(False, 1e-2), (True, 1e-5)])
def test_starts_are_within_bounds(monkeypatch: pytest.MonkeyPatch, near: bool, share: float) -> None:
    layout, program, _ = assembled(monkeypatch, "trapezoidal")
    for begin in (0.0, 1.0):
        moved = within(replace(program, start=np.full(len(program.start), begin)), near).start
        assert moved[layout.activation] == pytest.approx(abs(begin - share))
        assert (moved[layout.reserve] == begin).all()  # unbounded
