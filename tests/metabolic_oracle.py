"""Rates of OpenSim's metabolic probes in given states: `python metabolic_oracle.py MODEL STATES.npz CASES.json OUT.npz`.

STATES are those of muscle_analysis_oracle, with excitation (T, M). CASES is a list of probes: name of the class,
properties of the probe, and properties of its muscles by muscle ("*" for all). OUT has an array (T, M + 2) by the
number of the case: total, basal, and the muscles in the order of STATES.
"""

import json
import os
import sys
from typing import Any
from xml.etree import ElementTree

import numpy as np
import opensim as osim
from muscle_analysis_oracle import MODE, RATE
from muscle_oracle import typed

osim.Logger.setLevelString("off")
osim.Logger.removeFileSink()


def add_probe(model: osim.Model, case: dict[str, Any], muscles: list[str]) -> None:
    kind = case["class"]
    probe = getattr(osim, kind)()
    probe.set_report_total_metabolics_only(False)
    for name, value in case["properties"].items():
        getattr(probe, f"set_{name}")(value)
    model.addProbe(probe)
    for muscle in muscles:
        if "Umberger" in kind:
            probe.addMuscle(muscle, 0.5)
        else:
            probe.addMuscle(muscle, 0.5, 40.0, 133.0, 74.0, 111.0)


def write_with_probes(path: str, cases: list[dict[str, Any]], muscles: list[str], out: str) -> None:
    """Write the model with its probes; parameters of muscles, which Python cannot reach, are set in the file."""
    model = osim.Model(path)
    for case in cases:
        add_probe(model, case, muscles)
    model.finalizeConnections()
    model.printToXML(out)
    tree = ElementTree.parse(out)
    probes = [one for one in tree.getroot().find(".//ProbeSet/objects") if one.tag.endswith("MetabolicsProbe")]
    for case, probe in zip(cases, probes[-len(cases) :], strict=True):
        for parameters in probe.iter(f"{case['class']}_MetabolicMuscleParameter"):
            own = {**case["muscles"].get("*", {}), **case["muscles"].get(parameters.get("name"), {})}
            for name, value in own.items():
                element = parameters.find(name)
                if element is None:
                    element = ElementTree.SubElement(parameters, name)
                element.text = str(value).lower()
    tree.write(out)


def main(path: str, states_path: str, cases_path: str, out: str) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # OpenSim talks there whatever its log level
    with np.load(states_path) as arrays:
        states = dict(arrays)
    cases = json.loads(open(cases_path, encoding="utf-8").read())
    order = [str(name) for name in states["muscles"]]
    write_with_probes(path, cases, order, "with_probes.osim")
    model = osim.Model("with_probes.osim")
    muscles = typed(model)
    for muscle in muscles:
        if hasattr(muscle, MODE):
            getattr(muscle, MODE)("implicit")
    state = model.initSystem()
    probes = [model.getProbeSet().get(index) for index in range(model.getProbeSet().getSize())]
    probes = [getattr(osim, probe.getConcreteClassName()).safeDownCast(probe) for probe in probes][-len(cases) :]
    coordinates = [model.getCoordinateSet().get(str(name)) for name in states["coordinates"]]
    found = [[] for _ in cases]
    for row, time in enumerate(states["time"]):
        state.setTime(time)
        for index, coordinate in enumerate(coordinates):
            if not coordinate.getLocked(state):
                coordinate.setValue(state, states["value"][row, index], False)
                coordinate.setSpeedValue(state, states["speed"][row, index])
        controls = model.getDefaultControls()
        for muscle in muscles:
            column = order.index(muscle.getName())
            variables = muscle.getStateVariableNames()
            for index in range(variables.getSize()):
                name = variables.get(index)
                muscle.setStateVariableValue(state, name, states[name.split("/")[-1]][row, column])
            if hasattr(muscle, MODE) and not muscle.get_ignore_tendon_compliance():
                muscle.setDiscreteVariableValue(state, RATE, states["rate"][row, column])
            muscle.setControls(osim.Vector(1, float(states["excitation"][row, column])), controls)
        model.realizeVelocity(state)
        model.setControls(state, controls)
        model.realizeReport(state)
        for own, probe in zip(found, probes, strict=True):
            values = probe.computeProbeInputs(state)
            own.append([values.get(index) for index in range(values.size())])
    np.savez(out, **{str(number): np.array(own) for number, own in enumerate(found)})


if __name__ == "__main__":
    main(*sys.argv[1:])
