"""Models whose bodies form closed loops: ``python loop_models.py FOLDER`` writes them with their motions.

Some coordinates move by sines; the others meet the constraints.
``python loop_models.py FOLDER judge NAME …`` reads ``NAME_in.npz`` (time, coordinates, value, speed, actuators, force)
and writes ``NAME_out.npz``: the accelerations q̈ of OpenSim's forward dynamics. ``optimize`` runs OpenSim's
StaticOptimization. Every number is invented (m, kg, N, s, rad).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import model_zoo
import numpy as np
import opensim as osim

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()

V = osim.Vec3
Motion = dict[str, Callable[[float], float]]
TIMES = np.arange(41) * 0.01


def sine(middle: float, size: float, rate: float, phase: float = 0.0) -> Callable[[float], float]:
    return lambda t: middle + size * math.sin(rate * t + phase)


class Built:
    """A model under construction."""

    def __init__(self) -> None:
        self.model = osim.Model()
        self.ground = self.model.getGround()

    def rod(self, name: str, length: float, mass: float = 1.0) -> Any:
        body = osim.Body(name, mass, V(0.01, -length / 2, 0.005), osim.Inertia(0.02 * mass, 0.01 * mass, 0.02 * mass))
        self.model.addBody(body)
        return body

    def joint(self, joint: Any, names: Sequence[str], defaults: Sequence[float] = ()) -> None:
        for index, name in enumerate(names):
            joint.upd_coordinates(index).setName(name)
            if len(defaults):
                joint.upd_coordinates(index).setDefaultValue(defaults[index])
        self.model.addJoint(joint)

    def pin(
        self, name: str, parent: Any, at: Sequence[float], child: Any, default: float = 0.0,
        end: Sequence[float] = (0, 0, 0),
    ) -> None:  # fmt: skip
        joint = osim.PinJoint(f"{name}_joint", parent, V(*at), V(0), child, V(*end), V(0))
        self.joint(joint, [name], [default])

    def muscle(self, name: str, *points: tuple[Any, Sequence[float]], force: float = 900.0, slack: float = 0.1) -> None:
        made = osim.Millard2012EquilibriumMuscle(name, force, 0.25, slack, 0.1)
        for index, (frame, place) in enumerate(points):
            made.addNewPathPoint(f"p{index}", frame, V(*place))
        self.model.addForce(made)

    def constrain(self, name: str, constraint: Any) -> None:
        constraint.setName(name)
        self.model.addConstraint(constraint)

    def reserve(self, *names: str, force: float = 5.0) -> None:
        for name in names:
            actuator = osim.CoordinateActuator(name)
            actuator.setName(f"act_{name}")
            actuator.setOptimalForce(force)
            self.model.addForce(actuator)


def links(built: Built) -> tuple[Any, Any, Any]:
    """Crank (0.3 m), coupler (0.5 m) and rocker (0.35 m, 0.4 m away), not closed yet, with muscles."""
    crank, coupler, rocker = built.rod("crank", 0.3), built.rod("coupler", 0.5, 2.0), built.rod("rocker", 0.35, 1.5)
    built.pin("q1", built.ground, (0, 0, 0), crank, 0.5)
    built.pin("q2", crank, (0, -0.3, 0), coupler, 0.66)
    built.pin("q3", built.ground, (0.4, 0, 0), rocker, 0.41)
    built.muscle("front", (built.ground, (0.1, 0.15, 0)), (crank, (0.05, -0.15, 0)))
    built.muscle("back", (built.ground, (-0.15, 0.1, 0)), (crank, (-0.05, -0.15, 0)))
    built.muscle("across", (crank, (0.06, -0.05, 0)), (coupler, (0.06, -0.2, 0)))
    built.muscle("behind", (built.ground, (0.6, 0.1, 0)), (rocker, (0.06, -0.2, 0)))
    built.muscle("through", (built.ground, (0.0, 0.2, 0)), (coupler, (0.1, -0.3, 0.02)), slack=0.3)
    return crank, coupler, rocker


def four_bar(built: Built, close: str) -> Motion:
    """A planar linkage that a PointConstraint, a WeldConstraint of a coupler's end, or a joint closes."""
    _, coupler, rocker = links(built)
    ends = (coupler, V(0, -0.5, 0), rocker, V(0, -0.35, 0))
    if close == "point":
        built.constrain("end", osim.PointConstraint(*ends))
    elif close == "joint":
        built.pin("q4", coupler, (0, -0.5, 0), rocker, -0.77, (0, -0.35, 0))
    elif close == "weld":
        tip = built.rod("tip", 0.05, 0.2)
        built.pin("q4", coupler, (0, -0.5, 0), tip, -0.77)
        built.constrain("end", osim.WeldConstraint("end", tip, V(0), V(0), rocker, V(0, -0.35, 0), V(0)))
    return {"q1": sine(0.5, 0.3, 7.0)}


