"""Joint forces of a result folder by OpenSim's JointReaction, and by hand: `joint_reaction_oracle.py FOLDER PLAN.json`.

By hand: what a joint does to the bodies beyond it is Σ m (a − g) less the pull of muscles and of the ground on them;
accelerations are those of a spline through their mass centres along the motion.
"""

import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import opensim as osim
from scipy.interpolate import make_interp_spline

SETUP = """<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40500"><AnalyzeTool name="joints">
<model_file>{model}</model_file><replace_force_set>false</replace_force_set>
<force_set_files>{reserves}</force_set_files><results_directory>{out}</results_directory>
<output_precision>16</output_precision><initial_time>{start}</initial_time><final_time>{end}</final_time>
<coordinates_file>{folder}/coordinates.sto</coordinates_file><speeds_file>{folder}/speeds.sto</speeds_file>
<external_loads_file>{loads}</external_loads_file>
<AnalysisSet name="Analyses"><objects><JointReaction name="JointReaction">
<forces_file>{folder}/{forces}</forces_file><joint_names>{joints}</joint_names>
<apply_on_bodies>{on}</apply_on_bodies><express_in_frame>{frame}</express_in_frame>
</JointReaction></objects></AnalysisSet></AnalyzeTool></OpenSimDocument>
"""


def by_tool(folder: Path, plan: dict, time: np.ndarray) -> tuple[dict[str, np.ndarray], str]:
    """Forces (T, 3) N on a body by joint, the whole table with its labels, and the log."""
    out = folder.parent / "tool"
    reserves = folder / "reserves.xml"
    setup = folder.parent / "joints.xml"
    setup.write_text(SETUP.format(
        model=escape(plan["model"]), loads=escape(plan["loads"]), folder=escape(str(folder)), out=escape(str(out)),
        reserves=escape(str(reserves)) if reserves.exists() else "", joints=" ".join(plan["joints"]),
        forces=plan["forces"], start=repr(float(time[0])), end=repr(float(time[-1])),
        on=plan.get("on", "child"), frame=plan.get("frame", "ground"),
    ))  # fmt: skip
    log = osim.StringLogSink()
    osim.Logger.addSink(log)
    assert osim.AnalyzeTool(str(setup)).run()
    table = osim.TimeSeriesTable(str(out / "joints_JointReaction_ReactionLoads.sto"))
    labels, values = list(table.getColumnLabels()), table.getMatrix().to_numpy()
    rows = [int(np.argmin(np.abs(np.array(table.getIndependentColumn()) - t))) for t in time]
    found = {"labels": np.array(labels), "table": values[rows]}
    for joint in plan["joints"]:
        own = [place for place, label in enumerate(labels) if label.startswith(f"{joint}_on_")]
        found[f"{joint}_tool"] = values[rows][:, own[:3]]
    return found, log.getString()


def by_hand(folder: Path, plan: dict) -> dict[str, np.ndarray]:
    """The same from the balance of the bodies beyond each joint."""
    model = osim.Model(plan["model"])
    state = model.initSystem()
    motion, force = (osim.TimeSeriesTable(str(folder / f"{name}.sto")) for name in ("coordinates", "actuator_force"))
    time = np.array(motion.getIndependentColumn())
    value, labels = motion.getMatrix().to_numpy(), list(motion.getColumnLabels())
    pulls = dict(zip(force.getColumnLabels(), force.getMatrix().to_numpy().T, strict=True))
    bodies = {name for distal in plan["joints"].values() for name in distal}
    centre = {name: np.zeros((len(time), 3)) for name in bodies}
    pulled = {name: np.zeros((len(time), 3)) for name in bodies}
    muscles = {
        model.getMuscles().get(i).getName(): model.getMuscles().get(i) for i in range(model.getMuscles().getSize())
    }
    for row in range(len(time)):
        for name, q in zip(labels, value[row], strict=True):
            coordinate = model.getCoordinateSet().get(name)
            if not coordinate.getLocked(state):
                coordinate.setValue(state, q, False)
        model.realizePosition(state)
        for name in bodies:
            body = model.getBodySet().get(name)
            point = body.findStationLocationInGround(state, body.getMassCenter())
            centre[name][row] = [point.get(axis) for axis in range(3)]
        for muscle, own in muscles.items():
            add_pull(own, state, float(pulls[muscle][row]), pulled, row)
    found = {}
    gravity = np.array([model.getGravity().get(axis) for axis in range(3)])
    ground = ground_forces(plan["loads"], time)
    for joint, distal in plan["joints"].items():
        total = np.zeros((len(time), 3))
        for name in distal:
            acceleration = make_interp_spline(time, centre[name], k=5).derivative(2)(time)
            total += model.getBodySet().get(name).getMass() * (acceleration - gravity) - pulled[name]
            total -= ground.get(name, 0.0)
        found[f"{joint}_newton"] = total
    return {"time": time, **found}


def add_pull(muscle, state, tension: float, pulled: dict[str, np.ndarray], row: int) -> None:
    """Tension along the straight parts of a muscle's path, on the bodies at both of their ends."""
    directions = osim.ArrayPointForceDirection()
    muscle.getGeometryPath().getPointForceDirections(state, directions)
    for index in range(directions.getSize()):
        one = directions.get(index)
        name = one.frame().getName()
        if name in pulled:
            pulled[name][row] += tension * np.array([one.direction().get(axis) for axis in range(3)])


def ground_forces(path: str, time: np.ndarray) -> dict[str, np.ndarray]:
    """(T, 3) N by body, at the frames of the table of loads."""
    if not path:
        return {}
    loads, found = osim.ExternalLoads(path, True), {}
    table = osim.TimeSeriesTable(str(Path(path).parent / loads.getDataFileName()))
    labels, values = list(table.getColumnLabels()), table.getMatrix().to_numpy()
    rows = [int(np.argmin(np.abs(np.array(table.getIndependentColumn()) - t))) for t in time]
    for index in range(loads.getSize()):
        force = loads.get(index)
        first = labels.index(force.get_force_identifier() + "x")
        found[force.get_applied_to_body()] = values[rows][:, first : first + 3]
    return found


def main() -> None:
    osim.Logger.removeFileSink()
    folder, plan = Path(sys.argv[1]).resolve(), json.loads(Path(sys.argv[2]).read_text())
    hand = by_hand(folder, plan)
    tool, log = by_tool(folder, plan, hand["time"])
    np.savez(folder.parent / "reactions.npz", log=log, **hand, **tool)


if __name__ == "__main__":
    main()
