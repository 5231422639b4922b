"""Small models built through OpenSim's API: one for each kind of joint, function, muscle, point, wrap and actuator.

`write(name, folder)`, or `python model_zoo.py FOLDER NAME ...`, leaves `name.osim` and its motion in radians
(`name.mot`) and in degrees (`name_degrees.mot`). Every coordinate whose name begins with `t_` is a translation, every
other one an angle: that is how they were built, whatever OpenSim's MotionType calls them. Every number is invented
(m, kg, N, s, rad).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim
from numpy.typing import NDArray

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

Array = NDArray[np.float64]
Point = tuple[float, float, float]

TIMES = np.arange(31) / 50.0
ZERO: Point = (0.0, 0.0, 0.0)
#: N·m or N of the actuators on coordinates: enough beside any muscle, so that every frame has an answer.
STRENGTH = 40.0
#: Share of the length in the middle of the motion that tendons and fibres have.
TENDON, FIBER = 0.35, 0.65


@dataclass
class Zoo:
    """A model under construction, its motion, and what follows from what, in closed form.

    ``motion`` has (middle, amplitude) of every coordinate that is free or locked. ``follows`` are the coupled ones, as
    functions of all values by name, ``prescribed`` those that the model moves, as functions of time. ``loads`` are a
    body, the force on it and the point of ground where that acts.
    """

    model: Any = field(default_factory=osim.Model)
    motion: dict[str, tuple[float, float]] = field(default_factory=dict)
    follows: dict[str, Callable[[dict[str, float]], float]] = field(default_factory=dict)
    prescribed: dict[str, Callable[[float], float]] = field(default_factory=dict)
    loads: tuple[str, Point, Point] | None = None

    def body(self, name: str, mass: float = 2.0, center: Point = (0.02, -0.2, 0.01)) -> Any:
        inertia = osim.Inertia(0.02 * mass, 0.006 * mass, 0.022 * mass, 0.001 * mass, -0.002 * mass, 0.0015 * mass)
        body = osim.Body(name, mass, vec(center), inertia)
        self.model.addBody(body)
        return body

    def path(self, coordinate: str) -> str:
        return str(self.model.getCoordinateSet().get(coordinate).getAbsolutePathString())

    def frame(self, name: str) -> Any:
        return self.model.getGround() if name == "ground" else self.model.getBodySet().get(name)

    def joint(self, joint: Any, motion: dict[str, tuple[float, float]]) -> Any:
        """Add a joint whose coordinates, in its order, are those of ``motion``."""
        joint.finalizeFromProperties()  # a CustomJoint makes its coordinates here
        assert joint.numCoordinates() == len(motion)
        for index, name in enumerate(motion):
            joint.upd_coordinates(index).setName(name)
            joint.upd_coordinates(index).setDefaultValue(motion[name][0])
        self.model.addJoint(joint)
        self.motion |= motion
        return joint

    def pin(self, name: str, parent: str, child: str, middle: float, amplitude: float, at: Point) -> None:
        """A body below a pin joint whose axis is oblique in both bodies."""
        self.body(child, 1.5)
        ends = (self.frame(parent), vec(at), vec((0.2, -0.1, 0.0)), self.frame(child), vec((0.0, 0.01, 0.0)))
        self.joint(osim.PinJoint(f"{name}_joint", *ends, vec((0.1, 0.05, 0.0))), {name: (middle, amplitude)})

    def muscle(
        self, name: str, *points: tuple[str, Point], kind: str = "Millard2012EquilibriumMuscle", force: float = 800.0
    ) -> Any:
        muscle = getattr(osim, kind)()
        muscle.setName(name)
        muscle.set_max_isometric_force(force)
        muscle.set_pennation_angle_at_optimal(0.1)
        forces = self.model.updForceSet()
        forces.cloneAndAppend(muscle)  # Model.addForce looks through the whole model each time
        muscle = osim.Muscle.safeDownCast(forces.get(forces.getSize() - 1))
        for index, (body, place) in enumerate(points):
            muscle.addNewPathPoint(f"{name}_{index}", self.frame(body), vec(place))
        return muscle

    def actuate(self, names: Sequence[str]) -> None:
        """One CoordinateActuator on each coordinate."""
        for name in names:
            actuator = osim.CoordinateActuator(name)
            actuator.setName(f"act_{name}")
            actuator.setOptimalForce(STRENGTH)
            self.model.addForce(actuator)

    def torque(self, name: str, axis: Point, bodies: tuple[str, str], in_ground: bool = True) -> None:
        actuator = osim.TorqueActuator(*map(self.frame, bodies), vec(axis), in_ground)
        self.force(actuator, name)

    def push(self, name: str, body: str, point: Point, direction: Point, in_ground: bool = True) -> None:
        actuator = osim.PointActuator(body)
        actuator.set_point(vec(point))
        actuator.set_point_is_global(False)
        actuator.set_direction(vec(direction))
        actuator.set_force_is_global(in_ground)
        self.force(actuator, name)

    def force(self, force: Any, name: str) -> None:
        force.setName(name)
        if hasattr(force, "setOptimalForce"):
            force.setOptimalForce(STRENGTH)
        self.model.addForce(force)

    def finish(self, name: str) -> Any:
        """Give every muscle a tendon and fibres that fit the middle of the motion."""
        model = self.model
        model.setName(name)
        model.finalizeConnections()
        state = model.initSystem()
        for coordinate, (middle, _) in self.motion.items():
            one = model.getCoordinateSet().get(coordinate)
            one.setLocked(state, False)
            one.setValue(state, middle, False)
        model.realizePosition(state)
        lengths = [muscle.getLength(state) for muscle in model.getMuscleList()]
        for muscle, length in zip(model.getMuscleList(), lengths, strict=True):
            muscle.set_tendon_slack_length(TENDON * length)
            muscle.set_optimal_fiber_length(FIBER * length / math.cos(0.1))
        model.finalizeConnections()
        return model


def vec(point: Sequence[float]) -> Any:
    return osim.Vec3(*map(float, point))


def strings(*items: str) -> Any:
    array = osim.ArrayStr()
    for item in items:
        array.append(item)
    return array


def vector(values: Sequence[float]) -> Any:
    return osim.Vector.createFromMat(np.asarray(values, dtype=float))


def value_at(order: int, middle: float, amplitude: float) -> Array:
    """A coordinate along the motion: one sine each, of its own pace and phase."""
    return middle + amplitude * np.sin((4.0 + 0.7 * order) * TIMES + 1.1 * order)


def write_motion(path: Path, zoo: Zoo, degrees: bool) -> None:
    """The motion as a file; the one in radians has the coordinates that the model decides, too."""
    columns = {name: value_at(i, *zoo.motion[name]) for i, name in enumerate(zoo.motion)}
    decided = {} if degrees else zoo.prescribed
    columns |= {name: np.array([function(time) for time in TIMES]) for name, function in decided.items()}
    for name, function in [] if degrees else zoo.follows.items():
        frames = [dict(zip(columns, row, strict=True)) for row in np.column_stack([*columns.values()])]
        columns[name] = np.array([function(frame) for frame in frames])
    if degrees:
        columns = {n: v if n.startswith("t_") else np.rad2deg(v) for n, v in columns.items()}
    names = "\t".join(["time", *columns])
    yes = "yes" if degrees else "no"
    header = f"Coordinates\nversion=1\nnRows={len(TIMES)}\nnColumns={len(columns) + 1}\ninDegrees={yes}\nendheader\n"
    rows = np.column_stack([TIMES, *columns.values()])
    body = "\n".join("\t".join(f"{value:.16g}" for value in row) for row in rows)
    path.write_text(f"{header}{names}\n{body}\n")


def write_loads(folder: Path, name: str, zoo: Zoo) -> None:
    """A constant force on one body, at a point of ground."""
    if zoo.loads is None:
        return
    body, force, point = zoo.loads
    labels = [f"{kind}{axis}" for kind in ("F_v", "F_p") for axis in "xyz"]
    rows = "\n".join("\t".join(map(str, (time, *force, *point))) for time in TIMES)
    count = len(TIMES)
    header = f"loads\nversion=1\nnRows={count}\nnColumns=7\ninDegrees=no\nendheader\n"
    (folder / f"{name}_loads.mot").write_text(header + "\t".join(["time", *labels]) + f"\n{rows}\n")
    (folder / f"{name}_loads.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8" ?>\n<OpenSimDocument Version="40000"><ExternalLoads name="loads">'
        f'<objects><ExternalForce name="load"><applied_to_body>{body}</applied_to_body>'
        "<force_expressed_in_body>ground</force_expressed_in_body>"
        "<point_expressed_in_body>ground</point_expressed_in_body><force_identifier>F_v</force_identifier>"
        "<point_identifier>F_p</point_identifier></ExternalForce></objects>"
        f"<datafile>{name}_loads.mot</datafile></ExternalLoads></OpenSimDocument>\n"
    )


# -- joints -----------------------------------------------------------------------------------------------------------

TURN3 = {"r1": (0.4, 0.35), "r2": (0.15, 0.45), "r3": (-0.3, 0.5)}
SHIFT3 = {"t_x": (0.1, 0.08), "t_y": (0.25, 0.1), "t_z": (-0.06, 0.05)}
ANCHOR = ((0.01, 0.12, -0.02), (0.15, -0.1, 0.25))  # place and orientation of a joint in ground
SEAT = ((0.02, 0.03, -0.01), (0.0, 0.1, -0.05))  # and in its child
RADII = (0.11, 0.16, 0.08)
SPHERE = 0.12


def x_y_z(order: str = "xyz") -> Any:
    """A SpatialTransform that turns about x, y and z as a Ball's angles do, and shifts along them where asked."""
    transform = osim.SpatialTransform()
    directions = np.eye(3)
    for index, name in enumerate(("r1", "r2", "r3")):
        axis(transform, f"rotation{index + 1}", [name], osim.LinearFunction(1.0, 0.0), directions[index])
    for index, name in enumerate(SHIFT3):
        axis(transform, f"translation{index + 1}", [name], osim.LinearFunction(1.0, 0.0), directions[index])
    return transform


