"""Muscles that are shorter than their tendons: when, and by how much, over consecutive pieces of a motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..namespace import plain
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from .checks import NO_FORCE


@dataclass(frozen=True, eq=False)
class Shorter:
    """Muscles that are shorter than their tendons and have no force.

    By muscle, (M,): number of ``frames``, ``first`` and ``last`` time in s, NaN if none, and the ``most`` in m.
    """

    frames: NDArray[np.intp]
    first: Array
    last: Array
    most: Array

    @classmethod
    def of(cls, problem: RedundancyProblem) -> Shorter:
        """Find the muscles and frames; none with gain='isometric', where all muscles have force."""
        slack, time = slack_of(problem), problem.time
        if slack is None or problem.parameters is None:
            slack = np.zeros(problem.max_force.shape)
        else:
            without = problem.max_force <= NO_FORCE * problem.parameters.max_isometric_force
            slack = np.where(without, slack, 0.0)
        at = np.where(slack > 0.0, time[:, None], np.nan)
        first, last = (reduce(at, axis=0, initial=np.nan) for reduce in (np.fmin.reduce, np.fmax.reduce))
        return cls((slack > 0.0).sum(axis=0), first, last, slack.max(axis=0, initial=0.0))

    def __add__(self, later: Shorter) -> Shorter:
        """Combine with the muscles of a later piece of the motion."""
        return Shorter(
            self.frames + later.frames,
            np.fmin(self.first, later.first),
            np.fmax(self.last, later.last),
            np.fmax(self.most, later.most),
        )

    def described(self, names: Sequence[str], total: int) -> list[str]:
        """Each muscle that is ever shorter, with its frames among ``total``, their times, and the most in mm."""
        return [
            f"{names[m]} ({'all ' if self.frames[m] == total else ''}{self.frames[m]} frames from {self.first[m]:g} to "
            f"{self.last[m]:g} s, by up to {1e3 * self.most[m]:.3g} mm)"
            for m in np.argsort(-self.most, kind="stable").tolist()
            if self.frames[m]
        ]


def slack_of(problem: RedundancyProblem) -> Array | None:
    """(T, M) m by which units are shorter than their tendons' slack lengths, 0 elsewhere; None where not known."""
    if problem.parameters is None or problem.geometry.length is None:
        return None
    return np.asarray(np.fmax(problem.parameters.tendon_slack_length - plain(problem.geometry.length), 0.0))
