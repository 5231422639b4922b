"""Training of a dynamic surrogate: solutions of windows of trials with varied muscles, training, and accuracy."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dynamic.solve import solve_dynamic
from ..errors import InputError, SolverError, explain, some
from ..files.storage import write_atomically
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..surrogate.dynamic import TOLERANCE, DynamicSurrogate
from ..surrogate.dynamic_training import IDLE, OPTIONS, DynamicSample, check_alike, train_dynamic
from ..surrogate.prediction import judged
from ..surrogate.strides import StrideInputs, parameters_of
from ..surrogate.tendon import estimate
from ..surrogate.training import History, TrainingOptions
from ..surrogate.training_paths import paths_of
from .training_data import BLOCKS, DURATION, MARGIN, Plan, plans, vary_muscles

if TYPE_CHECKING:
    from ..surrogate.architecture import Architecture


#: Numbers of solutions for training, validation and tests, and those of a quick run.
COUNTS, QUICK_COUNTS = (160, 24, 32), (6, 2, 2)


def generate(
    problems: Sequence[RedundancyProblem], folder: Path, counts: Sequence[int] = COUNTS, seed: int = 0, *,
    duration: float = DURATION, progress: Callable[[int, int, str], None] | None = None, **options: Any,
) -> list[Path]:  # fmt: skip
    """Compute the planned solutions that are not in the folder yet; return the files of all.

    Parameters
    ----------
    problems
        Trials of one model, from :func:`osimopt.load_problem`.
    folder
        Where a file ``BLOCK_NUMBER.npz`` is written for each solution. If there is none (weak muscles, fibres outside
        their curves), ``BLOCK_NUMBER.failed`` has the reason.
    counts
        Numbers of solutions for training, validation and tests.
    seed
        Of all random numbers.
    duration
        s of a window that are trained on.
    progress
        Called with (solutions done, in all, text about the last one).
    options
        Of :func:`osimopt.solve_dynamic`.

    Raises
    ------
    InputError
        Trials too short, or a folder of solutions of other trials, seed, duration or options.
    """
    _claim(folder, {"seed": seed, "duration": duration, "options": repr(sorted(options.items()))}, problems)
    planned = plans(problems, counts, seed, duration)
    paths = []
    for done, plan in enumerate(planned, 1):
        path = folder / f"{plan.block}_{plan.number:04d}.npz"
        text = "already there"
        if not path.is_file() and not path.with_suffix(".failed").is_file():
            text = _solve(problems[plan.trial], plan, path, duration, options)
        if path.is_file():
            paths.append(path)
        if progress is not None:
            progress(done, len(planned), text)
    return paths


def _claim(folder: Path, chosen: dict[str, Any], problems: Sequence[RedundancyProblem]) -> None:
    """Record trials, seed, duration and options of the solutions in ``plan.json``, or compare with it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.json"
    trials = [
        [len(p), *(float(np.abs(a).sum()) for a in (p.time, p.generalized_force, p.moment_arm))] for p in problems
    ]
    if not path.is_file():
        write_atomically(path, json.dumps({**chosen, "trials": trials}, indent=2) + "\n")
        return
    plan = json.loads(path.read_text(encoding="utf-8"))
    other = [f"{name} {plan.get(name)!r} in place of {v!r}" for name, v in chosen.items() if plan.get(name) != v]
    same = np.shape(plan.get("trials")) == np.shape(trials) and np.allclose(plan["trials"], trials, rtol=1e-9)
    if other or not same:
        got = ", ".join(other) or f"{len(plan.get('trials', []))} trials that differ from the {len(trials)} given"
        fix = "Choose another folder, or delete it to solve anew."
        raise InputError(explain("solutions of the same trials, seed, duration and options", got, fix, folder))


