"""Values and derivatives of programs, as the solver gets them, against NumPy's arithmetic and differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from osimopt import isolation, load_problem, use_degroote_muscles
from osimopt.dynamic.assemble import assemble, split
from osimopt.dynamic.emg import EmgTracking
from osimopt.dynamic.guess import first_guess
from osimopt.dynamic.mesh import RADAU, Mesh, scheme
from osimopt.dynamic.nodes import Nodes
from osimopt.dynamic.objective import Conditions, dynamic_cost
from osimopt.dynamic.program import Group, Program
from osimopt.muscle.activation import activation_rate
from osimopt.muscle.contraction import Fiber, fiber_state, imbalance
from osimopt.problem.problem import RedundancyProblem
from osimopt.static.solve import solve_static

Array = np.ndarray

#: Both sides are exact to rounding, relative to the largest entry.
EXACT = 1e-11
#: Central differences of a gradient, relative to the largest entry: up to 1e-7 is left, (step / ROUND)² of |x|.
DIFFERENCES = 1e-6
#: |x|^p of odd p is rounded off below this, see osimopt.dynamic.worker.derivatives.
ROUND = 1e-2


def outputs(group: Group, x: Array) -> Array:
    """A group's function, of real or complex x."""
    taken, data = x[group.variables].T, group.data.T
    if group.kind == "activation":
        return np.asarray(activation_rate(taken[0], taken[1], data[0], data[1], data[2]))
    if group.kind == "tendon":
        activation, force, force_rate = taken
        fiber = Fiber(*data[2:])
        return np.asarray(imbalance(activation, force, fiber_state(data[0], data[1], force, force_rate, fiber), fiber))
    if group.kind == "difference":
        return (data[0] * taken[1] - taken[0]) ** 2
    if group.kind == "power" or group.exponent % 2.0 == 0.0:
        return np.asarray(taken[0] ** group.exponent)
    return np.asarray((taken[0] ** 2 + ROUND**2) ** (0.5 * group.exponent) - ROUND**group.exponent)


def values(program: Program, x: Array) -> tuple[Any, Array]:
    """Objective and constraints as the docstring of osimopt.dynamic.program has them."""
    c = np.concatenate([outputs(group, x) for group in program.groups])
    return program.cost @ c + program.linear_cost @ x, program.linear @ x + program.nonlinear @ c


def slopes(program: Program, x: Array) -> tuple[Array, Array]:
    """Gradient and Jacobian by complex steps, which are exact."""
    step = 1e-30
    columns = [values(program, x + step * 1j * unit) for unit in np.eye(len(x))]
    return (
        np.array([objective.imag / step for objective, _ in columns]),
        np.stack([rows.imag / step for _, rows in columns], axis=1),
    )


def pushers() -> RedundancyProblem:
    """Three muscles about two joints."""
    time = np.linspace(0.0, 0.1, 11)
    moment = np.stack([20.0 + 100.0 * time, 5.0 - 60.0 * time], axis=1)
    arms = [[0.05, 0.03, 0.0], [0.0, 0.02, -0.04]]
    return RedundancyProblem.from_arrays(arms, [900.0, 700.0, 400.0], moment, time=time, reserves=10.0)


def emg(problem: RedundancyProblem, **options: Any) -> EmgTracking:
    """Two channels; two muscles follow the same."""
    time = problem.time
    envelope = pd.DataFrame({"one": 0.3 + 0.1 * time, "two": 0.5 - 0.2 * time}, index=pd.Index(time))
    first, second, third = problem.muscles[:3]
    return EmgTracking(envelope, {first: "one", second: "two", third: "one"}, scale=(0.5, 2.0), **options)


def conditions(cost: str = "excitation_power", exponent: float = 2.0, tendon: str = "rigid", **options: Any) -> Any:
    return Conditions(dynamic_cost(cost, exponent, tendon), **options)


def program_of(problem: RedundancyProblem, chosen: Conditions, transcription: str, compliant: Any) -> Program:
    mesh = Mesh.uniform(scheme(transcription), float(problem.time[0]), float(problem.time[-1]), 0.05)
    nodes = Nodes.of(problem, mesh, compliant, None)
    guess = first_guess("midpoint", nodes, solve_static(nodes.problem, on_failure="return"), chosen.emg)
    return assemble(nodes, chosen, split(nodes.problem, chosen)[0], guess)[1]


