"""Outputs of OpenSim's muscles in given states: `python muscle_analysis_oracle.py MODEL STATES.npz OUT.npz [--tool]`.

STATES has time (T,), coordinates, value and speed (T, N), muscles, and any state variable of muscles by its name
(T, M), with the rate of normalized_tendon_force for De Groote's implicit tendons. OUT has what each of OpenSim's own
calls gives, by the quantity's name; with --tool, those that AnalyzeTool's MuscleAnalysis wrote.
`python muscle_analysis_oracle.py FOLDER` writes muscles.osim and rigid.osim, muscles of all classes along one slider,
and CLASS.osim, those of one class: De Groote's with elastic tendons, Millard's with rigid ones.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim
from muscle_oracle import build, flag, typed
from opensim_oracle import read_table

osim.Logger.setLevelString("off")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

QUANTITIES = (
    "fiber_length", "normalized_fiber_length", "fiber_velocity", "normalized_fiber_velocity", "pennation_angle",
    "pennation_angular_velocity", "tendon_length", "tendon_force", "fiber_force", "active_fiber_force",
    "passive_fiber_force", "active_fiber_force_along_tendon", "passive_fiber_force_along_tendon", "fiber_active_power",
    "fiber_passive_power", "tendon_power", "muscle_power",
)  # fmt: skip
#: Where the names of calls or files are not those of the quantities.
CALLS = {"muscle_tendon_length": "getLength", "muscle_tendon_velocity": "getLengtheningSpeed"}
FILES = {
    "muscle_tendon_length": "Length",
    "normalized_fiber_velocity": "NormFiberVelocity",
    "muscle_power": "MuscleActuatorPower",
}
#: m; muscle-tendon length at which every muscle of the models that are written has its optimal fibre length.
OPTIMAL = 0.32
MODE, RATE = "set_tendon_compliance_dynamics_mode", "implicitderiv_normalized_tendon_force"


def camel(name: str) -> str:
    return name.title().replace("_", "")


def by_calls(path: str, states: dict[str, Any]) -> dict[str, Any]:
    model = osim.Model(path)
    muscles = typed(model)
    for muscle in muscles:
        if hasattr(muscle, MODE):
            getattr(muscle, MODE)("implicit")
    state = model.initSystem()
    coordinates = [model.getCoordinateSet().get(str(name)) for name in states["coordinates"]]
    own = [list(states["muscles"]).index(muscle.getName()) for muscle in muscles]
    names = {**{name: f"get{camel(name)}" for name in QUANTITIES}, **CALLS}
    found = {name: np.empty((len(states["time"]), len(muscles))) for name in names}
    for row, time in enumerate(states["time"]):
        state.setTime(time)
        for index, coordinate in enumerate(coordinates):
            if not coordinate.getLocked(state):
                coordinate.setValue(state, states["value"][row, index], False)
                coordinate.setSpeedValue(state, states["speed"][row, index])
        for muscle, column in zip(muscles, own, strict=True):
            variables = muscle.getStateVariableNames()
            for index in range(variables.getSize()):
                name = variables.get(index)
                muscle.setStateVariableValue(state, name, states[name.split("/")[-1]][row, column])
            if hasattr(muscle, MODE) and not muscle.get_ignore_tendon_compliance():
                muscle.setDiscreteVariableValue(state, RATE, states["rate"][row, column])
        model.realizeDynamics(state)
        for name, call in names.items():
            found[name][row, own] = [getattr(muscle, call)(state) for muscle in muscles]
    return found


def by_tool(path: str, states: dict[str, Any], folder: Path) -> dict[str, Any]:
    model = osim.Model(path)
    model.initSystem()
    coordinates, muscles = (list(map(str, states[name])) for name in ("coordinates", "muscles"))
    columns, names = [states["time"]], model.getStateVariableNames()
    labels = [names.get(index) for index in range(names.getSize())]
    for label in labels:
        *_, component, variable = label.split("/")
        group = coordinates if variable in ("value", "speed") else muscles
        columns.append(states[variable][:, group.index(component)])
    head = f"states\nversion=1\nnRows={len(columns[0])}\nnColumns={len(columns)}\ninDegrees=no\nendheader\n"
    head += "\t".join(["time", *labels])
    np.savetxt(folder / "states.sto", np.column_stack(columns), "%.17g", "\t", header=head, comments="")
    tool = osim.AnalyzeTool()
    tool.setName("own")
    tool.setModelFilename(path)
    tool.setStatesFileName(str(folder / "states.sto"))
    tool.setInitialTime(columns[0][0])
    tool.setFinalTime(columns[0][-1])
    tool.setOutputPrecision(17)
    tool.setResultsDir(str(folder))
    analysis = osim.MuscleAnalysis()
    analysis.setStartTime(columns[0][0])
    analysis.setEndTime(columns[0][-1])
    analysis.setComputeMoments(False)
    tool.updAnalysisSet().cloneAndAppend(analysis)
    tool.printToXML(str(folder / "setup.xml"))
    osim.AnalyzeTool(str(folder / "setup.xml")).run()
    found = {}
    for name in ("muscle_tendon_length", *QUANTITIES):
        header, rows = read_table(folder / f"own_MuscleAnalysis_{FILES.get(name, camel(name))}.sto")
        assert len(rows) == len(columns[0]), f"{len(rows)} rows of {name}"
        found[name] = rows[:, [header.index(muscle) for muscle in muscles]]
    return found


def write_models(folder: Path) -> None:
    made = build()
    for muscle in typed(made):
        along = muscle.get_optimal_fiber_length() * np.cos(muscle.get_pennation_angle_at_optimal())
        muscle.set_tendon_slack_length(OPTIMAL - along)
    made.printToXML(str(folder / "muscles.osim"))
    made = osim.Model(str(folder / "muscles.osim"))
    flag(made)
    made.printToXML(str(folder / "rigid.osim"))
    for kind in ("Millard2012EquilibriumMuscle", "DeGrooteFregly2016Muscle"):
        made = osim.Model(str(folder / ("muscles.osim" if kind.startswith("De") else "rigid.osim")))
        for muscle in typed(made):
            if muscle.getConcreteClassName() != kind:
                made.updForceSet().remove(made.getForceSet().getIndex(muscle.getName()))
        made.printToXML(str(folder / f"{kind}.osim"))


def main(model: str, *words: str) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # OpenSim talks there whatever its log level
    if not words:
        write_models(Path(model))
        return
    with np.load(words[0]) as arrays:
        states = dict(arrays)
    if "--tool" in words:
        with tempfile.TemporaryDirectory() as folder:
            found = by_tool(model, states, Path(folder))
    else:
        found = by_calls(model, states)
    np.savez(words[1], **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
