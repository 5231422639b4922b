"""From the unknowns at the points of a mesh to a solution that judges itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..muscle.contraction import Fiber, FiberState, active_multiplier, fiber_state, passive_multiplier
from ..muscle.forces import unlimited_fiber
from ..problem.problem import RedundancyProblem
from ..solution.solution import Status, judge
from .conditions import Conditions
from .nodes import Nodes, strength
from .solution import DynamicSolution
from .terms import integrands, start_cost
from .unknowns import Unknowns

Array = NDArray[np.float64]

#: How much more a moment may be missed than the solver's tolerance on each equation: it adds up those of all muscles.
ALLOWED = 100.0


def solution_of(
    nodes: Nodes, conditions: Conditions, found: Unknowns, solved: bool, tolerance: float, iterations: int,
    provenance: dict[str, Any],
) -> DynamicSolution:  # fmt: skip
    """Judge what was found; points of a failed solve keep their values, and are sealed by the caller."""
    state = _fiber_state(nodes, found)
    problem = nodes.problem
    if nodes.fiber is not None and state is not None and np.isfinite(state.velocity).all():
        problem = _at_state(nodes, found, state, nodes.fiber)
    points = len(problem)
    status = np.full(points, Status.SOLVED if solved else Status.UNFINISHED, dtype=object)
    detail: dict[int, str] = {}
    activation, control = found.activation, found.reserve
    if solved:
        whole = np.hstack([activation, control])
        activation, control, status = judge(problem, whole, status, ALLOWED * tolerance, detail)
    terms = integrands(nodes, conditions, found)
    quadrature = nodes.mesh.quadrature
    integrals = {name: float(quadrature @ values) for name, values in terms.items()}
    if conditions.pays:
        integrals["start"] = start_cost(nodes, conditions, found)
    scales = () if conditions.emg is None else zip(conditions.emg.channels, found.scale.tolist(), strict=True)
    return DynamicSolution(
        problem=problem,
        activation=activation,
        reserve_control=control,
        status=status,
        iterations=np.full(points, iterations),
        unique=None,
        objective=np.asarray(sum(terms.values())),
        objective_terms=terms,
        detail=detail,
        provenance=provenance,
        excitation=np.where(np.isfinite(activation), found.excitation, np.nan),
        tendon_force_rate=found.force_rate if nodes.fiber is not None else None,
        fiber_length=None if state is None else state.length,
        fiber_velocity=None if state is None else state.velocity,
        integrals=integrals,
        emg_scale=dict(scales),
        mesh_edges=nodes.mesh.edges,
    )


def _fiber_state(nodes: Nodes, found: Unknowns) -> FiberState | None:
    """Fibres at the points; on rigid tendons where the model says what they need."""
    parameters, geometry = nodes.problem.parameters, nodes.problem.geometry
    if parameters is None or geometry.length is None or geometry.lengthening_speed is None:
        return None
    if nodes.fiber is not None:
        return fiber_state(geometry.length, geometry.lengthening_speed, found.force, found.force_rate, nodes.fiber)
    length, cosine = unlimited_fiber(parameters, geometry.length)
    optimal = parameters.optimal_fiber_length
    fastest = optimal * parameters.max_contraction_velocity
    return FiberState(length / optimal, geometry.lengthening_speed * cosine / fastest, cosine)


def _at_state(nodes: Nodes, found: Unknowns, state: FiberState, fiber: Fiber) -> RedundancyProblem:
    """The problem whose forces are those of the fibres found, not those of the solver's tendons."""
    along = strength(nodes.problem) * state.cosine
    active, passive = along * active_multiplier(state, fiber), along * passive_multiplier(state, fiber)
    pulling = np.maximum(active, 0.0)  # a fibre faster than its fastest would push
    return replace(nodes.problem, max_force=pulling, passive_force=passive + (active - pulling) * found.activation)