def distance(built: Built) -> Motion:
    """A linkage that a ConstantDistanceConstraint closes, as a rigid rod would."""
    _, coupler, rocker = links(built)
    built.constrain("rod", osim.ConstantDistanceConstraint(coupler, V(0, -0.5, 0), rocker, V(0, -0.3, 0.0), 0.25))
    return {"q1": sine(0.5, 0.2, 7.0), "q2": sine(0.66, 0.15, 5.0, 1.0)}


def on_line(built: Built) -> Motion:
    """A crank and slider: the end of the coupler stays on a line of ground."""
    _, coupler, _ = links(built)
    built.constrain(
        "rail", osim.PointOnLineConstraint(built.ground, V(1, 0.1, 0), V(0.3, -0.6, 0), coupler, V(0, -0.5, 0))
    )
    return {"q1": sine(0.5, 0.3, 7.0), "q3": sine(0.4, 0.3, 6.0)}


def two_loops(built: Built) -> Motion:
    """A second linkage on the rocker of the first, and a coupled coordinate that a loop drives."""
    _, coupler, rocker = links(built)
    built.constrain("first", osim.PointConstraint(coupler, V(0, -0.5, 0), rocker, V(0, -0.35, 0)))
    arm, rod = built.rod("arm", 0.3), built.rod("rod", 0.35)
    built.pin("q4", rocker, (0, -0.35, 0), arm, 0.6)
    built.pin("q5", arm, (0, -0.3, 0), rod, 0.5)
    built.constrain("second", osim.PointOnLineConstraint(rocker, V(1, 0.2, 0), V(0.3, -0.6, 0), rod, V(0, -0.35, 0)))
    leaf = built.rod("leaf", 0.2, 0.5)
    built.pin("q6", coupler, (0, -0.25, 0), leaf)
    driver = osim.CoordinateCouplerConstraint()
    names = osim.ArrayStr()
    names.append("q2")
    driver.setIndependentCoordinateNames(names)
    driver.setDependentCoordinateName("q6")
    curve = osim.PolynomialFunction(osim.Vector.createFromMat(np.array([0.3, -0.5, 0.2])))
    driver.setFunction(curve)
    built.constrain("leaf_follows", driver)
    built.muscle("on_arm", (rocker, (0.08, -0.2, 0)), (arm, (0.05, -0.15, 0)))
    built.muscle("on_leaf", (coupler, (0.06, -0.05, 0)), (leaf, (0.04, -0.12, 0)))
    built.muscle("on_rod", (arm, (0.06, -0.1, 0)), (rod, (0.05, -0.2, 0)))
    return {"q1": sine(0.5, 0.25, 7.0), "q4": sine(0.6, 0.15, 5.0)}