def _solve(problem: RedundancyProblem, plan: Plan, path: Path, duration: float, options: dict[str, Any]) -> str:
    end = plan.start + duration + 2 * MARGIN
    # two frames more on either side, for the splines between frames
    around = (problem.time >= plan.start - 0.1) & (problem.time <= end + 0.1)
    try:
        varied = vary_muscles(problem.frames(np.flatnonzero(around)), plan.seed, plan.spread)
        solution: Any = solve_dynamic(varied, time_range=(plan.start, end), n_jobs=1, **options)
    except (InputError, SolverError) as error:
        write_atomically(path.with_suffix(".failed"), f"{error}\n")
        return f"failed: {error}"
    iterations, seconds = solution.provenance["rounds"][-1]["iterations"], solution.provenance["solve_seconds"]
    if solution.tendon_force_rate is None or np.isnan(solution.tendon_force_rate).any():
        got = f"rigid tendons ({some(solution.provenance['solver'].get('rigid_tendons', ['all muscles']))})"
        raise InputError(explain("tendon='compliant' of all muscles", got, "Leave tendon out."))
    sample = DynamicSample(
        replace(solution.problem, kinematics=None, source=None),
        solution.muscle_force / solution.problem.parameters.max_isometric_force,
        solution.tendon_force_rate, solution.activation, solution.excitation, solution.reserve_control,
        {**asdict(plan), "iterations": iterations, "seconds": seconds, "margin": MARGIN},
    )  # fmt: skip
    sample.write(path)
    return f"{iterations} iterations, {seconds:.1f} s"


@dataclass(frozen=True, eq=False)
class TrainedDynamic:
    """A surrogate, the history of its training, and its accuracy on held-out solutions (``judge_dynamic``)."""

    surrogate: DynamicSurrogate
    history: History
    accuracy: dict[str, Any]
    test: list[DynamicSample]


def train_dynamic_surrogate(
    problems: Sequence[RedundancyProblem], folder: Path, *, counts: Sequence[int] = COUNTS,
    duration: float = DURATION, architecture: Architecture | None = None, options: TrainingOptions = OPTIONS,
    checkpoint: Path | None = None, solved: Callable[[int, int, str], None] | None = None,
    progress: Callable[..., None] | None = None,
) -> TrainedDynamic:  # fmt: skip
    """Train a neural network for the tendon forces of dynamic optimization.

    Windows of trials are solved by collocation with varied muscles. The network is trained on the training part, and
    its accuracy is measured on the test part.

    Parameters
    ----------
    problems
        Trials of one model.
    folder
        Where solutions are kept, one file each; those that are there are not solved again.
    counts
        Numbers of solutions for training, validation and tests.
    duration
        Of a solution that is trained on, in s.
    architecture
        ``osimopt.surrogate.architecture.Architecture`` of the network for the series of a muscle; by default three
        convolutions.
    options
        ``osimopt.surrogate.training.TrainingOptions``; its seed is that of all random numbers.
    checkpoint
        Folder from which an interrupted training continues.
    solved
        Called after each solution with (solutions done, in all, text about the last one).
    progress
        Called after each epoch with (epoch, epochs, training loss, validation loss).

    Returns
    -------
    TrainedDynamic
        ``surrogate``, with ``solve(problem)`` and ``save(folder)``; ``history`` of the training; ``accuracy`` on the
        ``test`` solutions.

    Raises
    ------
    InputError
        Trials too short, of different models, or no window of a block has a solution.
    SolverError
        No loss of the training is finite.

    Examples
    --------
    >>> from pathlib import Path
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> from osimopt.surrogate.training import TrainingOptions
    >>> arm = arm26()
    >>> problem = osimopt.load_problem(arm.model, arm.motion)
    >>> trained = osimopt.train_dynamic_surrogate(
    ...     [problem] * 5, Path("solutions"), counts=(2, 1, 1), duration=0.2, options=TrainingOptions(epochs=1)
    ... )
    >>> trained.surrogate.muscles[:2], trained.accuracy["solutions"]
    (('TRIlong', 'TRIlat'), 1)
    """
    if not problems:
        raise InputError(explain("one trial or more", "none", "Load some with osimopt.load_problem."))
    check_alike(problems, "trials")
    paths = generate(problems, folder, counts, options.seed, duration=duration, progress=solved)
    samples = [DynamicSample.read(path) for path in paths]
    training, validation, test = ([one for one in samples if one.notes["block"] == block] for block in BLOCKS)
    if not test:
        fix = f"The reasons are in {folder}/*.failed."
        raise InputError(explain("windows for tests that have a dynamic solution", "none", fix))
    surrogate, history = train_dynamic(
        training, validation, architecture=architecture, options=options, checkpoint=checkpoint, progress=progress
    )
    accuracy = judge_dynamic(surrogate, training, test)
    provenance = {
        **surrogate.provenance,
        "without_a_solution": len(list(folder.glob("*.failed"))),
        "trials": [problem.provenance.get("inputs", {}) for problem in problems],
        "paths": paths_of(problems),
        "accuracy": accuracy,
    }
    return TrainedDynamic(replace(surrogate, provenance=provenance), history, accuracy, test)


