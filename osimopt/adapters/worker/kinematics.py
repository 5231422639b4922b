"""Motions completed by the model: rates from OpenSim's speeds, and coordinates that constraints determine."""

from __future__ import annotations

import numpy as np

from ...errors import ModelError
from ...problem.arrays import Array, Index
from ..messages import Mask, ModelKey
from .constraints import complete, dependent_pairs, follow, jacobian, openness
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
    posture (N,) ``before``. Also returns the slopes ∂q_d/∂q_j
    (T, P) and the pairs (d, j), j independent of all constraints.

    Raises
    ------
    ModelError
        Loops that cannot be closed, or a singular posture, with its time.
    """
    session = load(key)
    pairs = dependent_pairs(session)
    frames: list[tuple[Array, ...]] = []
    for frame, given in enumerate(value):
        starts = _starts(session, given, frames[-1][0] if frames else before)
        for last, start in zip([*(False,) * (len(starts) - 1), True], starts, strict=True):
            try:
                done = complete(session, time[frame], start, speed[frame], acceleration[frame])
                break
            except ModelError:
                if last:
                    raise
        frames.append((*done[:3], done[3][pairs]))
    value, speed, acceleration, slopes = (np.array(column) for column in zip(*frames, strict=True))
    return value, speed, acceleration, slopes, pairs


def _starts(session: Session, given: Array, before: Array | None) -> list[Array]:
    """Postures from which to close loops, in order: as in the frame before, as given, as in the model's default.

    Of the last two the one that is nearer to closed comes first: columns of dependent coordinates may be in another
    unit, or missing.
    """
    if session.loops is None:
        return [given]
    dependents = session.loops.dependents
    assembled = given.copy()
    assembled[dependents] = session.loops.posture[dependents]
    starts = sorted([given, assembled], key=lambda start: openness(session, start))
    if before is not None:
        near = given.copy()
        near[dependents] = before[dependents]
        starts.insert(0, near)
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
