"""What OpenSim's forces and actuators do, each alone, in random states of bodies that float freely.

Usage: `python forces_oracle.py FOLDER`; it leaves `judged.pickle` and files of external loads. Bodies `a` and `b` are
on FreeJoints at their origins: the generalized forces about their speeds are moment and force on them. `t_shift` and
`angle` are the coordinates of a slider and a pin, `bent` that of a joint with a function.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim
from model_zoo import Zoo, axis, vec, vector

from osimopt.adapters.model import identify
from osimopt.adapters.worker.force_laws import LAWS, NO_LAW
from osimopt.adapters.worker.mechanics import describe_mechanics
from osimopt.adapters.worker.session import NOT_LINEAR, load
from osimopt.adapters.worker.state import set_speeds

FRAMES = 15
OTHER = ((0.03, -0.05, 0.02), (0.3, -0.2, 0.5))


def base() -> Zoo:
    zoo = Zoo()
    for name in "ab":
        body = zoo.body(name)
        ends = (zoo.model.getGround(), vec((0, 0, 0)), vec((0, 0, 0)), body, vec((0, 0, 0)), vec((0, 0, 0)))
        names = {f"{name}_{kind}{axis}": (0.0, 0.0) for kind in ("r", "t_") for axis in "xyz"}
        zoo.joint(osim.FreeJoint(f"free_{name}", *ends), names)
    for name, joint in (("t_shift", osim.SliderJoint), ("angle", osim.PinJoint)):
        zoo.joint(joint(f"joint_{name}", zoo.model.getGround(), zoo.body(f"on_{name}")), {name: (0.1, 0.1)})
    transform = osim.SpatialTransform()  # OpenSim calls its coordinate "Coupled", and does not take it in degrees
    axis(transform, "rotation3", ["bent"], osim.PolynomialFunction(vector((0.3, 1.5, 0.0))), (0.0, 0.0, 1.0))
    still = vec((0, 0, 0))
    ends = (zoo.model.getGround(), still, still, zoo.body("on_bent"), still, still)
    zoo.joint(osim.CustomJoint("joint_bent", *ends, transform), {"bent": (0.1, 0.1)})
    zoo.muscle("muscle", ("ground", (0, 0, 0)), ("a", (0.1, 0.2, 0.0)))
    zoo.model.setGravity(vec((0, 0, 0)))
    return zoo


def offset(zoo: Zoo, body: str) -> Any:
    """A frame that is fixed on a body, not at its origin."""
    frame = osim.PhysicalOffsetFrame(f"{body}_offset", zoo.frame(body), osim.Transform(rotation(), vec(OTHER[0])))
    zoo.model.addComponent(frame)
    return frame


def rotation() -> Any:
    turn = osim.Rotation()
    turn.setRotationToBodyFixedXYZ(vec(OTHER[1]))
    return turn


def limit(zoo: Zoo, coordinate: str, low: float, high: float, wide: float) -> None:
    zoo.force(osim.CoordinateLimitForce(coordinate, high, 30.0, low, 20.0, 2.5, wide, False), "force")


def spring(zoo: Zoo, coordinate: str) -> None:
    force = osim.SpringGeneralizedForce(coordinate)
    force.setStiffness(12.0)
    force.setRestLength(0.1)
    force.setViscosity(0.7)
    zoo.force(force, "force")


def bushing(zoo: Zoo, first: Any, second: Any) -> None:
    force = osim.BushingForce()
    force.connectSocket_frame1(first)
    force.connectSocket_frame2(second)
    for name, values in (
        ("rotational_stiffness", (3.0, 4.0, 5.0)), ("translational_stiffness", (30.0, 40.0, 50.0)),
        ("rotational_damping", (0.3, 0.2, 0.1)), ("translational_damping", (2.0, 1.0, 3.0)),
    ):  # fmt: skip
        getattr(force, f"set_{name}")(vec(values))
    zoo.force(force, "force")


def function_bushing(zoo: Zoo) -> None:
    force = osim.FunctionBasedBushingForce()
    force.connectSocket_frame1(offset(zoo, "a"))
    force.connectSocket_frame2(offset(zoo, "b"))
    for index, letter in enumerate("xyz"):
        turning, shifting = ([0.3, 0.0, 2.0 + index, 0.1], [5.0, 1.0 + index, 0.5])
        getattr(force, f"set_m_{letter}_theta_{letter}_function")(osim.PolynomialFunction(vector(turning)))
        getattr(force, f"set_f_{letter}_delta_{letter}_function")(osim.PolynomialFunction(vector(shifting)))
    force.set_rotational_damping(vec((0.3, 0.2, 0.1)))
    force.set_translational_damping(vec((2.0, 1.0, 3.0)))
    zoo.force(force, "force")


def point_to_point(zoo: Zoo, first: Any, second: Any) -> None:
    points = vec((0.1, 0.2, -0.1)), vec((0.05, -0.1, 0.2))
    zoo.force(osim.PointToPointSpring(first, points[0], second, points[1], 70.0, 0.3), "force")


def prescribed(zoo: Zoo, frame: Any, given: str, in_ground: tuple[bool, bool]) -> None:
    force = osim.PrescribedForce("force", frame)
    for which in given.split():
        functions = [osim.Sine(2.0 + index, 3.0, 0.4 * index, 1.0) for index in range(3)]
        getattr(force, f"set{which}Functions")(*functions)
    force.setForceIsInGlobalFrame(in_ground[0])
    force.setPointIsInGlobalFrame(in_ground[1])
    zoo.force(force, "force")


def along(zoo: Zoo, force: Any, **numbers: float) -> None:
    """A force along a path over three bodies, of which it pulls two."""
    for name, value in numbers.items():
        getattr(force, f"set_{name}")(value)
    path = osim.GeometryPath()
    force.set_path(path)
    force.setName("force")
    zoo.model.addForce(force)
    live = zoo.model.getForceSet().get("force")
    live = getattr(osim, force.getConcreteClassName()).safeDownCast(live)
    for index, (body, place) in enumerate((("a", (0.1, 0.2, -0.1)), ("b", (0.05, -0.1, 0.2)))):
        live.updGeometryPath().appendNewPathPoint(f"point_{index}", zoo.frame(body), vec(place))


def between(zoo: Zoo, in_ground: bool) -> None:
    actuator = osim.PointToPointActuator("a", "b")
    actuator.setPointA(vec((0.1, -0.1, 0.02)))
    actuator.setPointB(vec((0.06, -0.03, 0.4)))
    actuator.setPointsAreGlobal(in_ground)
    zoo.force(actuator, "force")


def point(zoo: Zoo, force_in_ground: bool, point_in_ground: bool) -> None:
    zoo.push("force", "b", (0.1, -0.2, 0.05), (1.0, 0.2, -0.5), in_ground=force_in_ground)
    osim.PointActuator.safeDownCast(zoo.model.getForceSet().get("force")).set_point_is_global(point_in_ground)


def activated(zoo: Zoo) -> None:
    actuator = osim.ActivationCoordinateActuator()
    actuator.setCoordinate(zoo.model.getCoordinateSet().get("t_shift"))
    zoo.force(actuator, "force")


CASES: dict[str, Callable[[Zoo], None]] = {
    "limit_angle": lambda zoo: limit(zoo, "angle", -20.0, 35.0, 10.0),
    "limit_shift": lambda zoo: limit(zoo, "t_shift", -0.3, 0.4, 0.2),
    "limit_coupled": lambda zoo: limit(zoo, "bent", -0.3, 0.4, 0.2),
    "spring_angle": lambda zoo: spring(zoo, "angle"),
    "spring_of_free_joint": lambda zoo: spring(zoo, "a_ry"),
    "limit_of_free_joint": lambda zoo: limit(zoo, "a_ry", -5.0, 5.0, 10.0),
    "bushing": lambda zoo: bushing(zoo, zoo.frame("a"), zoo.frame("b")),
    "bushing_on_ground": lambda zoo: bushing(zoo, zoo.model.getGround(), offset(zoo, "b")),
    "bushing_in_offset_frames": lambda zoo: bushing(zoo, offset(zoo, "a"), offset(zoo, "b")),
    "bushing_of_functions": function_bushing,
    "point_to_point": lambda zoo: point_to_point(zoo, zoo.frame("a"), zoo.frame("b")),
    "point_to_point_in_offset_frames": lambda zoo: point_to_point(zoo, offset(zoo, "a"), zoo.model.getGround()),
    "prescribed": lambda zoo: prescribed(zoo, zoo.frame("a"), "Force Point Torque", (True, False)),
    "prescribed_point_in_ground": lambda zoo: prescribed(zoo, zoo.frame("a"), "Force Point", (True, True)),
    "prescribed_in_body": lambda zoo: prescribed(zoo, zoo.frame("b"), "Force Point Torque", (False, False)),
    "prescribed_in_offset": lambda zoo: prescribed(zoo, offset(zoo, "b"), "Force Point Torque", (False, False)),
    "prescribed_without_point": lambda zoo: prescribed(zoo, offset(zoo, "b"), "Force", (False, True)),
    "prescribed_torque": lambda zoo: prescribed(zoo, zoo.frame("b"), "Torque", (False, False)),
    "path_spring": lambda zoo: along(zoo, osim.PathSpring(), resting_length=0.9, stiffness=80.0, dissipation=0.2),
    "ligament": lambda zoo: along(zoo, osim.Ligament(), resting_length=0.7, pcsa_force=120.0),
    "blankevoort": lambda zoo: along(
        zoo, osim.Blankevoort1991Ligament(), slack_length=0.9, linear_stiffness=80.0, transition_strain=0.3,
        damping_coefficient=4.0,
    ),
    "blankevoort_without_toe": lambda zoo: along(
        zoo, osim.Blankevoort1991Ligament(), slack_length=0.9, linear_stiffness=80.0, transition_strain=0.0,
    ),
    "path_actuator": lambda zoo: along(zoo, osim.PathActuator(), optimal_force=40.0),
    "coordinate_actuator": lambda zoo: zoo.actuate(["angle"]),
    "actuator_of_free_joint": lambda zoo: zoo.actuate(["b_t_y"]),
    "activated": activated,
    "torque_ground": lambda zoo: zoo.torque("force", (0.2, 1.0, -0.4), ("a", "b")),
    "torque_body": lambda zoo: zoo.torque("force", (0.2, 1.0, -0.4), ("b", "ground"), in_ground=False),
    "point": lambda zoo: point(zoo, True, False),
    "point_in_body": lambda zoo: point(zoo, False, False),
    "point_in_ground": lambda zoo: point(zoo, True, True),
    "between": lambda zoo: between(zoo, False),
    "between_in_ground": lambda zoo: between(zoo, True),
}  # fmt: skip


def judge(name: str, folder: Path) -> dict[str, Any]:
    zoo = base()
    CASES[name](zoo)
    path = folder / f"{name}.osim"
    zoo.finish(name).printToXML(str(path))
    key = identify(str(path))
    session, described = load(key), describe_mechanics(key)
    random = np.random.default_rng(3)
    value, speed = random.uniform(-0.8, 0.8, (2, FRAMES, len(session.coordinates)))
    time = random.uniform(0.0, 2.0, FRAMES)
    force = next(f for f in session.forces if f.getName() not in ("muscle",))
    found, lengths = [], []
    for frame in range(FRAMES):
        with_, without = (net(session, force, time[frame], value[frame], speed[frame], on) for on in (True, False))
        found.append(without - with_)
        lengths.append(path_of(session, force))
    return {
        "described": described, "time": time, "value": value, "speed": speed, "force": np.array(found),
        "path": np.array(lengths),
    }  # fmt: skip


def net(session: Any, force: Any, time: float, value: Any, speed: Any, on: bool) -> Any:
    """Inverse dynamics at zero change of the speeds, with the force, or an actuator at control 1, and without."""
    state = session.state
    state.setTime(float(time))
    if osim.Muscle.safeDownCast(force):
        pass  # switched off in a session
    elif actuator := osim.ScalarActuator.safeDownCast(force):
        actuator.setAppliesForce(state, True)
        actuator.overrideActuation(state, True)
        actuator.setOverrideActuation(state, actuator.getOptimalForce() if on else 0.0)
    else:
        force.setAppliesForce(state, on)
    q = np.zeros(state.getNQ())
    q[session.place] = value
    state.setQ(osim.Vector.createFromMat(q))
    set_speeds(session, speed)
    udot = osim.Vector(state.getNU(), 0.0)
    return session.inverse_dynamics.solve(state, udot).to_numpy()[session.mobility].copy()


def path_of(session: Any, force: Any) -> tuple[float, float]:
    own = getattr(osim, force.getConcreteClassName()).safeDownCast(force)
    if not hasattr(own, "getGeometryPath"):
        return (0.0, 0.0)
    session.model.realizeVelocity(session.state)
    path = own.getGeometryPath()
    return (path.getLength(session.state), path.getLengtheningSpeed(session.state))


#: Of each ExternalForce: applied to, force expressed in, point expressed in, and what is given of force, point, torque.
LOADS: dict[str, tuple[int, list[tuple[str, str, str, str]]]] = {
    "plates": (30, [("a", "ground", "ground", "fpt"), ("b", "ground", "ground", "fpt")]),
    "in_bodies": (30, [("a", "b", "a", "fpt"), ("b", "b", "a", "fp"), ("b", "a", "ground", "fpt")]),
    "without_point": (30, [("a", "ground", "ground", "f"), ("b", "a", "ground", "ft")]),
    "torques": (30, [("a", "ground", "", "t"), ("b", "b", "", "t")]),
    "unnamed_frames": (30, [("a", "", "", "fpt")]),
    "paths_of_bodies": (30, [("/bodyset/a", "/bodyset/b", "/ground", "fpt")]),
    **{f"{rows}_rows": (rows, [("a", "ground", "ground", "fpt")]) for rows in (1, 2, 3, 4, 5, 7, 8, 9)},
}


def write_loads(folder: Path, name: str) -> Path:
    rows, forces = LOADS[name]
    random, kinds = np.random.default_rng(rows), {"f": "force", "p": "point", "t": "torque"}
    labels = [f"{kind}{number}_{axis}" for number in range(len(forces)) for kind in kinds for axis in "xyz"]
    grid = np.linspace(0.0, 2.0, max(rows, 2))
    time = (grid + random.uniform(-0.3, 0.3, len(grid)) * grid[1] * (grid % 2.0 > 0.0))[:rows]
    values = random.uniform(-3.0, 3.0, (rows, len(labels)))
    table = "\n".join("\t".join(f"{v:.17g}" for v in (t, *row)) for t, row in zip(time, values, strict=True))
    header = f"{name}\nversion=1\nnRows={rows}\nnColumns={len(labels) + 1}\ninDegrees=no\nendheader\n"
    (folder / f"{name}.mot").write_text(header + "\t".join(["time", *labels]) + "\n" + table + "\n")
    parts = []
    for number, (body, frame, place, given) in enumerate(forces):
        tags = {"applied_to_body": body, "force_expressed_in_body": frame, "point_expressed_in_body": place}
        tags |= {f"{kinds[kind]}_identifier": f"{kind}{number}_" for kind in given}
        text = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags.items())
        parts.append(f'<ExternalForce name="load_{number}">{text}</ExternalForce>')
    (folder / f"{name}.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8" ?><OpenSimDocument Version="40000"><ExternalLoads name="loads">'
        f"<objects>{''.join(parts)}</objects><datafile>{name}.mot</datafile></ExternalLoads></OpenSimDocument>"
    )
    return folder / f"{name}.xml"


def judge_loads(name: str, folder: Path) -> dict[str, Any]:
    """What the loads do to the bodies, as OpenSim applies them."""
    bare = folder / "bare.osim"
    base().finish("bare").printToXML(str(bare))
    loads = write_loads(folder, name)
    key = identify(bare)
    loaded = load(replace(key, loads=str(loads), loads_data=str(loads.with_suffix(".mot"))))
    described, random = describe_mechanics(key), np.random.default_rng(5)
    value, speed = random.uniform(-0.8, 0.8, (2, FRAMES, len(loaded.coordinates)))
    time, found = np.sort(random.uniform(0.0, 2.0, FRAMES)), []
    muscle = loaded.muscles[0]
    for frame in range(FRAMES):
        alone, with_ = (
            net(session, muscle, time[frame], value[frame], speed[frame], False) for session in (load(key), loaded)
        )
        found.append(alone - with_)
    return {
        "described": described, "time": time, "value": value, "speed": speed, "force": np.array(found), "file": loads,
    }  # fmt: skip


def classes() -> dict[str, set[str]]:
    """Classes of forces that opensim has, and those that are described, left to it and refused, by their names."""
    names, forces = osim.ArrayStr(), set()
    osim.OpenSimObject.getRegisteredTypenames(names)
    for index in range(names.getSize()):
        force = osim.Force.safeDownCast(osim.OpenSimObject.getDefaultInstanceOfType(names.get(index)))
        if force is not None and osim.Muscle.safeDownCast(force) is None:
            forces.add(names.get(index))
    not_scalar = {
        name
        for name in forces
        if osim.Actuator.safeDownCast(made := osim.OpenSimObject.getDefaultInstanceOfType(name))
        and osim.ScalarActuator.safeDownCast(made) is None
    }
    return {"all": forces, "described": LAWS, "asked": set(NO_LAW), "refused": NOT_LINEAR | not_scalar}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    judged = {name: judge(name, place) for name in CASES} | {name: judge_loads(name, place) for name in LOADS}
    judged["classes"] = classes()
    (place / "judged.pickle").write_bytes(pickle.dumps(judged))
