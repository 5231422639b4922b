"""A pelvis on a vertical slider and a leg that stands on the floor by a contact of the model; loads measured the same.

Written in a process of its own: ``python hopper.py FOLDER``. Every number is invented (m, kg, N).
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import opensim as osim

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()

#: N; the weight of both bodies is measured by the plate.
MASS, GRAVITY = 35.0, 9.80665
ROWS = 60


def build(free_base: bool = False) -> osim.Model:
    model = osim.Model()
    model.setName("hopper")
    pelvis = osim.Body("pelvis", 30.0, osim.Vec3(0), osim.Inertia(1))
    leg = osim.Body("leg", 5.0, osim.Vec3(0, -0.2, 0), osim.Inertia(0.1, 0.02, 0.1))
    model.addBody(pelvis)
    model.addBody(leg)
    if free_base:
        base = osim.PlanarJoint("base", model.getGround(), pelvis)
        for index, name in enumerate(("tilt", "tx", "ty")):
            base.upd_coordinates(index).setName(name)
    else:
        up = osim.Vec3(0, 0, math.pi / 2)
        base = osim.SliderJoint("base", model.getGround(), osim.Vec3(0), up, pelvis, osim.Vec3(0), up)
        base.updCoordinate().setName("ty")
    model.addJoint(base)
    knee = osim.PinJoint("knee", pelvis, osim.Vec3(0.1, -0.3, 0), osim.Vec3(0), leg, osim.Vec3(0), osim.Vec3(0))
    knee.updCoordinate().setName("knee")
    model.addJoint(knee)
    for name, x in (("front", 0.04), ("back", -0.04)):
        muscle = osim.Millard2012EquilibriumMuscle(name, 4000, 0.2, 0.1, 0.0)
        muscle.addNewPathPoint("origin", pelvis, osim.Vec3(0.1 + x, -0.1, 0))
        muscle.addNewPathPoint("insertion", leg, osim.Vec3(x, -0.1, 0))
        model.addForce(muscle)
    add_contacts(model, pelvis, leg, free_base)
    model.finalizeConnections()
    return model


def add_contacts(model: osim.Model, pelvis: osim.Body, leg: osim.Body, every: bool) -> None:
    """A ball on the floor; of the model with a free base also what looks alike, inside the body and on the ground."""
    floor = osim.ContactHalfSpace(osim.Vec3(0), osim.Vec3(0, 0, -math.pi / 2), model.getGround())
    floor.setName("floor")
    model.addContactGeometry(floor)
    ball = osim.ContactSphere(0.05, osim.Vec3(0.1, -0.4, 0), leg)
    ball.setName("ball")
    model.addContactGeometry(ball)
    contact = osim.SmoothSphereHalfSpaceForce("contact", ball, floor)
    contact.set_stiffness(1e6)
    model.addForce(contact)
    if not every:
        return
    pad = osim.ContactSphere(0.02, osim.Vec3(0, -0.3, 0), pelvis)
    pad.setName("pad")
    model.addContactGeometry(pad)
    for name, ends in (("hunt_ground", ("ball", "floor")), ("hunt_knee", ("ball", "pad"))):
        hunt = osim.HuntCrossleyForce()
        hunt.setName(name)
        for end in ends:
            hunt.addGeometry(f"/contactgeometryset/{end}")
        hunt.setStiffness(1e6)
        model.addForce(hunt)
    cable = osim.PathActuator()  # its effect on the base is rounding: 1e-16 to 1e-13
    cable.setName("cable")
    cable.setOptimalForce(700.0)
    cable.addNewPathPoint("high", pelvis, osim.Vec3(0.17, -0.07, 0.03))
    cable.addNewPathPoint("low", leg, osim.Vec3(0.06, -0.13, 0.01))
    model.addForce(cable)
    soft = osim.Vec3(1.0)
    model.addForce(osim.BushingForce("bushing_ground", model.getGround(), leg, soft, soft, soft, soft))
    model.addForce(osim.BushingForce("bushing_knee", pelvis, leg, soft, soft, soft, soft))


def write(folder: Path) -> None:
    build().printToXML(str(folder / "hopper.osim"))
    build(free_base=True).printToXML(str(folder / "planar.osim"))

    def head(columns: int) -> str:
        return f"hopper\nversion=1\nnRows={ROWS}\nnColumns={columns}\ninDegrees=no\nendheader\n"

    times = [f"{0.01 * row:.4f}" for row in range(ROWS)]
    stand = head(5) + "time\ttilt\ttx\tty\tknee\n" + "".join(f"{t}\t0\t0\t0.7455\t0.05\n" for t in times)
    (folder / "stand.mot").write_text(stand)
    weight = MASS * GRAVITY
    grf = head(7) + "time\tvx\tvy\tvz\tpx\tpy\tpz\n" + "".join(f"{t}\t0\t{weight}\t0\t0.21\t0\t0\n" for t in times)
    (folder / "grf.mot").write_text(grf)
    loads = osim.ExternalLoads()
    force = osim.ExternalForce()
    force.setName("plate")
    force.set_applied_to_body("leg")
    force.set_force_expressed_in_body("ground")
    force.set_point_expressed_in_body("ground")
    force.set_force_identifier("v")
    force.set_point_identifier("p")
    loads.cloneAndAppend(force)
    loads.setDataFileName("grf.mot")
    loads.printToXML(str(folder / "loads.xml"))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
