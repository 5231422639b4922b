"""What OpenSim says of De Groote muscles, their own and converted ones.

`python degroote_oracle.py FOLDER rates` writes `rates.npz`: rates of activation of muscles with different constants.
`python degroote_oracle.py FOLDER models` writes `before.osim` (muscles of the other two classes), what OpenSim's
operators make of it as `plain.osim`, `damped.osim` and `wide.osim`, the De Groote muscles of `own.osim` after the
operators as `own_wide.osim`, and `forces.npz`: tendon forces along rigid tendons in each of the four.
"""

import multiprocessing
import sys
from pathlib import Path
from typing import Any

import muscle_oracle
import numpy as np
import opensim as osim

osim.Logger.setLevelString("off")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

#: Activation and deactivation time constants in s, smoothing. The last make one rate belong to several excitations.
CONSTANTS = ((0.015, 0.060, 0.1), (0.030, 0.120, 10.0), (0.007, 0.200, 2.0))
EXCITATIONS = np.linspace(-0.5, 1.5, 21)
ACTIVATIONS = np.linspace(0.01, 1.2, 18)
#: m; with the slack lengths of the muscles, fibres from slack to 1.9 optimal lengths.
LENGTHS = np.linspace(0.2, 0.42, 23)
SPEEDS = 0.9 * np.sin(np.arange(LENGTHS.size))  # m/s, in no order with the lengths
LEVELS = 0.5 + 0.45 * np.cos(3.0 * np.arange(LENGTHS.size))


def operators(name: str) -> list[Any]:
    """The options of each converted model, as OpenSim's operators."""
    return {
        "plain": [],
        "damped": [
            osim.ModOpIgnorePassiveFiberForcesDGF(),
            osim.ModOpFiberDampingDGF(0.05),
        ],
        "wide": [
            osim.ModOpIgnoreTendonCompliance(),
            osim.ModOpScaleActiveFiberForceCurveWidthDGF(1.5),
            osim.ModOpPassiveFiberStrainAtOneNormForceDGF(0.55),
        ],
    }[name]


def one_slider() -> tuple[osim.Model, osim.Body]:
    model = osim.Model()
    body = osim.Body("body", 1.0, osim.Vec3(0.0), osim.Inertia(0.1))
    model.addBody(body)
    slider = osim.SliderJoint("slider", model.getGround(), body)
    slider.updCoordinate().setName("length")
    model.addJoint(slider)
    return model, body


def rates(constants: tuple[tuple[float, float, float], ...]) -> Any:
    """Rates (muscles, excitations, activations) of one model; OpenSim keeps the constants that a process saw first."""
    model, body = one_slider()
    for index, (rise, fall, smoothing) in enumerate(constants):
        muscle = osim.DeGrooteFregly2016Muscle()
        muscle.setName(f"muscle_{index}")
        muscle.set_activation_time_constant(rise)
        muscle.set_deactivation_time_constant(fall)
        muscle.set_activation_dynamics_smoothing(smoothing)
        muscle.set_ignore_tendon_compliance(True)
        muscle.addNewPathPoint("origin", model.getGround(), osim.Vec3(0.0))
        muscle.addNewPathPoint("insertion", body, osim.Vec3(0.0))
        model.addForce(muscle)
    model.finalizeConnections()
    state = model.initSystem()
    model.getCoordinateSet().get(0).setValue(state, 0.3)
    muscles, table = muscle_oracle.typed(model), []
    for excitation in EXCITATIONS:
        for activation in ACTIVATIONS:
            for muscle in muscles:
                muscle.setActivation(state, activation)
            model.realizeVelocity(state)
            model.setControls(state, osim.Vector(len(muscles), float(excitation)))
            model.realizeAcceleration(state)
            table.append([muscle.getStateVariableDerivativeValue(state, "activation") for muscle in muscles])
    return np.array(table).T.reshape(len(muscles), EXCITATIONS.size, ACTIVATIONS.size)


def set_own_constants(muscle: Any, index: int) -> None:
    """Give what every class has numbers of its own, so that nothing agrees by being a default."""
    muscle.set_activation_time_constant(0.010 + 0.001 * index)
    muscle.set_deactivation_time_constant(0.040 + 0.002 * index)
    muscle.set_default_activation(0.1 + 0.01 * index)
    muscle.setMinControl(0.02 + 0.001 * index)
    muscle.setMaxControl(0.9 + 0.002 * index)


def split() -> tuple[osim.Model, osim.Model]:
    """The odd muscles of `muscle_oracle`: those of other classes, and the De Groote ones."""
    model, body = one_slider()
    muscle_oracle.add_muscles(model, body)
    model.finalizeConnections()
    for index, muscle in enumerate(muscle_oracle.typed(model)):
        set_own_constants(muscle, index)
    others, own = model.clone(), model.clone()
    for one, degroote in ((others, False), (own, True)):
        one.finalizeConnections()
        forces = one.updForceSet()
        for index in reversed(range(forces.getSize())):
            if (forces.get(index).getConcreteClassName() == "DeGrooteFregly2016Muscle") != degroote:
                forces.remove(index)
        one.finalizeConnections()
    return others, own


def processed(path: Path, *steps: Any) -> osim.Model:
    processor = osim.ModelProcessor(str(path))
    for step in steps:
        processor.append(step)
    return processor.process()


def tendon_forces(path: Path) -> Any:
    """(T, M) along rigid tendons, at each length, speed and activation."""
    model = osim.Model(str(path))
    for muscle in muscle_oracle.typed(model):
        muscle.set_ignore_tendon_compliance(True)
    state, muscles, rows = model.initSystem(), muscle_oracle.typed(model), []
    for length, speed, level in zip(LENGTHS, SPEEDS, LEVELS, strict=True):
        for muscle in muscles:
            muscle.setActivation(state, float(level))
        muscle_oracle.pose(model, state, float(length), float(speed))
        model.realizeDynamics(state)
        rows.append([muscle.getTendonForce(state) for muscle in muscles])
    return np.array(rows)


def write_rates(folder: Path) -> None:
    tasks = [(one,) for one in CONSTANTS] + [CONSTANTS[::-1]]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        *alone, together = pool.map(rates, tasks, chunksize=1)
    alone, together = np.concatenate(alone), together[::-1]
    grid = {"excitation": EXCITATIONS, "activation": ACTIVATIONS}
    np.savez(folder / "rates.npz", constants=CONSTANTS, **grid, alone=alone, together=together)


def write_models(folder: Path) -> None:
    others, own = split()
    others.printToXML(str(folder / "before.osim"))
    own.printToXML(str(folder / "own.osim"))
    replace = osim.ModOpReplaceMusclesWithDeGrooteFregly2016()
    for name in ("plain", "damped", "wide"):
        processed(folder / "before.osim", replace, *operators(name)).printToXML(str(folder / f"{name}.osim"))
    processed(folder / "own.osim", *operators("wide")).printToXML(str(folder / "own_wide.osim"))
    forces = {name: tendon_forces(folder / f"{name}.osim") for name in ("plain", "damped", "wide", "own_wide")}
    np.savez(folder / "forces.npz", length=LENGTHS, speed=SPEEDS, activation=LEVELS, **forces)


if __name__ == "__main__":
    {"rates": write_rates, "models": write_models}[sys.argv[2]](Path(sys.argv[1]))
