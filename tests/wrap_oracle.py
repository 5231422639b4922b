"""Paths between ground and a body over one random object each, and what OpenSim says of them in random postures.

Usage: `python wrap_oracle.py FOLDER COUNT SEED KIND...` writes `wraps.osim` and `wraps.npz`: coordinates (T, N),
lengths (T, M), and over how many objects each path turns (T, M). Every second path has another object far away: OpenSim
makes a path tangent to its cylinder only where a path has several objects.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

QUADRANTS = ("all", "all", "x", "-x", "y", "-y", "z", "-z")
#: m, where no path comes.
FAR = 50.0
#: m, of cylinders by their number: paths reach the ends of every third.
LENGTHS = (0.06, 20.0, 20.0)
POSTURES = 60


def wrap_object(kind: str, random: np.random.Generator, name: str) -> Any:
    wrap = getattr(osim, f"Wrap{kind.capitalize()}")()
    wrap.setName(name)
    wrap.set_quadrant(str(random.choice(QUADRANTS)))
    wrap.set_translation(osim.Vec3(*random.normal(0.0, 0.01, 3)))
    wrap.set_xyz_body_rotation(osim.Vec3(*random.uniform(-3.0, 3.0, 3)))
    if kind == "cylinder":
        wrap.set_radius(random.uniform(0.01, 0.05))
        wrap.set_length(LENGTHS[int(name.removeprefix("wrap_")) % len(LENGTHS)])
    elif kind == "sphere":
        wrap.set_radius(random.uniform(0.02, 0.06))
    else:
        wrap.set_dimensions(osim.Vec3(*random.uniform(0.02, 0.06, 3)))
    return wrap


def far_object(name: str) -> Any:
    wrap = osim.WrapCylinder()
    wrap.setName(name)
    wrap.set_radius(0.01)
    wrap.set_length(0.01)
    wrap.set_translation(osim.Vec3(FAR, 0.0, 0.0))
    return wrap


def build(count: int, seed: int, kinds: list[str]) -> osim.Model:
    random = np.random.default_rng(seed)
    model = osim.Model()
    model.setName("wraps")
    ground, body = model.updGround(), osim.Body("body", 1.0, osim.Vec3(0.0), osim.Inertia(1.0, 1.0, 1.0))
    model.addBody(body)
    model.addJoint(osim.FreeJoint("joint", ground, body))
    for index in range(count):
        wrap = wrap_object(kinds[index // 2 % len(kinds)], random, f"wrap_{index}")
        (body if random.uniform() < 0.5 else ground).addWrapObject(wrap)
        muscle = osim.Millard2012EquilibriumMuscle(f"muscle_{index}", 100.0, 0.1, 0.1, 0.0)
        points = int(random.integers(2, 5))
        for point in range(points):
            muscle.addNewPathPoint(
                f"p{point}", body if random.uniform() < 0.5 else ground, osim.Vec3(*random.normal(0.0, 0.07, 3))
            )
        path = muscle.updGeometryPath()
        path.addPathWrap(wrap)
        if points > 2 and random.uniform() < 0.5:
            path.updWrapSet().get(0).set_range(0, int(random.integers(1, points)))
            path.updWrapSet().get(0).set_range(
                1, int(random.integers(path.getWrapSet().get(0).get_range(0), points + 1))
            )
        if index % 2:
            other = far_object(f"far_{index}")
            ground.addWrapObject(other)
            path.addPathWrap(other)
        model.addForce(muscle)
    model.finalizeConnections()
    return model


def main(folder: Path, count: int, seed: int, kinds: list[str]) -> None:
    model = build(count, seed, kinds)
    model.printToXML(str(folder / "wraps.osim"))
    model = osim.Model(str(folder / "wraps.osim"))
    state, coordinates = model.initSystem(), list(model.getCoordinateSet())
    random = np.random.default_rng(seed)
    q = np.concatenate([random.uniform(-1.4, 1.4, (POSTURES, 3)), random.normal(0.0, 0.04, (POSTURES, 3))], axis=1)
    lengths, turns = [], []
    for posture in q:
        for coordinate, value in zip(coordinates, posture, strict=True):
            coordinate.setValue(state, value, False)
        model.realizePosition(state)
        paths = [muscle.getGeometryPath() for muscle in model.getMuscles()]
        lengths.append([path.getLength(state) for path in paths])
        turns.append([touched(path.getCurrentPath(state)) for path in paths])
    np.savez(folder / "wraps.npz", q=q, length=np.array(lengths), turns=np.array(turns))


def touched(points: Any) -> int:
    return sum(points.get(i).getWrapObject() is not None for i in range(points.getSize())) // 2


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
