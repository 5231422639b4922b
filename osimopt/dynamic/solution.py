"""The solution of dynamic optimization, and the sealed solution of a failed solve."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import SolverError
from ..muscle.contraction import Fiber, FiberState, active_multiplier, fiber_state, passive_multiplier
from ..muscle.fibers import Fibers, fibers_under, rigid_fibers
from ..muscle.muscle_class import Mask
from ..problem.arrays import Array
from ..problem.extension import contact_controls, contact_reserves
from ..problem.problem import RedundancyProblem
from ..solution.checks import IDLE, PENALTY_SHARE, PUSH, SCALE_AT_LIMIT, WINDOWS_DIFFER
from ..solution.findings import Finding, counted
from ..solution.solution import RedundancySolution
from ..solution.status import Status, judge
from .integrate import ForwardCheck
from .nodes import Nodes, Unknowns, strength
from .objective import Conditions, integrals, integrands, penalty_share

#: Attributes of fibres.
FIBERS = ("normalized_fiber_length", "normalized_fiber_velocity")
#: Allowed moment residual in units of the solver's tolerance of an equation: it sums the errors of all muscles.
ALLOWED = 100.0


@dataclass(frozen=True, eq=False, repr=False)
class DynamicSolution(RedundancySolution):
    """Excitations, activations and forces over an interval, at the N points of the mesh.

    All attributes of :class:`RedundancySolution` apply, with points in place of frames. ``problem`` is the problem at
    the points. With compliant tendons its max_force is the tendon force per unit of activation at the fibre length and
    velocity found, and its passive_force the remaining tendon force, so ``muscle_force`` and ``moment_residual`` are
    recomputed from the muscles' equations and not taken from the solver's unknowns. ``objective`` (N,) is the
    integrand and ``objective_terms`` are its terms. Dynamic solutions are local optima without a proved error bound.

    Attributes
    ----------
    excitation
        (N, M), 0 to 1.
    tendon_force_rate
        (N, M) rate of the normalised tendon force in 1/s, NaN of rigid tendons; None where all are rigid.
    normalized_fiber_length, normalized_fiber_velocity
        (N, M) in optimal fibre lengths, and in maximum contraction velocities, positive lengthening; NaN where the
        unit is shorter than its tendon, None where the problem comes from arrays.
    integrals
        Integral over the interval of each of the ``objective_terms``, and the term ``start`` of the initial point.
    emg_scale
        Scale factor by EMG channel.
    mesh_edges
        (n + 1,) times in s between which the n intervals of the mesh are.
    check
        Forward integration of the excitations (:class:`osimopt.dynamic.integrate.ForwardCheck`).

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> time, moment = np.linspace(0.0, 0.2, 21), np.linspace(8.0, 12.0, 21)
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moment, time=time)
    >>> solution = osimopt.solve_dynamic(problem, tendon="rigid")
    >>> solution.excitation.shape, bool(solution.check.activation_error.max() < 0.01)
    ((21, 2), True)
    """

    excitation: Array = field(default_factory=lambda: np.zeros((0, 0)))
    tendon_force_rate: Array | None = None
    normalized_fiber_length: Array | None = None
    normalized_fiber_velocity: Array | None = None
    integrals: dict[str, float] = field(default_factory=dict)
    emg_scale: dict[str, float] = field(default_factory=dict)
    mesh_edges: Array = field(default_factory=lambda: np.zeros(0))
    check: ForwardCheck | None = None

    @property
    def quantities(self) -> tuple[str, ...]:
        """As of any solution, with excitation and, of muscles with parameters, their fibres."""
        names = ("activation", "excitation", "muscle_force", "reserve_force", *FIBERS)
        return tuple(name for name in names if getattr(self, name) is not None)

    @property
    def elastic(self) -> Mask:
        """(M,) which muscles have elastic tendons."""
        if self.tendon_force_rate is None:
            return np.zeros(len(self.problem.muscles), dtype=bool)
        return np.asarray(np.isfinite(self.tendon_force_rate).any(axis=0))

    def elastic_fibers(self) -> Fibers | None:
        """Fibres on elastic tendons; None where tendons are rigid."""
        parameters, length = self.problem.parameters, self.problem.geometry.length
        if self.tendon_force_rate is None or parameters is None or length is None:
            return None
        state = self.normalized_fiber_length, self.normalized_fiber_velocity
        return fibers_under(parameters, length, self.muscle_force, *state)

    @property
    def total_objective(self) -> float:
        """Sum of the ``integrals``."""
        return float(sum(self.integrals.values()))

    def more_findings(self) -> list[Finding]:
        """Pushing muscles, a large derivative penalty, a mesh that is too coarse, and forward integration."""
        unmet = self.provenance.get("mesh", {}).get("unmet")
        found = self._pushing() + self._penalised() + self._windows_differ() + self._scales_at_limits()
        found += [] if unmet is None else [Finding("note", values={"text": unmet})]
        return found if self.check is None else found + self.check.entries()

    @property
    def penalty_share(self) -> float:
        """Share of the derivative penalty in the objective."""
        return penalty_share(self.integrals)

    def _penalised(self) -> list[Finding]:
        share = self.penalty_share
        noisy = self.provenance.get("objective", {}).get("penalty", {}).get("noisy", False)
        return [Finding("noisy" if noisy else "penalised", largest=share)] if share > PENALTY_SHARE else []

    def _scales_at_limits(self) -> list[Finding]:
        low, high = self.provenance.get("emg", {}).get("scale", (1.0, 1.0))
        margin = {limit: SCALE_AT_LIMIT * limit for limit in (low, high)}
        near = {
            name: scale
            for name, scale in self.emg_scale.items()
            if low < high and any(abs(scale - limit) < most for limit, most in margin.items())
        }
        named = [f"{name} {scale:.3g}" for name, scale in near.items()]
        return [Finding("emg_scale", names=near, values={"described": named})] if near else []

    def _windows_differ(self) -> list[Finding]:
        differs = self.provenance.get("windows", {}).get("differs", {})
        apart = {name: share for name, share in differs.items() if share > WINDOWS_DIFFER}
        peak = np.maximum(np.nanmax(np.abs(self.muscle_force), axis=0), IDLE * strength(self.problem))
        force = dict(zip(self.problem.muscles, peak.tolist(), strict=True))
        worst = sorted(apart.items(), key=lambda pair: -pair[1])
        named = [f"{name} {share:.1%} ({share * force[name]:.2g} N)" for name, share in worst]
        return [Finding("windows", names=apart, values={"described": named})] if apart else []

    def _pushing(self) -> list[Finding]:
        parameters = self.problem.parameters
        if self.tendon_force_rate is None or parameters is None:
            return []
        share = -self.muscle_force / parameters.max_isometric_force
        largest = float(np.nanmax(share, initial=0.0))
        return counted("pushing", self.problem.muscles, (share > PUSH).sum(axis=0), largest=largest)


class SealedSolution:
    """Outcome of a solve that failed or was stopped: reading it raises an error; ``unseal()`` returns the last iterate.

    Attributes
    ----------
    success
        False.
    reason
        What happened, and what to do.
    iterations
        Number of iterations of the solver.

    Raises
    ------
    SolverError
        On reading any other attribute.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], [8.0, 12.0], time=[0.0, 0.2])
    >>> sealed = osimopt.solve_dynamic(problem, tendon="rigid", max_iterations=2, on_failure="return")
    >>> sealed.success, sealed.unseal().activation.shape
    (False, (21, 2))
    """

    success = False

    def __init__(self, solution: DynamicSolution, reason: str) -> None:
        self._solution = solution
        self.reason = reason
        self.iterations = int(solution.iterations.max(initial=0))

    def __repr__(self) -> str:
        """Return the reason."""
        return f"<SealedSolution: {self.reason}>"

    def findings(self) -> list[str]:
        """The reason."""
        return [self.reason]

    def unseal(self) -> DynamicSolution:
        """Return the last iterate for inspection: moments, dynamics or optimality do not hold."""
        return self._solution

    def __getattr__(self, name: str) -> NoReturn:
        """Raise for every other attribute."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise SolverError(f"{name} of a sealed solution: {self.reason} unseal() returns the last iterate.")