RIGID: dict[str, dict[str, Any]] = {
    "squares": {},
    "odd exponent": {"exponent": 3.0},
    "odd exponent of activation": {"cost": "activation_power", "exponent": 5.0},
    "broken exponent": {"exponent": 1.5},
    "linear": {"cost": "sum_force"},
    "largest": {"cost": "min_max"},
    "stress": {"cost": "sum_stress_squared"},
    "periodic": {"periodic": {"muscle_0": "muscle_1", "muscle_1": "muscle_0"}, "initial_activation": "free"},
    "emg": {"emg": {}},
    "emg bounds": {"emg": {"weight": 0.0, "bounds": (0.1, 0.2)}},
}
COMPLIANT: dict[str, dict[str, Any]] = {
    "squares": {},
    "cubes of forces": {"cost": "sum_moment_ratio_cubed"},
    "no penalty": {"derivative_penalty": 0.0, "exponent": 3.0},
    "emg": {"emg": {"bounds": (0.2, 0.3)}},
    "largest": {"cost": "min_max", "periodic": True},
}


def check(program: Program, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = np.maximum(program.least, program.start - 1.0), np.minimum(program.most, program.start + 1.0)
    x = low + rng.uniform(0.1, 0.9, low.size) * (high - low)
    factor, multipliers = 0.7, rng.normal(size=len(program.lower))
    found = isolation.run("casadi", "program_oracle:evaluate", program, x, factor, multipliers, subject="a program")
    f, g = values(program, x)
    gradient, jacobian = slopes(program, x)
    for name, expected in (("f", f), ("g", g), ("gradient", gradient), ("jacobian", jacobian)):
        size = max(1.0, float(np.abs(expected).max()))
        assert np.abs(found[name] - expected).max() < EXACT * size, name
    hessian = found["hessian"]
    assert not np.tril(hessian, -1).any()
    whole = hessian + np.triu(hessian, 1).T
    size = max(1.0, float(np.abs(found["differences"]).max()))
    assert np.abs(whole - found["differences"]).max() < DIFFERENCES * size


@pytest.mark.parametrize("name", RIGID)
def test_rigid_tendons(name: str) -> None:
    problem = pushers()
    options = dict(RIGID[name])
    if "emg" in options:
        options["emg"] = emg(problem, **options["emg"])
    check(program_of(problem, conditions(**options), "hermite-simpson", False), len(name))


@pytest.mark.parametrize("transcription", ["trapezoidal", f"{RADAU}-1", f"{RADAU}-2"])
def test_other_transcriptions(transcription: str) -> None:
    check(program_of(pushers(), conditions(exponent=3.0), transcription, False), 7)


@pytest.fixture(scope="module")
def degroote(arm) -> RedundancyProblem:
    problem = load_problem(arm.model, arm.motion, time_range=(0.5, 0.6), reserves=1.0)
    return use_degroote_muscles(problem, fiber_damping=0.01)


@pytest.mark.parametrize("name", COMPLIANT)
@pytest.mark.slow
def test_compliant_tendons(degroote: RedundancyProblem, name: str) -> None:
    options = dict(COMPLIANT[name])
    if "emg" in options:
        options["emg"] = emg(degroote, **options["emg"])
    check(program_of(degroote, conditions(tendon="compliant", **options), "hermite-simpson", True), len(name))


@pytest.mark.parametrize("name", ["squares", "cubes of forces"])
def test_mixed_tendons_some_of_them_slack(degroote: RedundancyProblem, name: str) -> None:
    """The brachialis is as short as its tendon, where its fibre fades."""
    parameters, elastic = degroote.parameters, np.array([own.startswith("B") for own in degroote.muscles])
    assert parameters is not None
    slack, index = parameters.tendon_slack_length.copy(), degroote.muscles.index("BRA")
    fading = np.linspace(-0.02, 0.12, len(degroote)) * parameters.optimal_fiber_length[index]
    length = np.asarray(degroote.geometry.length).copy()
    length[:, index] = slack[index] + fading
    problem = replace(degroote, geometry=replace(degroote.geometry, length=length), source=None)
    check(program_of(problem, conditions(tendon="compliant", **COMPLIANT[name]), "hermite-simpson", elastic), 3)