def axis(transform: Any, which: str, names: Sequence[str], function: Any, direction: Sequence[float]) -> None:
    part = getattr(transform, f"upd_{which}")()
    part.setAxis(vec(direction))
    part.setCoordinateNames(strings(*names))
    part.set_function(function)


def oblique() -> Any:
    """Three rotations and three translations about axes that are neither orthogonal nor in order."""
    transform = osim.SpatialTransform()
    turns = ((0.1, 0.2, 1.0), (1.0, 0.0, 0.3), (0.0, 1.0, -0.2))
    shifts = ((1.0, 0.1, 0.0), (0.0, 1.0, 0.2), (0.3, 0.0, 1.0))
    for index, (name, direction) in enumerate(zip(TURN3, turns, strict=True)):
        axis(transform, f"rotation{index + 1}", [name], osim.LinearFunction(1.0, 0.0), direction)
    for index, (name, direction) in enumerate(zip(SHIFT3, shifts, strict=True)):
        axis(transform, f"translation{index + 1}", [name], osim.LinearFunction(1.0, 0.0), direction)
    return transform


#: Class, what its constructor takes after the two places, its coordinates.
JOINTS: dict[str, tuple[str, Callable[[], tuple[Any, ...]], dict[str, tuple[float, float]]]] = {
    "weld": ("WeldJoint", tuple, {}),
    "pin": ("PinJoint", tuple, {"r1": (0.4, 0.35)}),
    "slider": ("SliderJoint", tuple, {"t_x": (0.1, 0.08)}),
    "universal": ("UniversalJoint", tuple, {"r1": (0.4, 0.35), "r2": (0.15, 0.45)}),
    "planar": ("PlanarJoint", tuple, {"r1": (0.4, 0.35), "t_x": (0.1, 0.08), "t_y": (0.25, 0.1)}),
    "gimbal": ("GimbalJoint", tuple, TURN3),
    "ball": ("BallJoint", tuple, TURN3),
    "free": ("FreeJoint", tuple, TURN3 | SHIFT3),
    "ellipsoid": ("EllipsoidJoint", lambda: (vec(RADII),), TURN3),
    "sphere": ("EllipsoidJoint", lambda: (vec((SPHERE,) * 3),), TURN3),
    "scapulothoracic": (
        "ScapulothoracicJoint",
        lambda: (vec(RADII), osim.Vec2(0.01, -0.02), 0.4),
        TURN3 | {"r4": (0.1, 0.2)},
    ),
    "curvature": ("ConstantCurvatureJoint", lambda: (vec((0.0, 0.0, 0.0)), 0.3), TURN3),
    "custom": ("CustomJoint", lambda: (oblique(),), TURN3 | SHIFT3),
    "custom_x_y_z": ("CustomJoint", lambda: (x_y_z(),), TURN3 | SHIFT3),
}


