"""Isometric forces and curves of a model, by OpenSim: `python old_muscles_oracle.py MODEL OUT.npz ANGLE …` (degrees).

OpenSim's calcInextensibleTendonActiveFiberForce of a deprecated class is, at rest, the force at which its fibre and its
elastic tendon are in equilibrium, passive force included, times 0.9995.
"""

import sys

import numpy as np
import opensim as osim


def main(source: str, out: str, *angles: str) -> None:
    osim.Logger.setLevelString("error")
    osim.Logger.removeFileSink()
    model = osim.Model(source)
    state = model.initSystem()
    muscles = [model.getMuscles().get(index) for index in range(model.getMuscles().getSize())]
    forces = []
    for angle in map(float, angles):
        model.getCoordinateSet().get("r_elbow_flex").setValue(state, np.radians(angle), False)
        model.realizeVelocity(state)
        forces.append([muscle.calcInextensibleTendonActiveFiberForce(state, 1.0) for muscle in muscles])
    curves = {}
    for name in ("active_force_length_curve", "tendon_force_length_curve", "force_velocity_curve"):
        if muscles[0].hasProperty(name):
            function = osim.Function.safeDownCast(muscles[0].getPropertyByName(name).getValueAsObject())
            curves[name] = [[x, function.calcValue(osim.Vector(1, float(x)))] for x in np.linspace(-1.0, 1.7, 541)]
    np.savez(out, forces=forces, **curves)


if __name__ == "__main__":
    main(*sys.argv[1:])
