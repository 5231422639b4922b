"""Everything that is checked, and done to a problem, before its mesh is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, explain, some
from ..muscle import not_degroote, use_degroote_muscles
from ..notices import warn
from ..problem.problem import RedundancyProblem
from .conditions import Conditions
from .ends import warn_of_open_ends
from .mesh import SAME, Mesh
from .nodes import check_fibers
from .values import shown

#: Share of a coordinate's peak moment by which it may leave the lines between the points of the mesh unsaid.
COARSE = 0.05


def check_problem(problem: RedundancyProblem, tendon: str, derivative_penalty: float) -> None:
    """Refuse what is no problem, one that cannot say what is asked, and a penalty that would count for nothing."""
    if not isinstance(problem, RedundancyProblem):
        fix = "Make it with osimopt.load_problem or RedundancyProblem.from_arrays."
        raise InputError(explain("a RedundancyProblem", shown(problem), fix))
    if tendon == "compliant" and (problem.parameters is None or problem.geometry.length is None):
        fix = "Use osimopt.load_problem, or tendon='rigid'."
        raise InputError(explain("a problem from a model for tendon='compliant'", "one from arrays", fix))
    check_penalty(tendon, derivative_penalty)


def check_penalty(tendon: str, derivative_penalty: float) -> None:
    """Refuse a penalty on forces' rates where forces have none: with rigid tendons."""
    if tendon == "rigid" and derivative_penalty not in (0.0, Conditions.derivative_penalty):
        fix = "Leave it out, or use tendon='compliant'."
        raise InputError(explain("no derivative_penalty with tendon='rigid'", f"{derivative_penalty:g}", fix))


def chosen_interval(problem: RedundancyProblem, time_range: tuple[float, float] | None) -> tuple[float, float]:
    """First and last time in s."""
    known = float(problem.time[0]), float(problem.time[-1])
    first, last = known if time_range is None else (float(end) for end in time_range)
    if not first < last:
        fix = "Dynamic optimization needs two times at least."
        raise InputError(explain("an interval of time that lasts", f"{first:g} to {last:g} s", fix))
    if first < known[0] - SAME or last > known[1] + SAME:
        fix = "Shorten time_range, or load more of the motion."
        raise InputError(explain(f"time_range within {known[0]:g} to {known[1]:g} s", f"{first:g} to {last:g} s", fix))
    return max(first, known[0]), min(last, known[1])


def prepared(
    problem: RedundancyProblem,
    tendon: str,
    weights: ArrayLike | Mapping[str, float] | str | None,
    muscles: Mapping[str, Any] | None,
    conditions: Conditions,
    mesh: Mesh,
) -> RedundancyProblem:
    """The problem with its weights and, where they are needed, De Groote muscles; checked against the mesh."""
    if weights is not None:
        problem = _weighted(problem, weights)
    others = problem.parameters is not None and not_degroote(problem.parameters)
    if muscles is not None or (tendon == "compliant" and others):
        problem = use_degroote_muscles(problem, **(muscles or {}))
    kept = _of_interest(problem, mesh)
    _check_switches(problem, tendon)
    check_fibers(kept, _with_passive_force(kept, tendon))
    _check_conditions(problem, conditions, mesh)
    _warn_of_coarse_mesh(problem, mesh)
    if conditions.periodic:
        warn_of_open_ends(problem, conditions, mesh)
    return problem


def _weighted(problem: RedundancyProblem, weights: ArrayLike | Mapping[str, float] | str) -> RedundancyProblem:
    try:
        return problem.with_weights(weights)
    except InputError:
        raise
    except (TypeError, ValueError):
        fix = "{'soleus_r': 2.0}, for instance; muscles that are not named keep theirs."
        expected = "weights as numbers, one for each muscle or by name, or 'volume'"
        raise InputError(explain(expected, shown(weights), fix)) from None


def _of_interest(problem: RedundancyProblem, mesh: Mesh) -> RedundancyProblem:
    """The frames of the mesh, and one on either side."""
    first = int(np.searchsorted(problem.time, mesh.time[0] + SAME)) - 1
    last = int(np.searchsorted(problem.time, mesh.time[-1] - SAME)) + 1
    return problem.frames(slice(max(0, first), last))


def _check_switches(problem: RedundancyProblem, tendon: str) -> None:
    """Refuse muscles that ignore what is asked for; warn of activation dynamics that they would ignore."""
    properties = {} if problem.parameters is None else problem.parameters.properties
    names = np.array(problem.muscles)
    rigid = np.asarray(properties.get("ignore_tendon_compliance", np.zeros(len(names)))) > 0.0
    if tendon == "compliant" and rigid.any():
        fix = "Use tendon='rigid', or muscles={'ignore_tendon_compliance': False}."
        raise InputError(explain("muscles that do not ignore_tendon_compliance", some(names[rigid]), fix))
    instant = np.asarray(properties.get("ignore_activation_dynamics", np.zeros(len(names)))) > 0.0
    if instant.any():
        warn(
            f"The model ignores activation dynamics of {some(names[instant])}; here their time constants count.",
            stacklevel=5,
        )


def _with_passive_force(problem: RedundancyProblem, tendon: str) -> NDArray[np.bool_]:
    """(M,) muscles whose passive force acts."""
    if tendon == "rigid" or problem.parameters is None:
        return np.asarray((problem.passive_force != 0.0).any(axis=0))
    return np.asarray(problem.parameters.properties["ignore_passive_fiber_force"] == 0.0)


def _check_conditions(problem: RedundancyProblem, conditions: Conditions, mesh: Mesh) -> None:
    if isinstance(conditions.periodic, Mapping):
        mapping = conditions.periodic
        if unknown := [name for pair in mapping.items() for name in pair if name not in problem.muscles]:
            got = some(dict.fromkeys(unknown))
            raise InputError(explain(f"periodic muscles among {some(problem.muscles, 100)}", got, "Rename them."))
        if len({mapping.get(name, name) for name in problem.muscles}) < len(problem.muscles):
            fix = "Map left to right and right to left."
            raise InputError(explain("periodic as a mapping onto every muscle", "two muscles onto one", fix))
    if conditions.emg is not None:
        conditions.emg.rows(problem.muscles)
        conditions.emg.at(mesh.time)


def _warn_of_coarse_mesh(problem: RedundancyProblem, mesh: Mesh) -> None:
    """Say where the moments between the points of the mesh are not what the points show."""
    inside = (problem.time >= mesh.time[0]) & (problem.time <= mesh.time[-1])
    time, served = problem.time[inside], np.flatnonzero(problem.geometry.served)
    moment = problem.generalized_force[inside][:, served]
    if len(time) < 2 * len(mesh.time) or not served.size:
        return
    seen = np.stack([np.interp(mesh.time, time, column) for column in moment.T], axis=1)
    between = np.stack([np.interp(time, mesh.time, column) for column in seen.T], axis=1)
    missed = np.abs(moment - between).max(axis=0)
    share = missed / np.maximum(1.0, np.abs(moment).max(axis=0))
    worst = int(share.argmax())
    if share[worst] > COARSE:
        name = problem.coordinates[served[worst]]
        warn(
            f"The mesh is coarse for this motion: between its points the moment of {name} leaves the line by up to "
            f"{missed[worst]:.3g} {problem.unit(name)} ({100 * share[worst]:.0f} % of its peak). Shorten "
            "mesh_interval, filter the motion (lowpass_hz), or let the mesh be refined (mesh_tolerance).",
            stacklevel=4,
        )