def add_joint(zoo: Zoo, kind: str, child: str, shift: Point = ZERO) -> None:
    """The joint between ground and a body; ``shift`` moves its place in the child, in the joint's own frame."""
    made, more, motion = JOINTS[kind]
    place, turn = SEAT
    matrix = rotation(turn)
    there = np.array(place) + matrix @ np.array(shift)
    ends = (zoo.frame("ground"), *map(vec, ANCHOR), zoo.frame(child), vec(there), vec(turn))
    zoo.joint(getattr(osim, made)("base", *ends, *more()), dict(motion))


def rotation(angles: Point) -> Array:
    """Body-fixed x-y-z."""
    matrix = np.eye(3)
    for index, angle in enumerate(angles):
        one, other = (index + 1) % 3, (index + 2) % 3
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = math.cos(angle)
        turn[one, other], turn[other, one] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    return matrix


def joint_case(kind: str, shift: Point = ZERO, actuate: bool = True) -> Zoo:
    """A trunk on the joint, two pin joints below it, muscles across each and across two of them."""
    zoo = Zoo()
    zoo.body("trunk", 4.0)
    add_joint(zoo, kind, "trunk", shift)
    zoo.pin("knee", "trunk", "shank", -0.5, 0.4, (0.02, -0.4, 0.0))
    zoo.pin("ankle", "shank", "foot", 0.1, 0.3, (0.0, -0.35, 0.02))
    for index, (x, z) in enumerate(product((-0.12, 0.12), (-0.1, 0.1))):
        zoo.muscle(f"base_{index}", ("ground", (x, 0.6, z)), ("trunk", (z, -0.25, -0.5 * x)))
    zoo.muscle("knee_front", ("trunk", (0.06, -0.1, 0.0)), ("shank", (0.05, -0.05, 0.01)), force=1200.0)
    zoo.muscle("knee_back", ("trunk", (-0.06, -0.1, 0.01)), ("shank", (-0.05, -0.08, 0.0)), force=900.0)
    zoo.muscle("two_joint", ("ground", (0.1, 0.55, 0.12)), ("shank", (-0.06, -0.1, 0.02)))
    zoo.muscle("long", ("trunk", (-0.06, -0.2, 0.0)), ("foot", (-0.06, -0.02, 0.0)))
    zoo.muscle("ankle_front", ("shank", (0.04, -0.1, 0.0)), ("foot", (0.07, -0.03, 0.01)))
    if actuate:
        zoo.actuate(list(zoo.motion))
    return zoo


def twin(kind: str) -> Zoo:
    """The same body with a joint whose speeds are the rates of its angles, and actuators that do the same.

    A CoordinateActuator on a Ball pushes its speed, a component of the angular velocity in the parent's frame: it is a
    torque about that frame's axis. On a Free it is that, or a force at the child's frame along the parent's axis.
    """
    shift = (0.0, 0.0, -SPHERE) if kind == "sphere" else ZERO
    zoo = joint_case({"ball": "gimbal", "sphere": "gimbal", "free": "custom_x_y_z"}[kind], shift, actuate=False)
    axes = rotation(ANCHOR[1]).T
    for name in zoo.motion:
        if name in TURN3:
            zoo.torque(f"act_{name}", tuple(axes[list(TURN3).index(name)]), ("trunk", "ground"))
        elif name in SHIFT3:
            zoo.push(f"act_{name}", "trunk", SEAT[0], tuple(axes[list(SHIFT3).index(name)]))
        else:
            zoo.actuate([name])
    return zoo


def own_speeds(kinds: Sequence[str]) -> Zoo:
    """A chain of joints of three angles or more, and a pin below them."""
    zoo = Zoo()
    last = "ground"
    for index, kind in enumerate(kinds):
        body = f"body_{index}"
        zoo.body(body, 4.0 - index)
        made, more, motion = JOINTS[kind]
        places = ANCHOR if last == "ground" else ((0.02, -0.4, 0.01), (0.1, 0.05, -0.1))
        ends = (zoo.frame(last), *map(vec, places), zoo.frame(body), *map(vec, SEAT))
        own = {f"{name}{index}": (0.7 * middle, 0.8 * size) for name, (middle, size) in motion.items()}
        zoo.joint(getattr(osim, made)(f"joint_{index}", *ends, *more()), own)
        for side, (x, z) in enumerate(product((-0.1, 0.12), (-0.1, 0.08))):
            up = (x, 0.6, z) if last == "ground" else (x, -0.1, z)
            zoo.muscle(f"m{index}_{side}", (last, up), (body, (z, -0.25, -0.5 * x)))
        last = body
    zoo.muscle("across", ("ground", (0.1, 0.5, 0.1)), (last, (0.03, -0.2, 0.05)))
    zoo.pin("knee", last, "shank", -0.5, 0.4, (0.02, -0.4, 0.0))
    zoo.muscle("knee_front", (last, (0.06, -0.1, 0.0)), ("shank", (0.05, -0.05, 0.01)))
    zoo.actuate(list(zoo.motion))
    return zoo


def backward(kind: str) -> Zoo:
    """A joint whose parent is further from ground than its child: Simbody has its mobilizer the other way round."""
    zoo = Zoo()
    zoo.body("trunk", 4.0)
    add_joint(zoo, "pin", "trunk")
    zoo.body("arm", 2.0)
    made, more, motion = JOINTS[kind]
    ends = (zoo.frame("arm"), vec((0.02, 0.1, 0.01)), vec((0.1, 0.0, 0.1)), zoo.frame("trunk"), vec((0.0, -0.3, 0.0)))
    joint = getattr(osim, made)("backward", *ends, vec((0.0, 0.1, 0.0)), *more())
    zoo.joint(joint, {f"{name}_back": numbers for name, numbers in motion.items()})
    zoo.muscle("long", ("ground", (0.1, 0.5, 0.1)), ("arm", (0.05, -0.1, 0.02)))
    zoo.muscle("short", ("trunk", (0.1, -0.1, 0.1)), ("arm", (-0.05, -0.1, 0.02)))
    zoo.actuate(list(zoo.motion))
    return zoo


def loaded(kind: str) -> Zoo:
    """A base, a chain below it, and a force on the last body."""
    zoo = joint_case(kind)
    zoo.loads = ("foot", (20.0, 150.0, -15.0), (0.1, -0.8, 0.05))
    return zoo


