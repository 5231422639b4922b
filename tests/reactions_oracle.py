"""Reactions of OpenSim's joints in given states with given forces: `reactions_oracle.py MODEL.osim IN.npz OUT.npz [LOADS]`.

IN holds ``time`` (T,), names of ``coordinates``, their ``value``, ``speed`` and generalized ``force`` (T, N) about
speeds, and by ``actuators`` their ``actuation`` (T, A); muscles are among these. OUT has by ``joints`` the ``child``
and ``parent`` (T, J, 6), force first, and the speeds' ``change`` (T, N).
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()


def six(pair: Any) -> np.ndarray:
    return np.concatenate([pair.get(1).to_numpy(), pair.get(0).to_numpy()])


def main() -> None:
    given = dict(np.load(sys.argv[2]))
    model = osim.Model(sys.argv[1])
    if len(sys.argv) > 4:
        loads = osim.ExternalLoads(sys.argv[4], True)
        loads.setDataFileName(str(Path(sys.argv[4]).parent / loads.getDataFileName()))
        model.addModelComponent(loads)
    names = [str(name) for name in given["coordinates"]]
    for name in names:
        reserve = osim.CoordinateActuator(name)
        reserve.setName(f"pushes_{name}")
        reserve.setOptimalForce(1.0)
        model.addForce(reserve)
    state = model.initSystem()
    model.finalizeConnections()
    actuators = {a.getName(): a for f in model.getForceSet() if (a := osim.ScalarActuator.safeDownCast(f)) is not None}
    coordinates = {c.getName(): c for c in model.getCoordinateSet()}
    joints = list(model.getJointList())
    found: dict[str, list[Any]] = {"child": [], "parent": [], "change": []}
    for actuator in actuators.values():
        actuator.overrideActuation(state, True)
    for row, time in enumerate(given["time"]):
        state.setTime(float(time))
        for column, name in enumerate(names):
            actuators[f"pushes_{name}"].setOverrideActuation(state, float(given["force"][row, column]))
            if not coordinates[name].get_locked():
                coordinates[name].setIsPrescribed(state, False)
                coordinates[name].setValue(state, float(given["value"][row, column]), False)
                coordinates[name].setSpeedValue(state, float(given["speed"][row, column]))
                coordinates[name].setIsPrescribed(state, coordinates[name].get_prescribed())
        for name, force in zip(given["actuators"], given["actuation"][row], strict=True):
            actuators[str(name)].setOverrideActuation(state, float(force))
        model.realizeAcceleration(state)
        found["child"].append([six(joint.calcReactionOnChildExpressedInGround(state)) for joint in joints])
        found["parent"].append([six(joint.calcReactionOnParentExpressedInGround(state)) for joint in joints])
        found["change"].append([coordinates[name].getAccelerationValue(state) for name in names])
    np.savez(sys.argv[3], joints=[joint.getName() for joint in joints], **{k: np.array(v) for k, v in found.items()})


if __name__ == "__main__":
    main()