def judge_dynamic(
    surrogate: DynamicSurrogate, training: Sequence[DynamicSample], test: Sequence[DynamicSample]
) -> dict[str, Any]:
    """Compare a surrogate with held-out solutions, and both with predictions that need no network.

    ``force`` is the root mean square error of each muscle's force relative to its peak (at least 5 % of its strength),
    mean and worst over the muscles; ``static`` that of static optimization on rigid tendons, ``mean`` of the muscle's
    mean in training, ``ridge`` of a linear regression on its static force, fibre length and velocity.
    """
    exact = [sample.force[sample.inside] for sample in test]
    decoded, held, activation = [], [], []
    for sample in test:
        answer = surrogate.solve(sample.problem, tolerance=np.inf)
        force = answer.muscle_force / parameters_of(sample.problem).max_isometric_force
        good, _ = judged(answer.problem, answer.missed, answer.tendon_residual, TOLERANCE)
        decoded.append(force[sample.inside])
        held.append(good[sample.inside])
        activation.append((answer.activation - sample.activation)[sample.inside])
    inputs, learned = ([_regressors(sample) for sample in samples] for samples in (test, training))
    known = np.concatenate([sample.force[sample.inside] for sample in training])
    weights = _regression(np.concatenate(learned), known)
    without = {
        "static": [one[..., 0] for one in inputs],
        "mean": [np.broadcast_to(known.mean(axis=0), force.shape) for force in exact],
        "ridge": [np.einsum("tmf,mf->tm", one, weights) for one in inputs],
    }
    return {
        "solutions": len(test),
        "frames": sum(len(force) for force in exact),
        "force": share_of_peak(decoded, exact),
        **{name: share_of_peak(found, exact) for name, found in without.items()},
        "activation_rmse": float(np.sqrt(np.nanmean(np.concatenate(activation) ** 2))),
        "solved_share": float(np.concatenate(held).mean()),
    }


def share_of_peak(found: Sequence[Array], exact: Sequence[Array]) -> dict[str, float]:
    """Root mean square error of normalised forces relative to the muscles' peaks: mean, median, worst muscle."""
    right = np.concatenate(exact)
    peak = np.maximum(right.max(axis=0), IDLE)
    share = np.sqrt(np.nanmean((np.concatenate(found) - right) ** 2, axis=0)) / peak
    return {"mean": float(share.mean()), "median": float(np.median(share)), "worst": float(share.max())}


def _regressors(sample: DynamicSample) -> Array:
    """(T, M, 4) static force, fibre length and velocity on rigid tendons, and 1."""
    estimated = estimate(StrideInputs.of([sample.problem]))[0].numpy()[sample.inside]
    return np.concatenate([estimated[..., [0, 4, 5]], np.ones_like(estimated[..., :1])], axis=-1)


def _regression(inputs: Array, known: Array) -> Array:
    """(M, 4) weights of each muscle's regression, with a small ridge, as idle muscles do not vary."""
    gram = np.einsum("tmf,tmg->mfg", inputs, inputs)
    gram += 1e-6 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(inputs.shape[-1])
    right = np.einsum("tmf,tm->mf", inputs, known)
    return np.asarray(np.linalg.solve(gram, right[..., None])[..., 0])