# -- what a joint's coordinates may be ------------------------------------------------------------------------------


def coupled(kind: str) -> Zoo:
    """A coupled pin below a gimbal joint, by a function of two others whose second derivatives OpenSim gets wrong."""
    zoo = joint_case("gimbal", actuate=False)
    numbers = (0.1, 0.2, -0.3, 0.3, 0.15, 0.1)
    if kind == "MultivariatePolynomialFunction":
        couple(zoo, "ankle", ["r1", "knee"], quadratic(*numbers), 1.0)
        zoo.follows["ankle"] = lambda q: quadratic_value(numbers, q["r1"], q["knee"])
    else:
        couple(zoo, "ankle", ["r1", "knee"], expression("0.3*sin(x*y)+0.2*x^2", "x", "y"), 1.0)
        zoo.follows["ankle"] = lambda q: 0.3 * math.sin(q["r1"] * q["knee"]) + 0.2 * q["r1"] ** 2
    zoo.actuate(list(zoo.motion))
    return zoo


def held(kind: str) -> Zoo:
    """A joint of three angles: one locked away from zero, one prescribed, or one that follows another."""
    base, how = kind.split("_")
    zoo = joint_case(base, actuate=False)
    coordinate = zoo.model.getCoordinateSet().get
    if how == "locked":
        coordinate("r2").setDefaultValue(0.35)
        coordinate("r2").set_locked(True)
        zoo.motion["r2"] = (0.35, 0.0)
    elif how == "prescribed":
        coordinate("r2").setPrescribedFunction(osim.Sine(0.3, 5.0, 0.2, 0.1))
        coordinate("r2").set_prescribed(True)
        zoo.prescribed["r2"] = lambda time: 0.3 * math.sin(5.0 * time + 0.2) + 0.1
        del zoo.motion["r2"]
    else:
        couple(zoo, "r2", ["r3"], osim.PolynomialFunction(vector([0.4, -0.5, 0.2])), 1.0)
        zoo.follows["r2"] = lambda q: 0.4 * q["r3"] ** 2 - 0.5 * q["r3"] + 0.2
        couple(zoo, "ankle", ["r1"], osim.Sine(0.3, 1.7, 0.2, 0.1), -0.8)
        zoo.follows["ankle"] = lambda q: -0.8 * (0.3 * math.sin(1.7 * q["r1"] + 0.2) + 0.1)
    zoo.actuate([name for name in ("r1", "r3", "knee") if name in zoo.motion])
    return zoo


def couple(zoo: Zoo, dependent: str, independents: Sequence[str], function: Any, scale: float) -> None:
    coupler = osim.CoordinateCouplerConstraint()
    coupler.setName(f"{dependent}_follows")
    coupler.setIndependentCoordinateNames(strings(*independents))
    coupler.setDependentCoordinateName(dependent)
    coupler.setFunction(function)
    osim.PropertyHelper.setValueDouble(scale, coupler.updPropertyByName("scale_factor"))
    zoo.model.addConstraint(coupler)
    del zoo.motion[dependent]


def quadratic(*coefficients: float) -> Any:
    """A polynomial of two arguments: 1, y, y², x, xy, x² (OpenSim's order)."""
    function = osim.MultivariatePolynomialFunction()
    function.setDimension(2)
    function.setOrder(2)
    function.setCoefficients(vector(coefficients))
    return function


def quadratic_value(c: Sequence[float], x: float, y: float) -> float:
    return c[0] + c[1] * y + c[2] * y * y + c[3] * x + c[4] * x * y + c[5] * x * x


def chain() -> Zoo:
    """Pins: free, clamped, locked, prescribed and coupled; a muscle and actuators that are switched off."""
    zoo = Zoo()
    zoo.pin("a", "ground", "one", 0.3, 0.4, (0.0, -0.4, 0.0))
    zoo.pin("b", "one", "two", -0.2, 0.5, (0.0, -0.4, 0.0))
    zoo.pin("c", "two", "three", 0.1, 0.3, (0.02, -0.4, 0.0))
    zoo.pin("d", "three", "four", 0.2, 0.3, (0.0, -0.4, 0.02))
    zoo.pin("e", "four", "five", 0.4, 0.3, (0.0, -0.35, 0.0))
    zoo.pin("f", "five", "six", 0.0, 0.3, (0.01, -0.35, 0.0))
    for one, other in pairwise(("ground", "one", "two", "three", "four", "five", "six")):
        zoo.muscle(f"{other}_front", (one, (0.05, -0.1, 0.02)), (other, (0.04, -0.1, -0.01)))
        zoo.muscle(f"{other}_back", (one, (-0.05, -0.12, 0.0)), (other, (-0.06, -0.1, 0.01)))
    zoo.muscle("across", ("two", (0.03, -0.1, 0.0)), ("five", (0.03, -0.2, 0.0)))
    coordinate = zoo.model.getCoordinateSet().get
    coordinate("b").setRangeMin(-1.0)
    coordinate("b").setRangeMax(1.0)
    coordinate("b").set_clamped(True)
    coordinate("c").set_locked(True)
    zoo.motion["c"] = (0.1, 0.0)
    coordinate("d").setPrescribedFunction(osim.PolynomialFunction(vector([0.5, -0.4, 0.2])))
    coordinate("d").set_prescribed(True)
    zoo.prescribed["d"] = lambda time: 0.5 * time**2 - 0.4 * time + 0.2
    del zoo.motion["d"]
    couple(zoo, "e", ["a"], osim.LinearFunction(0.8, 0.2), 0.5)
    zoo.follows["e"] = lambda q: 0.5 * (0.8 * q["a"] + 0.2)
    zoo.muscle("off", ("one", (0.02, 0.0, 0.0)), ("two", (0.05, 0.0, 0.0))).set_appliesForce(False)
    zoo.actuate(["a", "b", "f"])
    zoo.torque("torque_off", (0.0, 0.0, 1.0), ("two", "one"))
    zoo.model.getForceSet().get("torque_off").set_appliesForce(False)
    return zoo


# -- functions --------------------------------------------------------------------------------------------------------

KNOTS = np.array([-1.3, -0.8, -0.35, 0.15, 0.65, 1.15, 1.6])


def points(function: Any) -> Any:
    for x in KNOTS:
        function.addPoint(float(x), 0.06 * math.sin(2.0 * x) + 0.03 * x)
    return function


