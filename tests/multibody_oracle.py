"""What OpenSim says of a model's kinematics and dynamics in random states.

Usage: `python multibody_oracle.py OUT_FOLDER STATES (CASE | MODEL.osim)...`. Each model leaves `NAME.npz`, and those of
`model_zoo`, `loop_models` and this file their `NAME.osim`. All arrays are in the orders of coordinates and of bodies.
"""

import sys
from pathlib import Path
from typing import Any

import loop_models
import model_zoo
import numpy as np
import opensim as osim
from numpy.typing import NDArray

Array = NDArray[Any]
#: s, of differences.
STEP = 1e-5
Vector = osim.Vector


class Judge:
    """A model without forces but gravity, in states in which nothing but loops of bodies is constrained."""

    def __init__(self, path: Path) -> None:
        self.model = osim.Model(str(path))
        self.model.initSystem()
        for part in self.model.getComponentsList():
            force = osim.Force.safeDownCast(part)
            if force is not None:
                force.set_appliesForce(False)
        self.state = self.model.initSystem()
        self.matter = self.model.getMatterSubsystem()
        self.coordinates = list(self.model.getCoordinateSet())
        self.bodies = [self.model.getGround(), *self.model.getBodyList()]
        self.joints = list(self.model.getJointList())
        self.mobods = [int(body.getMobilizedBodyIndex()) for body in self.bodies]
        constraints = [osim.Constraint.safeDownCast(part) for part in self.model.getComponentsList()]
        self.constraints = [one for one in constraints if one is not None and one.isEnforced(self.state)]
        self.names = [one.getName() for one in self.constraints]
        self.loops = [one for one in self.constraints if osim.CoordinateCouplerConstraint.safeDownCast(one) is None]
        self.free = osim.State(self.state)
        for one in self.constraints:
            one.setIsEnforced(self.free, one in self.loops)
        for coordinate in self.coordinates:
            coordinate.setLocked(self.free, False)
            coordinate.setIsPrescribed(self.free, False)
        self.model.realizePosition(self.free)
        self.q = loop_models.q_places(self.model, self.free, self.coordinates)
        self.u = [self.mobility(coordinate) for coordinate in self.coordinates]
        self.solver = osim.InverseDynamicsSolver(self.model)

    def mobility(self, coordinate: Any) -> int:
        self.free.setU(Vector(self.free.getNU(), 0.0))
        coordinate.setSpeedValue(self.free, 1.0)
        return int(np.argmax(self.free.getU().to_numpy()))

    def set(self, q: Array, u: Array) -> bool:
        """Whether the model can fall from there: not where its mass matrix is singular, as where a function is flat."""
        self.free.setQ(ordered(q, self.q, self.free.getNQ()))
        self.free.setU(ordered(u, self.u, self.free.getNU()))
        try:
            self.model.realizeAcceleration(self.free)
        except RuntimeError:
            self.model.realizeVelocity(self.free)
            return False
        return True

    def slope(self, q: Array, u: Array) -> Array:
        """Changes (B, 6) of the bodies' velocities at constant speeds, by differences."""
        found = []
        for step in (STEP, -STEP):
            self.set(q + step * u, u)
            found.append([pair(body.getVelocityInGround(self.free)) for body in self.bodies])
        return np.subtract(*found) / (2.0 * STEP)

    def state_at(self, q: Array, u: Array, change: Array, wrench: Array) -> dict[str, Any]:
        """``wrench`` (B, 6) are moments and forces about each body's origin."""
        falls = self.set(q, u)
        state, matter, size = self.free, self.matter, len(u)
        given = ordered(change, self.u, size)
        jacobian, mass, constraint, bias = osim.Matrix(), osim.Matrix(), osim.Matrix(), Vector()
        matter.calcSystemJacobian(state, jacobian)
        matter.calcM(state, mass)
        rate, drift = Vector(state.getNQ(), 0.0), Vector(state.getNQ(), 0.0)
        matter.multiplyByN(state, False, state.getU(), rate)
        matter.multiplyByNDot(state, False, state.getU(), drift)
        count = jacobian.nrow() // 6  # all of Simbody's bodies
        loads = osim.VectorOfSpatialVec(count, spatial(np.zeros(6)))
        for index, one in zip(self.mobods, wrench, strict=True):
            loads.set(index, spatial(one))
        loaded = self.solver.solve(state, given, Vector(size, 0.0), loads)
        rows = jacobian.to_numpy().reshape(count, 6, size)
        found = {
            "transform": [matrix(body.getTransformInGround(state)) for body in self.bodies],
            "velocity": [pair(body.getVelocityInGround(state)) for body in self.bodies],
            "jacobian": rows[self.mobods][:, :, self.u],
            "mass": mass.to_numpy()[self.u][:, self.u],
            "force": self.solver.solve(state, given).to_numpy()[self.u],
            "loaded": loaded.to_numpy()[self.u],
            "rate": rate.to_numpy()[self.q],
            "drift": drift.to_numpy()[self.q],
        }
        found["falling"], found["acceleration"] = np.full(size, np.nan), np.full((len(self.bodies), 6), np.nan)
        if falls:
            found["falling"] = state.getUDot().to_numpy()[self.u]
            found["acceleration"] = [pair(body.getAccelerationInGround(state)) for body in self.bodies]
        if self.loops:
            matter.calcG(state, constraint)
            matter.calcBiasForAccelerationConstraints(state, bias)
            rows = constraint.to_numpy()[:, self.u]
            found |= {"error": state.getQErr().to_numpy(), "G": rows, "bias": bias.to_numpy()}
        return found

    def reacting(self, q: Array, u: Array) -> dict[str, Any] | None:
        """Free fall from an assembled state near the one given, and the reactions (J, 6) on the joints' children."""
        state = osim.State(self.state)
        state.setQ(ordered(q, self.q, state.getNQ()))
        state.setU(ordered(u, self.u, state.getNU()))
        self.model.realizePosition(state)
        for _ in range(30):
            self.step(state)
        self.model.realizeVelocity(state)
        self.project(state)
        try:
            self.model.realizeAcceleration(state)
        except RuntimeError:  # a singular mass matrix
            return None
        return {
            "at": state.getQ().to_numpy()[self.q],
            "speed": state.getU().to_numpy()[self.u],
            "change": state.getUDot().to_numpy()[self.u],
            "open": np.array([np.abs(state.getQErr().to_numpy()).max(initial=0.0)]),
            "slip": np.array([np.abs(state.getUErr().to_numpy()).max(initial=0.0)]),
            "reaction": [pair(joint.calcReactionOnChildExpressedInGround(state)) for joint in self.joints],
        }

    def step(self, state: Any) -> None:
        """One of Newton's steps towards a posture that meets the constraints."""
        rows, error = osim.Matrix(), state.getQErr().to_numpy()
        self.matter.calcG(state, rows)
        if error.size:
            rate = Vector(state.getNQ(), 0.0)
            step = np.linalg.lstsq(rows.to_numpy(), error, rcond=1e-10)[0]
            self.matter.multiplyByN(state, False, Vector.createFromMat(step), rate)
            state.setQ(Vector.createFromMat(state.getQ().to_numpy() - rate.to_numpy()))
        self.model.realizePosition(state)

    def project(self, state: Any) -> None:
        """Speeds that meet the constraints: the given less their part across them."""
        matrix_ = osim.Matrix()
        self.matter.calcG(state, matrix_)
        rows, speed = matrix_.to_numpy(), state.getU().to_numpy()
        if rows.size:
            error = state.getUErr().to_numpy()
            state.setU(Vector.createFromMat(speed - np.linalg.lstsq(rows, error, rcond=1e-10)[0]))
        self.model.realizeVelocity(state)


