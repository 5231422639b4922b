"""A model in plain data: coordinates, muscles, actuators, other forces, and the strength of its muscles in postures."""

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
from .constraints import assume, dependent_pairs, jacobian, loop_names, reach
from .coordinates import derivative, evaluate, is_rotational
from .geometry import find_pairs, make_plan, moment_arms
from .parts import Session
from .paths import pulls_within
from .session import is_base, load, warnings_since
from .state import set_speed

#: Properties of every muscle that are fields of MuscleParameters or say nothing of its mechanics.
_ELSEWHERE = {
    *("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "pennation_angle_at_optimal"),
    *("max_contraction_velocity", "min_control", "max_control", "appliesForce", "optimal_force"),
}
#: Postures from which the way to compute moment arms is chosen.
TRIED = 8
#: Names of the results of ``_forces``, in order.
FORCES = ("muscle_tendon_length", "fiber_length", "max_force", "max_force_active", "max_force_rigid")


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
        replaced=tuple(session.replaced),
        within=tuple(muscle.getName() for muscle in session.muscles if pulls_within(muscle)),
        contact=_names_and_classes(session.contact),
        loops=loop_names(session),
        coupling=tuple(zip(*(part.tolist() for part in dependent_pairs(session)), strict=True)),
        dropped=tuple(session.dropped),
        muscle_paths=tuple(muscle.getAbsolutePathString() for muscle in session.muscles),
        coordinate_paths=tuple(coordinate.getAbsolutePathString() for coordinate in session.coordinates),
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
    if index in session.dependents():
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
        default=default_value(session, index),
        range=(coordinate.getRangeMin(), coordinate.getRangeMax()),
        floating=is_base(joint) and not (session.loops and index in session.loops.coordinates),
        clamped=bool(coordinate.getClamped(state)),
        converted=coordinate.getMotionType() == opensim.Coordinate.Rotational or not rotational,
        turning=any(index in joint for joint in session.turning),
    )


def default_value(session: Session, index: int) -> float:
    """A coordinate's default value; in a loop of bodies, where that closes."""
    if session.loops is not None and index in session.loops.coordinates:
        return float(session.loops.posture[index])
    return float(session.coordinates[index].getDefaultValue())


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


def strengths(key: ModelKey, coordinate: int, values: Array, pose: Array) -> tuple[dict[str, Array], list[str]]:
    """Columns (n, M) of ``osimopt.muscle_table`` and OpenSim's warnings, at n values of one free coordinate.

    Rows are NaN where loops of bodies do not close.

    Moment arms are those of frames of a motion, not ``computeMomentArm``: beside prescribed coordinates that move, that
    takes their speed for the muscle's.
    """
    session = load(key)
    postures = np.tile(pose, (len(values), 1))
    postures[:, coordinate] = values
    closed = _closed(session, postures)
    postures, closes = np.array(list(closed.values())), list(closed)
    few = postures[np.unique(np.linspace(0, len(postures) - 1, TRIED).astype(int))]
    pairs = find_pairs(key, few, range(len(session.muscles)))
    row = session.free().index(coordinate)
    acting = pairs.muscle[pairs.coordinate == row]
    only = np.arange(len(pairs.spanned)) == row
    plan = make_plan(pairs.spanned & only[:, None], pairs.probed)
    arms, forces = np.zeros((len(postures), len(session.muscles))), []
    for posture, row_of_arms in zip(postures, arms, strict=True):
        assume(session, posture)
        row_of_arms[acting] = moment_arms(session, jacobian(session, posture)[:, session.free()], plan)[row, acting]
        set_speed(session, np.zeros(len(posture)))
        forces.append([_forces(session, muscle) for muscle in session.muscles])
    columns = {"moment_arm": arms, **dict(zip(FORCES, np.moveaxis(np.array(forces), 2, 0), strict=True))}
    whole = {name: np.full((len(values), len(session.muscles)), np.nan) for name in columns}
    for name, column in columns.items():
        whole[name][closes] = column
    return whole, warnings_since()


def _closed(session: Session, postures: Array) -> dict[int, Array]:
    """Postures, by row, with their dependent coordinates; without those in which loops of bodies do not close.

    Raises
    ------
    ModelError
        They close in none.
    """
    closed, refused = {}, None
    for row, posture in enumerate(postures):
        try:
            closed[row] = reach(session, posture)
            jacobian(session, closed[row])
        except ModelError as error:
            if session.loops is None:
                raise
            closed.pop(row, None)
            refused = error
    if not closed and refused is not None:
        raise refused
    return closed


def _forces(session: Session, muscle: Any) -> tuple[float, float, float, float, float]:
    """Length, fibre length, tendon force, its active part, rigid-tendon active force; NaN without equilibrium."""
    state = session.state
    length = muscle.getLength(state)
    short = length <= muscle.get_tendon_slack_length()  # some classes mirror the fibre there
    rigid = 0.0 if short else muscle.calcInextensibleTendonActiveFiberForce(state, 1.0)
    if not CLASSES[muscle.getConcreteClassName()].elastic_tendon:
        height = muscle.get_optimal_fiber_length() * np.sin(muscle.get_pennation_angle_at_optimal())
        fiber = float(np.hypot(length - muscle.get_tendon_slack_length(), height))
        passive = 0.0 if short else muscle.getPassiveFiberForceAlongTendon(state)
        return length, np.nan if short else fiber, rigid + passive, rigid, rigid
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