def solution_of(
    nodes: Nodes, conditions: Conditions, unknowns: Unknowns, solved: bool, tolerance: float, iterations: int,
    provenance: dict[str, Any],
) -> DynamicSolution:  # fmt: skip
    """Check the unknowns against the problem; points of a failed solve keep their values."""
    unknowns, state = nodes.completed(unknowns), _fiber_state(nodes, unknowns)
    problem = nodes.problem
    if nodes.fiber is not None and state is not None and np.isfinite(state.velocity).all():
        problem = _at_state(nodes, unknowns, state, nodes.fiber)
    length, velocity = (None, None) if state is None else _where_taut(state)
    points = len(problem)
    status = np.full(points, Status.SOLVED if solved else Status.UNFINISHED, dtype=object)
    detail: dict[int, str] = {}
    own = contact_reserves(nodes.balance)
    activation, control = unknowns.activation, unknowns.reserve[:, ~own]
    if solved:
        allowed, x = ALLOWED * tolerance, np.hstack([activation, control])
        activation, control, status = judge(problem, x, status, allowed, detail)
        _judge_limits(nodes, problem, activation, control, status, allowed, detail)
    known = np.where(np.isfinite(activation), 1.0, np.nan)  # nothing is left of failed points
    terms = integrands(nodes, conditions, unknowns)
    channels = () if conditions.emg is None else conditions.emg.channels
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
        excitation=unknowns.excitation * known,
        tendon_force_rate=None if nodes.fiber is None else np.where(nodes.elastic, unknowns.force_rate, np.nan),
        normalized_fiber_length=None if length is None else length * known,
        normalized_fiber_velocity=None if velocity is None else velocity * known,
        integrals=integrals(nodes, conditions, unknowns),
        emg_scale=dict(zip(channels, unknowns.scale.tolist(), strict=True)),
        mesh_edges=nodes.mesh.edges,
        contact=conditions.contact,
        synergies=conditions.synergies,
    )


