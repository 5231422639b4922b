"""What is right for a model of the zoo along a motion, by OpenSim's positions or by its speeds; no osimopt in it.

Two judges that share nothing but the positions of bodies:

- *positions*: every posture is set by coordinate name, bodies are looked at, and moments are Newton's and Euler's with
  accelerations, angular accelerations and virtual motions from central differences. Moment arms are −∂l/∂q.
- *speeds*: OpenSim's InverseDynamicsSolver and computeMomentArm, whose speeds u are not the rates of the coordinates in
  a Ball, Free, Ellipsoid or Scapulothoracic joint: q̇ = N(q) u, so u̇ = N⁻¹(q̈ − Ṅu), and what is about u becomes about q
  by N⁻ᵀ.

Generalized forces and moment arms are about the free coordinates, the coupled ones following by their closed form.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import model_zoo
import numpy as np
import opensim as osim
import opensim_oracle
from numpy.typing import NDArray

Array = NDArray[np.float64]
Values = dict[str, float]

#: s, and rad or m, between the points of the differences; with seven points they err by 1e-11.
INSTANT, STEP = 2e-3, 2e-3
#: Muscles of which computeMomentArm, at a millisecond each, is no longer asked.
MANY = 100
FIRST = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
SECOND = {0: -49 / 36, 1: 3 / 2, 2: -3 / 20, 3: 1 / 90}


def first(function: Callable[[float], Array], step: float) -> Array:
    """df/dx at 0 by seven points."""
    return sum(c * (function(k * step) - function(-k * step)) for k, c in FIRST.items()) / step  # type: ignore[return-value]


def both(function: Callable[[float], Array], step: float) -> tuple[Array, Array]:
    """df/dx and d²f/dx² at 0 by seven points."""
    at = {k: function(k * step) for k in range(-3, 4)}
    slope = sum(c * (at[k] - at[-k]) for k, c in FIRST.items()) / step
    return slope, sum(c * (at[k] + at[-k]) for k, c in SECOND.items()) / step**2  # type: ignore[return-value]


@dataclass(frozen=True)
class Motion:
    """One frame: the values, speeds and accelerations of every coordinate by name, at a time."""

    time: float
    value: Values
    speed: Values
    acceleration: Values


class Judge:
    """A model of the zoo whose postures are set by name; nothing in it is locked, prescribed or constrained."""

    def __init__(self, path: Path, zoo: Any, free: list[str]) -> None:
        self.zoo, self.free = zoo, free
        self.model = osim.Model(str(path))
        constraints = self.model.getConstraintSet()
        for index in range(constraints.getSize()):
            constraints.get(index).set_isEnforced(False)
        group = self.model.getCoordinateSet()
        self.coordinates = {group.get(i).getName(): group.get(i) for i in range(group.getSize())}
        for coordinate in self.coordinates.values():
            coordinate.set_locked(False)
            coordinate.set_prescribed(False)
            coordinate.set_clamped(False)
        self.state = self.model.initSystem()
        self.matter = self.model.getMatterSubsystem()
        self.muscles = [muscle for muscle in self.model.getMuscleList() if muscle.get_appliesForce()]
        self.bodies = list(self.model.getBodyList())
        forces = self.model.getForceSet()
        self.actuators = []
        for force in (forces.get(index) for index in range(forces.getSize())):
            scalar = osim.ScalarActuator.safeDownCast(force)
            if scalar is None:
                continue
            if osim.Muscle.safeDownCast(force) is None and force.get_appliesForce():
                self.actuators.append(force)
            force.setAppliesForce(self.state, False)
        self.gravity = self.model.get_gravity().to_numpy()
        self.inertia = [body.getInertia() for body in self.bodies]

    # -- postures -------------------------------------------------------------------------------------------------

    def follow(self, value: Values) -> Values:
        """Coupled coordinates as their closed form has them."""
        out = dict(value)
        for name, function in self.zoo.follows.items():
            out[name] = function(out)
        return out

    def pose(self, value: Values) -> None:
        for name, number in value.items():
            self.coordinates[name].setValue(self.state, float(number), False)
        self.model.realizePosition(self.state)

    def moved(self, value: Values, name: str, by: float) -> Values:
        """One free coordinate moved, the coupled ones after it."""
        return self.follow({**value, name: value[name] + by})

    def after(self, frame: Motion, time: float) -> Values:
        """The posture a moment later; coupled coordinates by their closed form, not by the rates given."""
        later = {
            name: q + frame.speed[name] * time + 0.5 * frame.acceleration[name] * time * time
            for name, q in frame.value.items()
        }
        return self.follow(later)

    def lengths(self) -> Array:
        return np.array([muscle.getLength(self.state) for muscle in self.muscles])

    # -- by positions -----------------------------------------------------------------------------------------------

    def looks(self) -> Array:
        """Of each body: its mass centre in ground, and its axes as columns (B, 12)."""
        rows = []
        for body in self.bodies:
            center = body.findStationLocationInGround(self.state, body.getMassCenter()).to_numpy()
            axes = [body.expressVectorInGround(self.state, osim.Vec3(*unit)).to_numpy() for unit in np.eye(3)]
            rows.append(np.concatenate([center, np.array(axes).T.ravel()]))
        return np.array(rows)

    def posed_looks(self, value: Values) -> Array:
        self.pose(value)
        return self.looks()

    def newton_euler(self, frame: Motion) -> Array:
        """Generalized forces (D,) of the free coordinates that the motion takes, gravity and inertia only."""
        _, turn = split(self.posed_looks(frame.value))
        rates, changes = both(lambda time: self.posed_looks(self.after(frame, time)), INSTANT)
        (_, slope), (acceleration, curve) = split(rates), split(changes)
        spin = [vee(d @ r.T) for d, r in zip(slope, turn, strict=True)]
        turning = [vee(c @ r.T + d @ d.T) for c, d, r in zip(curve, slope, turn, strict=True)]
        virtual = [self.virtual(frame.value, name) for name in self.free]
        forces = np.zeros(len(self.free))
        for index, body in enumerate(self.bodies):
            inertia = turn[index] @ central_inertia(body) @ turn[index].T
            torque = inertia @ turning[index] + np.cross(spin[index], inertia @ spin[index])
            push = body.getMass() * (acceleration[index] - self.gravity)
            for row, (shift, rotation) in enumerate(virtual):
                forces[row] += push @ shift[index] + torque @ vee(rotation[index] @ turn[index].T)
        return forces

    def loads(self, value: Values) -> Array:
        """Generalized forces (D,) of the zoo's load: a force in ground at a point of ground, on one body."""
        out = np.zeros(len(self.free))
        if self.zoo.loads is None:
            return out
        name, force, point = self.zoo.loads
        self.pose(value)
        body = self.frame(name)
        station = self.model.getGround().findStationLocationInAnotherFrame(self.state, osim.Vec3(*point), body)
        inside = osim.Vec3(station.get(0), station.get(1), station.get(2))

        def place(by: float, name: str) -> Array:
            self.pose(self.moved(value, name, by))
            return np.array(body.findStationLocationInGround(self.state, inside).to_numpy())

        for row, moved in enumerate(self.free):
            out[row] = np.array(force) @ first(lambda by, moved=moved: place(by, moved), STEP)
        return out

    def virtual(self, value: Values, name: str) -> tuple[Array, Array]:
        """Of each body: motion of its mass centre and change of its axes per unit of a free coordinate."""
        return split(first(lambda by: self.posed_looks(self.moved(value, name, by)), STEP))

    def slopes(self, value: Values) -> Array:
        """(D, M) −∂l/∂q of the free coordinates."""

        def lengths(by: float, name: str) -> Array:
            self.pose(self.moved(value, name, by))
            return self.lengths()

        return -np.array([first(lambda by, name=name: lengths(by, name), STEP) for name in self.free])

    def effects(self, value: Values) -> Array:
        """(D, K) generalized force of each actuator at a control of one, by the virtual work of what it is."""
        out = np.zeros((len(self.free), len(self.actuators)))
        for column, actuator in enumerate(self.actuators):
            for row, name in enumerate(self.free):
                out[row, column] = self.work(actuator, value, name)
        return out

    def work(self, actuator: Any, value: Values, name: str) -> float:
        kind = actuator.getConcreteClassName()
        own = getattr(osim, kind).safeDownCast(actuator)
        strength = own.getOptimalForce()
        if kind in ("CoordinateActuator", "ActivationCoordinateActuator"):
            # it pushes the speed u of its coordinate: the work per unit of q is the u that q̇ = 1 has
            return float(strength * self.speeds_of(value, name)[self.speed_index(own.get_coordinate())])
        if kind in ("PathActuator", "PointToPointActuator"):
            change = first(lambda by: np.array([self.span(own, self.moved(value, name, by))]), STEP)
            return float((-1.0 if kind == "PathActuator" else 1.0) * strength * change[0])
        self.pose(value)
        if kind == "TorqueActuator":
            ends = own.get_bodyA(), own.get_bodyB()
            direction = unit(own.get_axis())
            if not own.get_torque_is_global():
                direction = self.frame(ends[0]).expressVectorInGround(self.state, osim.Vec3(*direction)).to_numpy()
            turns = [self.turn_of(end, value, name) for end in ends]
            return float(strength * direction @ (turns[0] - turns[1]))
        assert kind == "PointActuator"
        frame = self.frame(own.get_body())
        direction = unit(own.get_direction())
        if not own.get_force_is_global():
            direction = frame.expressVectorInGround(self.state, osim.Vec3(*direction)).to_numpy()

        def place(by: float) -> Array:
            self.pose(self.moved(value, name, by))
            return np.array(frame.findStationLocationInGround(self.state, own.get_point()).to_numpy())

        return float(strength * direction @ first(place, STEP))

    def span(self, actuator: Any, value: Values) -> float:
        """Length of a path, or the distance of two points."""
        self.pose(value)
        if actuator.getConcreteClassName() == "PathActuator":
            return float(actuator.getPath().getLength(self.state))
        ends = ((actuator.get_bodyA(), actuator.get_pointA()), (actuator.get_bodyB(), actuator.get_pointB()))
        places = [self.frame(b).findStationLocationInGround(self.state, p).to_numpy() for b, p in ends]
        return float(np.linalg.norm(places[1] - places[0]))

    def frame(self, name: str) -> Any:
        name = name.split("/")[-1]
        return self.model.getGround() if name == "ground" else self.model.getBodySet().get(name)

    def turn_of(self, body: str, value: Values, name: str) -> Array:
        """Turn of a body per unit of a free coordinate."""
        if body.endswith("ground"):
            return np.zeros(3)
        index = [one.getName() for one in self.bodies].index(body.split("/")[-1])
        _, change = self.virtual(value, name)
        _, turn = split(self.posed_looks(value))
        return vee(change[index] @ turn[index].T)

    # -- by speeds --------------------------------------------------------------------------------------------------

    @cache  # noqa: B019 (there are few judges)
    def places(self) -> tuple[dict[str, int], dict[str, int]]:
        """Where each coordinate is in OpenSim's q, and its speed in u."""
        in_q, in_u = {}, {}
        for name, coordinate in self.coordinates.items():
            old = self.state.getQ().to_numpy().copy()
            value = coordinate.getValue(self.state)
            coordinate.setValue(self.state, value + 0.37, False)
            in_q[name] = int(np.argmax(np.abs(self.state.getQ().to_numpy() - old)))
            coordinate.setValue(self.state, value, False)
            self.state.setU(vector(np.zeros(self.state.getNU())))
            coordinate.setSpeedValue(self.state, 1.0)
            in_u[name] = int(np.argmax(self.state.getU().to_numpy()))
        self.state.setU(vector(np.zeros(self.state.getNU())))
        return in_q, in_u

    def speed_index(self, coordinate: str) -> int:
        return self.places()[1][coordinate]

    def in_q(self, by_name: Values) -> Any:
        out = np.zeros(self.state.getNQ())
        for name, index in self.places()[0].items():
            out[index] = by_name.get(name, 0.0)
        return vector(out)

    def product(self, which: str, operand: Any, size: int, *options: bool) -> Array:
        out = osim.Vector(size, 0.0)
        getattr(self.matter, which)(self.state, *options, operand, out)
        return np.array(out.to_numpy())

    def speeds_of(self, value: Values, name: str) -> Array:
        """Speeds u that a rate of one of a free coordinate has, those that follow it included."""
        rates = {name: 1.0}
        for other in self.zoo.follows:
            rates[other] = float(first(lambda by, o=other: np.array(self.moved(value, name, by)[o]), STEP))
        self.pose(value)
        return self.product("multiplyByNInv", self.in_q(rates), self.state.getNU(), False)

    def go(self, frame: Motion) -> Array:
        """Set posture and speeds; return u̇."""
        self.state.setTime(frame.time)
        self.pose(frame.value)
        count = self.state.getNU()
        speed = self.product("multiplyByNInv", self.in_q(frame.speed), count, False)
        self.state.setU(vector(speed))
        self.model.realizeVelocity(self.state)
        bias = self.product("multiplyByNDot", vector(speed), self.state.getNQ(), False)
        change = vector(self.in_q(frame.acceleration).to_numpy() - bias)
        return self.product("multiplyByNInv", change, count, False)

    def solver(self, frame: Motion) -> Array:
        """Generalized forces (D,) by OpenSim's InverseDynamicsSolver, taken from speeds to coordinates."""
        change = self.go(frame)
        self.model.realizeDynamics(self.state)
        force = osim.InverseDynamicsSolver(self.model).solve(self.state, vector(change)).to_numpy()
        return np.array([force @ self.speeds_of(frame.value, name) for name in self.free])

    def arms(self, value: Values) -> Array:
        """(D, M) OpenSim's computeMomentArm, taken from speeds to coordinates."""
        self.pose(value)
        names = list(self.coordinates)
        own = np.array([[m.computeMomentArm(self.state, self.coordinates[n]) for m in self.muscles] for n in names])
        by_speed = np.zeros((self.state.getNU(), len(self.muscles)))
        by_speed[[self.speed_index(name) for name in names]] = own
        return np.array([self.speeds_of(value, name) @ by_speed for name in self.free])

    def states(self, frame: Motion) -> tuple[Array, Array, Array]:
        """Lengths, lengthening speeds and rigid-tendon forces at activation 1 (M,)."""
        self.go(frame)
        speed = np.array([muscle.getLengtheningSpeed(self.state) for muscle in self.muscles])
        gain = np.array([muscle.calcInextensibleTendonActiveFiberForce(self.state, 1.0) for muscle in self.muscles])
        return self.lengths(), speed, gain

    def accelerations(self, frame: Motion, force: Values) -> Values:
        """q̈ by forward dynamics under generalized forces about *all* coordinates (no loads, no springs)."""
        self.go(frame)
        self.model.realizeDynamics(self.state)
        pushes = self.product("multiplyByN", self.in_q(force), self.state.getNU(), True)
        change, bodies = osim.Vector(), osim.VectorOfSpatialVec()
        weights = self.matter_gravity()
        self.matter.calcAcceleration(self.state, vector(pushes), weights, change, bodies)
        speed = osim.Vector(self.state.getU())
        bias = self.product("multiplyByNDot", speed, self.state.getNQ(), False)
        total = self.product("multiplyByN", change, self.state.getNQ(), False) + bias
        return {name: float(total[index]) for name, index in self.places()[0].items()}

    def matter_gravity(self) -> Any:
        count = 1 + max(int(body.getMobilizedBodyIndex()) for body in self.bodies)
        weights = osim.VectorOfSpatialVec(count, osim.SpatialVec(osim.Vec3(0), osim.Vec3(0)))
        for body in self.bodies:
            here = body.expressVectorInGround(self.state, body.getMassCenter()).to_numpy()
            pull = body.getMass() * self.gravity
            both_parts = osim.SpatialVec(osim.Vec3(*np.cross(here, pull)), osim.Vec3(*pull))
            weights.set(int(body.getMobilizedBodyIndex()), both_parts)
        return weights


