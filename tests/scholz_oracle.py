"""The gastrocnemius of `two_wraps` by OpenSim's Scholz2015GeometryPath, which finds geodesics over both cylinders.

Usage: `python scholz_oracle.py FOLDER` writes `knee.osim` and `scholz.npz`: lengths and moment arms over knee angles.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim

import two_wraps

#: rad: the knee angles; OpenSim's path touches one cylinder in the first, and both in the last.
ANGLE = np.deg2rad(np.linspace(-80.0, 5.0, 35))
#: rad; step of central differences. The path of the judge is tangent to 1e-6 or so.
STEP = 1e-3


def build_judge(hints: dict[str, Any]) -> tuple[osim.Model, Any]:
    """The same bodies and cylinders, and a spring along the same path; hints say on which sides it lies."""
    model = two_wraps.build()
    shank = model.getBodySet().get("shank")
    spring = osim.PathSpring()
    spring.setRestingLength(0.25)
    spring.setStiffness(10.0)
    spring.setDissipation(0.75)
    spring.set_path(osim.Scholz2015GeometryPath())
    model.addComponent(spring)
    path = osim.Scholz2015GeometryPath.safeDownCast(spring.updPath())
    points = model.getMuscles().get("gastrocnemius").getGeometryPath().getPathPointSet()
    places = [osim.PathPoint.safeDownCast(points.get(i)).get_location().to_numpy() for i in range(2)]
    path.appendPathPoint(model.updGround(), osim.Vec3(*places[0]))
    for name, (radius, body, place, turn, _) in two_wraps.CYLINDERS.items():
        on = model.updGround() if body == "ground" else shank
        cylinder = osim.ContactCylinder(radius, osim.Vec3(*place), osim.Vec3(*turn), on)
        cylinder.setName(f"{name}_obstacle")
        model.addComponent(cylinder)
        path.appendObstacle(cylinder, osim.Vec3(*hints[name]))
    path.appendPathPoint(shank, osim.Vec3(*places[1]))
    # OpenSim starts from the path of the posture before: from full extension it never finds the shortest one
    model.getCoordinateSet().get(0).setDefaultValue(np.deg2rad(-30.0))
    return model, spring


def hints_of(knee: Any) -> dict[str, Any]:
    """A place of each cylinder's contact in its frame, near extension, where the path touches both."""
    knee.bend(np.deg2rad(-10.0))
    path = knee.muscles[0].getGeometryPath().getCurrentPath(knee.state)
    found: dict[str, Any] = {}
    for index in range(path.getSize()):
        wrap = path.get(index).getWrapObject()
        if wrap is not None and wrap.getName() not in found:
            found[wrap.getName()] = knee._inside(wrap, path.get(index).getLocationInGround(knee.state).to_numpy())
    return found


def main(folder: Path) -> None:
    model = two_wraps.build()
    model.printToXML(str(folder / "knee.osim"))
    judge, spring = build_judge(hints_of(two_wraps.Knee(model)))
    state, flexion = judge.initSystem(), judge.getCoordinateSet().get(0)
    path = spring.updPath()

    def length(angle: float) -> float:
        flexion.setValue(state, angle)
        judge.realizePosition(state)
        return float(path.getLength(state))

    rows = []
    for angle in ANGLE.tolist():
        slope = -(length(angle + STEP) - length(angle - STEP)) / (2.0 * STEP)
        rows.append((length(angle), slope, path.computeMomentArm(state, flexion)))
    found, slopes, arms = np.array(rows).T
    np.savez(folder / "scholz.npz", angle=ANGLE, length=found, slope=slopes, moment_arm=arms)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
