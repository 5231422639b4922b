"""What to solve for training: windows of trials, drawn within blocks.

What a surrogate is judged on must not be next to what it has seen, so that trials are split first, as wholes or, where
there are few, in blocks of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError, explain
from ..problem.problem import RedundancyProblem
from .training_data import blocks

#: s of a window that are learned from, and that are solved on either side of it.
DURATION, MARGIN = 1.2, 0.12
BLOCKS = ("training", "validation", "test")
#: Share of the solutions whose muscles are the model's own, and the largest spread of the others'.
NOMINAL, WIDEST = 0.25, 1.3


@dataclass(frozen=True)
class Plan:
    """One solution that is to be made: of which trial, from when (s), and whose muscles."""

    number: int
    block: str
    trial: int
    start: float
    spread: float
    seed: tuple[int, int]


def plans(
    problems: Sequence[RedundancyProblem], counts: Sequence[int], seed: int, duration: float = DURATION
) -> list[Plan]:
    """What to solve: windows drawn within the blocks of trials, in an order that mixes the blocks.

    Raises
    ------
    InputError
        A block of a trial is shorter than a window.
    """
    length, places, made = duration + 2 * MARGIN, _places(problems), []
    for block, count in enumerate(counts):
        for number in range(count):
            random = np.random.default_rng([seed, block, number])
            trial, first, last = places[block][int(random.integers(len(places[block])))]
            time = problems[trial].time
            if last - first < length:
                fix = "Give longer trials, or a shorter duration."
                got = f"{last - first:.2f} s in {problems[trial]}"
                raise InputError(explain(f"{length:.2f} s in each block of a trial", got, fix))
            start = float(time[np.searchsorted(time, random.uniform(first, last - length))])
            start = min(start, float(last - length))
            spread = 0.0 if random.random() < NOMINAL else float(random.uniform(0.3, WIDEST))
            order = (number + 0.5) / count
            made.append(
                (order, block, Plan(number, BLOCKS[block], trial, start, spread, (seed, 1000 * block + number)))
            )
    return [plan for _, _, plan in sorted(made, key=lambda item: item[:2])]


def _places(problems: Sequence[RedundancyProblem]) -> list[list[tuple[int, float, float]]]:
    """For each block, the trials it may take from, and from when to when (s)."""
    return [[(trial, *_ends(problems[trial], *share)) for trial, *share in own] for own in blocks(len(problems))]


def _ends(problem: RedundancyProblem, first: float, last: float) -> tuple[float, float]:
    start, whole = float(problem.time[0]), float(problem.time[-1] - problem.time[0])
    return start + first * whole, start + last * whole
