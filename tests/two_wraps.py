"""A knee whose gastrocnemius wraps over the condyles and the shank, as in public gait models, beside a hamstring.

Usage: `python two_wraps.py build FOLDER` writes `knee.osim`, `extend.mot` (flexion to full extension) and `said.npz`,
what OpenSim says of the muscles along the motion. `python two_wraps.py replace FOLDER PATHS.xml` lets OpenSim put a
FunctionBasedPathSet in place of the model's paths and writes `replaced.npz`.
"""

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

MUSCLES = ("gastrocnemius", "hamstring")
#: Radius in m, body, place and orientation, and the quadrant that the muscle is held to.
CYLINDERS = {
    "condyles": (0.024, "ground", (0.004, -0.41, 0.0), (0.0, 0.0, 0.0), "all"),
    "shank": (0.057, "shank", (-0.008, -0.08, -0.004), (2.967, 0.028, -1.478), "-y"),
}
#: s, and rad of knee flexion: from where the muscle touches one cylinder to where it touches both.
TIME = np.linspace(0.0, 1.0, 51)
ANGLE = np.deg2rad(-30.0 - 30.0 * np.cos(np.pi * TIME))
#: rad; step of differences.
STEP = 1e-3

Array = np.ndarray


def build() -> osim.Model:
    model = osim.Model()
    model.setName("two_wraps")
    shank = osim.Body("shank", 3.7, osim.Vec3(0, -0.19, 0), osim.Inertia(0.05, 0.005, 0.05))
    model.addBody(shank)
    thigh = model.updGround()
    knee = osim.PinJoint("knee", thigh, osim.Vec3(0, -0.41, 0), osim.Vec3(0), shank, osim.Vec3(0), osim.Vec3(0))
    knee.updCoordinate().setName("knee_flexion")
    knee.updCoordinate().setRangeMin(np.deg2rad(-80.0))
    knee.updCoordinate().setRangeMax(np.deg2rad(5.0))
    model.addJoint(knee)
    wraps = {}
    for name, (radius, body, place, turn, quadrant) in CYLINDERS.items():
        wrap = osim.WrapCylinder()
        wrap.setName(name)
        wrap.set_radius(radius)
        wrap.set_length(0.11)
        wrap.set_translation(osim.Vec3(*place))
        wrap.set_xyz_body_rotation(osim.Vec3(*turn))
        wrap.set_quadrant(quadrant)
        (thigh if body == "ground" else shank).addWrapObject(wrap)
        wraps[name] = wrap
    ends = {
        "gastrocnemius": ((0.008, -0.38, -0.021), (-0.045, -0.43, -0.006), 1500.0, 0.054, 0.42),
        "hamstring": ((-0.05, 0.02, 0.0), (-0.03, -0.05, -0.02), 1200.0, 0.15, 0.33),
    }
    for name, (origin, insertion, strength, fibre, slack) in ends.items():
        muscle = osim.Millard2012EquilibriumMuscle(name, strength, fibre, slack, 0.16)
        muscle.addNewPathPoint("origin", thigh, osim.Vec3(*origin))
        muscle.addNewPathPoint("insertion", shank, osim.Vec3(*insertion))
        model.addForce(muscle)
    path = model.getMuscles().get("gastrocnemius").updGeometryPath()
    path.addPathWrap(wraps["shank"])  # the order of the public models
    path.addPathWrap(wraps["condyles"])
    model.finalizeConnections()
    return model


class Knee:
    """The model in a posture."""

    def __init__(self, model: osim.Model) -> None:
        self.model, self.state = model, model.initSystem()
        self.flexion = model.getCoordinateSet().get(0)
        self.muscles = [model.getMuscles().get(name) for name in MUSCLES]

    def bend(self, angle: float) -> None:
        self.flexion.setValue(self.state, angle)
        self.model.realizePosition(self.state)

    def lengths(self, angle: float) -> tuple[float, float]:
        """Of the gastrocnemius: OpenSim's, and through the points of OpenSim's path."""
        self.bend(angle)
        return self.muscles[0].getLength(self.state), self._through_points()

    def _through_points(self) -> float:
        """Straight parts, and helices between two neighbouring points on one cylinder."""
        path = self.muscles[0].getGeometryPath().getCurrentPath(self.state)
        points = [path.get(index) for index in range(path.getSize())]
        total = 0.0
        for one, two in pairwise(points):
            wrap = one.getWrapObject()
            ends = [point.getLocationInGround(self.state).to_numpy() for point in (one, two)]
            if wrap is None or two.getWrapObject() is None or two.getWrapObject().getName() != wrap.getName():
                total += float(np.linalg.norm(ends[0] - ends[1]))
                continue
            first, last = (self._inside(wrap, end) for end in ends)
            turn = np.arctan2(last[1], last[0]) - np.arctan2(first[1], first[0])
            turn = (turn + np.pi) % (2.0 * np.pi) - np.pi
            total += float(np.hypot(CYLINDERS[wrap.getName()][0] * turn, last[2] - first[2]))
        return total

    def _inside(self, wrap: Any, place: Array) -> Array:
        """A place in the frame of a wrap object."""
        inside = wrap.getTransform()
        own = wrap.getFrame().getTransformInGround(self.state)
        for transform in (own, inside):
            rotation = np.array([[transform.R().get(i, j) for j in range(3)] for i in range(3)])
            place = rotation.T @ (place - transform.p().to_numpy())
        return place


def said(knee: Knee) -> dict[str, Array]:
    """Along the motion: lengths (T,), and moment arms (T,) in m by tension, length, and length through the points."""
    arm, length, by_length, by_points = [], [], [], []
    for angle in ANGLE.tolist():
        ahead, behind = knee.lengths(angle + STEP), knee.lengths(angle - STEP)
        slopes = [-(one - two) / (2.0 * STEP) for one, two in zip(ahead, behind, strict=True)]
        length.append(knee.lengths(angle)[0])
        arm.append([muscle.computeMomentArm(knee.state, knee.flexion) for muscle in knee.muscles])
        by_length.append(slopes[0])
        by_points.append(slopes[1])
    return {
        "moment_arm": np.array(arm), "length": np.array(length), "by_length": np.array(by_length),
        "by_points": np.array(by_points),
    }  # fmt: skip


def write_motion(path: Path) -> None:
    rows = [f"{time:.6f}\t{np.rad2deg(angle):.15g}" for time, angle in zip(TIME, ANGLE, strict=True)]
    head = ["extend", "version=1", f"nRows={len(TIME)}", "nColumns=2", "inDegrees=yes", "endheader"]
    path.write_text("\n".join([*head, "time\tknee_flexion", *rows, ""]))


def replace(folder: Path, paths: str) -> dict[str, Array]:
    processor = osim.ModelProcessor(osim.Model(str(folder / "knee.osim")))
    processor.append(osim.ModOpReplacePathsWithFunctionBasedPaths(paths))
    knee = Knee(processor.process())
    arms = []
    for angle in ANGLE.tolist():
        knee.bend(angle)
        arms.append([muscle.getPath().computeMomentArm(knee.state, knee.flexion) for muscle in knee.muscles])
    kinds = [muscle.getPath().getConcreteClassName() for muscle in knee.muscles]
    return {"moment_arm": np.array(arms), "kinds": np.array(kinds)}


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "build":
        made = build()
        made.printToXML(str(folder / "knee.osim"))
        write_motion(folder / "extend.mot")
        np.savez(folder / "said.npz", **said(Knee(made)))
    else:
        np.savez(folder / "replaced.npz", **replace(folder, sys.argv[3]))
