"""solve_dynamic: the front door of dynamic optimization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any, Literal

from numpy.typing import ArrayLike

from .. import isolation
from ..errors import SolverError
from ..notices import hear
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution, verified
from .arguments import check_arguments
from .conditions import Conditions, Start
from .cost import dynamic_cost
from .emg import EmgTracking
from .mesh import Mesh
from .prepare import check_problem, chosen_interval, prepared
from .refine import Refinement
from .run import Run
from .scheme import scheme
from .solution import DynamicSolution, SealedSolution
from .solving import Settings
from .watch import Progress


def solve_dynamic(
    problem: RedundancyProblem,
    tendon: Literal["rigid", "compliant"] = "compliant",
    transcription: str = "hermite-simpson",
    mesh_interval: float = 0.02,
    cost: str = "excitation_power",
    exponent: float = 2,
    weights: ArrayLike | Mapping[str, float] | Literal["volume"] | None = None,
    initial_guess: str | ArrayLike | RedundancySolution = "static",
    solver: Literal["auto", "ipopt"] = "auto",
    tolerance: float = 1e-6,
    on_failure: Literal["raise", "return"] = "raise",
    *,
    time_range: tuple[float, float] | None = None,
    muscles: Mapping[str, Any] | None = None,
    time_constants: tuple[float, float] | None = None,
    derivative_penalty: float = 0.01,
    initial_activation: Start = "paid",
    periodic: bool | Mapping[str, str] = False,
    emg: EmgTracking | None = None,
    mesh_tolerance: float | None = None,
    max_refinements: int = 5,
    max_iterations: int = 500,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> DynamicSolution | SealedSolution:
    """Find the excitations of least cost over a motion, subject to activation and tendon dynamics.

    Parameters
    ----------
    problem
        From :func:`osimopt.load_problem`, or :meth:`RedundancyProblem.from_arrays` (rigid tendons only).
    tendon
        ``"rigid"``: force is max_force · activation + passive_force, as the problem has them. ``"compliant"``: De
        Groote muscles on elastic tendons, passive force included unless ignored; Thelen's and Millard's muscles are
        converted first (:func:`osimopt.use_degroote_muscles`), which the findings report.
    transcription
        ``"trapezoidal"``, ``"hermite-simpson"`` or ``"legendre-gauss-radau"`` (3 points an interval; ``…-1`` to
        ``…-9`` for others).
    mesh_interval
        s; the interval of interest is divided evenly into pieces no longer.
    cost, exponent
        ``"excitation_power"`` ∫ Σ w e^p dt, ``"activation_power"`` ∫ Σ w a^p dt, or any other cost of
        :func:`osimopt.solve_static`, integrated; with compliant tendons F is the tendon force. Controls of reserves
        count as there.
    weights
        As in :func:`osimopt.solve_static`.
    initial_guess
        ``"static"``: static optimization with rigid tendons. ``"midpoint"``: the middle of the bounds. Or activations,
        (M,) or at the points of the mesh (N, M), or an earlier solution that covers the interval.
    solver
        ``"auto"`` is ``"ipopt"``, the only one.
    tolerance
        Of the first-order conditions and of every equation, scaled.
    on_failure
        ``"raise"`` a :class:`SolverError` with the sealed solution attached, or ``"return"`` that.
    time_range
        First and last time in s, within the problem's.
    muscles
        Options of :func:`osimopt.use_degroote_muscles`, which is then applied with either tendon.
    time_constants
        Activation and deactivation time constants in s, in place of the muscles' own (0.015 and 0.060 where they
        have none).
    derivative_penalty
        Weight of ∫ Σ (dF/dt)² dt, F being normalised tendon force; with compliant tendons only. With rigid ones
        another than 0 and the default is refused.
    initial_activation
        Condition on the activations at the first point. ``"paid"``: the cost treats each as held constant for its
        deactivation time constant before the interval (term ``start``). Forces of a walk then agree with those of a
        longer interval to 1 to 3 N after 0.2 s. ``"equal"``: they equal the excitations there, as in MocoInverse.
        This constrains one instant only, and where moments determine excitations these oscillate from point to
        point. ``"free"``: no condition.
    periodic
        True: states at the end equal those at the start. A mapping of muscles to others, as left to right: each starts
        as the other ends; an empty one is refused. Moments and lengths that differ between the ends are warned of.
    emg
        Measured activity to follow.
    mesh_tolerance
        Refine the mesh until no interval's integration error in activation or normalised tendon force is above this;
        None keeps the mesh. The error is estimated and reported either way.
    max_refinements, max_iterations
        Limits of refinements, and of the solver's iterations on each mesh.
    n_jobs
        Processes for parts of the model that have nothing to do with each other, such as two legs; default: cores.
    progress
        Called with (iteration, objective so far, largest violation of an equation), scaled. Iterations begin at 0 in
        every round: the windows of a long motion, which are solved beside each other, the whole, and each finer mesh.
        What it raises ends the solve after its iteration, and is raised; the first Ctrl-C ends it so, too.

    Returns
    -------
    DynamicSolution
        At the points of the mesh; or a :class:`SealedSolution`, with ``on_failure="return"``.

    Raises
    ------
    InputError
        Wrong options or arrays, before solving.
    SolverError
        The solver failed or was stopped, and ``on_failure="raise"``.
    """
    begun = perf_counter()
    check_arguments(
        tendon=tendon, cost=cost, exponent=exponent, initial_guess=initial_guess, solver=solver, tolerance=tolerance,
        on_failure=on_failure, time_range=time_range, muscles=muscles, time_constants=time_constants,
        derivative_penalty=derivative_penalty, initial_activation=initial_activation, periodic=periodic, emg=emg,
        mesh_tolerance=mesh_tolerance, max_refinements=max_refinements, max_iterations=max_iterations,
        progress=progress,
    )  # fmt: skip
    isolation.count_jobs(n_jobs, 1)
    check_problem(problem, tendon, derivative_penalty)
    source = problem.source
    ends = periodic if isinstance(periodic, Mapping) else bool(periodic)
    conditions = Conditions(dynamic_cost(cost, exponent, tendon), derivative_penalty, initial_activation, ends, emg)
    first, last = chosen_interval(problem, time_range)
    mesh = Mesh.uniform(scheme(transcription), first, last, mesh_interval)
    isolation.prepare("casadi", "osimopt.dynamic.worker.solve:warm_up", (), 1)
    with hear() as heard:
        problem = prepared(problem, tendon, weights, muscles, conditions, mesh)
    known = problem.provenance.get("warnings", [])
    problem = replace(problem, provenance={**problem.provenance, "warnings": [*known, *heard]})
    static = conditions.cost.static
    provenance = {
        "cost": {
            "name": cost, "exponent": conditions.cost.exponent, "formula": conditions.cost.formula,
            "source": static.source,
        },
        "solver": {"asked": solver, "used": "ipopt", "tolerance": tolerance, "tendon": tendon},
        "mesh": {"transcription": mesh.scheme.name, "interval": mesh_interval, "tolerance": mesh_tolerance},
    }  # fmt: skip
    run = Run(
        problem, conditions, tendon, time_constants, Settings(tolerance, max_iterations, n_jobs, progress),
        provenance,
    )  # fmt: skip
    solution = run.solve(mesh, initial_guess, Refinement(mesh_tolerance, max_refinements))
    solution.provenance["mesh"]["edges"] = replace(mesh, edges=solution.mesh_edges).told()
    solution.provenance["solve_seconds"] = perf_counter() - begun
    if run.failure is None:
        return verified(solution, source)
    solution.provenance["failure"] = solution.detail[0] = run.failure
    sealed = SealedSolution(solution, run.failure)
    if on_failure == "raise":
        raise SolverError(
            f"{run.failure} The exception's 'solution' is sealed: its unseal() gives the last iterate.", sealed
        )
    return sealed
