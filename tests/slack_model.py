"""One body on a slider that muscles of four classes pull, shorter than their tendons of 0.25 m for a while.

`python slack_model.py FOLDER` writes `slack.osim` and `motion.sto`.
"""

import sys
from pathlib import Path

import numpy as np
import opensim as osim

osim.Logger.setLevelString("off")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

CLASSES = ("Thelen2003Muscle", "Millard2012EquilibriumMuscle", "DeGrooteFregly2016Muscle", "RigidTendonMuscle")


def main(folder: Path) -> None:
    model = osim.Model()
    body = osim.Body("body", 1.0, osim.Vec3(0.0), osim.Inertia(0.1))
    model.addBody(body)
    slider = osim.SliderJoint("slider", model.getGround(), body)
    slider.updCoordinate().setName("length")
    slider.updCoordinate().setRangeMin(0.2)
    slider.updCoordinate().setRangeMax(0.4)
    slider.updCoordinate().setDefaultValue(0.35)
    model.addJoint(slider)
    for kind in CLASSES:
        muscle = getattr(osim, kind)()
        muscle.setName(kind)
        muscle.set_max_isometric_force(1000.0)
        muscle.set_optimal_fiber_length(0.1)
        muscle.set_tendon_slack_length(0.25)
        muscle.set_pennation_angle_at_optimal(0.2)
        muscle.addNewPathPoint("origin", model.getGround(), osim.Vec3(0.0))
        muscle.addNewPathPoint("insertion", body, osim.Vec3(0.0))
        model.addForce(muscle)
    model.finalizeConnections()
    model.printToXML(str(folder / "slack.osim"))
    time = np.linspace(0.0, 1.0, 101)
    rows = [f"{t:.2f}\t{0.3 + 0.08 * np.cos(2.0 * np.pi * t):.12f}" for t in time]
    head = ["motion", "version=1", f"nRows={len(rows)}", "nColumns=2", "inDegrees=no", "endheader", "time\tlength"]
    (folder / "motion.sto").write_text("\n".join([*head, *rows]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
