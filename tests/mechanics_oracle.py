"""What OpenSim says of a model's bodies, points and functions in random postures, without constraints.

Usage: `python mechanics_oracle.py OUT_FOLDER POSTURES SPREAD (CASE | MODEL.osim)...`. Each model leaves `NAME.npz`, and
those of `model_zoo` their `NAME.osim`.
"""

import sys
from pathlib import Path
from typing import Any

import model_zoo
import numpy as np
import opensim as osim
from numpy.typing import NDArray

Array = NDArray[Any]
Results = dict[str, Array]


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
    rows: dict[str, list[Any]] = {"frame": [], "point": [], "active": [], "wrap": []}
    for posture in q:
        for coordinate, value in zip(coordinates, posture, strict=True):
            coordinate.setValue(state, value, False)
        model.realizePosition(state)
        rows["frame"].append([matrix(body.getTransformInGround(state)) for body in bodies])
        rows["point"].append([point.getLocationInGround(state).to_numpy() for _, point in points])
        rows["active"].append([point.isActive(state) for _, point in points])
        rows["wrap"].append([wrap_frame(wrap, state) for wrap in wraps.values()])
    couplers = [found for part in parts if (found := osim.CoordinateCouplerConstraint.safeDownCast(part))]
    x = random.uniform(-spread, spread, postures)
    values = [
        [coupler.getFunction().calcValue(osim.Vector(1, one)) for one in x] for coupler in couplers if single(coupler)
    ]
    return {
        "q": q,
        "bodies": np.array([body.getName() for body in bodies]),
        "points": np.array([name for name, _ in points], dtype=str),
        "wraps": np.array(list(wraps), dtype=str),
        "x": x,
        "couplers": np.array([coupler.getName() for coupler in couplers if single(coupler)], dtype=str),
        "coupled": np.array(values),
        **{name: np.array(row) for name, row in rows.items()},
    }


def single(coupler: Any) -> bool:
    return bool(coupler.getIndependentCoordinateNames().getSize() == 1)


def wrap_frame(wrap: Any, state: Any) -> Array:
    return np.asarray(matrix(wrap.getFrame().getTransformInGround(state)) @ matrix(wrap.getTransform()))


def matrix(transform: Any) -> Array:
    rows = [[transform.R().get(i, j) for j in range(3)] + [transform.p().get(i)] for i in range(3)]
    return np.array([*rows, [0.0, 0.0, 0.0, 1.0]])


def main() -> None:
    folder, postures, spread = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    for name in sys.argv[4:]:
        path = Path(name)
        if path.suffix != ".osim":
            path = folder / f"{name}.osim"
            model_zoo.of(name).finish(name).printToXML(str(path))
        np.savez(folder / f"{path.stem}.npz", **judge(path, postures, spread))


if __name__ == "__main__":
    main()
