"""What a solver starts from: activations, or an earlier solution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, explain
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Multipliers:
    """(T, D) to start newton from, as of a solution; frames with NaN start cold."""

    multipliers: Array


def is_solution(guess: object) -> TypeGuard[RedundancySolution | Multipliers]:
    """Whether a guess knows multipliers, and is not an array of activations."""
    return isinstance(guess, (RedundancySolution, Multipliers))


def read_guess(
    initial_guess: ArrayLike | RedundancySolution | Multipliers | None, problem: RedundancyProblem, method: str
) -> Array | None:
    """What the solver starts from: multipliers (T, D) for newton, unknowns (T, U) for the others."""
    if initial_guess is None:
        return None
    frames, muscles = len(problem), len(problem.muscles)
    if is_solution(initial_guess):
        return _start_from(initial_guess, problem, method)
    guess = np.asarray(initial_guess, dtype=float)
    shape = (frames, muscles)
    if guess.shape not in (shape, shape[1:]) or not np.isfinite(guess).all():
        got = f"shape {guess.shape}" if guess.shape not in (shape, shape[1:]) else "NaN or infinity"
        raise InputError(explain(f"finite initial_guess of shape {shape} or {shape[1:]}", got, "Give activations."))
    return np.hstack([np.broadcast_to(guess, shape), np.zeros((frames, len(problem.reserves.names)))])


def _start_from(other: RedundancySolution | Multipliers, problem: RedundancyProblem, method: str) -> Array:
    shape = len(problem), len(problem.coordinates if method == "newton" else problem.actuators)
    if method == "newton":
        start = other.multipliers
    else:
        start = None if isinstance(other, Multipliers) else np.hstack([other.activation, other.reserve_control])
    if start is None or start.shape != shape:
        got = "a solution without" if start is None else f"shape {start.shape}"
        what = "multipliers" if method == "newton" else "unknowns"
        fix = "Give the solution of solver 'newton' of a problem with these frames, coordinates and actuators."
        raise InputError(explain(f"an initial_guess with {what} of shape {shape}", got, fix))
    return start if method == "newton" else np.nan_to_num(start)
