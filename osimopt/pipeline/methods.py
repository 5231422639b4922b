"""Methods: what each refuses before anything is read, and how it solves a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from ..adapters.options import ReadOptions, Source
from ..dynamic.options import DynamicOptions
from ..errors import InputError, SolverError, explain
from ..isolation import Progress
from ..muscle.tendons import check_tendon
from ..notices import warn
from ..options import check_values
from ..problem.contact import read_contacts
from ..problem.costs import get_cost
from ..problem.problem import RedundancyProblem
from ..problem.reactions import joint_words
from ..solution.solution import RedundancySolution
from ..static.contact import check_contacts
from ..static.options import StaticOptions
from .options import SolveOptions, SurrogateOptions

#: Share of frames beyond training above which collocation does not start from a surrogate's answer: from such a start
#: it can end in another local optimum.
BEYOND = 0.1
#: Called with (iteration, objective, largest violation of an equation) by collocation.
Iterations = Callable[[int, float, float], None]


def solve_problem(
    problem: RedundancyProblem,
    solve: SolveOptions,
    *,
    network: Any = None,
    n_jobs: int | None = None,
    progress: Callable[..., None] | None = None,
    on_window: Progress | None = None,
    checkpoint: Source | None = None,
) -> RedundancySolution:
    """Solve a problem by the method of these options; failed frames are NaN.

    ``network`` is the surrogate, where it has been read; ``progress`` is that of :func:`osimopt.solve_static`, or of
    :func:`osimopt.solve_dynamic`, whose ``on_window`` and ``checkpoint`` the others ignore.

    Raises
    ------
    SolverError
        Collocation failed or was stopped, so that no frame has an answer.
    """
    if isinstance(solve, StaticOptions):
        from ..static.solve import solve_static

        return solve_static(problem, on_failure="return", progress=progress, **vars(solve))
    if isinstance(solve, SurrogateOptions):
        network = network or read_surrogate(solve.folder, solve.device)
        return solve_by_surrogate(problem, network, solve.fallback, n_jobs=n_jobs, progress=progress)
    from ..dynamic.solution import SealedSolution
    from ..dynamic.solve import solve_dynamic

    options = vars(solve)
    solution = solve_dynamic(
        problem, **options, n_jobs=n_jobs, on_failure="return", progress=progress, on_window=on_window,
        checkpoint=checkpoint,
    )  # fmt: skip
    if isinstance(solution, SealedSolution):
        raise SolverError(solution.reason, solution)
    return solution


def read_surrogate(path: Source | None, device: str = "cpu") -> Any:
    """Read the folder of a surrogate of static or dynamic optimization: :meth:`osimopt.Surrogate.load`.

    Raises
    ------
    InputError
        No folder, or a surrogate of muscle paths.
    """
    from ..surrogate.surrogate import Surrogate

    if path is None:
        raise InputError(explain("--surrogate with --method surrogate", "none", "osimopt train makes one."))
    network = Surrogate.load(path, device)
    if not hasattr(network, "solve"):
        got = f"one of {network.kind}"
        raise InputError(explain("a surrogate of static or dynamic optimization", got, "Choose another.", path))
    return network


def solve_by_surrogate(
    problem: RedundancyProblem,
    network: Any,
    fallback: Literal["exact", "none"] = "exact",
    *,
    n_jobs: int | None = None,
    progress: Iterations | None = None,
) -> RedundancySolution:
    """Solve a problem by a surrogate of static or dynamic optimization, from :func:`read_surrogate`.

    With ``fallback="exact"`` frames without a verified answer go to the exact solver, after a dynamic surrogate the
    whole motion to collocation, which begins from the surrogate's answer, unless more than a tenth of its frames are
    beyond training; where collocation fails, that answer is kept, with a warning. With ``"none"`` such frames are NaN.
    A dynamic surrogate makes the muscles De Groote's.

    Raises
    ------
    InputError
        A surrogate of other muscles or coordinates.
    """
    if network.kind != "dynamic":
        static: RedundancySolution = network.solve(problem, fallback=fallback, on_failure="return")
        return static
    from ..dynamic.solution import SealedSolution
    from ..dynamic.solve import solve_dynamic
    from ..muscle.conversion import use_degroote_muscles

    problem = use_degroote_muscles(problem)
    prediction: RedundancySolution = network.solve(problem)
    if fallback == "none" or prediction.success:
        return prediction
    failed = int((~prediction.solved).sum())
    warn(f"The surrogate has no answer in {failed} of {len(problem)} frames: the motion is solved by collocation.")
    beyond = prediction.checks.get("outside_training")
    guess = prediction if beyond is None or beyond.mean() <= BEYOND else "static"
    solution = solve_dynamic(problem, initial_guess=guess, n_jobs=n_jobs, on_failure="return", progress=progress)
    if not isinstance(solution, SealedSolution):
        return solution
    text = f"{solution.reason} The surrogate's answer is kept: {failed} of {len(problem)} frames have none."
    warn(text)
    prediction.provenance["warnings"] = [*prediction.provenance.get("warnings", []), text]
    return prediction


def check_options(read: ReadOptions, solve: SolveOptions) -> None:
    """Refuse what no solve can have, before anything is read.

    Raises
    ------
    InputError
        Unknown words, numbers out of range, options that do not go together.
    """
    if isinstance(solve, StaticOptions):
        if solve.cost == "excitation_power":
            fix = "Static optimization has no excitations: choose activation_power, or --method dynamic."
            raise InputError(explain("a cost of activations or forces", "excitation_power", fix))
        check_contacts(read_contacts(solve.contact), get_cost(solve.cost, solve.exponent))
        check_values(StaticOptions, vars(solve))
        check_tendon(solve.tendon)
    elif isinstance(solve, DynamicOptions):
        from ..dynamic.arguments import check_arguments
        from ..dynamic.mesh import scheme
        from ..dynamic.objective import dynamic_cost

        check_arguments(**vars(solve))
        if solve.muscles or solve.tendon != "rigid":
            refuse_forces(read, f"muscles={solve.muscles}" if solve.tendon == "rigid" else "compliant tendons")
        dynamic_cost(solve.cost, solve.exponent, solve.tendon)
        scheme(solve.transcription)
        _check_interval(read)


def with_contacts(read: ReadOptions, solve: SolveOptions) -> ReadOptions:
    """The options of reading, with the joints whose contact forces are part of the cost or limited."""
    contacts = read_contacts(getattr(solve, "contact", None))
    words = joint_words(read.joint_reactions)
    joints = [one.joint for one in contacts if one.joint not in words]
    if not joints or (read.joint_reactions is not None and not words):  # all
        return read
    return replace(read, joint_reactions=tuple(dict.fromkeys([*words, *joints])))


def refuse_forces(read: ReadOptions, why: str) -> None:
    """Refuse options about forces of the model's own muscles where these become De Groote's."""
    got = "passive_force=True" if read.passive_force else f"gain='{read.gain}'"
    if read.passive_force or read.gain != "opensim":
        fix = "De Groote muscles bring their own, passive force included: leave it out."
        raise InputError(explain(f"no forces of the model's own muscles with {why}", got, fix))


def _check_interval(read: ReadOptions) -> None:
    """Refuse a time_range that the motion covers in part; ends between frames and infinite ones are the motion's."""
    if read.time_range is None:
        return
    from ..adapters.motion import range_ends, reaches_beyond
    from ..files.series import frame_times
    from ..files.storage import read_columns

    first, last = range_ends(read.time_range)
    time = frame_times(read_columns(read.motion))
    if reaches_beyond(time, first, last):
        got, fix = f"{first:g} to {last:g} s", "Shorten time_range; inf and -inf are open ends."
        raise InputError(explain(f"time_range within {time[0]:g} to {time[-1]:g} s", got, fix, read.motion))
