"""The forces of a solution put back on the model in arrays: they must do the work that its motion needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..problem.arrays import Array, Kinematics
from ..solution.solution import RedundancySolution
from .exact_bench import Bench
from .exact_check import check_forces
from .messages import Mask
from .model import Model
from .selfcheck import Missing, checked_rows


def check_exact_solution(
    solution: RedundancySolution,
    among: Mask,
    model: Model,
    bench_for: Callable[[Kinematics], Bench],
    missing: Sequence[Missing] = (),
) -> dict[str, Any]:
    """Put the forces of up to three solved frames ``among`` (T,) all back; returns differences, or why it could not.

    Muscles with exact paths pull at the points of their paths and where they meet objects, the model's own actuators
    act as themselves. Reserves that were added, and muscles that keep OpenSim's paths (named ``by_moment_arms``), act
    as generalized forces; so does what is ``missing`` on left-out coordinates. What the solution says its balance
    misses is taken off.

    Raises
    ------
    ModelError
        The forces do not give the motion's accelerations.
    """
    rows = checked_rows(solution, among)
    if isinstance(rows, dict):
        return rows
    problem = solution.problem
    assert problem.kinematics is not None
    bench, force = bench_for(problem.kinematics.frames(rows)), np.asarray(solution.muscle_force)[rows]
    motion, names = bench.motion, [bench.motion.coordinates[index] for index in bench.free]
    columns = [names.index(name) for name in problem.coordinates]
    applied, outputs = np.zeros((len(rows), len(names))), dict[str, Array]()
    applied[:, columns] -= np.asarray(solution.moment_residual)[rows]
    reserves = problem.reserves.frames(rows)
    for index, name in enumerate(reserves.names):
        control = np.asarray(solution.reserve_control)[rows, index]
        if reserves.origin[index] == "model":
            outputs[name] = control
        else:
            applied[:, columns] += reserves.effect[:, :, index] * control[:, None]
    exact = np.isin(problem.muscles, bench.paths.muscles)
    tension = np.zeros((len(rows), len(bench.paths.muscles)))
    for column in np.flatnonzero(exact):
        tension[:, bench.paths.muscles.index(problem.muscles[column])] = force[:, column]
    arms = problem.geometry.frames(rows).moment_arm
    applied[:, columns] += np.einsum("tdm,tm->td", arms, np.where(exact, 0.0, force))
    every = dict.fromkeys(model.description.muscles.names, np.zeros(len(rows)))
    every |= dict(zip(problem.muscles, force.T, strict=True))
    for of in missing:
        for name, value in of(motion.time, every, outputs).items():
            applied[:, names.index(name)] += value
    largest = np.abs(problem.generalized_force[rows]).max(axis=1, initial=1.0)
    found = check_forces(bench, model, tension, outputs, applied, largest)
    left = [name for name, own in zip(problem.muscles, exact, strict=True) if not own]
    return {**found, "by_moment_arms": left} if left else found
