"""What OpenSim's tools continue from: actuator forces, the motion as it was used, and added actuators."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.table import Table

if TYPE_CHECKING:
    from ..problem.problem import RedundancyProblem
    from .solution import RedundancySolution

#: A set of objects as a file of OpenSim.
DOCUMENT = """\
<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40600">
	<{kind} name="{name}">
		<objects>
{objects}		</objects>
		<groups />
	</{kind}>
</OpenSimDocument>
"""
ACTUATOR = """\
			<CoordinateActuator name="{name}">
				<min_control>{lower:g}</min_control>
				<max_control>{upper:g}</max_control>
				<coordinate>{coordinate}</coordinate>
				<optimal_force>{force:.17g}</optimal_force>
			</CoordinateActuator>
"""


def opensim_tables(solution: RedundancySolution) -> dict[str, Table]:
    """Tables by the name of their file; none where no model is known, or OpenSim would take them for something else.

    ``actuator_force``: a column for every actuator of the model and for those of :func:`added_actuators`, in N or N·m;
    muscles by their tendon force, those that the model switches off or a part of the body leaves out by 0.
    ``coordinates`` and ``speeds``: all of the model's, in rad, m and s.
    """
    problem = solution.problem
    motion = problem.kinematics
    if motion is None or not _understood(problem):
        return {}
    part = problem.provenance.get("part", {})
    off = (*problem.provenance.get("switched_off", ()), *part.get("muscles", ()), *part.get("actuators", ()))
    idle = np.zeros((len(solution.time), len(off)))
    force = np.hstack([solution.muscle_force, solution.reserve_force, idle])
    columns = {
        "actuator_force": (force, (*problem.actuators, *off)),
        "coordinates": (motion.value, motion.coordinates),
        "speeds": (motion.speed, [f"{name}_u" for name in motion.coordinates]),
    }
    return {name: Table(values, solution.time, labels) for name, (values, labels) in columns.items()}


def added_actuators(problem: RedundancyProblem) -> str:
    """The reserves and residual actuators that were added to the model, as a ForceSet (.xml); "" where none were."""
    if not _understood(problem):
        return ""
    actuators = "".join(_actuators(problem))
    return DOCUMENT.format(kind="ForceSet", name="osimopt_reserves", objects=actuators) if actuators else ""


def filtered_loads(problem: RedundancyProblem) -> tuple[str, Table] | None:
    """External loads (XML and table) as they were low-passed; None where they were not, or are not known any more."""
    source: Any = problem.source
    while source is not None:
        if (loads := getattr(source, "loads", None)) is not None:
            found: tuple[str, Table] | None = loads.as_used()
            return found
        source = getattr(source, "source", None)
    return None


def _understood(problem: RedundancyProblem) -> bool:
    """Whether OpenSim's tools interpret rates and reserves correctly, and forces give the motion's accelerations.

    In joints whose speeds are not rates of coordinates they take rates for speeds, and forces about coordinates for
    forces about speeds. Accelerations, with which they find joint reactions, follow from the forces: they are wrong
    where coordinates are not balanced, or where loads were low-passed that are not known any more.
    """
    if problem.provenance.get("options", {}).get("lowpass_loads_hz") is not None and filtered_loads(problem) is None:
        return False
    unbalanced = set(problem.provenance.get("units", ())) - set(problem.coordinates)  # units are of all free ones
    return problem.kinematics is not None and not problem.provenance.get("turning") and not unbalanced


def _actuators(problem: RedundancyProblem) -> Iterator[str]:
    """Actuators on one coordinate with their optimal force there; OpenSim has no class for others."""
    reserves = problem.reserves
    for column, (name, origin) in enumerate(zip(reserves.names, reserves.origin, strict=True)):
        effect, force = reserves.effect[:, :, column], float(reserves.optimal_force[column])
        rows = np.flatnonzero(effect.any(axis=0))
        if origin != "model" and len(rows) == 1 and np.all(effect[:, rows] == force):
            yield ACTUATOR.format(
                name=escape(name), coordinate=escape(problem.coordinates[rows[0]]), force=force,
                lower=reserves.lower[column], upper=reserves.upper[column],
            )  # fmt: skip
