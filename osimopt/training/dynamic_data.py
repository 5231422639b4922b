"""Dynamic solutions to train on: windows of trials with drawn muscles, solved by collocation, one file for each.

At the ends of a window the solution is least certain, as the motion before and after is not known to the solver: these
margins are kept as context, and nothing is learned of them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dynamic.solution import DynamicSolution
from ..dynamic.solve import solve_dynamic
from ..errors import InputError, SolverError, explain
from ..files.storage import write_atomically
from ..muscle import use_degroote_muscles
from ..problem.archive import read_with_notes, write_problem
from ..problem.arrays import MuscleParameters
from ..problem.problem import RedundancyProblem
from .dynamic_plans import DURATION, MARGIN, Plan, plans

Array = NDArray[np.float64]

#: Standard deviations at spread 1, of logarithms: by muscle, and of all muscles together.
SPREADS = {
    "max_isometric_force": (0.10, 0.10),
    "optimal_fiber_length": (0.05, 0.02),
    "tendon_slack_length": (0.02, 0.01),
    "tendon_strain_at_one_norm_force": (0.10, 0.05),
}
#: s by which times may differ and be the same.
SAME = 1e-6
#: Solutions of each block, and of a quick run.
COUNTS, QUICK_COUNTS = (160, 24, 32), (6, 2, 2)


@dataclass(frozen=True, eq=False)
class DynamicSample:
    """A problem at the N points of a mesh and its dynamic solution.

    ``force`` normalised tendon force, its ``force_rate`` in 1/s, ``activation`` and ``excitation`` (N, M), ``control``
    of reserves (N, K); ``notes`` say of which block, trial and draw, and the ``margin`` in s at either end.
    """

    problem: RedundancyProblem
    force: Array
    force_rate: Array
    activation: Array
    excitation: Array
    control: Array
    notes: dict[str, Any]

    @classmethod
    def of(cls, solution: DynamicSolution, notes: dict[str, Any]) -> DynamicSample:
        """Of a solution with compliant tendons."""
        parameters, rate = solution.problem.parameters, solution.tendon_force_rate
        if parameters is None or rate is None:
            fix = "Solve with tendon='compliant'."
            raise InputError(
                explain("a dynamic solution with elastic tendons", "one with rigid tendons, or from arrays", fix)
            )
        force = solution.muscle_force / parameters.max_isometric_force
        problem = replace(solution.problem, kinematics=None, source=None)
        return cls(problem, force, rate, solution.activation, solution.excitation, solution.reserve_control, notes)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(N,) which points are not in the margins."""
        time, margin = self.problem.time, float(self.notes["margin"]) - SAME
        return np.asarray((time >= time[0] + margin) & (time <= time[-1] - margin))

    def write(self, path: Path) -> None:
        """Write two files, the second of which says that they are whole."""
        write_problem(self.problem, path.with_suffix(".problem.npz"), **self.notes)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{name: getattr(self, name) for name in _SERIES})
        write_atomically(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> DynamicSample:
        """Read what :meth:`write` wrote."""
        problem, notes = read_with_notes(path.with_suffix(".problem.npz"))
        with np.load(path, allow_pickle=False) as arrays:
            return cls(problem, **{name: arrays[name] for name in _SERIES}, notes=notes)


_SERIES = tuple(field.name for field in fields(DynamicSample) if field.name not in ("problem", "notes"))


def vary_muscles(problem: RedundancyProblem, seed: Sequence[int], spread: float = 1.0) -> RedundancyProblem:
    """The same motion with De Groote muscles whose parameters are drawn (``SPREADS``); spread 0 draws none.

    Strengths change the forces, not the moments, areas or weights.
    """
    problem = use_degroote_muscles(problem)
    if spread == 0.0 or problem.parameters is None:
        return problem
    return use_degroote_muscles(replace(problem, parameters=draw_muscles(problem.parameters, seed, spread)))


def draw_muscles(parameters: MuscleParameters, seed: Sequence[int], spread: float = 1.0) -> MuscleParameters:
    """Parameters of De Groote muscles times log-normal factors, each muscle's own and common ones (``SPREADS``)."""
    random = np.random.default_rng(list(seed))
    properties, direct = dict(parameters.properties), {}
    for name, (own, common) in SPREADS.items():
        draws = own * random.standard_normal(len(parameters.names)) + common * random.standard_normal()
        factor = np.exp(spread * draws)
        if name in properties:
            properties[name] = properties[name] * factor
        else:
            direct[name] = getattr(parameters, name) * factor
    return replace(parameters, properties=properties, **direct)


def generate(
    problems: Sequence[RedundancyProblem],
    folder: Path,
    counts: Sequence[int] = COUNTS,
    seed: int = 0,
    *,
    duration: float = DURATION,
    share: tuple[int, int] = (0, 1),
    progress: Callable[[int, int, str], None] | None = None,
    **options: Any,
) -> list[Path]:
    """Solve what is planned and not there yet; return the files that are.

    Parameters
    ----------
    problems
        Trials of one model, loaded with :func:`osimopt.load_problem`.
    folder
        Where a file ``BLOCK_NUMBER.npz`` is written for each solution; a draw without a solution (weak muscles, fibres
        beyond their curves) leaves ``BLOCK_NUMBER.failed`` with the reason.
    counts
        Solutions for training, validation and tests.
    seed
        Of all draws.
    duration
        s of a window that are learned from.
    share
        (k, n): only every n-th from the k-th, for n processes beside each other.
    progress
        Called with (number done, number in all, what became of the last).
    options
        Of :func:`osimopt.solve_dynamic`.

    Raises
    ------
    InputError
        Trials too short, or a folder of solutions of other trials, seed, duration or options.
    """
    _claim(folder, {"seed": seed, "duration": duration, "options": repr(sorted(options.items()))}, problems)
    planned = plans(problems, counts, seed, duration)[share[0] :: share[1]]
    paths = []
    for done, plan in enumerate(planned, 1):
        path = folder / f"{plan.block}_{plan.number:04d}.npz"
        said = "already there"
        if not path.is_file() and not path.with_suffix(".failed").is_file():
            said = _make(problems[plan.trial], plan, path, duration, options)
        if path.is_file():
            paths.append(path)
        if progress is not None:
            progress(done, len(planned), said)
    return paths


def _claim(folder: Path, chosen: dict[str, Any], problems: Sequence[RedundancyProblem]) -> None:
    """Say in ``plan.json`` what the folder is for; solutions of something else are not to be learned from."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.json"
    trials = [
        [len(one), *(float(np.abs(array).sum()) for array in (one.time, one.generalized_force, one.moment_arm))]
        for one in problems
    ]
    if not path.is_file():
        write_atomically(path, json.dumps({**chosen, "trials": trials}, indent=2) + "\n")
        return
    told = json.loads(path.read_text(encoding="utf-8"))
    other = [name for name, value in chosen.items() if told.get(name) != value]
    same = np.shape(told.get("trials")) == np.shape(trials) and np.allclose(told["trials"], trials, rtol=1e-9)
    if other or not same:
        known = [f"{name} {told.get(name)!r} in place of {chosen[name]!r}" for name in other]
        known = known or [f"{len(told.get('trials', []))} trials that differ from the {len(trials)} given"]
        got = ", ".join(known)
        fix = "Choose another folder, or delete it to solve anew."
        raise InputError(explain("solutions of the same trials, seed, duration and options", got, fix, folder))


def _make(problem: RedundancyProblem, plan: Plan, path: Path, duration: float, options: dict[str, Any]) -> str:
    end = plan.start + duration + 2 * MARGIN
    # two frames more on either side, for the splines between frames
    around = (problem.time >= plan.start - 0.1) & (problem.time <= end + 0.1)
    try:
        varied = vary_muscles(problem.frames(np.flatnonzero(around)), plan.seed, plan.spread)
        solution: Any = solve_dynamic(varied, time_range=(plan.start, end), n_jobs=1, **options)
    except (InputError, SolverError) as error:
        write_atomically(path.with_suffix(".failed"), f"{error}\n")
        return f"failed: {error}"
    notes = {name: getattr(plan, name) for name in ("block", "number", "trial", "start", "spread", "seed")}
    told = {
        "iterations": solution.provenance["rounds"][-1]["iterations"],
        "seconds": solution.provenance["solve_seconds"],
    }
    DynamicSample.of(solution, {**notes, **told, "margin": MARGIN}).write(path)
    return f"{told['iterations']} iterations, {told['seconds']:.1f} s"
