"""Differential equations of second order without damping, solved by Störmer's steps and extrapolation."""

from __future__ import annotations

from collections.abc import Callable

from .contact import Array

State = tuple[Array, ...]
#: Numbers of steps that one extrapolation has: the error is of the order of the step to twice their number.
COUNTS = (1, 2, 3, 4, 5, 6, 7)


def extrapolate(
    steps: Callable[[State, Array, int], State],
    state: State,
    duration: Array,
    pieces: int,
    counts: tuple[int, ...] = COUNTS,
) -> State:
    """The state after a duration (n,), cut into pieces.

    ``steps`` are a number of steps of one size, symmetric in time: their error is a series in the square of the size.
    """
    step = duration / pieces
    for _ in range(pieces):
        total: list[Array] = []
        for count in counts:
            weight = 1.0
            for other in counts:
                weight *= count**2 / (count**2 - other**2) if other != count else 1.0
            part = [weight * values for values in steps(state, step / count, count)]
            total = [one + other for one, other in zip(total, part, strict=True)] if total else part
        state = tuple(total)
    return state
