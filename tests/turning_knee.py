"""A knee whose one angle turns its shank about three axes: OpenSim's accelerations are wrong, its energies are not.

Usage: `python turning_knee.py FOLDER` writes `knee.osim`, `swing.mot` and `said.npz`: the knee's moment at times by
Lagrange's equation, from OpenSim's kinetic and potential energy, and by OpenSim's InverseDynamicsSolver.
"""

import sys
from pathlib import Path

import numpy as np
import opensim as osim

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

TIME = np.arange(41) / 40.0
#: rad; amplitude and pace of the motion, and the step of differences.
SIZE, PACE, STEP = 0.8, 5.0, 1e-3
#: Seven-point differences.
STEPS = np.array([-3, -2, -1, 1, 2, 3])
WEIGHTS = np.array([-1, 9, -45, 45, -9, 1]) / 60.0


def build() -> osim.Model:
    model = osim.Model()
    model.setName("turning_knee")
    shank = osim.Body("shank", 3.7, osim.Vec3(0.05, -0.19, 0.02), osim.Inertia(0.05, 0.005, 0.03, 0.001, 0.002, -0.003))
    model.addBody(shank)
    transform = osim.SpatialTransform()
    for number, slope in enumerate((1.0, 0.6, -0.8), start=1):
        axis = getattr(transform, f"upd_rotation{number}")()
        names = osim.ArrayStr()
        names.append("angle")
        axis.setCoordinateNames(names)
        axis.set_function(osim.LinearFunction(slope, 0.0))
    joint = osim.CustomJoint("knee", model.updGround(), shank, transform)
    joint.finalizeFromProperties()
    joint.upd_coordinates(0).setName("angle")
    model.addJoint(joint)
    muscle = osim.Millard2012EquilibriumMuscle("vastus", 1500.0, 0.1, 0.2, 0.0)
    muscle.addNewPathPoint("origin", model.updGround(), osim.Vec3(0.05, 0.1, 0.03))
    muscle.addNewPathPoint("insertion", shank, osim.Vec3(0.03, -0.1, 0.01))
    model.addForce(muscle)
    model.finalizeConnections()
    return model


def said(model: osim.Model) -> dict[str, np.ndarray]:
    state = model.initSystem()
    model.getMuscles().get(0).setAppliesForce(state, False)
    angle = model.getCoordinateSet().get(0)
    solver = osim.InverseDynamicsSolver(model)

    def energies(value: float) -> tuple[float, float]:
        """Kinetic energy at a rate of 1 rad/s, and potential energy."""
        angle.setValue(state, value)
        angle.setSpeedValue(state, 1.0)
        model.realizeVelocity(state)
        return model.calcKineticEnergy(state), model.calcPotentialEnergy(state)

    right, opensim = [], []
    for time in TIME:
        value = SIZE * np.sin(PACE * time)
        rate, change = SIZE * PACE * np.cos(PACE * time), -(PACE**2) * value
        slopes = np.array([energies(value + step * STEP) for step in STEPS]).T @ WEIGHTS / STEP
        right.append(2.0 * energies(value)[0] * change + slopes[0] * rate**2 + slopes[1])
        angle.setValue(state, value)
        angle.setSpeedValue(state, rate)
        model.realizeVelocity(state)
        opensim.append(solver.solve(state, osim.Vector(1, change)).get(0))
    return {"right": np.array(right), "opensim": np.array(opensim)}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    made = build()
    made.printToXML(str(folder / "knee.osim"))
    np.savez(folder / "said.npz", **said(made))
    columns = np.column_stack([TIME, SIZE * np.sin(PACE * TIME), SIZE * PACE * np.cos(PACE * TIME)])
    for name, labels, kept in (("swing.mot", "angle", [0, 1]), ("speeds.sto", "angle_u", [0, 2])):
        head = [name, "version=1", f"nRows={len(TIME)}", "nColumns=2", "inDegrees=no", "endheader", f"time\t{labels}"]
        rows = ["\t".join(f"{x:.16g}" for x in row) for row in columns[:, kept]]
        (folder / name).write_text("\n".join([*head, *rows, ""]))
