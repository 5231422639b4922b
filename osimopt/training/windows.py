"""Windows of trials that dynamic solutions are computed of: how long, and in which part of which trial.

Few trials are cut by time into a part each for training, validation and tests, many stay whole. A window has margins
of ``MARGIN`` s at either end, so that a part must be that much longer than what is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError, explain, shown, some
from ..problem.problem import RedundancyProblem
from .training_data import BLOCKS, TRAIN, TRIALS, VALIDATE, blocks, named

#: s of a dynamic solution that are trained on by default; in short trials, and at least; and that are solved before and
#: after them.
DURATION, SHORT, LEAST, MARGIN = 1.2, 0.2, 0.08, 0.12
#: Fraction of a trial that validation and tests take each for windows longer than ``SHORT``, and at most.
SHARE, MOST = 0.25, 1.0 / 3.0
#: s by which times may be off that files print.
SLACK = 1e-6
#: Fraction of the dynamic solutions with the model's own muscles, and the range of the others' spread.
NOMINAL, NARROWEST, WIDEST = 0.25, 0.3, 1.3


@dataclass(frozen=True)
class Windows:
    """``duration`` in s without margins, and by trial where (fractions of its time) training and validation end."""

    duration: float
    edges: tuple[tuple[float, float], ...]
    note: str = ""

    @property
    def length(self) -> float:
        """Length of a window with its margins, in s."""
        return self.duration + 2.0 * MARGIN

    def places(self) -> list[list[tuple[int, float, float]]]:
        """As ``training_data.blocks``, with these edges."""
        if len(self.edges) >= TRIALS:
            return blocks(len(self.edges))
        ends = [(0.0, *edge, 1.0) for edge in self.edges]
        return [[(trial, end[block], end[block + 1]) for trial, end in enumerate(ends)] for block in range(len(BLOCKS))]


def choose_windows(trials: Sequence[tuple[str, float]], duration: float | None = None) -> Windows:
    """Choose windows that fit in trials, each a name and its length in s.

    By default they are as long as leaves half of each trial for training, up to ``DURATION``; in trials too short for
    ``SHORT`` as long as three parts of equal length allow, but not below ``LEAST``.

    Raises
    ------
    InputError
        Trials that are too short, all of which are listed; a duration that is no number of at least ``LEAST``.
    """
    if not trials:
        raise InputError(explain("one trial or more", "none", "Load some with osimopt.load_problem."))
    known = isinstance(duration, int | float) and not isinstance(duration, bool) and LEAST <= duration < np.inf
    if duration is not None and not known:
        expected, fix = f"a duration (--duration) of {LEAST:g} s or more", "Leave it out to have one chosen."
        raise InputError(explain(expected, shown(duration), fix))
    whole = len(trials) >= TRIALS
    shortest = min(length for _, length in trials)
    most = _fitting(shortest, 1.0 if whole else MOST)
    if most < (duration or LEAST) - SLACK:
        raise InputError(_too_short(trials, duration, most, whole))
    note = ""
    if duration is None:
        own = _fitting(shortest, 1.0 if whole else SHARE)
        duration = min(max(own, min(SHORT, most)), DURATION)
        if duration < DURATION:
            duration = max(np.floor(100.0 * duration + SLACK) / 100.0, LEAST)
            note = f"instead of {DURATION:g} s, as the shortest trial has {shortest:.2f} s"
    edges = tuple(_edges(min((duration + 2.0 * MARGIN) / length, MOST)) for _, length in trials)
    return Windows(float(duration), edges, note)


def _fitting(length: float, share: float) -> float:
    """Duration of windows with which margins fill a share of a length."""
    return share * length - 2.0 * MARGIN


def _edges(share: float) -> tuple[float, float]:
    """Where training and validation end, if a window needs this share of a trial."""
    validation, test = max(VALIDATE, float(share)), max(1.0 - TRAIN - VALIDATE, float(share))
    return 1.0 - validation - test, 1.0 - test


def _too_short(trials: Sequence[tuple[str, float]], duration: float | None, most: float, whole: bool) -> str:
    wanted = (duration or LEAST) + 2.0 * MARGIN
    least = wanted if whole else wanted / MOST
    parts = "" if whole else f", in each of {len(BLOCKS)} parts of a trial, as there are fewer than {TRIALS}"
    size = f"{'' if duration else 'at least '}{wanted - 2.0 * MARGIN:g} s"
    expected = f"trials of {least:.2f} s or more: a window of {size} and {MARGIN:g} s at either end{parts}"
    got = some([f"{name} with {length:.2f} s" for name, length in trials if length < least - SLACK])
    shorter = f"a duration (--duration) of at most {np.floor(100.0 * most + SLACK) / 100.0:g} s"
    fixes = [] if duration is None or most < LEAST else [shorter]
    fixes += [] if whole else [f"{TRIALS} trials or more, of {wanted:.2f} s each"]
    return explain(expected, got, f"Give longer trials{''.join(', or ' + fix for fix in fixes)}.")


def lengths_of(problems: Sequence[RedundancyProblem]) -> list[tuple[str, float]]:
    """Name and length in s of each trial."""
    return [(name, float(one.time[-1] - one.time[0])) for name, one in zip(named(problems), problems, strict=True)]


@dataclass(frozen=True)
class Plan:
    """A dynamic solution to compute: its trial, start in s, and how the muscles are varied."""

    number: int
    block: str
    trial: int
    start: float
    spread: float
    seed: tuple[int, int]


def plans(problems: Sequence[RedundancyProblem], counts: Sequence[int], seed: int, windows: Windows) -> list[Plan]:
    """Draw windows within the parts of trials, in an order that mixes training, validation and tests."""
    made = []
    for block, (count, places) in enumerate(zip(counts, windows.places(), strict=True)):
        for number in range(count):
            random = np.random.default_rng([seed, block, number])
            trial, *shares = places[int(random.integers(len(places)))]
            time = problems[trial].time
            first, last = (float(time[0]) + share * float(time[-1] - time[0]) for share in shares)
            latest = max(first, last - windows.length)
            start = min(float(time[np.searchsorted(time, random.uniform(first, latest))]), latest)
            spread = 0.0 if random.random() < NOMINAL else float(random.uniform(NARROWEST, WIDEST))
            plan = Plan(number, BLOCKS[block], trial, start, spread, (seed, 1000 * block + number))
            made.append(((number + 0.5) / count, block, plan))
    return [plan for _, _, plan in sorted(made, key=lambda item: item[:2])]
