"""What OpenSim says of a model's bodies, points and functions in random postures, without constraints.

Usage: `python mechanics_oracle.py OUT_FOLDER POSTURES SPREAD (NAME | MODEL.osim | --list=FILE)...`, names those of
`model_zoo`, `random_SEED`, and of models made here. Each leaves `NAME.npz` and its `NAME.osim`; `--list` writes names
of the zoo, and `functions` leaves what `function_oracle` finds.
"""

import sys
from pathlib import Path
from typing import Any

import function_oracle
import model_zoo
import numpy as np
import opensim as osim
import random_models
from numpy.typing import NDArray

Array = NDArray[Any]
Results = dict[str, Array]

#: Most position errors of one constraint.
WIDEST = 6


def judge(path: Path, postures: int, spread: float) -> Results:
    """Transforms of bodies and wrap objects, places of path points, and values of couplers' functions."""
    model = osim.Model(str(path))
    state = model.initSystem()
    parts = list(model.getComponentsList())
    coordinates = list(model.getCoordinateSet())
    bodies = list(model.getBodyList())
    winding = [(muscle.getName(), osim.GeometryPath.safeDownCast(muscle.getPath())) for muscle in model.getMuscleList()]
    points = [(name, point) for name, path in winding if path for point in path.getPathPointSet()]
    wraps = {
        wrap.getWrapObjectName(): wrap.getWrapObject() for _, path in winding if path for wrap in path.getWrapSet()
    }
    for coordinate in coordinates:
        coordinate.setLocked(state, False)
        coordinate.setIsPrescribed(state, False)
    random = np.random.default_rng(7)
    q = random.uniform(-spread, spread, (postures, len(coordinates)))
    rows: dict[str, list[Any]] = {"frame": [], "point": [], "active": [], "wrap": [], "length": []}
    for posture in q:
        for coordinate, value in zip(coordinates, posture, strict=True):
            coordinate.setValue(state, value, False)
        model.realizePosition(state)
        rows["frame"].append([matrix(body.getTransformInGround(state)) for body in bodies])
        rows["point"].append([point.getLocationInGround(state).to_numpy() for _, point in points])
        rows["active"].append([point.isActive(state) for _, point in points])
        rows["length"].append([muscle.getLength(state) for muscle in model.getMuscleList()])
        rows["wrap"].append([wrap_frame(wrap, state) for wrap in wraps.values()])
    constraints = [
        found
        for part in parts
        if (found := osim.Constraint.safeDownCast(part)) and not osim.CoordinateCouplerConstraint.safeDownCast(part)
    ]
    missed = [constraint_errors(model, state, constraints, index, q, coordinates) for index in range(len(constraints))]
    couplers = [found for part in parts if (found := osim.CoordinateCouplerConstraint.safeDownCast(part))]
    x = random.uniform(-spread, spread, postures)
    values = [
        [coupler.getFunction().calcValue(osim.Vector(1, one)) for one in x] for coupler in couplers if single(coupler)
    ]
    return {
        "q": q,
        "bodies": np.array([body.getName() for body in bodies]),
        "muscles": np.array([muscle.getName() for muscle in model.getMuscleList()], dtype=str),
        "points": np.array([name for name, _ in points], dtype=str),
        "wraps": np.array(list(wraps), dtype=str),
        "x": x,
        "couplers": np.array([coupler.getName() for coupler in couplers if single(coupler)], dtype=str),
        "coupled": np.array(values),
        "constraints": np.array([part.getName() for part in constraints], dtype=str),
        "missed": np.array(missed).reshape(-1, postures, WIDEST),
        **{name: np.array(row) for name, row in rows.items()},
    }


def constraint_errors(
    model: Any, state: Any, constraints: list[Any], index: int, q: Array, coordinates: list[Any]
) -> list[Array]:
    """Position errors (T, 6), NaN where there are fewer, of one constraint while no other is enforced."""
    state = osim.State(state)
    for number, constraint in enumerate(constraints):
        constraint.setIsEnforced(state, number == index)
    found = []
    for posture in q:
        for coordinate, value in zip(coordinates, posture, strict=True):
            coordinate.setValue(state, value, False)
        model.realizePosition(state)
        errors = state.getQErr().to_numpy()
        found.append(np.pad(errors, (0, WIDEST - len(errors)), constant_values=np.nan))
    return found


def single(coupler: Any) -> bool:
    return bool(coupler.getIndependentCoordinateNames().getSize() == 1)


def wrap_frame(wrap: Any, state: Any) -> Array:
    return np.asarray(matrix(wrap.getFrame().getTransformInGround(state)) @ matrix(wrap.getTransform()))


def matrix(transform: Any) -> Array:
    rows = [[transform.R().get(i, j) for j in range(3)] + [transform.p().get(i)] for i in range(3)]
    return np.array([*rows, [0.0, 0.0, 0.0, 1.0]])


def build(folder: Path, name: str) -> Path:
    """Write a model by its name."""
    path = folder / f"{name}.osim"
    if name in OWN:
        zoo = OWN[name]()
        zoo.finish(name).printToXML(str(path))
    elif name == "constrained":
        random_models.write_constrained(folder)
    elif name.startswith("random_"):
        random_models.write(folder, int(name.removeprefix("random_")))
    else:
        model_zoo.of(name).finish(name).printToXML(str(path))
    return path


def own_length() -> model_zoo.Zoo:
    """One muscle whose length is a function of a coordinate."""
    zoo = model_zoo.joint_case("gimbal")
    muscle = osim.Millard2012EquilibriumMuscle("by_function", 500.0, 0.1, 0.2, 0.1)
    path = osim.FunctionBasedPath()
    path.appendCoordinatePath(zoo.path("knee"))
    path.setLengthFunction(osim.PolynomialFunction(model_zoo.vector([0.02, 0.3])))
    muscle.set_path(path)
    zoo.model.addForce(muscle)
    return zoo


def moving_in_offset() -> model_zoo.Zoo:
    """A point that moves in a frame that is turned in its body."""
    zoo = model_zoo.joint_case("gimbal")
    offset = osim.PhysicalOffsetFrame("turned", zoo.frame("shank"), osim.Transform(osim.Vec3(0.1, 0.0, 0.0)))
    zoo.frame("shank").addComponent(offset)
    muscle = zoo.muscle("moves", ("trunk", (0.05, -0.2, 0.0)))
    point = model_zoo.moving_point(zoo, "knee")
    point.setName("mover")
    point.updSocket("parent_frame").setConnecteePath("/bodyset/shank/turned")
    muscle.getGeometryPath().updPathPointSet().cloneAndAppend(point)
    muscle.addNewPathPoint("end", zoo.frame("shank"), model_zoo.vec((0.05, -0.12, 0.01)))
    return zoo


OWN = {"own_length": own_length, "moving_in_offset": moving_in_offset}


def main() -> None:
    folder, postures, spread = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    for name in sys.argv[4:]:
        if name.startswith("--list="):
            Path(name.removeprefix("--list=")).write_text(" ".join(model_zoo.CASES))
            continue
        if name == "functions":
            function_oracle.write(folder)
            continue
        path = Path(name) if name.endswith(".osim") else build(folder, name)
        np.savez(folder / f"{path.stem}.npz", **judge(path, postures, spread))


if __name__ == "__main__":
    main()