def one_turns_three(path: Path) -> None:
    """A joint of which one coordinate turns all three axes, as in the knee of Rajagopal's models."""
    zoo = model_zoo.Zoo()
    zoo.body("trunk", 4.0)
    transform, lines = osim.SpatialTransform(), (1.0, 0.6, -0.4)
    for index, (slope, direction) in enumerate(zip(lines, np.eye(3), strict=True)):
        model_zoo.axis(transform, f"rotation{index + 1}", ["knee"], osim.LinearFunction(slope, 0.1), direction)
    ends = (zoo.frame("ground"), *map(model_zoo.vec, model_zoo.ANCHOR), zoo.frame("trunk"))
    seat = map(model_zoo.vec, model_zoo.SEAT)
    zoo.joint(osim.CustomJoint("walker_knee", *ends, *seat, transform), {"knee": (0.3, 0.5)})
    zoo.muscle("one", ("ground", (0.1, 0.5, 0.1)), ("trunk", (0.05, -0.1, 0.02)))
    zoo.finish("one_turns_three").printToXML(str(path))


def ordered(values: Array, places: list[int], size: int) -> Any:
    full = np.zeros(size)
    full[places] = values
    return Vector.createFromMat(full)


def spatial(values: Array) -> Any:
    return osim.SpatialVec(osim.Vec3(*map(float, values[:3])), osim.Vec3(*map(float, values[3:])))