def _judge_limits(
    nodes: Nodes, problem: RedundancyProblem, activation: Array, control: Array, status: NDArray[np.object_],
    allowed: float, detail: dict[int, str],
) -> None:  # fmt: skip
    """Downgrade and blank points where a contact force passes a limit by more than ``allowed`` body weights."""
    own, reserves = contact_reserves(nodes.balance), nodes.balance.reserves
    if not own.any():
        return
    pressing = contact_controls(nodes.balance, problem.max_force * activation + problem.passive_force, control)
    beyond = np.maximum(reserves.lower[own] - pressing, pressing - reserves.upper[own])
    names = np.array(reserves.names)[own]
    for point in np.flatnonzero((beyond > allowed).any(axis=1)).tolist():
        worst = int(beyond[point].argmax())
        missed = beyond[point, worst] * reserves.optimal_force[own][worst]
        status[point], activation[point], control[point] = Status.OUT_OF_BOUNDS, np.nan, np.nan
        detail[point] = f"{names[worst]} passes its limit by {missed:.2g} N."


def _fiber_state(nodes: Nodes, unknowns: Unknowns) -> FiberState | None:
    """Fibres at the points; None where a problem with rigid tendons has no muscle parameters."""
    parameters, geometry = nodes.problem.parameters, nodes.problem.geometry
    if parameters is None or geometry.length is None or geometry.lengthening_speed is None:
        return None
    length, speed = geometry.length, geometry.lengthening_speed
    fibers, optimal = rigid_fibers(parameters, length, speed), parameters.optimal_fiber_length
    taut = np.isfinite(fibers.length).astype(float)
    velocity = fibers.velocity / (optimal * parameters.max_contraction_velocity)
    share, velocity, cosine = (np.nan_to_num(array) for array in (fibers.length / optimal, velocity, fibers.cosine))
    rigid = FiberState(share, velocity, cosine, taut, np.zeros_like(taut))
    if nodes.fiber is None:
        return rigid
    elastic = fiber_state(length, speed, unknowns.force, unknowns.force_rate, nodes.fiber)
    return FiberState(*(np.where(nodes.elastic, own, other) for own, other in zip(elastic, rigid, strict=True)))


def _where_taut(state: FiberState) -> tuple[Array, Array]:
    """Length and velocity of fibres, NaN where the unit is shorter than its tendon."""
    return np.where(state.taut > 0.0, state.length, np.nan), np.where(state.taut > 0.0, state.velocity, np.nan)


def _at_state(nodes: Nodes, unknowns: Unknowns, state: FiberState, fiber: Fiber) -> RedundancyProblem:
    """The problem with the forces of the fibres found in place of the solver's tendon forces."""
    along = strength(nodes.problem) * state.cosine
    active, passive = along * active_multiplier(state, fiber), along * passive_multiplier(state, fiber)
    passive = passive - strength(nodes.problem) * state.loss
    pulling = np.maximum(active, 0.0)  # a fibre faster than its fastest would push
    rest = passive + (active - pulling) * unknowns.activation
    known, elastic = nodes.problem, nodes.elastic
    return replace(
        known,
        max_force=np.where(elastic, pulling, known.max_force),
        passive_force=np.where(elastic, rest, known.passive_force),
    )
