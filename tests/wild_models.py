"""Models of kinds that gave wrong answers in the wild: ``python wild_models.py FOLDER`` writes them with their motions.

``scaled`` is ``plain`` with its pelvis translations inside a MultiplierFunction, as OpenSim's older ScaleTool leaves
them. ``hinge`` and ``floating`` are one leg below a welded and a free pelvis. ``ball``, ``free`` and ``ellipsoid`` are
a rod that hangs on such a joint, turning about three axes. Every number is invented (m, kg, N, s, rad).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import opensim as osim

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()

V = osim.Vec3
Motion = dict[str, Callable[[float], float]]
LEG: Motion = {"knee": lambda t: -0.7 + 0.5 * math.sin(6 * t), "ankle": lambda t: 0.2 * math.sin(5 * t)}
PELVIS: Motion = {name: lambda t: 0.0 for name in ("rx", "ry", "rz", "tx", "tz")} | {"ty": lambda t: 1.0}
ROD: Motion = {
    "rx": lambda t: 0.5 + 0.4 * math.sin(5 * t),
    "ry": lambda t: 0.6 * math.sin(4 * t + 1),
    "rz": lambda t: 0.7 + 0.5 * math.sin(6 * t + 2),
}
STILL: Motion = {name: lambda t: 0.0 for name in ("tx", "ty", "tz")}


def body(
    model: osim.Model, name: str, mass: float, center: osim.Vec3, inertia: tuple[float, float, float]
) -> osim.Body:
    made = osim.Body(name, mass, center, osim.Inertia(*inertia))
    model.addBody(made)
    return made


def muscle(model: osim.Model, name: str, ends: list, force: float = 3000.0, slack: float = 0.15) -> None:
    made = osim.Millard2012EquilibriumMuscle(name, force, 0.2, slack, 0.0)
    for index, (frame, place) in enumerate(ends):
        made.addNewPathPoint(f"p{index}", frame, V(*place))
    model.addForce(made)


def finish(model: osim.Model, name: str, folder: Path, motion: Motion, rows: int = 101, step: float = 0.005) -> None:
    model.setName(name)
    model.finalizeConnections()
    model.printToXML(str(folder / f"{name}.osim"))
    lines = ["Coordinates", "version=1", f"nRows={rows}", f"nColumns={len(motion) + 1}", "inDegrees=no", "endheader"]
    lines.append("\t".join(["time", *motion]))
    for row in range(rows):
        lines.append(
            "\t".join(f"{value:.10f}" for value in (step * row, *(own(step * row) for own in motion.values())))
        )
    (folder / f"{name}.mot").write_text("\n".join(lines) + "\n")


def planar(name: str, folder: Path) -> None:
    """A pelvis that floats in a plane, and a shank on which a constant ground reaction acts."""
    model = osim.Model()
    pelvis = body(model, "pelvis", 12.0, V(0), (0.1, 0.1, 0.1))
    shank = body(model, "shank", 4.0, V(0, -0.2, 0), (0.05, 0.01, 0.05))
    transform = osim.SpatialTransform()
    transform.upd_rotation3().setAxis(V(1, 0, 0))
    axes = {"rotation1": ("pelvis_tilt", V(0, 0, 1)), "translation1": ("pelvis_tx", V(1, 0, 0)),
            "translation2": ("pelvis_ty", V(0, 1, 0))}  # fmt: skip
    for place, (coordinate, direction) in axes.items():
        axis, names = getattr(transform, f"upd_{place}")(), osim.ArrayStr()
        function = osim.LinearFunction(1.0, 0.0)
        if name == "scaled" and place.startswith("translation"):
            function.thisown = False  # the MultiplierFunction frees it
            function = osim.MultiplierFunction(function, 1.0)
        names.append(coordinate)
        axis.setAxis(direction)
        axis.setCoordinateNames(names)
        axis.set_function(function)
    model.addJoint(osim.CustomJoint("base", model.getGround(), pelvis, transform))
    knee = osim.PinJoint("knee", pelvis, V(0, -0.4, 0), V(0), shank, V(0), V(0))
    knee.updCoordinate().setName("knee_angle")
    model.addJoint(knee)
    for side, x in (("front", 0.05), ("back", -0.05)):
        muscle(model, side, [(pelvis, (x, -0.1, 0)), (shank, (x, -0.1, 0))])
    motion: Motion = {
        "pelvis_tilt": lambda t: math.radians(5.0 * math.sin(10 * t)), "pelvis_tx": lambda t: 0.6,
        "pelvis_ty": lambda t: 0.95, "knee_angle": lambda t: math.radians(10.0),
    }  # fmt: skip
    finish(model, name, folder, motion, 60, 0.01)
    degrees = (folder / f"{name}.mot").read_text().splitlines()
    head, rows = degrees[:7], [line.split() for line in degrees[7:]]
    for row in rows:
        row[1], row[4] = (f"{math.degrees(float(row[i])):.8f}" for i in (1, 4))
    head[4] = "inDegrees=yes"
    (folder / f"{name}.mot").write_text("\n".join([*head, *("\t".join(row) for row in rows)]) + "\n")


def loads(folder: Path) -> None:
    """160 N upward on the shank."""
    head = ["grf", "version=1", "nRows=60", "nColumns=7", "inDegrees=no", "endheader"]
    head.append("\t".join(["time", *(f"F_{kind}{axis}" for kind in "vp" for axis in "xyz")]))
    rows = [f"{0.01 * row:.4f}\t0\t160\t0\t0.63\t0\t0" for row in range(60)]
    (folder / "grf.mot").write_text("\n".join([*head, *rows]) + "\n")
    every, force = osim.ExternalLoads(), osim.ExternalForce()
    force.setName("grf")
    force.set_applied_to_body("shank")
    force.set_force_expressed_in_body("ground")
    force.set_point_expressed_in_body("ground")
    force.set_force_identifier("F_v")
    force.set_point_identifier("F_p")
    every.cloneAndAppend(force)
    every.setDataFileName("grf.mot")
    every.printToXML(str(folder / "loads.xml"))


def leg(name: str, folder: Path) -> None:
    """Knee and ankle that swing below a pelvis that holds still."""
    model = osim.Model()
    pelvis = body(model, "pelvis", 12.0, V(0), (0.1, 0.1, 0.1))
    shank = body(model, "shank", 4.0, V(0, -0.2, 0), (0.05, 0.01, 0.05))
    foot = body(model, "foot", 1.0, V(0.05, -0.02, 0), (0.003, 0.003, 0.003))
    if name == "hinge":
        base = osim.WeldJoint("base", model.getGround(), V(0, 1, 0), V(0), pelvis, V(0), V(0))
    else:
        base = osim.FreeJoint("base", model.getGround(), pelvis)
        for index, coordinate in enumerate(("rx", "ry", "rz", "tx", "ty", "tz")):
            base.upd_coordinates(index).setName(coordinate)
    model.addJoint(base)
    for joint, one, other in (("knee", pelvis, shank), ("ankle", shank, foot)):
        pin = osim.PinJoint(joint, one, V(0, -0.4, 0), V(0), other, V(0), V(0))
        pin.updCoordinate().setName(joint)
        model.addJoint(pin)
    for own, ends in {
        "quad": [(pelvis, (0.05, -0.1, 0)), (shank, (0.04, -0.06, 0))],
        "ham": [(pelvis, (-0.05, -0.1, 0)), (shank, (-0.04, -0.06, 0))],
        "tib": [(shank, (0.03, -0.1, 0)), (foot, (0.06, 0, 0))],
        "sol": [(shank, (-0.03, -0.1, 0)), (foot, (-0.05, 0, 0))],
    }.items():
        muscle(model, own, ends, slack=0.15)
    finish(model, name, folder, LEG if name == "hinge" else PELVIS | LEG)


def rod(name: str, folder: Path) -> None:
    """A rod on a joint of three angles, with eight muscles around it."""
    model = osim.Model()
    hanging = body(model, "rod", 3.0, V(0.02, -0.2, 0.01), (0.05, 0.01, 0.06))
    ends = (model.getGround(), V(0), V(0), hanging, V(0), V(0))
    kinds = {"ball": osim.BallJoint, "free": osim.FreeJoint}
    joint = kinds[name]("hip", *ends) if name in kinds else osim.EllipsoidJoint("hip", *ends, V(1e-4))
    names = list(ROD) + (list(STILL) if name == "free" else [])
    for index, coordinate in enumerate(names):
        joint.upd_coordinates(index).setName(coordinate)
    model.addJoint(joint)
    for index, (x, z, twist) in enumerate((x, z, t) for x in (-0.06, 0.06) for z in (-0.06, 0.06) for t in (0, 1)):
        low = (z, -0.1, -x) if twist else (x, -0.1, z)
        muscle(model, f"m{index}", [(model.getGround(), (x, 0.1, z)), (hanging, low)], 800.0, 0.1)
    finish(model, name, folder, ROD | (STILL if name == "free" else {}))


def write(folder: Path) -> None:
    for name in ("plain", "scaled"):
        planar(name, folder)
    loads(folder)
    for name in ("hinge", "floating"):
        leg(name, folder)
    for name in ("ball", "free", "ellipsoid"):
        rod(name, folder)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
