"""Dynamic solutions to train on: those that are planned and not yet there are computed, one file each."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..dynamic.options import DynamicOptions
from ..dynamic.solve import solve_dynamic
from ..errors import InputError, ModelError, SolverError, explain, some
from ..files.storage import write_atomically
from ..problem.problem import RedundancyProblem
from ..surrogate.architecture import check_whole
from ..surrogate.dynamic_training import DynamicSample
from .subjects import OWN, Range, Subjects, subject
from .windows import MARGIN, Plan, choose_windows, lengths_of, plans

#: Numbers of solutions for training, validation and tests, and those of a quick run.
COUNTS, QUICK_COUNTS = (160, 24, 32), (6, 2, 2)
#: s around a window, for the splines between frames.
AROUND = 0.1


def generate(
    problems: Sequence[RedundancyProblem], folder: Path, counts: Sequence[int] = COUNTS, seed: int = 0, *,
    duration: float | None = None, sizes: Range = OWN, strengths: Range = OWN,
    progress: Callable[[int, int, str], None] | None = None, **options: Any,
) -> list[Path]:  # fmt: skip
    """Compute the planned solutions that are not in the folder yet; return the files of all.

    After an error, or Ctrl-C, before the first solution, nothing is left in the folder.

    Parameters
    ----------
    problems
        Trials of one set of muscles, from :func:`osimopt.load_problem`.
    folder
        Where a file ``BLOCK_NUMBER.npz`` is written for each solution. If there is none (weak muscles, fibres outside
        their curves), ``BLOCK_NUMBER.failed`` has the reason.
    counts
        Numbers of solutions for training, validation and tests.
    seed
        Of all random numbers.
    duration
        s of a window that are trained on; by default what fits in the trials (``windows.choose_windows``).
    sizes, strengths
        Least and largest factor, as of :class:`~osimopt.training.subjects.Subjects`.
    progress
        Called with (solutions done, in all, text about the last one).
    options
        Of :func:`osimopt.solve_dynamic`.

    Raises
    ------
    InputError
        Trials too short, without elastic tendons or, for sizes, without exact geometry; or a folder of solutions of
        other trials, seed, duration, sizes, strengths or options.
    """
    if "tendon" in options:
        raise InputError(explain("no tendon", repr(options["tendon"]), "Leave it out: tendons are elastic."))
    windows, subjects = choose_windows(lengths_of(problems), duration), Subjects(sizes, strengths)
    for count in counts:
        check_whole("counts of solutions", count, 0)
    subjects.check(problems)
    planned = plans(problems, counts, seed, windows)
    chosen = {"seed": seed, "duration": windows.duration, "sizes": list(subjects.sizes),
              "strengths": list(subjects.strengths), **_solving(options)}  # fmt: skip
    new = not folder.exists()
    _claim(folder, chosen, problems)
    paths = []
    try:
        for done, plan in enumerate(planned, 1):
            path = folder / f"{plan.block}_{plan.number:04d}.npz"
            text = "already there"
            if not path.is_file() and not path.with_suffix(".failed").is_file():
                text = _solve(problems[plan.trial], plan, path, windows.duration, subjects, options)
            if path.is_file():
                paths.append(path)
            if progress is not None:
                progress(done, len(planned), text)
    except BaseException:
        if not _solutions(folder):
            _release(folder, new)
        raise
    return paths


def _solving(options: dict[str, Any]) -> dict[str, str]:
    """Options of collocation with their defaults, which another version may change."""
    return {name: repr(value) for name, value in sorted({**vars(DynamicOptions()), **options}.items())}


def _solutions(folder: Path) -> list[Path]:
    """The solutions in a folder."""
    return [path for path in folder.glob("*.npz") if not path.name.endswith(".problem.npz")]


def _claim(folder: Path, chosen: dict[str, Any], problems: Sequence[RedundancyProblem]) -> None:
    """Record trials and options of the solutions in ``plan.json``, or compare with it where there are solutions."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.json"
    trials = [
        [len(p), *(float(np.abs(a).sum()) for a in (p.time, p.generalized_force, p.moment_arm))] for p in problems
    ]
    plan = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    other = [] if plan is None else [
        f"{name} {plan.get(name)!r} in place of {v!r}" for name, v in chosen.items() if plan.get(name) != v
    ]  # fmt: skip
    same = plan is not None and np.shape(plan.get("trials")) == np.shape(trials)
    same = same and np.allclose(plan["trials"], trials, rtol=1e-9)  # type: ignore[index]
    if plan is not None and same and not other:
        return
    if plan is not None and _solutions(folder):
        got = some(other) or f"{len(plan.get('trials', []))} trials that differ from the {len(trials)} given"
        fix = "Give the same again, choose another folder, or delete this one to solve anew."
        raise InputError(explain("solutions of the same trials and options", got, fix, folder))
    _release(folder, False)
    write_atomically(path, json.dumps({**chosen, "trials": trials}, indent=2) + "\n")


def _release(folder: Path, remove: bool) -> None:
    """Remove what is left in a folder without solutions, and the folder itself if it is empty and was made for them."""
    for path in (folder / "plan.json", *folder.glob("*.failed"), *folder.glob("*.problem.npz")):
        path.unlink(missing_ok=True)
    if remove:
        with suppress(OSError):
            folder.rmdir()


def _solve(
    problem: RedundancyProblem, plan: Plan, path: Path, duration: float, subjects: Subjects, options: dict[str, Any]
) -> str:
    end = min(plan.start + duration + 2.0 * MARGIN, float(problem.time[-1]))
    around = (problem.time >= plan.start - AROUND) & (problem.time <= end + AROUND)
    try:
        own = problem.frames(slice(int(around.argmax()), len(around) - int(around[::-1].argmax())))
        varied, scale = subject(own, subjects, plan.seed, plan.spread)
        solution: Any = solve_dynamic(varied, time_range=(plan.start, end), n_jobs=1, **options)
    except (InputError, ModelError, SolverError) as error:
        write_atomically(path.with_suffix(".failed"), f"{error}\n")
        return f"failed: {error}"
    iterations, seconds = solution.provenance["rounds"][-1]["iterations"], solution.provenance["solve_seconds"]
    sample = DynamicSample(
        replace(solution.problem, kinematics=None, source=None),
        solution.muscle_force / solution.problem.parameters.max_isometric_force,
        solution.tendon_force_rate, solution.activation, solution.excitation, solution.reserve_control,
        {**asdict(plan), "size": scale.size, "mass": scale.mass, "iterations": iterations, "seconds": seconds,
         "margin": MARGIN},
    )  # fmt: skip
    sample.write(path)
    return f"{iterations} iterations, {seconds:.1f} s"


def failures(folder: Path) -> list[str]:
    """Why windows have no solution: one sentence each."""
    return [path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.failed"))]
