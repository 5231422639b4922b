"""Training of a dynamic surrogate: solutions of windows of trials of several subjects, training, and accuracy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, explain
from ..muscle.conversion import use_degroote_muscles
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..surrogate.dynamic import TOLERANCE, DynamicSurrogate
from ..surrogate.dynamic_training import IDLE, OPTIONS, DynamicSample, check_alike, train_dynamic
from ..surrogate.prediction import judged
from ..surrogate.strides import StrideInputs, parameters_of
from ..surrogate.tendon import estimate
from ..surrogate.training import History, TrainingOptions
from ..surrogate.training_paths import paths_of
from .dynamic_solutions import COUNTS, failures, generate
from .subjects import Range, Subjects
from .training_data import BLOCKS
from .windows import choose_windows, lengths_of

if TYPE_CHECKING:
    from ..surrogate.architecture import Architecture


@dataclass(frozen=True, eq=False)
class TrainedDynamic:
    """A surrogate, the history of its training, and its accuracy on held-out solutions (``judge_dynamic``)."""

    surrogate: DynamicSurrogate
    history: History
    accuracy: dict[str, Any]
    test: list[DynamicSample]


def train_dynamic_surrogate(
    problems: Sequence[RedundancyProblem], folder: Path, *, counts: Sequence[int] = COUNTS,
    duration: float | None = None, sizes: Range | None = None, strengths: Range | None = None,
    architecture: Architecture | None = None, options: TrainingOptions = OPTIONS, checkpoint: Path | None = None,
    solved: Callable[[int, int, str], None] | None = None, progress: Callable[..., None] | None = None,
) -> TrainedDynamic:  # fmt: skip
    """Train a neural network for the tendon forces of dynamic optimization.

    Windows of trials are solved by collocation with varied muscles and bodies: each window is that of another subject,
    so that those of the tests are not among those of training. The network is trained on the training part, and its
    accuracy is measured on the test part.

    Parameters
    ----------
    problems
        Trials of one model, or of several with the same muscles and coordinates.
    folder
        Where solutions are kept, one file each; those that are there are not solved again.
    counts
        Numbers of solutions for training, validation and tests.
    duration
        Of a solution that is trained on, in s; by default 1.2 s, or what fits in shorter trials.
    sizes
        Least and largest size of bodies to train on, relative to the model's: bodies are scaled with their muscle paths
        (each segment varies by 5 % more), masses are about size³, and moments are computed anew. By default 0.9 and
        1.1, with exact geometry; without it (1, 1), with a warning.
    strengths
        Least and largest maximum isometric force, relative to the model's at size²; by default 0.8 and 1.3.
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
        Trials too short, of different muscles, or no window of a block has a solution.
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
    choose_windows(lengths_of(problems), duration)
    subjects = Subjects.chosen(problems, sizes, strengths)
    paths = generate(
        problems, folder, counts, options.seed, duration=duration, sizes=subjects.sizes, strengths=subjects.strengths,
        progress=solved,
    )  # fmt: skip
    samples = [DynamicSample.read(path) for path in paths]
    training, validation, test = parts = [[one for one in samples if one.notes["block"] == name] for name in BLOCKS]
    if empty := [name for name, part in zip(BLOCKS, parts, strict=True) if not part]:
        _refuse_empty(empty, counts, failures(folder))
    own = use_degroote_muscles(problems[0].frames(slice(0, 2))).parameters
    surrogate, history = train_dynamic(
        training, validation, architecture=architecture, options=options, checkpoint=checkpoint, progress=progress,
        reference=own,
    )  # fmt: skip
    accuracy = judge_dynamic(surrogate, training, test)
    provenance = {
        **surrogate.provenance,
        "without_a_solution": len(failures(folder)),
        "sizes": list(subjects.sizes),
        "strengths": list(subjects.strengths),
        "trials": [problem.provenance.get("inputs", {}) for problem in problems],
        "paths": paths_of(problems),
        "accuracy": accuracy,
    }
    return TrainedDynamic(replace(surrogate, provenance=provenance), history, accuracy, test)


def _refuse_empty(empty: Sequence[str], counts: Sequence[int], reasons: Sequence[str]) -> None:
    """Refuse parts without a solution, with the first reason."""
    wanted = ", ".join(f"none of {counts[BLOCKS.index(name)]} for {name}" for name in empty)
    got = "; the first: ".join([wanted, *(reason.rstrip(".") for reason in reasons[:1])])
    fix = "Give other trials, another seed (--seed), or strengths (--strengths) and sizes (--sizes) nearer to 1."
    raise InputError(explain("windows of each part that have a dynamic solution", got, fix))


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
        with warnings.catch_warnings():  # subjects of the tests may lie beyond those of training
            warnings.simplefilter("ignore")
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