def gcv() -> Any:
    spline = osim.GCVSpline()
    spline.setDegree(5)
    return points(spline)


def step() -> Any:
    function = osim.StepFunction()
    function.setStartTime(-1.5)
    function.setEndTime(1.7)
    function.setStartValue(-0.1)
    function.setEndValue(0.15)
    return function


def scaled(function: Any, scale: float) -> Any:
    function.thisown = False  # the MultiplierFunction frees it
    return osim.MultiplierFunction(function, scale)


def expression(text: str, *names: str) -> Any:
    function = osim.ExpressionBasedFunction()
    function.setExpression(text)
    variables = osim.StdVectorString()
    for name in names:
        variables.append(name)
    function.setVariables(variables)
    return function


#: Every class that OpenSim 4.6 takes in a CustomJoint's axis: the function, and the arguments it has.
FUNCTIONS: dict[str, tuple[Callable[[], Any], int]] = {
    "Constant": (lambda: osim.Constant(0.05), 1),
    "LinearFunction": (lambda: osim.LinearFunction(0.2, 0.05), 1),
    "MultiplierFunction": (lambda: scaled(osim.LinearFunction(1.0, 0.0), 0.3), 1),
    "MultiplierFunction_SimmSpline": (lambda: scaled(points(osim.SimmSpline()), 1.3), 1),
    "SimmSpline": (lambda: points(osim.SimmSpline()), 1),
    "GCVSpline": (gcv, 1),
    "PiecewiseLinearFunction": (lambda: points(osim.PiecewiseLinearFunction()), 1),
    "PiecewiseConstantFunction": (lambda: points(osim.PiecewiseConstantFunction()), 1),
    "StepFunction": (step, 1),
    "PolynomialFunction": (lambda: osim.PolynomialFunction(vector([0.05, 0.06, 0.1, 0.02])), 1),
    "MultivariatePolynomialFunction": (lambda: quadratic(0.01, 0.05, 0.04, 0.1, 0.06, -0.05), 2),
    "Sine": (lambda: osim.Sine(0.08, 1.7, 0.3, 0.02), 1),
    "ExpressionBasedFunction": (lambda: expression("0.08*sin(2*x)+0.05*x", "x"), 1),
    "ExpressionBasedFunction_2": (lambda: expression("0.08*sin(x*y)+0.05*x", "x", "y"), 2),
    "ActiveForceLengthCurve": (lambda: scaled(osim.ActiveForceLengthCurve(), 0.1), 1),
    "ForceVelocityCurve": (lambda: scaled(osim.ForceVelocityCurve(), 0.1), 1),
    "ForceVelocityInverseCurve": (lambda: scaled(osim.ForceVelocityInverseCurve(), 0.1), 1),
    "FiberForceLengthCurve": (lambda: scaled(osim.FiberForceLengthCurve(), 0.1), 1),
    "TendonForceLengthCurve": (lambda: scaled(osim.TendonForceLengthCurve(), 0.01), 1),
    "FiberCompressiveForceLengthCurve": (lambda: scaled(osim.FiberCompressiveForceLengthCurve(), 0.01), 1),
    "FiberCompressiveForceCosPennationCurve": (lambda: scaled(osim.FiberCompressiveForceCosPennationCurve(), 0.01), 1),
}
#: Coordinates stay where these curves bend but have no kink, and off the knots of the piecewise ones.
MIDDLE = {"ActiveForceLengthCurve": 0.9, "FiberForceLengthCurve": 1.3, "PiecewiseLinearFunction": 0.4,
          "PiecewiseConstantFunction": 0.4, "TendonForceLengthCurve": 1.25}  # fmt: skip
#: Constant where their argument is an angle of a joint: no angle moves by them.
FLAT = ("PiecewiseConstantFunction", "FiberCompressiveForceLengthCurve", "FiberCompressiveForceCosPennationCurve")


def functions(where: str, names: Sequence[str]) -> Zoo:
    """A chain of CustomJoints, one for each function: it shifts with an angle (``shift``) or it turns (``turn``)."""
    zoo = Zoo()
    last = "ground"
    for index, name in enumerate(names):
        make, arguments = FUNCTIONS[name]
        body, coordinate, second = f"body_{index}", f"q_{name}", f"s_{name}"
        zoo.body(body, 1.5, (0.02, -0.1, 0.01))
        transform = osim.SpatialTransform()
        own = [coordinate, second][:arguments]
        plain = osim.LinearFunction(1.0, 0.0)
        if where == "shift":
            axis(transform, "rotation1", [coordinate], plain, (0.1, 0.2, 1.0))
            axis(transform, "translation1", own, make(), (1.0, 0.1, 0.0))
        else:
            function = osim.LinearFunction(1.1, 0.2) if name == "Constant" else make()
            axis(transform, "rotation1", own, function, (0.1, 0.2, 1.0))
        if arguments == 2:
            axis(transform, "rotation2", [second], osim.LinearFunction(1.0, 0.0), (1.0, 0.0, 0.2))
        ends = (zoo.frame(last), vec((0.0, -0.2, 0.0)), vec(ZERO), zoo.frame(body), vec(ZERO), vec(ZERO))
        motion = {coordinate: (MIDDLE.get(name, 0.3), 0.15), second: (0.2, 0.3)}
        zoo.joint(osim.CustomJoint(f"joint_{index}", *ends, transform), {name: motion[name] for name in own})
        zoo.muscle(f"m_{name}", (last, (0.05, -0.05, 0.01)), (body, (0.06, -0.1, 0.02)))
        last = body
    zoo.actuate(list(zoo.motion))
    return zoo


