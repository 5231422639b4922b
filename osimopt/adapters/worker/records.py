"""What OpenSim's ForceReporter writes of every force that is no actuator: loads, limits, springs, contact."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim
from numpy.typing import NDArray

from ..messages import ModelKey
from ..records import ForceRecord
from .session import Session, load
from .state import set_posture, set_speed

Array = NDArray[np.float64]


def force_records(key: ModelKey, time: Array, value: Array, speed: Array) -> list[ForceRecord]:
    """Record every applied force along a motion, in the order of the model's components.

    What muscles and other actuators produce is not known here: their values are None.
    """
    session = load(key)
    forces = _applied(session)
    rows: list[list[list[float]]] = [[] for _ in forces]
    reporting = [index for index, force in enumerate(forces) if opensim.Actuator.safeDownCast(force) is None]
    for frame in range(len(time) if reporting else 0):
        set_posture(session, time[frame], value[frame])
        set_speed(session, speed[frame])
        session.model.realizeDynamics(session.state)
        for index in reporting:
            values = forces[index].getRecordValues(session.state)
            rows[index].append([values.get(column) for column in range(values.getSize())])
    return [
        ForceRecord(force.getName(), _labels(force), np.array(rows[index]) if index in reporting else None)
        for index, force in enumerate(forces)
    ]


def _applied(session: Session) -> list[Any]:
    """Forces that are switched on in the model; its actuators have been silenced in the session's state."""
    actuators = {force.getName() for force in (*session.muscles, *session.actuators)}
    return [
        force
        for force in session.forces
        if (force.getName() in actuators if opensim.Actuator.safeDownCast(force) else force.appliesForce(session.state))
    ]


def _labels(force: opensim.Force) -> tuple[str, ...]:
    labels = force.getRecordLabels()
    return tuple(labels.get(index) for index in range(labels.getSize()))
