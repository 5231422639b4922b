"""Training data from simulation: trials split by time, and variants of them.

A surrogate must not be tested on neighbours of its training frames, so trials are split as wholes or, where there are
few, into blocks of time; never by frame. Varied are the quantities in which subjects and models differ: for static
optimization strengths, moment arms (of the whole body, or of single muscles) and loads; for dynamic optimization the
parameters of the muscles, sizes and strengths, in windows of the trials (``windows``). At the ends of a window a
dynamic solution is least reliable, as the motion before and after it is unknown to the solver: these margins are
context, and are not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..errors import InputError, explain, some
from ..muscle.conversion import use_degroote_muscles
from ..problem.arrays import Array, Index, MuscleParameters
from ..problem.problem import RedundancyProblem

#: Standard deviations at spread 1, of logarithms: strength of a muscle and of all, moment arm of a muscle and of all,
#: and all loads; and standard deviation of the noise added to each load, relative to that of the load over the trial.
STRENGTH, STRENGTHS, ARM, ARMS, LOADS, LOAD = 0.15, 0.15, 0.05, 0.10, 0.20, 0.10
#: Standard deviations at spread 1, of logarithms: of a muscle, and of all muscles together.
SPREADS = {
    "max_isometric_force": (0.10, 0.10),
    "optimal_fiber_length": (0.05, 0.02),
    "tendon_slack_length": (0.02, 0.01),
    "tendon_strain_at_one_norm_force": (0.10, 0.05),
}
BLOCKS = ("training", "validation", "test")
#: Fractions of a trial's time for training and validation; the rest is for tests.
TRAIN, VALIDATE = 0.65, 0.15
#: Number of trials from which they are split as wholes, and least number of frames of a trial that is cut.
TRIALS, SHORTEST = 5, 50


def blocks(trials: int) -> list[list[tuple[int, float, float]]]:
    """For training, validation and tests: trials, and from which to which fraction of their time.

    Few trials are cut, many stay whole.
    """
    if trials >= TRIALS:
        first, second = int(TRAIN * trials), int(np.ceil((TRAIN + VALIDATE) * trials))
        edges = pairwise((0, first, second, trials))
        return [[(trial, 0.0, 1.0) for trial in range(*edge)] for edge in edges]
    shares = pairwise((0.0, TRAIN, TRAIN + VALIDATE, 1.0))
    return [[(trial, *share) for trial in range(trials)] for share in shares]


def named(problems: Sequence[RedundancyProblem]) -> list[str]:
    """Name trials by their motion's file, or by their number."""
    files = [problem.provenance.get("inputs", {}).get("motion", {}).get("file") for problem in problems]
    return [str(name or f"trial {number}") for number, name in enumerate(files, 1)]


def check_frames(trials: Sequence[tuple[str, int]]) -> None:
    """Refuse trials, each a name and its number of frames, that are too short to be cut by time; all are listed."""
    short = [f"{name} with {frames}" for name, frames in trials if frames < SHORTEST]
    if not trials:
        raise InputError(explain("one trial or more", "none", "Load some with osimopt.load_problem."))
    if short and len(trials) < TRIALS:
        fix = f"Give longer trials, or {TRIALS} of them, which stay whole."
        raise InputError(explain(f"trials of {SHORTEST} frames or more, to be split by time", some(short), fix))


@dataclass(frozen=True, eq=False)
class Split:
    """Problems for training, validation and tests."""

    training: list[RedundancyProblem]
    validation: list[RedundancyProblem]
    test: list[RedundancyProblem]

    @classmethod
    def of(cls, problems: Sequence[RedundancyProblem]) -> Split:
        """Split trials by :func:`blocks`; a trial that is too short to be cut raises an InputError."""
        check_frames(list(zip(named(problems), map(len, problems), strict=True)))

        def part(trial: int, first: float, last: float) -> RedundancyProblem:
            frames = len(problems[trial])
            return problems[trial].frames(slice(int(first * frames), int(last * frames)))

        return cls(*([part(*place) for place in block] for block in blocks(len(problems))))


def vary(problem: RedundancyProblem, frames: int, seed: int, spread: float = 1.0, window: int = 1) -> RedundancyProblem:
    """Draw frames from a problem and vary muscles and loads, alike within each ``window`` of neighbours.

    Parameters
    ----------
    problem
        A trial.
    frames
        Number of frames, rounded down to a multiple of ``window``.
    seed
        Of the random numbers.
    spread
        1 varies strengths by 15 % each and 15 % together, moment arms by 5 and 10 %, loads by 20 % and 10 % of their
        standard deviation.
    window
        Number of consecutive frames that are varied alike.

    Returns
    -------
    RedundancyProblem
        Its times count the frames, and it has no muscle lengths, which would be unknown.
    """
    random = np.random.default_rng(seed)
    count = max(1, frames // window)
    first = random.integers(0, max(1, len(problem) - window + 1), size=count)
    drawn = pick(problem, (first[:, None] + np.arange(window)).ravel())
    geometry = drawn.geometry

    def factors(*sizes: tuple[float, int]) -> Array:
        logs = sum(size * random.standard_normal((count, columns)) for size, columns in sizes)
        return np.repeat(np.exp(spread * logs), window, axis=0)

    strength = factors((STRENGTH, len(problem.muscles)), (STRENGTHS, 1))
    arms = factors((ARM, geometry.moment_arms.shape[1]), (ARMS, 1))
    deviation = spread * LOAD * problem.generalized_force.std(axis=0)
    noise = deviation * random.standard_normal((count, len(problem.coordinates)))
    return replace(
        drawn,
        geometry=replace(geometry, moment_arms=geometry.moment_arms * arms),
        max_force=drawn.max_force * strength,
        passive_force=drawn.passive_force * strength,
        generalized_force=drawn.generalized_force * factors((LOADS, 1)) + np.repeat(noise, window, axis=0),
    )


def pick(problem: RedundancyProblem, frames: Index) -> RedundancyProblem:
    """Return frames in any order, with repetitions; times count the frames, and muscle lengths are dropped."""
    return replace(
        problem,
        time=np.arange(len(frames), dtype=float),
        geometry=replace(problem.geometry.frames(frames), length=None, lengthening_speed=None),
        max_force=problem.max_force[frames],
        generalized_force=problem.generalized_force[frames],
        passive_force=problem.passive_force[frames],
        reserves=problem.reserves.frames(frames),
        kinematics=None,
        source=None,
    )


def vary_muscles(problem: RedundancyProblem, seed: Sequence[int], spread: float = 1.0) -> RedundancyProblem:
    """Return the same motion with De Groote muscles of random parameters (``SPREADS``); spread 0 varies nothing.

    Strengths change the forces, and neither the moments nor areas and weights.
    """
    problem = use_degroote_muscles(problem)
    if spread == 0.0 or problem.parameters is None:
        return problem
    return use_degroote_muscles(replace(problem, parameters=draw_muscles(problem.parameters, seed, spread)))


def draw_muscles(parameters: MuscleParameters, seed: Sequence[int], spread: float = 1.0) -> MuscleParameters:
    """Multiply parameters of De Groote muscles by log-normal factors, of each and of all (``SPREADS``)."""
    random = np.random.default_rng(list(seed))
    properties, direct = dict(parameters.properties), {}
    for name, (single, common) in SPREADS.items():
        logs = single * random.standard_normal(len(parameters.names)) + common * random.standard_normal()
        factor = np.exp(spread * logs)
        if name in properties:
            properties[name] = properties[name] * factor
        else:
            direct[name] = getattr(parameters, name) * factor
    return replace(parameters, properties=properties, **direct)
