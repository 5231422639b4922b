"""A model loaded, checked and kept in opensim's process, and OpenSim's warnings."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import opensim

from ...errors import InputError, ModelError, did_you_mean, explain, some
from ...files.storage import sha256
from ...muscle.forces import CLASSES
from ..messages import ModelKey
from .coordinates import find_turning, is_rotational, places_in_q, places_in_u, presses_on_ground
from .couplers import find_couplers
from .files import reading, reason, why_refused
from .loops import find_loops
from .old_muscles import REPLACED, remove_forces, replace_muscles
from .parts import Session

opensim.Logger.removeFileSink()  # before the first message, so that no opensim.log is ever made
opensim.Logger.setLevelString("warn")
_log = opensim.StringLogSink()
opensim.Logger.addSink(_log)
_read = 0

#: Paths that a posture decides alone.
PATHS = {"GeometryPath", "FunctionBasedPath"}
#: Scalar actuators whose force is another function of their control.
NOT_LINEAR = {"ClutchedPathSpring", "McKibbenActuator"}
#: Mesh files are for drawing only, and a body without mass is common: neither changes an answer.
_NOISE = re.compile(r"Couldn't find file '.*'|Unable to find geometry|\.vtp|\.stl|\.obj", re.IGNORECASE)


def warnings_since() -> list[str]:
    """OpenSim's warnings since the last call, without those of missing meshes."""
    global _read
    text = _log.getString()
    fresh, _read = text[_read:], len(text)
    lines = (line.strip() for line in fresh.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not _NOISE.search(line)))


def warm_up(key: ModelKey) -> None:
    """Load a model for the calls that follow."""
    load(key)


#: OpenSim's assembly of loops, which fails where it need not; they are closed by ``constraints`` or refused.
_ASSEMBLY = re.compile(r"assemble\(\)|Optimizer failed|Assembly error tolerance")


@lru_cache(maxsize=2)
def load(key: ModelKey) -> Session:
    """Load, weld, attach external loads, check that everything is supported, and initialise."""
    warnings_since()
    model, dropped = _read_model(key)
    _refuse_changed(key)
    replaced = _replace_muscles(model, key)
    if key.rigid_tendon:
        always_elastic = [kind.name for kind in CLASSES.values() if not kind.rigid_tendon]
        for muscle in model.getMuscleList():
            if muscle.getConcreteClassName() not in always_elastic:
                muscle.set_ignore_tendon_compliance(True)
    if key.loads is not None:
        _attach_loads(model, key.loads_read or key.loads, key)
    state = _initialise(model, key)
    parts = list(model.getComponentsList())  # walking a thousand components takes 20 ms: once
    forces = [force for part in parts if (force := opensim.Force.safeDownCast(part)) is not None]
    muscles, actuators, off = _split_actuators(forces, state, key)
    _silence(state, muscles, actuators)
    joints = list(model.getJointList())  # whole: SWIG's iterator cannot be abandoned
    free_base = any(is_base(joint) for joint in joints)
    contact = [force for force in forces if presses_on_ground(model, force, free_base)]
    for force in [] if key.contact else contact:
        force.setAppliesForce(state, False)
    coordinates = list(model.getCoordinateSet())
    if not coordinates:
        raise ModelError(explain("a model with coordinates", "none", "Is this the right model?", key.path))
    place, mobility = places_in_q(state, coordinates), places_in_u(state, coordinates)
    turning = find_turning(model, state, place, mobility)
    session = Session(
        key, model, state, coordinates, place, mobility, turning, muscles, actuators, forces, contact, off,
        find_couplers(parts, state, coordinates), opensim.InverseDynamicsSolver(model), warnings_since(), dropped,
        replaced,
    )  # fmt: skip
    loops = find_loops(session)
    said = session.warnings if loops is None else [line for line in session.warnings if not _ASSEMBLY.search(line)]
    return replace(session, loops=loops, warnings=said)


def _read_model(key: ModelKey) -> tuple[Any, list[str]]:
    """The model with its force sets and welds, and the forces that are left out, since others have their names."""
    try:
        with reading(key.path):
            model = opensim.Model(key.path)
        model.finalizeFromProperties()
    except RuntimeError as error:
        raise ModelError(why_refused(key.path, str(error))) from None
    dropped = _add_force_sets(model, key)
    _weld(model, key)
    return model, dropped


def _refuse_changed(key: ModelKey) -> None:
    """Refuse a model that is no longer the one that was described."""
    for file, contents in zip(key.files, key.stamps, strict=True):
        if not Path(file).is_file() or sha256(Path(file)) != contents:
            fix = "Read it again when it is whole."
            raise InputError(explain("files of a model that stay as they are", "one that changed meanwhile", fix, file))


def _replace_muscles(model: Any, key: ModelKey) -> list[str]:
    """Replace muscles of classes without curves; OpenSim may refuse, in the new class, values that the old one had."""
    try:
        return replace_muscles(model)
    except RuntimeError as error:
        raise ModelError(why_refused(key.path, str(error))) from None


