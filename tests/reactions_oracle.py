"""Reactions of OpenSim's joints in given states with given forces: `reactions_oracle.py IN.npz ...`.

IN holds paths of the ``model`` and its ``loads`` (or ``""``), ``time`` (T,), names of ``coordinates``, their ``value``,
``speed`` and generalized ``force`` (T, N) about speeds, and by ``actuators``, muscles among them, their ``actuation``
(T, A). IN_out.npz has by ``joints`` the reactions on ``child`` and ``parent`` (T, J, 6), force first, in ground, and
the accelerations ``change`` (T, N).
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


def read(given: dict[str, np.ndarray]) -> Any:
    """The model with its loads, and an actuator on each coordinate."""
    model = osim.Model(str(given["model"]))
    if loads := str(given["loads"]):
        external = osim.ExternalLoads(loads, True)
        external.setDataFileName(str(Path(loads).parent / external.getDataFileName()))
        model.addModelComponent(external)
    model.initSystem()
    for name in given["coordinates"]:
        pushes = osim.CoordinateActuator(str(name))
        pushes.setName(f"pushes_{name}")
        pushes.setOptimalForce(1.0)
        model.addForce(pushes)
    return model


def answer(given: dict[str, np.ndarray]) -> dict[str, Any]:
    model = read(given)
    state = model.initSystem()
    actuators = {a.getName(): a for f in model.getForceSet() if (a := osim.ScalarActuator.safeDownCast(f)) is not None}
    coordinates = {c.getName(): c for c in model.getCoordinateSet()}
    joints = list(model.getJointList())
    found: dict[str, Any] = {"child": [], "parent": [], "change": []}
    for actuator in actuators.values():
        actuator.overrideActuation(state, True)
    for row, time in enumerate(given["time"]):
        state.setTime(float(time))
        for column, name in enumerate(map(str, given["coordinates"])):
            one = coordinates[name]
            actuators[f"pushes_{name}"].setOverrideActuation(state, float(given["force"][row, column]))
            if not one.get_locked():
                one.setIsPrescribed(state, False)
                one.setValue(state, float(given["value"][row, column]), False)
                one.setSpeedValue(state, float(given["speed"][row, column]))
                one.setIsPrescribed(state, one.get_prescribed())
        for name, force in zip(given["actuators"], given["actuation"][row], strict=True):
            actuators[str(name)].setOverrideActuation(state, float(force))
        model.realizeAcceleration(state)
        found["child"].append([six(joint.calcReactionOnChildExpressedInGround(state)) for joint in joints])
        found["parent"].append([six(joint.calcReactionOnParentExpressedInGround(state)) for joint in joints])
        found["change"].append([coordinates[str(name)].getAccelerationValue(state) for name in given["coordinates"]])
    return {"joints": [joint.getName() for joint in joints], **found}


def main() -> None:
    for name in sys.argv[1:]:
        with np.load(name) as arrays:
            given = dict(arrays)
        np.savez(f"{name.removesuffix('.npz')}_out.npz", **answer(given))


if __name__ == "__main__":
    main()