def pair(vector: Any) -> Array:
    return np.concatenate([vector.get(i).to_numpy() for i in range(2)])


def matrix(transform: Any) -> Array:
    rows = [[transform.R().get(i, j) for j in range(3)] + [transform.p().get(i)] for i in range(3)]
    return np.array([*rows, [0.0, 0.0, 0.0, 1.0]])


def judge(path: Path, states: int, spread: float = 1.0) -> dict[str, Array]:
    """Random states, and OpenSim's answers to them."""
    one, random = Judge(path), np.random.default_rng(3)
    shape = (states, len(one.coordinates))
    low, high = (
        np.clip([getattr(one_, f"getRange{end}")() for one_ in one.coordinates], -spread, spread)
        for end in ("Min", "Max")
    )
    q = random.uniform(low, high, shape)
    u, change = (random.uniform(-size, size, shape) for size in (3.0, 20.0))
    wrench = random.uniform(-100.0, 100.0, (states, len(one.bodies), 6))
    wrench[:, 0] = 0.0
    slopes = [one.slope(*given) for given in zip(q, u, strict=True)]
    rows = [one.state_at(*given) for given in zip(q, u, change, wrench, strict=True)]
    default = np.array([coordinate.getDefaultValue() for coordinate in one.coordinates])
    held = np.array([c.getLocked(one.state) or c.isPrescribed(one.state) for c in one.coordinates], dtype=bool)
    default = np.where(held, [c.getValue(one.state) for c in one.coordinates], default)
    reacted = [
        one.reacting(np.where(held, default, default + 0.2 * near), np.where(held, 0.0, speed))
        for near, speed in zip(q, u, strict=True)
    ]
    known = [row for row in reacted if row is not None and row["open"] < 1e-7 and row["slip"] < 1e-7]
    return {
        "q": q,
        "u": u,
        "change": change,
        "wrench": wrench,
        "held": held,
        "slope": np.array(slopes),
        "bodies": np.array([body.getName() for body in one.bodies]),
        "joints": np.array([joint.getName() for joint in one.joints]),
        **{name: np.array([row[name] for row in rows]) for name in rows[0]},
        **{f"reacting_{name}": np.array([row[name] for row in known]) for name in (known[0] if known else ())},
    }


def main() -> None:
    folder, states = Path(sys.argv[1]), int(sys.argv[2])
    for name in sys.argv[3:]:
        path = Path(name)
        if path.suffix != ".osim":
            path = folder / f"{name}.osim"
            if name == "one_turns_three":
                one_turns_three(path)
            elif name in loop_models.MODELS:
                loop_models.write(folder, name)
            else:
                model_zoo.of(name).finish(name).printToXML(str(path))
        np.savez(folder / f"{path.stem}.npz", **judge(path, states))


if __name__ == "__main__":
    main()
