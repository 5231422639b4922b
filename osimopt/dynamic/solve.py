"""solve_dynamic: dynamic optimization by direct collocation."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any, Literal

from numpy.typing import ArrayLike

from .. import isolation
from ..errors import SolverError
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution, verified
from .arguments import check_arguments, interval
from .emg import EmgTracking
from .mesh import Mesh, Refinement, scheme
from .objective import Conditions, Start, dynamic_cost
from .prepare import prepared
from .program import Progress
from .run import Run
from .solution import DynamicSolution, SealedSolution


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

    The motion is divided into intervals, and the excitations, activations and tendon forces at all points are found by
    direct collocation with IPOPT. Dynamic solutions are local optima without a proved error bound; forward integration
    of the excitations checks each one.

    Parameters
    ----------
    problem
        From :func:`osimopt.load_problem`, or :meth:`RedundancyProblem.from_arrays` (rigid tendons only).
    tendon
        ``"rigid"``: force is max_force · activation + passive_force of the problem. ``"compliant"``: De Groote muscles
        on elastic tendons, passive force included unless ignored; Thelen's and Millard's muscles are converted first
        (:func:`osimopt.use_degroote_muscles`), which the findings report.
    transcription
        ``"trapezoidal"``, ``"hermite-simpson"`` or ``"legendre-gauss-radau"`` (3 points per interval; ``…-1`` to
        ``…-9`` for other numbers).
    mesh_interval
        Upper limit of an interval in s; the motion is divided evenly.
    cost, exponent
        ``"excitation_power"`` ∫ Σ w e^p dt, ``"activation_power"`` ∫ Σ w a^p dt, or the integral of any other cost of
        :func:`osimopt.solve_static`; with compliant tendons F is the tendon force. Reserve controls count as there.
    weights
        As in :func:`osimopt.solve_static`.
    initial_guess
        ``"static"``: static optimization with rigid tendons. ``"midpoint"``: the middle of the bounds. Or activations,
        (M,) or at the points of the mesh (N, M), or an earlier solution that covers the interval.
    solver
        ``"auto"`` or ``"ipopt"``, which are the same.
    tolerance
        Largest error of the first-order conditions and of every equation, scaled.
    on_failure
        ``"raise"``: a :class:`SolverError` whose ``solution`` is the sealed solution. ``"return"``: the sealed
        solution.
    time_range
        First and last time in s, within the problem's; default: the whole motion.
    muscles
        Options of :func:`osimopt.use_degroote_muscles`, which is then applied with either tendon.
    time_constants
        Activation and deactivation time constants in s, in place of the muscles' own (0.015 and 0.060 where they
        have none).
    derivative_penalty
        Weight of ∫ Σ (dF/dt)² dt with normalised tendon force F; compliant tendons only. With rigid tendons any value
        but 0 and the default is refused.
    initial_activation
        Condition on the activations at the first point. ``"paid"``: the cost treats the initial activations as held
        constant before the interval, each for its deactivation time constant (term ``start``). Forces of a walk then
        agree with those of a longer interval to 1 to 3 N after 0.2 s. ``"equal"``: they equal the excitations there,
        as in MocoInverse. This constrains one instant only, and excitations that the moments determine oscillate from
        point to point. ``"free"``: no condition.
    periodic
        True: states at the end equal those at the start. A mapping of muscle names to muscle names, such as left to
        right: the state of each at the start equals that of the other at the end. An empty mapping is refused. A
        warning names moments and lengths that differ between the ends.
    emg
        Measured muscle activity to track.
    mesh_tolerance
        Refine the mesh until the integration error of every interval, in activation and normalised tendon force, is
        at most this; None keeps the mesh. The error is estimated and reported in either case.
    max_refinements, max_iterations
        Largest number of refinements, and of iterations on each mesh.
    n_jobs
        Number of processes for independent parts of the model, such as two legs; default: number of cores.
    progress
        Called with (iteration, objective, largest violation of an equation), scaled. Iterations start at 0 in every
        round: the windows of a long motion, which are solved in parallel, the whole motion, and each finer mesh. An
        exception that it raises stops the solver after the current iteration and is raised; so does the first Ctrl-C.

    Returns
    -------
    DynamicSolution
        At the N points of the mesh; or a :class:`SealedSolution` with ``on_failure="return"``.

    Raises
    ------
    InputError
        Wrong options or arrays, before solving.
    SolverError
        The solver failed or was stopped, and ``on_failure="raise"``.

    References
    ----------
    De Groote F, Kinney AL, Rao AV, Fregly BJ. Evaluation of direct collocation optimal control problem formulations for
    solving the muscle redundancy problem. Ann Biomed Eng 44(10), 2922-2936, 2016. doi:10.1007/s10439-016-1591-9.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> time = np.linspace(0.0, 0.2, 21)
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 8.0 + 20.0 * time, time=time)
    >>> solution = osimopt.solve_dynamic(problem, tendon="rigid")
    >>> solution.success, round(solution.total_objective, 3)
    (True, 0.037)
    >>> solution.to_dataframe("excitation").shape
    (21, 2)
    """
    check_arguments(**locals())
    begun = perf_counter()
    isolation.count_jobs(n_jobs, 1)
    chosen = dynamic_cost(cost, exponent, tendon)
    conditions = Conditions(chosen, derivative_penalty, initial_activation, periodic, emg)
    mesh = Mesh.uniform(scheme(transcription), *interval(problem, time_range), mesh_interval)
    isolation.prepare("casadi", "osimopt.dynamic.worker.solve:warm_up", (), 1)
    provenance = {
        "method": "dynamic",
        "cost": {
            "name": cost, "exponent": chosen.exponent, "formula": f"∫ {chosen.static.formula} dt",
            "source": chosen.static.source,
        },
        "solver": {"asked": solver, "used": "ipopt", "tolerance": tolerance, "tendon": tendon},
        "mesh": {"transcription": mesh.scheme.name, "interval": mesh_interval, "tolerance": mesh_tolerance},
    }  # fmt: skip
    run = Run(
        prepared(problem, tendon, weights, muscles, conditions, mesh), conditions, tendon, time_constants, tolerance,
        max_iterations, n_jobs, progress, provenance,
    )  # fmt: skip
    solution = run.solve(mesh, initial_guess, Refinement(mesh_tolerance, max_refinements))
    solution.provenance["solve_seconds"] = perf_counter() - begun
    if run.failure is None:
        return verified(solution, problem.source)
    sealed = SealedSolution(solution, run.failure)
    if on_failure == "raise":
        where = "The exception's 'solution' is sealed: its unseal() returns the last iterate."
        raise SolverError(f"{run.failure} {where}", sealed)
    return sealed
