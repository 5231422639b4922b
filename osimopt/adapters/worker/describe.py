"""A model in plain data: coordinates, muscles, actuators, other forces."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np
import opensim

from ...errors import ModelError, explain
from ...muscle.forces import CLASSES
from ...problem.arrays import Array, Coordinate, CoordinateKind, MuscleParameters
from ..messages import Actuator, ModelDescription, ModelKey
from .coordinates import derivative, evaluate, is_rotational
from .paths import pulls_within
from .session import Session, is_base, load

#: Properties of every muscle that are fields of MuscleParameters or say nothing of its mechanics.
_ELSEWHERE = {
    *("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "pennation_angle_at_optimal"),
    *("max_contraction_velocity", "min_control", "max_control", "appliesForce", "optimal_force"),
}


def describe(key: ModelKey) -> ModelDescription:
    """Describe the model."""
    session = load(key)
    gravity = session.model.getGravity().to_numpy()
    others = [force for force in session.forces if opensim.Actuator.safeDownCast(force) is None]
    return ModelDescription(
        name=session.model.getName(),
        coordinates=tuple(_coordinate(session, index) for index in range(len(session.coordinates))),
        free=tuple(session.free()),
        muscles=_muscles(session),
        actuators=tuple(
            Actuator(a.getName(), a.getConcreteClassName(), a.getOptimalForce(), a.getMinControl(), a.getMaxControl())
            for a in session.actuators
        ),
        other_forces=_names_and_classes(others),
        switched_off=tuple(session.switched_off),
        warnings=tuple(session.warnings),
        opensim_version=opensim.GetVersion(),
        weight=float(session.model.getTotalMass(session.state) * np.sqrt((gravity**2).sum())),
        within=tuple(muscle.getName() for muscle in session.muscles if pulls_within(muscle)),
        contact=_names_and_classes(session.contact),
    )


def _names_and_classes(forces: list[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((force.getName(), force.getConcreteClassName()) for force in forces)


def prescribed_values(key: ModelKey, index: int, time: Array) -> tuple[Array, Array, Array]:
    """Value, speed and acceleration (T,) of a prescribed coordinate, from the model's own function."""
    function, times = load(key).coordinates[index].getPrescribedFunction(), time[:, None]
    value = np.array([evaluate(function, t) for t in times])
    speed, acceleration = (np.array([derivative(function, t, *by) for t in times]) for by in ((0,), (0, 0)))
    return value, speed, acceleration


def _coordinate(session: Session, index: int) -> Coordinate:
    coordinate, state = session.coordinates[index], session.state
    kind: CoordinateKind = "free"
    if any(coupler.dependent == index for coupler in session.couplers):
        kind = "coupled"
    elif coordinate.isPrescribed(state):
        kind = "prescribed"
    elif coordinate.getLocked(state):
        kind = "locked"
    joint, rotational = coordinate.getJoint(), is_rotational(coordinate)
    return Coordinate(
        name=coordinate.getName(),
        joint=joint.getName(),
        kind=kind,
        rotational=rotational,
        default=coordinate.getDefaultValue(),
        range=(coordinate.getRangeMin(), coordinate.getRangeMax()),
        floating=is_base(joint),
        clamped=bool(coordinate.getClamped(state)),
        converted=coordinate.getMotionType() == opensim.Coordinate.Rotational or not rotational,
        turning=any(index in joint for joint in session.turning),
    )


def _muscles(session: Session) -> MuscleParameters:
    def column(getter: str) -> Any:
        return np.array([getattr(muscle, getter)() for muscle in session.muscles], dtype=float)

    parameters = MuscleParameters(
        names=tuple(muscle.getName() for muscle in session.muscles),
        classes=tuple(muscle.getConcreteClassName() for muscle in session.muscles),
        max_isometric_force=column("get_max_isometric_force"),
        optimal_fiber_length=column("get_optimal_fiber_length"),
        tendon_slack_length=column("get_tendon_slack_length"),
        pennation_angle=column("get_pennation_angle_at_optimal"),
        max_contraction_velocity=column("get_max_contraction_velocity"),
        min_control=column("getMinControl"),
        max_control=column("getMaxControl"),
        properties=_properties(session.muscles),
    )
    for field in fields(parameters):
        values = getattr(parameters, field.name)
        if isinstance(values, np.ndarray) and np.isnan(values).any():
            name = parameters.names[int(np.argmax(np.isnan(values)))]
            fix = f"Repair <{field.name}> of '{name}'."
            raise ModelError(explain("numbers for every muscle", f"NaN for '{name}'", fix, session.key.path))
    return parameters


def _properties(muscles: list[Any]) -> dict[str, Any]:
    """What ``MuscleParameters.properties`` holds."""
    rows = []
    for muscle in muscles:
        kind = muscle.getConcreteClassName()
        own = getattr(opensim, kind).safeDownCast(muscle)
        row = {name: float(getattr(own, getter)()) for name, getter in _getters(kind).items()}
        for curve in CLASSES[kind].parts:
            part = getattr(own, f"get_{curve}")()
            row |= {f"{curve}.{name}": float(getattr(part, getter)()) for name, getter in _getters(curve).items()}
        rows.append(row)
    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


@lru_cache
def _getters(kind: str) -> dict[str, str]:
    """Methods that give the numbers and switches of a class; optional ones as OpenSim uses them, computed if absent."""
    thing, getters = getattr(opensim, kind)(), {}
    for index in range(thing.getNumProperties()):
        part = thing.getPropertyByIndex(index)
        name = part.getName()
        if part.getTypeName() not in ("double", "bool") or name in _ELSEWHERE:
            continue
        if part.isOptionalProperty():
            getters[name] = f"get{name.title().replace('_', '')}InUse"
        elif part.isOneValueProperty():
            getters[name] = f"get_{name}"
    return getters