def shifts() -> Zoo:
    """Translations by functions that OpenSim calls Coupled: by a multiplier, a spline, and one flat around zero."""
    zoo = Zoo()
    zoo.body("trunk", 4.0)
    transform = osim.SpatialTransform()
    axis(transform, "rotation1", ["r1"], osim.LinearFunction(1.0, 0.0), (0.1, 0.0, 1.0))
    axis(transform, "translation1", ["t_x"], scaled(osim.LinearFunction(1.0, 0.0), 1.0), (1.0, 0.0, 0.0))
    axis(transform, "translation2", ["t_y"], points(osim.SimmSpline()), (0.0, 1.0, 0.0))
    late = osim.StepFunction()
    for part, value in (("StartTime", 0.6), ("EndTime", 2.2), ("StartValue", 0.0), ("EndValue", 0.5)):
        getattr(late, f"set{part}")(value)
    axis(transform, "translation3", ["t_z"], late, (0.0, 0.0, 1.0))
    ends = (zoo.frame("ground"), *map(vec, ANCHOR), zoo.frame("trunk"), *map(vec, SEAT))
    motion = {"r1": (0.2, 0.4), "t_x": (0.3, 0.2), "t_y": (0.4, 0.15), "t_z": (1.3, 0.2)}
    zoo.joint(osim.CustomJoint("base", *ends, transform), motion)
    zoo.pin("knee", "trunk", "shank", -0.5, 0.4, (0.02, -0.4, 0.0))
    zoo.muscle("front", ("trunk", (0.06, -0.1, 0.0)), ("shank", (0.05, -0.05, 0.01)))
    zoo.muscle("base", ("ground", (0.5, 0.8, 0.1)), ("trunk", (0.05, -0.05, 0.01)))
    zoo.actuate(list(zoo.motion))
    return zoo


# -- muscles, points, wraps, actuators --------------------------------------------------------------------------------

MUSCLES = ("Thelen2003Muscle", "Millard2012EquilibriumMuscle", "DeGrooteFregly2016Muscle", "RigidTendonMuscle")


#: Classes that OpenSim builds and whose forces osimopt does not know.
OTHER_MUSCLES = ("Millard2012AccelerationMuscle", "MeyerFregly2016Muscle")
#: Classes that it only reads.
OLD_MUSCLES = ("Thelen2003Muscle_Deprecated", "Schutte1993Muscle_Deprecated", "Delp1990Muscle_Deprecated")


def muscles(kinds: Sequence[str] = MUSCLES) -> Zoo:
    """Two muscles of each class, across a ball joint and across the knee below it."""
    zoo = Zoo()
    zoo.body("trunk", 4.0)
    add_joint(zoo, "gimbal", "trunk")
    zoo.pin("knee", "trunk", "shank", -0.5, 0.4, (0.02, -0.4, 0.0))
    for index, kind in enumerate(kinds):
        x, z = 0.12 * math.cos(1.3 * index), 0.12 * math.sin(1.3 * index)
        zoo.muscle(f"base_{kind}", ("ground", (x, 0.6, z)), ("trunk", (z, -0.25, x)), kind=kind)
        zoo.muscle(f"knee_{kind}", ("trunk", (x, -0.1, z)), ("shank", (0.04 * (-1) ** index, -0.1, 0.0)), kind=kind)
    zoo.actuate(list(zoo.motion))
    return zoo


def many(count: int) -> Zoo:
    """A chain of three pins and as many muscles as asked."""
    zoo = Zoo()
    zoo.pin("a", "ground", "one", 0.3, 0.4, (0.0, -0.4, 0.0))
    zoo.pin("b", "one", "two", -0.2, 0.5, (0.0, -0.4, 0.0))
    zoo.pin("c", "two", "three", 0.1, 0.3, (0.02, -0.4, 0.0))
    bodies = ("ground", "one", "two", "three")
    for index in range(count):
        one, other = ((0, 1), (1, 2), (2, 3), (0, 2), (1, 3))[index % 5]
        x, z = 0.05 * math.cos(index), 0.05 * math.sin(2.3 * index)
        zoo.muscle(f"m{index}", (bodies[one], (x, -0.1, z)), (bodies[other], (x, -0.12, -z)), force=40.0)
    zoo.actuate(list(zoo.motion))
    return zoo


def moving_points(base: str, movers: Sequence[str]) -> Zoo:
    """Points that move with a coordinate, which their muscle may cross or not; and some that come and go.

    OpenSim's tension does not pull between two points of one body, though one of them moves in it: its moment arms of
    the muscles ``moving_*`` are off by centimetres, where −∂l/∂q is what a tension does. It is right about
    ``insertion``, whose moving point is the only one of its body, as models have them.
    """
    zoo = joint_case(base)
    for name in movers:
        muscle = zoo.muscle(f"moving_{name}", ("trunk", (0.05, -0.2, 0.0)))
        muscle.getGeometryPath().updPathPointSet().cloneAndAppend(moving_point(zoo, name))
        muscle.addNewPathPoint(f"{name}_end", zoo.frame("shank"), vec((0.05, -0.12, 0.01)))
    muscle = zoo.muscle("insertion", ("trunk", (0.05, -0.2, 0.0)), ("trunk", (0.07, -0.35, 0.01)))
    muscle.getGeometryPath().updPathPointSet().cloneAndAppend(moving_point(zoo, "knee"))
    for name, low, high in (("there", -2.0, 2.0), ("away", 2.0, 3.0)):
        muscle = zoo.muscle(f"conditional_{name}", ("trunk", (0.05, -0.2, 0.0)))
        point = osim.ConditionalPathPoint()
        point.setName(f"{name}_point")
        point.updSocket("parent_frame").setConnecteePath("/bodyset/trunk")
        point.setLocation(vec((0.08, -0.36, 0.02)))
        point.updSocket("coordinate").setConnecteePath(zoo.path("knee"))
        point.setRangeMin(low)
        point.setRangeMax(high)
        muscle.getGeometryPath().updPathPointSet().cloneAndAppend(point)
        muscle.addNewPathPoint(f"{name}_end", zoo.frame("shank"), vec((0.05, -0.12, 0.01)))
    return zoo


def moving_point(zoo: Zoo, coordinate: str) -> Any:
    """A point in the shank; OpenSim wants one coordinate for all three of its axes."""
    point = osim.MovingPathPoint()
    point.setName(f"{coordinate}_point")
    point.updSocket("parent_frame").setConnecteePath("/bodyset/shank")
    coefficients = ([0.02, 0.03, 0.05], [-0.03, 0.02, -0.02], [0.01, -0.02, 0.01])
    for letter, numbers in zip("xyz", coefficients, strict=True):
        point.updSocket(f"{letter}_coordinate").setConnecteePath(zoo.path(coordinate))
        getattr(point, f"set_{letter}_location")(osim.PolynomialFunction(vector(numbers)))
    return point