def vector(values: Array) -> Any:
    return osim.Vector.createFromMat(np.ascontiguousarray(values, dtype=float))


def unit(direction: Any) -> Array:
    array = np.array(direction.to_numpy())
    return array / np.linalg.norm(array)


def split(looks: Array) -> tuple[Array, Array]:
    return looks[:, :3], looks[:, 3:].reshape(-1, 3, 3)


def vee(matrix: Array) -> Array:
    """The vector of an antisymmetric matrix (of what is antisymmetric in one)."""
    return 0.5 * np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])


def central_inertia(body: Any) -> Array:
    six = body.get_inertia()
    xx, yy, zz, xy, xz, yz = (six.get(index) for index in range(6))
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def frames(kinematics: dict[str, Array]) -> list[Motion]:
    """From the arrays of an npz: time (T,), coordinates (N,), and value, speed, acceleration (T, N)."""
    names = [str(name) for name in kinematics["coordinates"]]
    return [
        Motion(float(time), *(dict(zip(names, kinematics[part][row], strict=True)) for part in PARTS))
        for row, time in enumerate(kinematics["time"])
    ]


PARTS = ("value", "speed", "acceleration")


def judge(name: str, folder: str, free: list[str], kinematics: dict[str, Array], count: int) -> dict[str, Array]:
    """Everything that is right for the first ``count`` frames of a motion."""
    zoo = model_zoo.of(name)
    one = Judge(Path(folder) / f"{name}.osim", zoo, free)
    out: dict[str, list[Array]] = {}
    for frame in frames(kinematics)[:count]:
        length, lengthening, gain = one.states(frame)
        loads, slopes = one.loads(frame.value), one.slopes(frame.value)
        few = len(one.muscles) < MANY
        row = {
            "solver": one.solver(frame) - loads,
            "newton_euler": one.newton_euler(frame) - loads,
            "arms": one.arms(frame.value) if few else slopes,
            "slopes": slopes,
            "effects": one.effects(frame.value),
            "length": length,
            "lengthening_speed": lengthening,
            "gain": gain,
        }
        for key, value in row.items():
            out.setdefault(key, []).append(value)
    result = {key: np.array(rows) for key, rows in out.items()}
    result["muscles"] = np.array([muscle.getName() for muscle in one.muscles])
    result["actuators"] = np.array([actuator.getName() for actuator in one.actuators])
    return result


