"""What each muscle can do in given postures: moment arms, lengths and forces at full activation, at rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..messages import ModelKey, Postures
from .couplers import follow
from .session import Session, load, warnings_since
from .state import set_posture, set_speed, to_speeds

Array = NDArray[np.float64]


def strengths(key: ModelKey, coordinate: int, values: Array, pose: Array) -> Postures:
    """Sweep one free coordinate over values, the others posed; ``osimopt.muscle_table`` says what the columns mean."""
    session = load(key)
    columns: dict[str, list[list[float]]] = {name: [] for name in Postures.COLUMNS}
    for value in values:
        posture = pose.copy()
        posture[coordinate] = value
        posture = follow(session, posture)
        set_posture(session, 0.0, posture)
        set_speed(session, np.zeros(len(posture)))
        columns["moment_arm"].append(arms_about(session, coordinate, session.muscles))
        forces = [_forces(session, muscle) for muscle in session.muscles]
        for name, row_of_muscles in zip(Postures.COLUMNS[1:], zip(*forces, strict=True), strict=True):
            columns[name].append(list(row_of_muscles))
    return Postures({name: np.array(rows) for name, rows in columns.items()}, warnings_since())


def arms_about(session: Session, coordinate: int, muscles: list[Any]) -> list[float]:
    """OpenSim's own moment arms of some muscles about a coordinate, in the posture set.

    ``computeMomentArm`` is about a speed; about a coordinate it is the sum over the speeds that its rate needs.
    """
    unit = np.zeros(len(session.coordinates))
    unit[coordinate] = 1.0
    shares = to_speeds(session, unit)
    moving = [(share, session.coordinates[index]) for index, share in enumerate(shares) if share != 0.0]
    return [
        sum(share * muscle.computeMomentArm(session.state, about) for share, about in moving)
        for muscle in muscles
    ]


def _forces(session: Session, muscle: Any) -> tuple[float, float, float, float, float]:
    """Length, fibre length, tendon force, its active part, rigid-tendon active force; NaN without equilibrium."""
    state = session.state
    length = muscle.getLength(state)
    rigid = muscle.calcInextensibleTendonActiveFiberForce(state, 1.0)
    if muscle.getConcreteClassName() == "RigidTendonMuscle":
        fiber = float(np.hypot(length - muscle.get_tendon_slack_length(), _height(muscle)))
        return length, fiber, rigid + muscle.getPassiveFiberForceAlongTendon(state), rigid, rigid
    try:
        muscle.setActivation(state, 1.0)
        session.model.realizeVelocity(state)
        muscle.computeEquilibrium(state)
        session.model.realizeDynamics(state)
        fiber = muscle.getFiberLength(state)
        tendon = muscle.getTendonForce(state)
        active = muscle.getActiveFiberForceAlongTendon(state)
    except RuntimeError:
        return length, np.nan, np.nan, np.nan, rigid
    return length, fiber, tendon, active, rigid


def _height(muscle: Any) -> float:
    return float(muscle.get_optimal_fiber_length() * np.sin(muscle.get_pennation_angle_at_optimal()))