def wraps(base: str) -> Zoo:
    """A muscle over each kind of wrap object, on the knee and on the base; one over two objects."""
    zoo = joint_case(base)
    objects: dict[str, Any] = {
        "cylinder": osim.WrapCylinder(), "sphere": osim.WrapSphere(), "ellipsoid": osim.WrapEllipsoid(),
        "torus": osim.WrapTorus(),
    }  # fmt: skip
    objects["cylinder"].set_radius(0.045)
    objects["cylinder"].set_length(0.3)
    objects["sphere"].set_radius(0.045)
    objects["ellipsoid"].set_dimensions(vec((0.05, 0.06, 0.08)))
    objects["torus"].set_inner_radius(0.02)
    objects["torus"].set_outer_radius(0.06)
    places = {"torus": (0.05, -0.3, 0.0)}
    for name, wrap in objects.items():
        wrap.setName(f"{name}_wrap")
        wrap.set_translation(vec(places.get(name, (0.02, -0.4, 0.0))))
        zoo.frame("trunk").addWrapObject(wrap)
        muscle = zoo.muscle(f"over_{name}", ("trunk", (0.055, -0.15, 0.005)), ("shank", (0.045, -0.15, 0.01)))
        muscle.getGeometryPath().addPathWrap(own_wrap(zoo, "trunk", f"{name}_wrap"))
    crown = osim.WrapSphere()
    crown.setName("crown_wrap")
    crown.set_radius(0.06)
    crown.set_translation(vec((0.055, 0.03, 0.0)))
    zoo.frame("trunk").addWrapObject(crown)
    muscle = zoo.muscle("over_crown", ("ground", (0.09, 0.6, 0.0)), ("trunk", (0.06, -0.2, 0.01)))
    muscle.getGeometryPath().addPathWrap(own_wrap(zoo, "trunk", "crown_wrap"))
    muscle = zoo.muscle("over_two", ("ground", (0.09, 0.6, 0.0)), ("shank", (0.045, -0.15, 0.01)))
    for name in ("crown_wrap", "cylinder_wrap"):
        muscle.getGeometryPath().addPathWrap(own_wrap(zoo, "trunk", name))
    return zoo


def own_wrap(zoo: Zoo, body: str, name: str) -> Any:
    return zoo.frame(body).getWrapObject(name)


def geodesics(base: str) -> Zoo:
    """Scholz2015GeometryPaths: one over a cylinder on the knee, one over two, one that is a straight line."""
    zoo = joint_case(base)
    surfaces = []
    for name, body, place in (("knee", "trunk", (0.02, -0.4, 0.0)), ("ankle", "shank", (0.0, -0.35, 0.02))):
        surfaces.append(osim.ContactCylinder(0.04, vec(place), vec(ZERO), zoo.frame(body), f"{name}_cylinder"))
        zoo.model.addContactGeometry(surfaces[-1])
    for name, body, over in (("straight", "shank", []), ("one", "shank", surfaces[:1]), ("two", "foot", surfaces)):
        muscle = osim.Millard2012EquilibriumMuscle()
        muscle.setName(f"geodesic_{name}")
        muscle.set_max_isometric_force(600.0)
        muscle.set_path(osim.Scholz2015GeometryPath())
        zoo.model.addForce(muscle)
        live = osim.Muscle.safeDownCast(zoo.model.getForceSet().get(f"geodesic_{name}"))
        path = osim.Scholz2015GeometryPath.safeDownCast(live.updPath())
        path.appendPathPoint(zoo.frame("trunk"), vec((0.055, -0.15, 0.005)))
        for surface in over:
            path.appendObstacle(surface, vec((0.04, 0.0, 0.0)))
        end = (0.045, -0.15, 0.01) if body == "shank" else (0.06, -0.03, 0.01)
        path.appendPathPoint(zoo.frame(body), vec(end))
    return zoo


def actuators(base: str) -> Zoo:
    """Scalar actuators of every kind, on bodies, points, paths and coordinates; a spring on an angle of the base."""
    zoo = joint_case(base)
    zoo.torque("torque_ground", (0.2, 1.0, -0.4), ("trunk", "ground"))
    zoo.torque("torque_body", (0.0, 1.0, 1.0), ("foot", "shank"), in_ground=False)
    zoo.push("point_ground", "foot", (0.03, -0.02, 0.01), (0.0, 1.0, 0.5))
    zoo.push("point_body", "shank", (0.0, -0.2, 0.05), (1.0, 0.2, 0.0), in_ground=False)
    between = osim.PointToPointActuator("trunk", "foot")
    between.setPointA(vec((0.1, -0.1, 0.02)))
    between.setPointB(vec((0.06, -0.03, 0.0)))
    zoo.force(between, "between")
    path = osim.PathActuator()
    path.addNewPathPoint("path_a", zoo.frame("ground"), vec((0.2, 0.5, 0.1)))
    path.addNewPathPoint("path_b", zoo.frame("trunk"), vec((0.1, -0.3, 0.0)))
    path.addNewPathPoint("path_c", zoo.frame("foot"), vec((0.05, -0.03, 0.02)))
    zoo.force(path, "path")
    activated = osim.ActivationCoordinateActuator()
    activated.setCoordinate(zoo.model.getCoordinateSet().get("r2"))
    zoo.force(activated, "activated")
    spring = osim.SpringGeneralizedForce("r3")
    for part, value in (("Stiffness", 12.0), ("RestLength", 0.1), ("Viscosity", 0.7)):
        getattr(spring, f"set{part}")(value)
    zoo.force(spring, "spring")
    return zoo