def _add_force_sets(model: Any, key: ModelKey) -> list[str]:
    """Append the forces of ForceSet files to the model's own, or put them in their place, as OpenSim's tools do.

    Of forces of one name the first acts, the model's own or that of an earlier set; the others are returned.
    """
    dropped = []
    if key.replace_force_set:
        remove_forces(model)
    for path in key.force_sets:
        try:
            with reading(path):
                forces = opensim.ForceSet(path)
            added = [force.clone() for force in forces]
        except RuntimeError as error:
            raise ModelError(why_refused(path, str(error))) from None
        for force in added:
            if model.getForceSet().contains(force.getName()):
                dropped.append(f"{force.getName()} of {Path(path).name}")
            else:
                model.addForce(force)
    model.finalizeFromProperties()
    return dropped


def is_base(joint: Any) -> bool:
    """Whether a joint lets a body float: one from ground that shifts it in two directions or more."""
    if joint.getParentFrame().findBaseFrame().getName() != "ground":
        return False
    return sum(not is_rotational(joint.get_coordinates(index)) for index in range(joint.numCoordinates())) > 1


def _weld(model: Any, key: ModelKey) -> None:
    """Lock the coordinates of the joints to weld at their defaults.

    OpenSim's own ModOpReplaceJointsWithWelds welds at zero, and fails where an actuator, a spring, a coupler or a
    moving path point uses one of the coordinates.
    """
    joints = {joint.getName(): joint for joint in model.updJointSet()}
    if unknown := [name for name in key.weld if name not in joints]:
        fix = did_you_mean(unknown, joints, "Rename them.")
        raise ModelError(explain(f"joints to weld among {some(joints, 40)}", some(unknown), fix, key.path))
    for name in key.weld:
        for index in range(joints[name].numCoordinates()):
            joints[name].upd_coordinates(index).set_locked(True)


def _attach_loads(model: Any, path: str, key: ModelKey) -> None:
    with reading(path):
        loads = opensim.ExternalLoads(path, True)
    loads.setDataFileName(key.loads_data)
    model.addModelComponent(loads)


def _initialise(model: Any, key: ModelKey) -> Any:
    try:
        return model.initSystem()
    except RuntimeError as error:
        text = str(error)
        if key.loads is not None and "ExternalForce" in text:
            fix = "Correct the file, or use the one of this model."
            raise ModelError(explain("loads that fit the model", reason(text), fix, key.loads)) from None
        raise ModelError(why_refused(key.path, text)) from None


def _split_actuators(forces: list[Any], state: Any, key: ModelKey) -> tuple[list[Any], list[Any], list[str]]:
    """Muscles, other scalar actuators, and the names of those that the model switches off."""
    muscles, actuators, off = [], [], []
    for force in forces:
        if opensim.Actuator.safeDownCast(force) is None:
            continue
        name, kind = force.getName(), force.getConcreteClassName()
        if not force.appliesForce(state):
            off.append(name)
        elif muscle := opensim.Muscle.safeDownCast(force):
            if kind not in CLASSES:
                fix = "Write the muscle as one of them in the file, with its own properties."
                if kind in REPLACED:
                    fix = "Move it from the model's components into its ForceSet, where it is replaced by one of them."
                raise ModelError(
                    explain(f"muscles of class {some(sorted(CLASSES))}", f"{kind} '{name}'", fix, key.path)
                )
            if (path := muscle.getPath().getConcreteClassName()) not in PATHS:
                got = f"{path} of '{name}'"
                fix = "OpenSim solves it from the previous posture, and may fail: give the muscle a GeometryPath."
                raise ModelError(explain(f"muscle paths of class {some(sorted(PATHS))}", got, fix, key.path))
            muscles.append(muscle)
        elif kind in NOT_LINEAR:
            fix = "Set its appliesForce to false, or replace it by a PathActuator or a PathSpring."
            expected = "actuators whose force is their optimal force times their control"
            raise ModelError(explain(expected, f"{kind} '{name}'", fix, key.path))
        elif actuator := opensim.ScalarActuator.safeDownCast(force):
            actuators.append(actuator)
        else:
            fix = "Remove it or set its appliesForce to false."
            raise ModelError(explain("scalar actuators (one control each)", f"{kind} '{name}'", fix, key.path))
    if not muscles:
        fix = "Is this the right model?"
        if key.replace_force_set:
            fix = "The force sets took the place of the model's own forces: add them instead, or put muscles in them."
        raise ModelError(explain("at least one muscle", "none that applies force", fix, key.path))
    return muscles, actuators, off


def _silence(state: Any, muscles: list[Any], actuators: list[Any]) -> None:
    """Keep every actuator out of the inverse dynamics; those whose effect must be probed are held at zero."""
    for force in [*muscles, *actuators]:
        if opensim.Muscle.safeDownCast(force) or opensim.CoordinateActuator.safeDownCast(force):
            force.setAppliesForce(state, False)
        else:
            force.overrideActuation(state, True)
            force.setOverrideActuation(state, 0.0)
