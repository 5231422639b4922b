"""Where a model's coordinates stand in OpenSim's state, found by setting each by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import opensim
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: What rounding leaves of zeros and ones in N.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Mobility:
    """By coordinate, in the order of the coordinate set: its place in q and in u.

    ``turning`` are the coordinates, by joint, whose rates are not their speeds.
    """

    place: list[int]
    speed: list[int]
    turning: tuple[list[int], ...]

    @classmethod
    def of(cls, model: Any, state: Any, coordinates: list[Any]) -> Mobility:
        """Of an initialised model; the state is as before."""
        place, speed = _places(state, coordinates), _speeds(state, coordinates)
        return cls(place, speed, _turning(model, state, place, speed))


def column(model: Any, state: Any, mobility: int) -> Array:
    """Rates q̇ (NQ,) of one speed u = 1: a column of N, in the posture that is realized."""
    unit, out = opensim.Vector(state.getNU(), 0.0), opensim.Vector(state.getNQ(), 0.0)
    unit.set(mobility, 1.0)
    model.getMatterSubsystem().multiplyByN(state, False, unit, out)
    return np.array(out.to_numpy())


def _places(state: Any, coordinates: list[Any]) -> list[int]:
    """Index of each coordinate in q: a joint with more q than u has places that no coordinate uses."""
    before = opensim.Vector(state.getQ())
    places = []
    for coordinate in coordinates:
        locked = coordinate.getLocked(state)
        if locked:
            coordinate.setLocked(state, False)
        old = coordinate.getValue(state)
        was = state.getQ().to_numpy().copy()
        coordinate.setValue(state, old + 1.0, False)
        places.append(int(np.argmax(np.abs(state.getQ().to_numpy() - was))))
        coordinate.setValue(state, old, False)
        if locked:
            coordinate.setLocked(state, True)
    state.setQ(before)
    return places


def _speeds(state: Any, coordinates: list[Any]) -> list[int]:
    """Index of each coordinate's speed in u."""
    before = opensim.Vector(state.getU())
    for index, coordinate in enumerate(coordinates):
        coordinate.setSpeedValue(state, float(index + 1))
    order = state.getU().to_numpy().round().astype(int).tolist()
    state.setU(before)
    return [order.index(index + 1) for index in range(len(coordinates))]


def _turning(model: Any, state: Any, place: list[int], speed: list[int]) -> tuple[list[int], ...]:
    """Ask for N in a posture without symmetry."""
    before = opensim.Vector(state.getQ())
    tilted = np.zeros(state.getNQ())
    tilted[place] = 0.3 + (0.1 * np.arange(len(place))) % 0.5
    state.setQ(opensim.Vector.createFromMat(tilted))
    model.realizePosition(state)
    rates = np.stack([column(model, state, index)[place] for index in speed], axis=1)
    state.setQ(before)
    own = np.abs(rates - np.eye(len(place))) > ROUNDING
    joints: list[list[int]] = []
    for index in np.flatnonzero(own.any(axis=0) | own.any(axis=1)).tolist():
        known = next((joint for joint in joints if own[joint, index].any() or own[index, joint].any()), None)
        if known is None:
            joints.append([index])
        else:
            known.append(index)
    return tuple(joints)
