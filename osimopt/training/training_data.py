"""Training data from simulation: trials split by time, and variants of them that are solved exactly.

A surrogate that has seen neighbours of its test frames proves nothing, so trials are split as wholes, or, where there
are few, in blocks of time; never by frame. What is varied is what subjects and models differ in: strengths, body size
(all moment arms), single moment arms (posture, paths), and loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..problem.problem import RedundancyProblem

Array = NDArray[np.float64]

#: Standard deviations at spread 1, of logarithms: strength of a muscle and of all, moment arm of a muscle and of all,
#: size of all loads; and of what is added to each load, as a share of its own over the trial.
STRENGTH, STRENGTHS, ARM, ARMS, LOADS, LOAD = 0.15, 0.15, 0.05, 0.10, 0.20, 0.10
#: Shares of a trial's time for training and, after that, for validation; the rest is for tests.
TRAIN, VALIDATE = 0.65, 0.15
#: Trials from which on they are split as wholes, and frames below which a trial is too short to be cut.
TRIALS, SHORTEST = 5, 50


@dataclass(frozen=True, eq=False)
class Split:
    """Problems to train on, to stop by, and to be judged on."""

    training: list[RedundancyProblem]
    validation: list[RedundancyProblem]
    test: list[RedundancyProblem]

    @classmethod
    def of(cls, problems: Sequence[RedundancyProblem]) -> Split:
        """Split trials; few of them in blocks of time, the last for tests.

        Raises
        ------
        InputError
            A trial is too short to be cut.
        """
        if len(problems) < TRIALS:
            for problem in problems:
                if len(problem) < SHORTEST:
                    fix = f"Give longer trials, or {TRIALS} of them."
                    got = f"{len(problem)} in {problem}"
                    raise InputError(explain(f"trials of {SHORTEST} frames or more, to be split by time", got, fix))

        def part(trial: int, first: float, last: float) -> RedundancyProblem:
            frames = len(problems[trial])
            return problems[trial].frames(slice(int(first * frames), int(last * frames)))

        return cls(*([part(*place) for place in own] for own in blocks(len(problems))))


def blocks(trials: int) -> list[list[tuple[int, float, float]]]:
    """To train on, to stop by, to be judged on: which trials, and from which to which share of their time.

    Few trials are cut, many stay whole.
    """
    if trials >= TRIALS:
        first, second = int(TRAIN * trials), int(np.ceil((TRAIN + VALIDATE) * trials))
        edges = pairwise((0, first, second, trials))
        return [[(trial, 0.0, 1.0) for trial in range(*own)] for own in edges]
    shares = pairwise((0.0, TRAIN, TRAIN + VALIDATE, 1.0))
    return [[(trial, *share) for trial in range(trials)] for share in shares]


def vary(problem: RedundancyProblem, frames: int, seed: int, spread: float = 1.0, window: int = 1) -> RedundancyProblem:
    """Frames drawn from a problem, each ``window`` of neighbours as of another subject with other loads.

    Parameters
    ----------
    problem
        A trial.
    frames
        How many; a multiple of ``window`` is made of them.
    seed
        Of the draws.
    spread
        1 varies strengths by 15 % each and 15 % together, moment arms by 5 and 10 %, loads by 20 % and 10 % of their
        own standard deviation.
    window
        Frames in a row that are varied alike.

    Returns
    -------
    RedundancyProblem
        With times that only count its frames, and without lengths: what they would be is not known.
    """
    random = np.random.default_rng(seed)
    count = max(1, frames // window)
    first = random.integers(0, max(1, len(problem) - window + 1), size=count)
    drawn = pick(problem, (first[:, None] + np.arange(window)).ravel())
    geometry = drawn.geometry

    def vary_by(*sizes: tuple[float, int]) -> Array:
        logs = sum(size * random.standard_normal((count, columns)) for size, columns in sizes)
        return np.repeat(np.exp(spread * logs), window, axis=0)

    strength = vary_by((STRENGTH, len(problem.muscles)), (STRENGTHS, 1))
    arms = vary_by((ARM, geometry.moment_arms.shape[1]), (ARMS, 1))
    noise = (
        spread
        * LOAD
        * problem.generalized_force.std(axis=0)
        * random.standard_normal((count, len(problem.coordinates)))
    )
    return replace(
        drawn,
        geometry=replace(geometry, moment_arms=geometry.moment_arms * arms),
        max_force=drawn.max_force * strength,
        passive_force=drawn.passive_force * strength,
        generalized_force=drawn.generalized_force * vary_by((LOADS, 1)) + np.repeat(noise, window, axis=0),
    )


def pick(problem: RedundancyProblem, frames: NDArray[np.intp]) -> RedundancyProblem:
    """Frames in any order, some more than once; times only count them, and lengths are not kept."""
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
