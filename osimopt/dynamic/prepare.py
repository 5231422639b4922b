"""Everything that is checked, and done to a problem, before its mesh is known."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, explain, some
from ..muscle import use_degroote_muscles
from ..muscle.mechanics import DEGROOTE
from ..notices import warn
from ..problem import RedundancyProblem
from .check import SENSIBLE
from .conditions import Conditions
from .mesh import SAME, Mesh
from .nodes import check_fibers

SOLVERS = ("auto", "ipopt", "fatrop")
#: Share of a coordinate's peak moment by which it may leave the lines between the points of the mesh unsaid.
COARSE = 0.05


def check_options(
    problem: RedundancyProblem, tendon: str, solver: str, on_failure: str, tolerance: float, initial_guess: Any
) -> None:
    """Refuse unknown words, and problems that cannot say what is asked."""
    for name, value, allowed in (
        ("tendon", tendon, ("rigid", "compliant")),
        ("on_failure", on_failure, ("raise", "return")),
        ("solver", solver, SOLVERS),
    ):
        if value not in allowed:
            raise InputError(explain(f"{name} among {allowed}", repr(value), "Choose one of them."))
    if not (isinstance(tolerance, (int, float)) and 0.0 < tolerance < 1e-2):
        raise InputError(explain("a tolerance between 0 and 0.01", repr(tolerance), "1e-6 is the default."))
    if isinstance(initial_guess, str) and initial_guess not in ("static", "midpoint"):
        fix = "Use one of these, activations, or an earlier solution."
        raise InputError(explain("initial_guess 'static' or 'midpoint'", repr(initial_guess), fix))
    if tendon == "compliant" and (problem.parameters is None or problem.geometry.length is None):
        fix = "Use osimopt.load_problem, or tendon='rigid'."
        raise InputError(explain("a problem from a model for tendon='compliant'", "one from arrays", fix))


def check_limits(
    max_iterations: int, max_refinements: int, mesh_tolerance: float | None, time_constants: tuple[float, float] | None
) -> None:
    """Refuse numbers that no solve can have."""
    for name, value, least in (("max_iterations", max_iterations, 1), ("max_refinements", max_refinements, 0)):
        if not (isinstance(value, (int, np.integer)) and value >= least):
            raise InputError(explain(f"{name} as a whole number ≥ {least}", repr(value), "Leave it out."))
    if mesh_tolerance is not None and not (isinstance(mesh_tolerance, Real) and mesh_tolerance >= SENSIBLE):
        fix = "1e-3 is usual, None keeps the mesh; below, the integration that judges it errs more."
        raise InputError(explain(f"a mesh_tolerance of {SENSIBLE:g} or more", repr(mesh_tolerance), fix))
    if time_constants is not None and not is_pair(time_constants):
        fix = "(0.015, 0.060) are usual."
        raise InputError(explain("two time constants, of activation and deactivation", repr(time_constants), fix))


def is_pair(value: Any) -> bool:
    """Whether these are two numbers."""
    try:
        return np.asarray(value, dtype=float).shape == (2,)
    except (TypeError, ValueError):
        return False


def chosen_interval(problem: RedundancyProblem, time_range: tuple[float, float] | None) -> tuple[float, float]:
    """First and last time in s."""
    known = float(problem.time[0]), float(problem.time[-1])
    if time_range is not None and not is_pair(time_range):
        raise InputError(explain("time_range as first and last time in s", repr(time_range), "Give two numbers."))
    first, last = known if time_range is None else (float(time_range[0]), float(time_range[1]))
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
        problem = problem.with_weights(weights)
    needed = tendon == "compliant" and problem.parameters is not None and set(problem.parameters.classes) != {DEGROOTE}
    if muscles is not None or needed:
        problem = use_degroote_muscles(problem, **(muscles or {}))
    kept = _of_interest(problem, mesh)
    _check_switches(problem, tendon)
    check_fibers(kept, _with_passive_force(kept, tendon))
    _check_conditions(problem, conditions, mesh)
    _warn_of_coarse_mesh(problem, mesh)
    return problem


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


def check_solver(solver: str, conditions: Conditions) -> None:
    """Refuse what fatrop's stages cannot express."""
    if solver == "fatrop" and (conditions.periodic or conditions.emg is not None):
        got = "periodic" if conditions.periodic else "emg, whose scale factors belong to all times"
        fix = "Use solver='ipopt'."
        raise InputError(explain("conditions within single intervals with solver='fatrop'", got, fix))


def _check_conditions(problem: RedundancyProblem, conditions: Conditions, mesh: Mesh) -> None:
    if not 0.0 <= conditions.derivative_penalty < np.inf:
        raise InputError(explain("a derivative_penalty ≥ 0", f"{conditions.derivative_penalty}", "0.01 is usual."))
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