def table(name: str, folder: str, coordinate: str, value: dict[str, float]) -> dict[str, float]:
    """−∂l/∂q of every muscle about one free coordinate in one posture, those that follow it following."""
    zoo = model_zoo.of(name)
    one = Judge(Path(folder) / f"{name}.osim", zoo, [coordinate])
    slopes = one.slopes(one.follow(value))[0]
    return {muscle.getName(): float(slope) for muscle, slope in zip(one.muscles, slopes, strict=True)}


def forward(name: str, folder: str, kinematics: dict[str, Array], force: Array) -> Array:
    """Accelerations q̈ (T, N) of forces (T, N) about all coordinates, which all are free."""
    names = [str(one) for one in kinematics["coordinates"]]
    zoo = model_zoo.of(name)
    one = Judge(Path(folder) / f"{name}.osim", zoo, names)
    pairs = zip(frames(kinematics), force, strict=True)
    found = [one.accelerations(frame, dict(zip(names, row, strict=True))) for frame, row in pairs]
    return np.array([[row[name] for name in names] for row in found])


def optimize(name: str, folder: str, start: float, end: float) -> dict[str, Array]:
    """OpenSim's own StaticOptimization."""
    place = Path(folder)
    with tempfile.TemporaryDirectory() as scratch:
        oracle = opensim_oracle.Oracle(place / f"{name}.osim", place / f"{name}.mot", None, Path(scratch))
        oracle.start, oracle.end = start, end
        found = oracle.static_optimization()
        osim.Logger.removeFileSink()
    return found


