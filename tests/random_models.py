"""Random models for the description: trees of random joints and frames, functions, paths, wrap objects and constraints.

``python random_models.py FOLDER STATES SEED…`` writes ``random_SEED.osim`` and what ``multibody_oracle`` says of it.
Every number is drawn (m, kg, rad).
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import multibody_oracle
import numpy as np
import opensim as osim

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()

#: Class and number of coordinates; a CustomJoint has as many as are drawn.
JOINTS = {
    "WeldJoint": 0, "PinJoint": 1, "SliderJoint": 1, "UniversalJoint": 2, "GimbalJoint": 3, "PlanarJoint": 3,
    "BallJoint": 3, "FreeJoint": 6, "EllipsoidJoint": 3, "ScapulothoracicJoint": 4, "CustomJoint": -1,
}  # fmt: skip
FUNCTIONS = (
    "Constant", "LinearFunction", "PolynomialFunction", "SimmSpline", "GCVSpline", "PiecewiseLinearFunction",
    "StepFunction", "MultiplierFunction", "Sine",
)  # fmt: skip
UNSET = (("weights", "1"), ("coefficients", "0"))
QUADRANTS = ("all", "x", "-x", "+y", "-Y", "Z", "-z")


class Draw:
    """A model under construction, and the numbers that it is made of."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.model = osim.Model()
        self.model.setName(f"random_{seed}")
        self.frames: list[Any] = [self.model.getGround()]
        self.coordinates: list[Any] = []

    def vector(self, size: float) -> Any:
        return osim.Vec3(*map(float, self.random.uniform(-size, size, 3)))

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def one(self, things: Any) -> Any:
        return things[int(self.random.integers(len(things)))]

    def function(self, size: float, kinds: tuple[str, ...] = FUNCTIONS) -> Any:
        """A function whose values are about ``size``."""
        kind = self.one(kinds)
        numbers = self.random.uniform(-size, size, 8)
        if kind == "Constant":
            return osim.Constant(numbers[0])
        if kind == "LinearFunction":
            return osim.LinearFunction(numbers[0], numbers[1])
        if kind == "PolynomialFunction":
            count = int(self.random.integers(1, 6))
            return osim.PolynomialFunction(osim.Vector.createFromMat(numbers[:count]))
        if kind == "StepFunction":
            start = self.random.uniform(-1.0, 0.5)
            return osim.StepFunction(start, start + self.random.uniform(0.1, 1.0), numbers[0], numbers[1])
        if kind == "MultiplierFunction":
            inner = self.function(size, tuple(name for name in kinds if name != "Constant"))
            inner.thisown = False  # the MultiplierFunction frees it
            return osim.MultiplierFunction(inner, float(self.random.uniform(-2.0, 2.0)))
        if kind == "Sine":
            return osim.Sine(numbers[0], float(self.random.uniform(0.5, 4.0)), numbers[1], numbers[2])
        made = getattr(osim, kind)()
        order = int(self.random.integers(1, 5))
        if kind == "GCVSpline":
            made.setDegree(2 * order - 1)
        x = self.random.uniform(-2.0, -1.0)
        for _ in range(int(self.random.integers(2 * order if kind == "GCVSpline" else 2, 14))):
            made.addPoint(float(x), float(self.random.uniform(-size, size)))
            x += self.random.uniform(0.05, 0.6)
        return made

    def frame(self, inside: Any = None) -> Any:
        """A body, or a frame that is fixed on one or on such a frame."""
        base = self.one(self.frames) if inside is None else inside
        if self.chance(0.5):
            return base
        offset = osim.PhysicalOffsetFrame()
        offset.setName(f"offset_{len(self.frames)}_{int(self.random.integers(10**6))}")
        offset.setParentFrame(base)
        offset.set_translation(self.vector(0.3))
        offset.set_orientation(self.vector(3.0))
        base.addComponent(offset)
        live = osim.PhysicalOffsetFrame.safeDownCast(base.getComponent(offset.getName()))
        return self.frame(live)

    def body(self, number: int) -> None:
        mass = float(self.random.uniform(0.1, 9.0))
        products = self.random.uniform(-0.1, 0.1, 3)
        inertia = osim.Inertia(*(mass * self.random.uniform(0.8, 1.2, 3)), *(mass * products))
        body = osim.Body(f"body_{number}", mass, self.vector(0.2), inertia)
        self.model.addBody(body)
        if self.chance(0.1):  # OpenSim joins it to ground by a FreeJoint
            self.frames.append(body)
            return
        inner, outer = self.frame(), self.frame(body)
        kind = self.one(list(JOINTS))
        backward = self.chance(0.3) and kind != "ScapulothoracicJoint"
        parent, child = (outer, inner) if backward else (inner, outer)
        more: tuple[Any, ...] = ()
        if kind == "CustomJoint":
            more = (self.transform(number),)
        if kind in ("EllipsoidJoint", "ScapulothoracicJoint"):
            more = (osim.Vec3(*map(float, self.random.uniform(0.05, 0.3, 3))),)
        if kind == "ScapulothoracicJoint":
            more += (osim.Vec2(*map(float, self.random.uniform(-0.1, 0.1, 2))), float(self.random.uniform(-3.0, 3.0)))
        joint = getattr(osim, kind)(f"joint_{number}", parent, child, *more)
        joint.finalizeFromProperties()
        for index in range(joint.numCoordinates()):
            coordinate = joint.upd_coordinates(index)
            if kind != "CustomJoint":
                coordinate.setName(f"q{number}_{index}")
            low, high = np.sort(self.random.uniform(-2.0, 2.0, 2))
            low = high if self.chance(0.05) else low
            coordinate.setRangeMin(float(low))
            coordinate.setRangeMax(float(high))
            coordinate.setDefaultValue(float(self.random.uniform(low, high)))
        self.model.addJoint(joint)
        self.frames.append(body)
        self.coordinates += [joint.get_coordinates(index) for index in range(joint.numCoordinates())]

    def transform(self, number: int) -> Any:
        """Up to six coordinates, each on one axis or more."""
        transform = osim.SpatialTransform()
        names = [f"q{number}_{index}" for index in range(int(self.random.integers(1, 7)))]
        axes = self.random.permutation(6)
        directions = [np.linalg.qr(self.random.normal(size=(3, 3)))[0].T for _ in range(2)]
        for index, axis in enumerate(axes):
            part = transform.updTransformAxis(int(axis))
            used = names[index] if index < len(names) else self.one(names)
            direction = directions[axis // 3][axis % 3] + 0.2 * self.random.normal(size=3)
            part.setAxis(osim.Vec3(*map(float, direction)))
            if index < len(names) or self.chance(0.6):
                given = osim.ArrayStr()
                given.append(used)
                part.setCoordinateNames(given)
                part.set_function(self.function(1.0 if axis < 3 else 0.2))
            elif self.chance(0.5):
                part.set_function(osim.Constant(float(self.random.uniform(-0.5, 0.5))))
        return transform

    def muscle(self, number: int) -> None:
        muscle = osim.Millard2012EquilibriumMuscle(f"muscle_{number}", 500.0, 0.1, 0.2, 0.1)
        self.model.addForce(muscle)
        muscle = osim.Muscle.safeDownCast(self.model.getForceSet().get(f"muscle_{number}"))
        path, kinds = muscle.updGeometryPath(), ["PathPoint", "ConditionalPathPoint", "MovingPathPoint"]
        count = int(self.random.integers(2, 6))
        for index in range(count):
            kind = "PathPoint" if index in (0, count - 1) or not self.coordinates else self.one(kinds)
            point = getattr(osim, kind)()
            point.setName(f"point_{number}_{index}")
            frame = self.one(self.frames) if kind == "MovingPathPoint" else self.frame()
            point.updSocket("parent_frame").setConnecteePath(frame.getAbsolutePathString())
            if kind == "MovingPathPoint":
                coordinate = self.one(self.coordinates)
                functions = tuple(name for name in FUNCTIONS if name not in ("Sine", "MultiplierFunction"))
                for letter in "xyz":
                    point.updSocket(f"{letter}_coordinate").setConnecteePath(coordinate.getAbsolutePathString())
                    getattr(point, f"set_{letter}_location")(self.function(0.3, functions))
            else:
                point.setLocation(self.vector(0.3))
            if kind == "ConditionalPathPoint":
                point.updSocket("coordinate").setConnecteePath(self.one(self.coordinates).getAbsolutePathString())
                low, high = np.sort(self.random.uniform(-2.0, 2.0, 2))
                point.setRangeMin(float(low))
                point.setRangeMax(float(high))
            path.updPathPointSet().cloneAndAppend(point)
        if self.chance(0.5):
            self.wrap(path, number)

    def wrap(self, path: Any, number: int) -> None:
        kind = self.one(("WrapCylinder", "WrapSphere", "WrapEllipsoid", "WrapTorus"))
        wrap = getattr(osim, kind)()
        wrap.setName(f"wrap_{number}")
        wrap.set_translation(self.vector(0.3))
        wrap.set_xyz_body_rotation(self.vector(3.0))
        wrap.set_quadrant(self.one(QUADRANTS))
        wrap.set_active(self.chance(0.8))
        size = 0.01 * float(self.random.uniform(0.5, 1.0))
        if kind == "WrapEllipsoid":
            wrap.set_dimensions(osim.Vec3(size, 2.0 * size, 3.0 * size))
        elif kind == "WrapTorus":
            wrap.set_inner_radius(size)
            wrap.set_outer_radius(3.0 * size)
        else:
            wrap.set_radius(size)
        frame = self.frame()
        frame.addWrapObject(wrap)
        path.addPathWrap(frame.getWrapObject(f"wrap_{number}"))

    def finish(self, path: Path) -> None:
        self.model.finalizeConnections()
        self.model.printToXML(str(path))
        document = ElementTree.parse(path)
        for joint in document.iter("CustomJoint"):  # the order of a file's coordinates need not be that of the axes
            listed = joint.find("coordinates")
            if listed is not None and self.chance(0.5):
                listed[:] = [listed[int(index)] for index in self.random.permutation(len(listed))]
        splines = list(
            document.iter("GCVSpline")
        )  # OpenSim's addPoint leaves numbers of them unset, that it does not use
        for part, number in ((spline.find(name), one) for spline in splines for name, one in UNSET):
            if part is not None:
                part.text = " ".join(number for _ in (part.text or "").split())
        document.write(path, encoding="utf-8", xml_declaration=True)


def write(folder: Path, seed: int) -> Path:
    draw = Draw(seed)
    for number in range(int(draw.random.integers(3, 9))):
        draw.body(number)
    for number in range(6):
        draw.muscle(number)
    path = folder / f"random_{seed}.osim"
    draw.finish(path)
    return path


def write_constrained(folder: Path) -> Path:
    """Bodies that float, held to each other by one constraint of each kind, between frames that are not the bodies'."""
    draw = Draw(0)
    bodies = []
    for number in range(4):
        body = osim.Body(f"body_{number}", 1.0, draw.vector(0.1), osim.Inertia(0.02, 0.03, 0.025))
        draw.model.addBody(body)
        ends = (draw.model.getGround(), draw.vector(0.2), draw.vector(1.0), body, draw.vector(0.2), draw.vector(1.0))
        joint = osim.FreeJoint(f"joint_{number}", *ends)
        for index in range(6):
            joint.upd_coordinates(index).setName(f"q{number}_{index}")
        draw.model.addJoint(joint)
        bodies.append(body)
    draw.frames += bodies
    one, other, third, last = (draw.frame(body) for body in bodies)
    ground = draw.frame(draw.model.getGround())
    place = draw.vector
    weld = osim.WeldConstraint("weld", one, place(0.1), place(1.0), last, place(0.1), place(1.0))
    made = {
        "weld": weld,
        "point": osim.PointConstraint(one, place(0.2), other, place(0.2)),
        "distance": osim.ConstantDistanceConstraint(other, place(0.2), third, place(0.2), 0.3),
        "line": osim.PointOnLineConstraint(ground, osim.Vec3(1.0, 2.0, -0.5), place(0.2), third, place(0.2)),
        "off": osim.PointConstraint(third, place(0.2), last, place(0.2)),
    }
    for name, constraint in made.items():
        constraint.setName(name)
        constraint.set_isEnforced(name != "off")
        draw.model.addConstraint(constraint)
    draw.muscle(0)
    path = folder / "constrained.osim"
    draw.finish(path)
    return path


def main() -> None:
    folder, states = Path(sys.argv[1]), int(sys.argv[2])
    for seed in sys.argv[3:]:
        path = write(folder, int(seed))
        with contextlib.suppress(RuntimeError):  # Simbody inverts the mass matrix, which may be singular here
            np.savez(folder / f"{path.stem}.npz", **multibody_oracle.judge(path, states))


if __name__ == "__main__":
    main()
