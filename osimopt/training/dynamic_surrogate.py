"""Train a dynamic surrogate on trials, and judge it on what it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, unlike
from ..problem.problem import RedundancyProblem
from ..surrogate.dynamic import TOLERANCE, DynamicSurrogate
from ..surrogate.dynamic_training import IDLE, OPTIONS, train_dynamic
from ..surrogate.prediction import judged
from ..surrogate.strides import StrideInputs, parameters_of
from ..surrogate.tendon_network import estimate
from ..surrogate.training import History, TrainingOptions
from .dynamic_data import COUNTS, DynamicSample, generate
from .dynamic_plans import BLOCKS, DURATION

if TYPE_CHECKING:
    from ..surrogate.architecture import Architecture

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainedDynamic:
    """A surrogate, how its training went, and what it does on solutions held out (``judge_dynamic``)."""

    surrogate: DynamicSurrogate
    history: History
    accuracy: dict[str, Any]
    test: list[DynamicSample]


def train_dynamic_surrogate(
    problems: Sequence[RedundancyProblem],
    folder: Path,
    *,
    counts: Sequence[int] = COUNTS,
    duration: float = DURATION,
    architecture: Architecture | None = None,
    options: TrainingOptions = OPTIONS,
    checkpoint: Path | None = None,
    solved: Callable[[int, int, str], None] | None = None,
    progress: Callable[..., None] | None = None,
) -> TrainedDynamic:
    """Solve windows of trials with varied muscles by collocation, train on them, and judge on the part held out.

    Parameters
    ----------
    problems
        Trials of one model.
    folder
        Where solutions are kept, one file each: what is there is not solved again.
    counts
        Solutions to train on, to choose by and to judge by.
    duration
        s of each.
    architecture, options, checkpoint
        As of :func:`osimopt.surrogate.dynamic_training.train_dynamic`; the seed is of all draws.
    solved, progress
        Called after each solution with (done, in all, what became of it), and after each epoch.

    Raises
    ------
    InputError
        Trials too short, of different models, or none of a block's windows has a solution.
    """
    _check(problems)
    paths = generate(problems, folder, counts, options.seed, duration=duration, progress=solved)
    samples = [DynamicSample.read(path) for path in paths]
    training, validation, test = ([one for one in samples if one.notes["block"] == block] for block in BLOCKS)
    if not test:
        fix = f"The reasons are in {folder}/*.failed."
        raise InputError(explain("windows to judge by that have a dynamic solution", "none", fix))
    surrogate, history = train_dynamic(
        training, validation, architecture=architecture, options=options, checkpoint=checkpoint, progress=progress
    )
    accuracy = judge_dynamic(surrogate, training, test)
    told = {
        **surrogate.provenance,
        "without_a_solution": len(list(folder.glob("*.failed"))),
        "trials": [problem.provenance.get("inputs", {}) for problem in problems],
        "accuracy": accuracy,
    }
    return TrainedDynamic(replace(surrogate, provenance=told), history, accuracy, test)


def judge_dynamic(
    surrogate: DynamicSurrogate, training: Sequence[DynamicSample], test: Sequence[DynamicSample]
) -> dict[str, Any]:
    """Errors on solutions that it never saw, beside what one gets without a network.

    ``force`` is the root mean square error of each muscle's force in shares of its peak (5 % of its strength at least),
    mean and worst over the muscles; ``static`` that of static optimization on rigid tendons, ``mean`` of the muscle's
    mean in training, ``ridge`` of a linear regression on its static force, fibre length and velocity.
    """
    exact = [sample.force[sample.inside] for sample in test]
    answers = [surrogate.solve(sample.problem, tolerance=np.inf) for sample in test]
    decoded = [
        (one.muscle_force / parameters_of(sample.problem).max_isometric_force)[sample.inside]
        for one, sample in zip(answers, test, strict=True)
    ]
    held = [
        judged(one.problem, one.missed, one.tendon_residual, TOLERANCE)[0][sample.inside]
        for one, sample in zip(answers, test, strict=True)
    ]
    told, learned = ([_told(sample) for sample in samples] for samples in (test, training))
    known = np.concatenate([sample.force[sample.inside] for sample in training])
    weights = _regressed(np.concatenate(learned), known)
    without = {
        "static": [one[..., 0] for one in told],
        "mean": [np.broadcast_to(known.mean(axis=0), force.shape) for force in exact],
        "ridge": [np.einsum("tmf,mf->tm", one, weights) for one in told],
    }
    activation = [
        (one.activation - sample.activation)[sample.inside] for one, sample in zip(answers, test, strict=True)
    ]
    return {
        "solutions": len(test),
        "frames": sum(len(force) for force in exact),
        "force": share_of_peak(decoded, exact),
        **{name: share_of_peak(found, exact) for name, found in without.items()},
        "activation_rmse": float(np.sqrt(np.nanmean(np.concatenate(activation) ** 2))),
        "solved_share": float(np.concatenate(held).mean()),
    }


def share_of_peak(found: Sequence[Array], exact: Sequence[Array]) -> dict[str, float]:
    """Root mean square error of normalised forces in shares of the muscles' peaks: mean, median, worst muscle."""
    right = np.concatenate(exact)
    peak = np.maximum(right.max(axis=0), IDLE)
    share = np.sqrt(np.nanmean((np.concatenate(found) - right) ** 2, axis=0)) / peak
    return {"mean": float(share.mean()), "median": float(np.median(share)), "worst": float(share.max())}


def _told(sample: DynamicSample) -> Array:
    """(T, M, 4) static force, fibre length and velocity on rigid tendons, and 1."""
    told = estimate(StrideInputs.of([sample.problem]))[0].numpy()[sample.inside]
    return np.concatenate([told[..., [0, 4, 5]], np.ones_like(told[..., :1])], axis=-1)


def _regressed(told: Array, known: Array) -> Array:
    """(M, 4) weights of each muscle's regression; a little ridge, as idle muscles do not vary."""
    gram = np.einsum("tmf,tmg->mfg", told, told)
    gram += 1e-6 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(told.shape[-1])
    right = np.einsum("tmf,tm->mf", told, known)
    return np.asarray(np.linalg.solve(gram, right[..., None])[..., 0])


def _check(problems: Sequence[RedundancyProblem]) -> None:
    if not problems:
        raise InputError(explain("one trial or more", "none", "Load some with osimopt.load_problem."))
    first = problems[0]
    for other in problems:
        if (other.muscles, other.coordinates) != (first.muscles, first.coordinates):
            fix = "Train one dynamic surrogate for each model."
            got = unlike([*first.muscles, *first.coordinates], [*other.muscles, *other.coordinates])
            raise InputError(explain("trials of the same muscles and coordinates", got, fix))