def shoulder(built: Built, sliding: bool) -> Motion:
    """Clavicle and scapula joined by a PointConstraint, the scapula on an ellipsoid of the thorax; an arm below.

    ``sliding``: by OpenSim's ScapulothoracicJoint. Else on a joint with six coordinates, held at a distance.
    """
    clavicle, scapula = built.rod("clavicle", 0.14, 0.3), built.rod("scapula", 0.12, 0.7)
    humerus = built.rod("humerus", 0.3, 2.0)
    joint = osim.UniversalJoint("sc", built.ground, V(0, 0, 0.02), V(0), clavicle, V(0), V(0))
    built.joint(joint, ["clav_prot", "clav_elev"], [0.2, 0.15])
    if sliding:
        at = V(-0.03, -0.06, 0.07), V(0, 0, 0), scapula, V(0, -0.05, 0.0), V(0)
        radii, winging = V(0.08, 0.18, 0.08), osim.Vec2(0.01, 0.02)
        joint = osim.ScapulothoracicJoint("st", built.ground, *at, radii, winging, 0.3)
        names, start = ["abduction", "elevation", "rotation", "winging"], [-0.3, 0.1, 0.2, 0.1]
    else:
        joint = osim.CustomJoint("st", built.ground, V(0), V(0), scapula, V(0), V(0), model_zoo.x_y_z())
        joint.finalizeFromProperties()
        names, start = ["r1", "r2", "r3", "t_x", "t_y", "t_z"], [0.1, 0.2, 0.1, -0.03, 0.0, 0.12]
    built.joint(joint, names, start)
    joint = osim.GimbalJoint("gh", scapula, V(0.01, -0.02, 0.06), V(0), humerus, V(0), V(0))
    built.joint(joint, ["plane", "raise", "turn"], [0.2, 0.3, 0.1])
    state = built.model.initSystem()
    tip = V(0, -0.12, 0.03)
    place = clavicle.findStationLocationInAnotherFrame(state, tip, scapula)
    built.constrain("ac", osim.PointConstraint(clavicle, tip, scapula, place))
    free = {"plane": sine(0.2, 0.3, 6.0), "raise": sine(0.3, 0.3, 5.0), "turn": sine(0.1, 0.2, 7.0)}
    free |= {"clav_prot": sine(0.2, 0.08, 6.0), "clav_elev": sine(0.15, 0.06, 5.0)}
    if not sliding:
        middle = scapula.findStationLocationInGround(built.model.initSystem(), V(0, -0.06, 0))
        built.constrain("gliding", osim.ConstantDistanceConstraint(
            built.ground, V(0.0, -0.1, 0.05), scapula, V(0, -0.06, 0),
            float(np.linalg.norm(middle.to_numpy() - [0.0, -0.1, 0.05]))))  # fmt: skip
        free |= {"r1": sine(0.1, 0.06, 6.0), "r2": sine(0.2, 0.05, 7.0)}
    for index, (x, y, z) in enumerate([(0.1, 0.1, 0.0), (-0.1, 0.05, 0.05), (0.0, 0.2, 0.1), (0.05, -0.3, 0.0)]):
        built.muscle(f"scap{index}", (built.ground, (x, y, z)), (scapula, (0.02 * (index - 1), -0.08, 0.02)))
        built.muscle(f"arm{index}", (scapula, (x / 3, 0.03, z / 2)), (humerus, (x / 3, -0.1, 0.02)))
        built.muscle(f"long{index}", (built.ground, (y, x, 0.02)), (humerus, (-x / 3, -0.12, -0.01)))
    built.muscle("on_clavicle", (built.ground, (0.05, 0.15, 0.05)), (clavicle, (0.01, -0.08, 0.01)))
    return free


MODELS: dict[str, Callable[[Built], Motion]] = {
    "four_bar_point": lambda built: four_bar(built, "point"),
    "four_bar_joint": lambda built: four_bar(built, "joint"),
    "four_bar_weld": lambda built: four_bar(built, "weld"),
    "distance": distance,
    "on_line": on_line,
    "two_loops": two_loops,
    "clavicle": lambda built: shoulder(built, sliding=False),
    "scapula": lambda built: shoulder(built, sliding=True),
}


class Assembler:
    """Postures with some coordinates given, the others found by Newton's method with differences of the errors."""

    def __init__(self, path: Path, motion: Motion) -> None:
        self.model, self.motion = osim.Model(str(path)), motion
        self.state = self.model.initSystem()
        self.coordinates = [self.model.getCoordinateSet().get(i) for i in range(self.model.getNumCoordinates())]
        self.names = [coordinate.getName() for coordinate in self.coordinates]
        self.follows = [i for i, name in enumerate(self.names) if name not in motion]
        self.value = np.array([coordinate.getValue(self.state) for coordinate in self.coordinates])

    def errors(self, value: np.ndarray) -> np.ndarray:
        for coordinate, number in zip(self.coordinates, value, strict=True):
            coordinate.setValue(self.state, float(number), False)
        self.model.realizePosition(self.state)
        return np.array(self.state.getQErr().to_numpy())

    def at(self, time: float) -> np.ndarray:
        value = self.value.copy()
        given = {self.names.index(name): function(time) for name, function in self.motion.items()}
        value[list(given)] = list(given.values())
        for _ in range(40):
            error = self.errors(value)
            if np.abs(error).max() < 1e-13:
                break
            columns = []
            for index in self.follows:
                step = np.eye(len(value))[index] * 1e-5
                columns.append((self.errors(value + step) - self.errors(value - step)) / 2e-5)
            value[self.follows] -= np.linalg.lstsq(np.stack(columns, axis=1), error, rcond=1e-6)[0]
        assert np.abs(self.errors(value)).max() < 1e-11
        self.value = value
        return value


def write(folder: Path, name: str) -> None:
    built = Built()
    motion = MODELS[name](built)
    built.model.setName(name)
    built.reserve(*(coordinate.getName() for coordinate in built.model.getCoordinateSet()))
    built.model.finalizeConnections()
    built.model.printToXML(str(folder / f"{name}.osim"))
    twin = "four_bar_point" if name == "four_bar_joint" else name
    assembler = Assembler(folder / f"{twin}.osim", motion)
    names = assembler.names
    rows = np.array([assembler.at(time) for time in TIMES])
    if twin != name:
        names, rows = [*names, "q4"], np.column_stack([rows, rows[:, 2] - rows[:, 0] - rows[:, 1]])
    lines = ["m", "version=1", f"nRows={len(TIMES)}", f"nColumns={len(names) + 1}", "inDegrees=no", "endheader"]
    lines.append("\t".join(["time", *names]))
    lines += ["\t".join(f"{x:.14f}" for x in (time, *row)) for time, row in zip(TIMES, rows, strict=True)]
    (folder / f"{name}.mot").write_text("\n".join(lines) + "\n")