def classes(kinds: list[str]) -> dict[str, list[str]]:
    """Concrete classes that this OpenSim reads from files, by what they are; and those that the zoo has."""
    names = osim.ArrayStr()
    osim.OpenSimObject.getRegisteredTypenames(names)
    every = {name: osim.OpenSimObject.getDefaultInstanceOfType(name) for name in map(names.get, range(names.getSize()))}
    found = {
        kind: sorted(n for n, one in every.items() if one is not None and getattr(osim, kind).safeDownCast(one))
        for kind in kinds
    }
    found["zoo Joint"] = sorted({made for made, *_ in model_zoo.JOINTS.values()})
    found["zoo Function"] = sorted({name.split("_")[0] for name in model_zoo.FUNCTIONS})
    found["zoo Muscle"] = sorted([*model_zoo.MUSCLES, *model_zoo.OTHER_MUSCLES, *model_zoo.OLD_MUSCLES])
    return found


def main() -> None:
    """Serve: pickled (module, function, arguments) on stdin, pickled (result, error) on stdout."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # OpenSim talks there whatever its log level
    while True:
        try:
            module, function, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        result, error = None, None
        try:
            result = getattr(importlib.import_module(module), function)(*arguments)
        except Exception:
            error = traceback.format_exc()
        pickle.dump((result, error), answers)
        answers.flush()


if __name__ == "__main__":
    main()