def passive(base: str) -> Zoo:
    """Forces of every kind with a law, at once: on coordinates, between frames, at points, by time and along paths."""
    zoo = joint_case(base)
    for name, coordinate in (("spring_base", "r2"), ("spring_knee", "knee")):
        spring = osim.SpringGeneralizedForce(coordinate)
        for part, value in (("Stiffness", 12.0), ("RestLength", 0.1), ("Viscosity", 0.7)):
            getattr(spring, f"set{part}")(value)
        zoo.force(spring, name)
    zoo.force(osim.CoordinateLimitForce("knee", -30.0, 2.0, -40.0, 3.0, 0.4, 8.0, False), "limit_knee")
    zoo.force(osim.CoordinateLimitForce("r3", 5.0, 2.0, -20.0, 3.0, 0.4, 8.0, False), "limit_base")
    bushing, curved = osim.BushingForce(), osim.FunctionBasedBushingForce()
    for force, ends in ((bushing, ("trunk", "foot")), (curved, ("shank", "foot"))):
        for number, body in enumerate(ends, start=1):
            frame = osim.PhysicalOffsetFrame(f"{body}_of_{len(ends[0])}", zoo.frame(body), osim.Transform())
            frame.set_translation(vec((0.01, -0.1 * number, 0.02)))
            frame.set_orientation(vec((0.1, 0.2 * number, -0.1)))
            zoo.model.addComponent(frame)
            getattr(force, f"connectSocket_frame{number}")(frame)
        force.set_rotational_damping(vec((0.3, 0.2, 0.1)))
        force.set_translational_damping(vec((2.0, 1.0, 3.0)))
    bushing.set_rotational_stiffness(vec((3.0, 4.0, 5.0)))
    bushing.set_translational_stiffness(vec((30.0, 40.0, 50.0)))
    for letter in "xyz":
        getattr(curved, f"set_m_{letter}_theta_{letter}_function")(
            osim.PolynomialFunction(vector((0.3, 0.0, 2.0, 0.1)))
        )
        getattr(curved, f"set_f_{letter}_delta_{letter}_function")(osim.LinearFunction(40.0, 1.0))
    zoo.force(bushing, "bushing")
    zoo.force(curved, "curved_bushing")
    points = vec((0.1, 0.2, -0.1)), vec((0.05, -0.1, 0.2))
    zoo.force(
        osim.PointToPointSpring(zoo.model.getGround(), points[0], zoo.frame("shank"), points[1], 70.0, 0.3), "line"
    )
    wind = osim.PrescribedForce("wind", zoo.frame("shank"))
    for which in ("Force", "Point", "Torque"):
        getattr(wind, f"set{which}Functions")(*(osim.Sine(1.0 + index, 5.0, 0.4, 0.2) for index in range(3)))
    wind.setForceIsInGlobalFrame(False)
    zoo.force(wind, "wind")
    along = {
        "path_spring": (osim.PathSpring(), {"resting_length": 0.5, "stiffness": 80.0, "dissipation": 0.2}),
        "ligament": (osim.Ligament(), {"resting_length": 0.4, "pcsa_force": 120.0}),
        "knee_ligament": (osim.Blankevoort1991Ligament(), {"slack_length": 0.4, "linear_stiffness": 80.0}),
    }
    for name, (force, numbers) in along.items():
        for number, value in numbers.items():
            getattr(force, f"set_{number}")(value)
        force.set_path(osim.GeometryPath())
        zoo.force(force, name)
        live = getattr(osim, force.getConcreteClassName()).safeDownCast(zoo.model.getForceSet().get(name))
        ends = (("ground", (0.2, 0.5, 0.1)), ("trunk", (0.1, -0.3, 0.0)), ("foot", (0.05, -0.03, 0.02)))
        for number, (body, place) in enumerate(ends[name == "knee_ligament" :]):
            live.updGeometryPath().appendNewPathPoint(f"{name}_{number}", zoo.frame(body), vec(place))
    return zoo


# -- the matrix -------------------------------------------------------------------------------------------------------

#: Functions whose second derivatives OpenSim 4.6 gets wrong: Newton and Euler contradict its accelerations.
MISJUDGED = ("MultivariatePolynomialFunction", "ExpressionBasedFunction", "ExpressionBasedFunction_2")
_NAMES = [name for name in FUNCTIONS if name not in MISJUDGED]
CASES: dict[str, Callable[[], Zoo]] = {
    **{f"joint_{kind}": (lambda kind=kind: joint_case(kind)) for kind in JOINTS if kind != "custom_x_y_z"},
    **{f"twin_{kind}": (lambda kind=kind: twin(kind)) for kind in ("ball", "sphere", "free")},
    "own_speeds_1": lambda: own_speeds(("free", "ball", "scapulothoracic")),
    "own_speeds_2": lambda: own_speeds(("ball", "ellipsoid", "ball")),
    **{f"backward_{kind}": (lambda kind=kind: backward(kind)) for kind in ("ball", "free", "universal")},
    "loaded_free": lambda: loaded("free"),
    "loaded_custom": lambda: loaded("custom_x_y_z"),
    **{
        f"held_{base}_{how}": (lambda kind=f"{base}_{how}": held(kind))
        for base in ("ball", "gimbal")
        for how in ("locked", "prescribed", "coupled")
    },
    "chain": chain,
    "functions_shift_1": lambda: functions("shift", _NAMES[:8]),
    "functions_shift_2": lambda: functions("shift", _NAMES[8:12]),
    "functions_shift_3": lambda: functions("shift", _NAMES[12:]),
    "functions_turn_1": lambda: functions("turn", [name for name in _NAMES[:8] if name not in FLAT]),
    "functions_turn_2": lambda: functions("turn", _NAMES[8:12]),
    "functions_turn_3": lambda: functions("turn", [name for name in _NAMES[12:] if name not in FLAT]),
    **{f"misjudged_shift_{name}": (lambda name=name: functions("shift", [name])) for name in MISJUDGED},
    **{f"misjudged_turn_{name}": (lambda name=name: functions("turn", [name])) for name in MISJUDGED},
    **{f"coupled_{name}": (lambda name=name: coupled(name)) for name in MISJUDGED[:2]},
    "shifts": shifts,
    "muscles": muscles,
    **{f"muscle_{kind}": (lambda kind=kind: muscles([kind])) for kind in OTHER_MUSCLES},
    "one_muscle": lambda: many(1),
    "300_muscles": lambda: many(300),
    "no_muscle": lambda: many(0),
    "points_gimbal": lambda: moving_points("gimbal", ("knee", "ankle", "r1", "r3")),
    "points_ball": lambda: moving_points("ball", ("knee", "ankle")),
    "points_by_ball": lambda: moving_points("ball", ("knee", "r1")),
    **{f"wraps_{base}": (lambda base=base: wraps(base)) for base in ("gimbal", "free")},
    "geodesics": lambda: geodesics("ball"),
    **{f"actuators_{base}": (lambda base=base: actuators(base)) for base in ("gimbal", "ball")},
    **{f"passive_{base}": (lambda base=base: passive(base)) for base in ("gimbal", "ball")},
}


@cache
def of(name: str) -> Zoo:
    """One case; its model is built once in a process."""
    return CASES[name]()


def write(name: str, folder: str) -> None:
    """The model of one case and its motion, in radians and in degrees."""
    zoo = of(name)
    place = Path(folder)
    zoo.finish(name).printToXML(str(place / f"{name}.osim"))
    write_motion(place / f"{name}.mot", zoo, degrees=False)
    write_motion(place / f"{name}_degrees.mot", zoo, degrees=True)
    write_loads(place, name, zoo)


if __name__ == "__main__":
    for case in sys.argv[2:]:
        write(case, sys.argv[1])