def judge(folder: Path, name: str) -> None:
    """OpenSim's accelerations with these forces."""
    given = dict(np.load(folder / f"{name}_in.npz"))
    model = osim.Model(str(folder / f"{name}.osim"))
    state = model.initSystem()
    coordinates = [model.getCoordinateSet().get(str(one)) for one in given["coordinates"]]
    actuators = {force.getName(): force for force in model.getForceSet()}
    found = []
    for frame, time in enumerate(given["time"]):
        state.setTime(float(time))
        for coordinate, value in zip(coordinates, given["value"][frame], strict=True):
            coordinate.setValue(state, float(value), False)
        rates = dict(zip(map(str, given["coordinates"]), given["speed"][frame], strict=True))
        set_rates(model, state, coordinates, rates)
        for actuator, output in zip(given["actuators"], given["force"][frame], strict=True):
            scalar = osim.ScalarActuator.safeDownCast(actuators[str(actuator)])
            scalar.overrideActuation(state, True)
            scalar.setOverrideActuation(state, float(output))
        model.realizeAcceleration(state)
        found.append(accelerations(model, state, coordinates))
    np.savez(folder / f"{name}_out.npz", acceleration=np.array(found))


def set_rates(model: Any, state: Any, coordinates: list[Any], rates: dict[str, float]) -> None:
    """Set OpenSim's speeds by u = N⁻¹ q̇."""
    model.realizePosition(state)
    places = q_places(model, state, coordinates)
    qdot = np.zeros(state.getNQ())
    for coordinate, place in zip(coordinates, places, strict=True):
        qdot[place] = rates[coordinate.getName()]
    out = osim.Vector(state.getNU(), 0.0)
    model.getMatterSubsystem().multiplyByNInv(state, False, osim.Vector.createFromMat(qdot), out)
    state.setU(out)
    model.realizeVelocity(state)


def accelerations(model: Any, state: Any, coordinates: list[Any]) -> np.ndarray:
    qdotdot = state.getQDotDot().to_numpy()
    return np.array([qdotdot[place] for place in q_places(model, state, coordinates)])


def q_places(model: Any, state: Any, coordinates: list[Any]) -> list[int]:
    """Where each coordinate stands in q."""
    before, places = osim.Vector(state.getQ()), []
    for coordinate in coordinates:
        old, was = coordinate.getValue(state), state.getQ().to_numpy().copy()
        coordinate.setValue(state, old + 1.0, False)
        places.append(int(np.argmax(np.abs(state.getQ().to_numpy() - was))))
        coordinate.setValue(state, old, False)
    state.setQ(before)
    model.realizeVelocity(state)
    return places


def optimize(folder: Path, name: str) -> None:
    """OpenSim's StaticOptimization from 0.1 to 0.3 s, and the times at which it found no solution."""
    log = folder / f"{name}.log"
    osim.Logger.setLevelString("warn")
    osim.Logger.addFileSink(str(log))
    analysis, tool = osim.StaticOptimization(), osim.AnalyzeTool()
    analysis.setUseModelForceSet(True)
    analysis.setConvergenceCriterion(1e-6)
    analysis.setMaxIterations(200)
    for part, start, end in ((analysis, "setStartTime", "setEndTime"), (tool, "setInitialTime", "setFinalTime")):
        getattr(part, start)(0.1)
        getattr(part, end)(0.3)
    tool.setName(name)
    tool.setModelFilename(str(folder / f"{name}.osim"))
    tool.setCoordinatesFileName(str(folder / f"{name}.mot"))
    tool.setLowpassCutoffFrequency(-1.0)
    tool.setResultsDir(str(folder))
    tool.setOutputPrecision(16)
    tool.updAnalysisSet().cloneAndAppend(analysis)
    tool.printToXML(str(folder / f"{name}_setup.xml"))
    osim.AnalyzeTool(str(folder / f"{name}_setup.xml")).run()
    failed = re.findall(r"could not find a solution at time = ([\d.e+-]*\d)", log.read_text())
    np.savez(folder / f"{name}_failed.npz", time=np.array(failed, dtype=float))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if len(sys.argv) == 2:
        for each in MODELS:
            write(place, each)
    for each in sys.argv[3:]:
        {"judge": judge, "optimize": optimize}[sys.argv[2]](place, each)
