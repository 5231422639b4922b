"""Motions completed by the model: rates from OpenSim's speeds, and coordinates that constraints determine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import ModelError
from ...multibody.motions import NEARLY
from ...problem.arrays import Array, Index
from ..messages import Mask, ModelKey
from .constraints import complete, dependent_pairs, follow, jacobian, openness, reach
from .parts import Session
from .session import load
from .state import drift, set_posture, set_speeds, to_rates

#: Largest rate of a coordinate in a loop beside another's, far from singularities: differences are accurate there.
GENTLE = 10.0


def rates_of(key: ModelKey, value: Array, speed: Array, change: Array) -> tuple[Array, Array]:
    """Rates q̇ and accelerations q̈ (T, N) along a motion given by OpenSim's speeds u and their changes u̇ (T, N)."""
    session = load(key)
    rate, acceleration = speed.copy(), change.copy()
    for frame in range(len(value)):
        set_posture(session, 0.0, value[frame])
        set_speeds(session, speed[frame])
        session.model.realizeVelocity(session.state)
        rate[frame] = to_rates(session, speed[frame])
        acceleration[frame] = to_rates(session, change[frame]) + drift(session)
    return rate, acceleration


def couple(
    key: ModelKey, time: Array, value: Array, speed: Array, acceleration: Array, before: Array | None = None
) -> tuple[Array, Array, Array, Array, tuple[Index, Index]]:
    """Overwrite the dependent columns of (T, N) values, speeds and accelerations.

    A loop of bodies may close in several ways: the way of the frame before is kept, of the first frame that of the
    posture (N,) ``before``. Also returns the slopes ∂q_d/∂q_j (T, P) and the pairs (d, j), j independent of all
    constraints.

    Raises
    ------
    ModelError
        Loops that cannot be closed, or a singular posture, with its time.
    """
    session = load(key)
    pairs = dependent_pairs(session)
    frames: list[tuple[Array, ...]] = []
    for frame, given in enumerate(value):
        for find in _starts(session, given, frames[-1][0] if frames else before):
            try:
                done = complete(session, time[frame], find(), speed[frame], acceleration[frame])
                break
            except ModelError as error:
                refused = error
        else:
            raise refused
        frames.append((*done[:3], done[3][pairs]))
    value, speed, acceleration, slopes = (np.array(column) for column in zip(*frames, strict=True))
    return value, speed, acceleration, slopes, pairs


def _starts(session: Session, given: Array, before: Array | None) -> list[Callable[[], Array]]:
    """Functions of postures from which to close loops, in order: as in the frame before, as given, as by default.

    The posture given comes last where it does not nearly close the loops: its dependent coordinates may be in another
    unit, or missing.
    """
    if session.loops is None:
        return [lambda: given]
    starts = [lambda: given, lambda: reach(session, given)]
    if openness(session, given) > NEARLY:
        starts.reverse()
    if before is not None:
        near, dependents = given.copy(), session.loops.dependents
        near[dependents] = before[dependents]
        starts.insert(0, lambda: near)
    return starts


def feasible(key: ModelKey, value: Array) -> Mask:
    """(S,) in which of the postures (S, N) loops of bodies close, far from singularities."""
    session = load(key)

    def meets(posture: Array) -> bool:
        try:
            rates = jacobian(session, follow(session, posture))
        except ModelError:
            return False
        return session.loops is None or bool(np.abs(rates[session.loops.dependents]).max() < GENTLE)

    return np.array([meets(posture) for posture in value], dtype=bool)


def close(key: ModelKey, value: Array, by_default: bool) -> tuple[Array, Array, tuple[Index, Index]]:
    """Postures (S, N) with their dependent coordinates, slopes ∂q_d/∂q_j (S, P), and the pairs (d, j).

    Loops of bodies close as near as they can to the posture given, or in the way of the model's default posture; where
    they do not, the posture is NaN.
    """
    session = load(key)
    pairs = dependent_pairs(session)
    closed, slopes = np.full(value.shape, np.nan), np.full((len(value), len(pairs[0])), np.nan)
    for row, posture in enumerate(value):
        try:
            found = reach(session, posture) if by_default else follow(session, posture)
            slopes[row], closed[row] = jacobian(session, found)[pairs], found
        except ModelError:
            if session.loops is None:
                raise
    return closed, slopes, pairs
