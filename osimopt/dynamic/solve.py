"""solve_dynamic: dynamic optimization by direct collocation."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from numpy.typing import ArrayLike

from .. import isolation
from ..errors import SolverError
from ..muscle.tendons import Tendons, tendon_text
from ..options import documented
from ..problem.contact import carrying, contact_provenance, formula_with, read_contacts, with_contact
from ..problem.problem import RedundancyProblem
from ..problem.synergies import read_synergies
from ..solution.solution import RedundancySolution, verified
from ..static.options import Contacts
from .arguments import check_arguments, interval
from .checkpoint import SolvedWindows
from .emg import EmgTracking
from .mesh import Mesh, Refinement, scheme
from .metabolic import FORMULA, MetabolicCost, read_metabolic
from .objective import Conditions, Start, dynamic_cost
from .options import DynamicOptions
from .prepare import prepared
from .program import Progress
from .run import Run
from .solution import DynamicSolution, SealedSolution
from .tasks import Solver


@documented(DynamicOptions)
def solve_dynamic(
    problem: RedundancyProblem,
    tendon: Tendons = "compliant",
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
    derivative_penalty: float | Literal["auto"] = "auto",
    initial_activation: Start = "paid",
    periodic: bool | Mapping[str, str] = False,
    emg: EmgTracking | None = None,
    contact: Contacts = None,
    metabolic: MetabolicCost | str | None = None,
    synergies: Any = None,
    window: float | None = 1.6,
    mesh_tolerance: float | None = None,
    max_refinements: int = 5,
    max_iterations: int = 500,
    n_jobs: int | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    on_window: isolation.Progress | None = None,
) -> DynamicSolution | SealedSolution:
    """Find the excitations of least cost over a motion, subject to activation and tendon dynamics.

    The motion is divided into intervals, and the excitations, activations and tendon forces at all points are found by
    direct collocation with IPOPT. Long motions are solved in windows (``window``), whose solutions join to one: moments
    and dynamics hold at every point, and time grows linearly. Dynamic solutions are local optima without a proved error
    bound; forward integration of the excitations checks each one, and ``provenance["windows"]`` has by which share of
    its peak a muscle's force differs between windows near their ends. Contact forces of joints (``contact``) are those
    of the tendon forces at every point; their cost is the term ``contact`` of the objective.

    Parameters
    ----------
    problem
        From :func:`osimopt.load_problem`, or :meth:`RedundancyProblem.from_arrays` (rigid tendons only).
    {options}
    time_range : tuple[float, float] | None, s
        First and last time, within the problem's; default: the whole motion.
    on_failure : Literal["raise", "return"]
        ``"raise"``: a :class:`SolverError` whose ``solution`` is the sealed solution. ``"return"``: the sealed
        solution.
    n_jobs
        Number of processes for independent parts of the model, such as two legs; default: number of cores.
    checkpoint
        Folder that keeps each window of a long motion as soon as it is solved. After an interruption the
        same call continues there, to the same result. Windows of other problems or options are not used; those of this
        call are deleted when it ends with a solution.
    progress
        Called with (iteration, objective, largest violation of an equation), scaled. Iterations start at 0 in every
        round: a motion that is solved as a whole, each window of a long motion, and each finer mesh. An exception that
        it raises stops the solver after the current iteration and is raised; so does the first Ctrl-C.
    on_window
        Called with (windows done, windows in all) of a long motion.

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
    contacts, vectors = read_contacts(contact), read_synergies(synergies)
    if vectors is not None:
        vectors.rows(problem.muscles)
    costing = read_metabolic(metabolic)
    costing = costing and costing.of(problem)
    weighs = derivative_penalty == "auto"
    weight = 0.0 if derivative_penalty == "auto" else float(derivative_penalty)
    conditions = Conditions(
        chosen, weight, initial_activation, periodic, emg, contacts, costing, vectors, weighs=weighs, window=window
    )
    mesh = Mesh.uniform(scheme(transcription), *interval(problem, time_range), mesh_interval)
    isolation.prepare("casadi", "osimopt.dynamic.worker.solve:warm_up", (), 1)
    formula = formula_with(chosen.static.formula, contacts) + (f" + {FORMULA}" if costing is not None else "")
    provenance: dict[str, Any] = {
        "method": "dynamic",
        "cost": {
            "name": cost, "exponent": chosen.exponent, "formula": f"∫ {formula} dt", "source": chosen.static.source,
        },
        "solver": {"asked": solver, "used": "ipopt", "tolerance": tolerance, "tendon": tendon_text(tendon)},
        "mesh": {"transcription": mesh.scheme.name, "interval": mesh_interval, "tolerance": mesh_tolerance},
    }  # fmt: skip
    if vectors is not None:
        provenance["synergies"] = vectors.provenance()
    if contacts:
        problem = with_contact(problem, contacts)
        weight = carrying(problem, contacts).body_weight
        provenance["cost"]["contact"] = contact_provenance(contacts, weight)
    if emg is not None:
        provenance["emg"] = emg.record()
    ready, elastic = prepared(problem, tendon, weights, muscles, conditions, mesh)
    if not elastic.any():
        provenance["solver"]["tendon"] = "rigid"
    elif not elastic.all():
        rigid = [name for name, stretches in zip(problem.muscles, elastic, strict=True) if not stretches]
        provenance["solver"]["rigid_tendons"] = rigid
    kept = None if checkpoint is None else SolvedWindows(Path(checkpoint))
    by_parts = Solver(tolerance, max_iterations, n_jobs, progress, on_window, kept)
    run = Run(ready, conditions, elastic, time_constants, by_parts, provenance)
    solution = run.solve(mesh, initial_guess, Refinement(mesh_tolerance, max_refinements))
    if kept is not None and run.failure is None:
        kept.remove()
    solution.provenance["solve_seconds"] = perf_counter() - begun
    if run.failure is None:
        return verified(solution, problem.source)
    sealed = SealedSolution(solution, run.failure)
    if on_failure == "raise":
        where = "The exception's 'solution' is sealed: its unseal() returns the last iterate."
        raise SolverError(f"{run.failure} {where}", sealed)
    return sealed
