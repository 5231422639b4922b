"""A rod on a pin with two muscles, and what OpenSim's tools answer for files about it.

Usage: `python rod_oracle.py FOLDER`, where `FOLDER/cases.json` lists {"motion", "loads", "force_set"} by name. Leaves
`rod.osim` and `answers.json`: the moment about the pin at 0.25 s, or for a force set the force of the muscles and of
every other actuator; null where OpenSim refuses the files.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import opensim as osim

osim.Logger.setLevelString("off")
osim.Logger.removeFileSink()

START, END, AT = 0.1, 0.4, 0.25


def rod(path: Path) -> None:
    model = osim.Model()
    body = osim.Body("rod", 1.0, osim.Vec3(0.0, -0.2, 0.0), osim.Inertia(0.02, 0.01, 0.02))
    model.addBody(body)
    joint = osim.PinJoint("j", model.getGround(), body)
    joint.updCoordinate().setName("q")
    model.addJoint(joint)
    for name, x in (("a", 0.03), ("b", -0.03)):
        muscle = osim.Millard2012EquilibriumMuscle(name, 500.0, 0.15, 0.1, 0.0)
        muscle.addNewPathPoint("o", model.getGround(), osim.Vec3(x, 0.1, 0.0))
        muscle.addNewPathPoint("i", body, osim.Vec3(x, -0.1, 0.0))
        model.addForce(muscle)
    model.finalizeConnections()
    model.printToXML(str(path))


def moment(motion: str, loads: str | None) -> float:
    tool = osim.InverseDynamicsTool()
    tool.setModelFileName("rod.osim")
    tool.setCoordinatesFileName(motion)
    tool.setStartTime(START)
    tool.setEndTime(END)
    tool.setResultsDir(".")
    tool.setOutputGenForceFileName("id.sto")
    muscles = osim.ArrayStr()
    muscles.append("Muscles")
    tool.setExcludedForces(muscles)
    if loads:
        tool.setExternalLoadsFileName(loads)
    tool.run()
    table = osim.TimeSeriesTable("id.sto")
    return float(table.getDependentColumn("q_moment")[table.getNearestRowIndexForTime(AT)])


def forces(motion: str, force_set: str) -> dict[str, float]:
    tool = osim.AnalyzeTool()
    tool.setName("so")
    tool.setModelFilename("rod.osim")
    tool.setCoordinatesFileName(motion)
    tool.setInitialTime(AT)
    tool.setFinalTime(AT)
    tool.setLowpassCutoffFrequency(-1.0)
    tool.setResultsDir("so")
    files = osim.ArrayStr()
    files.append(force_set)
    tool.setForceSetFiles(files)
    optimization = osim.StaticOptimization()
    optimization.setStartTime(AT)
    optimization.setEndTime(AT)
    optimization.setConvergenceCriterion(1e-7)
    tool.updAnalysisSet().cloneAndAppend(optimization)
    tool.printToXML("setup.xml")
    osim.AnalyzeTool("setup.xml").run()
    table = osim.TimeSeriesTable("so/so_StaticOptimization_force.sto")
    return dict(zip(table.getColumnLabels(), map(float, table.getRowAtIndex(0).to_numpy()), strict=True))


def answer(case: dict[str, Any]) -> Any:
    try:
        if "force_set" in case:
            return forces(case["motion"], case["force_set"])
        return moment(case["motion"], case.get("loads"))
    except Exception:
        return None


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    rod(Path("rod.osim"))
    cases = json.loads(Path("cases.json").read_text())
    Path("answers.json").write_text(json.dumps({name: answer(case) for name, case in cases.items()}))
