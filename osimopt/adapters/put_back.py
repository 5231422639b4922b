"""A solution's forces put back into OpenSim: do they give the accelerations of the motion?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Kinematics
from ..solution.solution import RedundancySolution
from .model import Model
from .selfcheck import check_forces, spread

Array = NDArray[np.float64]


def put_back(
    solution: RedundancySolution,
    among: NDArray[np.bool_],
    model_for: Callable[[Kinematics], Model],
    fitted: tuple[str, ...],
) -> dict[str, Any]:
    """Check up to three solved frames ``among`` (T,) all; plain data of what was found, or why it was not checked.

    Muscles and the model's own actuators pull as themselves. Reserves that were added, and muscles whose moment arms
    are not OpenSim's (``fitted``), act as generalized forces.

    Raises
    ------
    ModelError
        The forces do not give the motion's accelerations.
    """
    problem = solution.problem
    rows = np.flatnonzero(solution.solved & among)
    if problem.kinematics is None or not rows.size:
        return {"not_checked": "no frame was solved" if problem.kinematics is not None else "no motion is at hand"}
    rows = rows[spread(len(rows))]
    motion = problem.kinematics.frames(rows)
    model = model_for(motion)
    own = np.array([name not in fitted for name in problem.muscles])
    force = np.asarray(solution.muscle_force)[rows]
    muscle = np.where(own, force, 0.0)
    actuator = np.zeros((len(rows), len(model.description.actuators)))
    applied = np.zeros((len(rows), len(model.description.coordinates)))
    columns = [model.description.coordinate_names.index(name) for name in problem.coordinates]
    names, reserves = [own.name for own in model.description.actuators], problem.reserves.frames(rows)
    for index, name in enumerate(reserves.names):
        control = np.asarray(solution.reserve_control)[rows, index]
        if reserves.origin[index] == "model":
            actuator[:, names.index(name)] = control * reserves.optimal_force[index]
        else:
            applied[:, columns] += reserves.effect[:, :, index] * control[:, None]
    if fitted:
        applied[:, columns] += np.einsum(
            "tdm,tm->td", problem.geometry.frames(rows).moment_arm, np.where(own, 0.0, force)
        )
    missed = np.abs(np.asarray(solution.moment_residual)[rows]).max(initial=0.0)
    size = np.abs(problem.generalized_force[rows]).max(initial=1.0)
    return check_forces(model, motion, muscle, actuator, applied, float(missed / size))
