"""Muscles with odd parameters, and what OpenSim says of them: `python muscle_oracle.py FOLDER [MODEL]`.

Writes `muscles.osim` and `rigid.osim` (the same with rigid tendons), in which every muscle runs along one slider, so
that its length is the slider's coordinate, and `oracle.npz` with what OpenSim's calls give at each length and speed.
With a model, `postures.npz` holds the rigid-tendon forces of its muscles in postures drawn at random.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim
from numpy.typing import NDArray

osim.Logger.setLevelString("off")  # the sweep leaves the range of every muscle
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

Array = NDArray[np.float64]
Numbers = dict[str, float]

LENGTHS = np.linspace(0.11, 0.46, 176)  # m
SPEEDS = 1.7 * np.sin(np.arange(LENGTHS.size))  # m/s, in no order with the lengths
ACTIVATIONS = (0.02, 0.4, 1.0)
VARIANTS = 6  # of each class; the first has the class's own defaults

#: Ranges of each class's properties; those of Millard's curves keep within what its constructor accepts.
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "Thelen2003Muscle": {
        "FmaxTendonStrain": (0.02, 0.1),
        "FmaxMuscleStrain": (0.3, 0.8),
        "KshapeActive": (0.2, 0.8),
        "KshapePassive": (2.0, 7.0),
        "Af": (0.15, 0.5),
        "Flen": (1.2, 1.9),
        "fv_linear_extrap_threshold": (0.9, 0.98),
        "maximum_pennation_angle": (1.2, 1.5),
    },
    "Millard2012EquilibriumMuscle": {
        "fiber_damping": (0.01, 0.2),
        "maximum_pennation_angle": (1.2, 1.5),
        "ActiveForceLengthCurve.min_norm_active_fiber_length": (0.3, 0.5),
        "ActiveForceLengthCurve.transition_norm_fiber_length": (0.65, 0.75),
        "ActiveForceLengthCurve.max_norm_active_fiber_length": (1.6, 2.0),
        "ActiveForceLengthCurve.shallow_ascending_slope": (0.5, 1.0),
        "ForceVelocityCurve.concentric_slope_near_vmax": (0.1, 0.4),
        "ForceVelocityCurve.isometric_slope": (3.0, 7.0),
        "ForceVelocityCurve.eccentric_slope_near_vmax": (0.05, 0.2),
        "ForceVelocityCurve.max_eccentric_velocity_force_multiplier": (1.3, 1.6),
        "ForceVelocityCurve.concentric_curviness": (0.1, 0.9),
        "ForceVelocityCurve.eccentric_curviness": (0.1, 0.9),
        "FiberForceLengthCurve.strain_at_zero_force": (-0.1, 0.1),
        "FiberForceLengthCurve.strain_at_one_norm_force": (0.5, 0.8),
        "FiberForceLengthCurve.stiffness_at_low_force": (0.1, 0.5),
        "FiberForceLengthCurve.stiffness_at_one_norm_force": (3.0, 6.0),
        "FiberForceLengthCurve.curviness": (0.1, 0.9),
        "TendonForceLengthCurve.strain_at_one_norm_force": (0.04, 0.06),
        "TendonForceLengthCurve.stiffness_at_one_norm_force": (28.0, 40.0),
        "TendonForceLengthCurve.norm_force_at_toe_end": (0.3, 0.8),
        "TendonForceLengthCurve.curviness": (0.1, 0.9),
    },
    "DeGrooteFregly2016Muscle": {
        "active_force_width_scale": (1.0, 1.6),
        "fiber_damping": (0.0, 0.1),
        "passive_fiber_strain_at_one_norm_force": (0.4, 0.8),
        "tendon_strain_at_one_norm_force": (0.03, 0.07),
    },
}


def add_muscles(model: osim.Model, body: osim.Body) -> None:
    random = np.random.default_rng(20)
    for kind, ranges in RANGES.items():
        for variant in range(VARIANTS):
            muscle = getattr(osim, kind)()
            muscle.setName(f"{kind}_{variant}")
            muscle.set_max_isometric_force(random.uniform(100.0, 3000.0))
            muscle.set_optimal_fiber_length(random.uniform(0.07, 0.13))
            muscle.set_tendon_slack_length(random.uniform(0.12, 0.25))
            muscle.set_pennation_angle_at_optimal(0.0 if variant == 1 else random.uniform(0.0, 0.6))
            muscle.set_max_contraction_velocity(random.uniform(7.0, 14.0))
            values = {name: random.uniform(*bounds) for name, bounds in ranges.items()}
            if variant:
                set_properties(muscle, values)
            if kind == "Millard2012EquilibriumMuscle" and variant == 2:
                # taut at its shortest, where OpenSim switches a fibre off
                muscle.upd_FiberForceLengthCurve().set_strain_at_zero_force(-0.75)
            if kind == "Millard2012EquilibriumMuscle" and variant >= VARIANTS - 2:
                set_undamped(muscle)
            if kind == "DeGrooteFregly2016Muscle" and variant == VARIANTS - 1:
                muscle.set_ignore_passive_fiber_force(True)
            muscle.addNewPathPoint("origin", model.getGround(), osim.Vec3(0.0))
            muscle.addNewPathPoint("insertion", body, osim.Vec3(0.0))
            model.addForce(muscle)


def set_properties(muscle: Any, values: Numbers) -> None:
    for name, value in values.items():
        curve, _, own = name.rpartition(".")
        getattr(getattr(muscle, f"upd_{curve}")() if curve else muscle, f"set_{own}")(value)


def set_undamped(muscle: Any) -> None:
    """The classic Hill model, whose curves OpenSim lifts off zero: the properties it reports are not the file's."""
    muscle.set_fiber_damping(0.0)
    muscle.upd_ActiveForceLengthCurve().set_minimum_value(0.15)
    muscle.upd_ForceVelocityCurve().set_concentric_slope_at_vmax(0.08)


def build() -> osim.Model:
    model = osim.Model()
    model.setName("muscles")
    body = osim.Body("body", 1.0, osim.Vec3(0.0), osim.Inertia(0.1))
    model.addBody(body)
    slider = osim.SliderJoint("slider", model.getGround(), body)
    slider.updCoordinate().setName("length")
    model.addJoint(slider)
    add_muscles(model, body)
    model.finalizeConnections()
    return model


def typed(model: osim.Model) -> list[Any]:
    group = model.getMuscles()
    muscles = [group.get(index) for index in range(group.getSize())]
    return [getattr(osim, muscle.getConcreteClassName()).safeDownCast(muscle) for muscle in muscles]


def pose(model: osim.Model, state: Any, length: float, speed: float) -> None:
    coordinate = model.getCoordinateSet().get(0)
    coordinate.setValue(state, length, False)
    coordinate.setSpeedValue(state, speed)
    model.realizeVelocity(state)


def gains(path: str) -> Array:
    """(T, M): the rigid-tendon force at activation 1."""
    model = osim.Model(path)
    state, muscles, rows = model.initSystem(), typed(model), []
    for length, speed in zip(LENGTHS, SPEEDS, strict=True):
        pose(model, state, length, speed)
        rows.append([muscle.calcInextensibleTendonActiveFiberForce(state, 1.0) for muscle in muscles])
    return np.array(rows)


def in_postures(path: str) -> dict[str, Array]:
    """Length, lengthening speed and rigid-tendon force (20, M) of a model's muscles."""
    model, random = osim.Model(path), np.random.default_rng(4)
    state, muscles = model.initSystem(), typed(model)
    coordinates = [model.getCoordinateSet().get(index) for index in range(model.getNumCoordinates())]
    rows: dict[str, list[list[float]]] = {"length": [], "speed": [], "gain": []}
    for _ in range(20):
        for coordinate in coordinates:
            if not coordinate.getLocked(state):
                bounds = coordinate.getRangeMin(), coordinate.getRangeMax()
                coordinate.setValue(state, random.uniform(*bounds), False)
                coordinate.setSpeedValue(state, random.uniform(-5.0, 5.0))
        model.realizeVelocity(state)
        rows["gain"].append([muscle.calcInextensibleTendonActiveFiberForce(state, 1.0) for muscle in muscles])
        rows["length"].append([muscle.getLength(state) for muscle in muscles])
        rows["speed"].append([muscle.getLengtheningSpeed(state) for muscle in muscles])
    return {name: np.array(row) for name, row in rows.items()}


def in_use(curve: Any) -> list[float]:
    """A curve's numbers in the order of its properties."""
    numbers = []
    for index in range(curve.getNumProperties()):
        part = curve.getPropertyByIndex(index)
        getter = f"get{part.getName().title().replace('_', '')}InUse" if part.isOptionalProperty() else None
        numbers.append(getattr(curve, getter or f"get_{part.getName()}")())
    return numbers


def flag(model: osim.Model) -> None:
    """Make every tendon rigid, except for Thelen's muscles, which refuse that."""
    for muscle in typed(model):
        if muscle.getConcreteClassName() != "Thelen2003Muscle":
            muscle.set_ignore_tendon_compliance(True)


def rigid_forces(path: str) -> tuple[Array, Array]:
    """(T, M) each along a rigid tendon: the elastic passive force, and all of it at the middle activation, at rest.

    Thelen's muscle knows no rigid tendon, so that its fibre is set.
    """
    model = osim.Model(path)
    state, muscles, passive, total = model.initSystem(), typed(model), [], []
    for length in LENGTHS:
        pose(model, state, length, 0.0)
        for muscle in muscles:
            muscle.setActivation(state, ACTIVATIONS[1])
            if muscle.getConcreteClassName() == "Thelen2003Muscle":
                along = max(length - muscle.get_tendon_slack_length(), 0.0)
                height = muscle.get_optimal_fiber_length() * np.sin(muscle.get_pennation_angle_at_optimal())
                muscle.setFiberLength(state, float(np.hypot(along, height)))
        model.realizeDynamics(state)
        passive.append([elastic(muscle)(state) for muscle in muscles])
        total.append([muscle.getTendonForce(state) for muscle in muscles])
    return np.array(passive), np.array(total)


def elastic(muscle: Any) -> Any:
    return getattr(muscle, "getPassiveFiberElasticForceAlongTendon", muscle.getPassiveFiberForceAlongTendon)


def equilibria(path: str) -> tuple[Array, Array]:
    """Fibre length and tendon force (A, T, M) at rest; NaN where OpenSim finds no equilibrium."""
    model = osim.Model(path)
    state, muscles = model.initSystem(), typed(model)
    shape = (len(ACTIVATIONS), LENGTHS.size, len(muscles))
    fiber, force = np.full(shape, np.nan), np.full(shape, np.nan)
    for level, activation in enumerate(ACTIVATIONS):
        for row, length in enumerate(LENGTHS):
            for column, muscle in enumerate(muscles):
                try:
                    muscle.setActivation(state, activation)
                    pose(model, state, length, 0.0)
                    muscle.computeEquilibrium(state)
                    model.realizeVelocity(state)
                    fiber[level, row, column] = muscle.getFiberLength(state)
                    force[level, row, column] = normalized_tendon_force(muscle, state)
                except RuntimeError:
                    continue
    strength = np.array([muscle.get_max_isometric_force() for muscle in muscles])
    return fiber, force * strength


def normalized_tendon_force(muscle: Any, state: Any) -> float:
    """Of the state, without realizing the dynamics, which fail where any other muscle of the model has no state."""
    if muscle.getConcreteClassName() == "DeGrooteFregly2016Muscle":
        return float(muscle.getNormalizedTendonForce(state))
    if muscle.getConcreteClassName() == "Millard2012EquilibriumMuscle":
        length = muscle.getTendonLength(state) / muscle.get_tendon_slack_length()
        return float(muscle.get_TendonForceLengthCurve().calcValue(length))
    return float(muscle.getActuation(state) / muscle.get_max_isometric_force())


def curves(path: str) -> dict[str, Array]:
    """Value and slope of every curve that OpenSim lets one call, (2, X, m) at the normalised abscissas x."""
    model = osim.Model(path)
    model.initSystem()
    x = np.concatenate([np.linspace(-2.0, 2.5, 301), np.linspace(0.95, 1.12, 200)])
    found = {"x": x}
    muscles = typed(model)
    millard = [muscle for muscle in muscles if hasattr(muscle, "get_ForceVelocityCurve")]
    for name in ("ActiveForceLengthCurve", "ForceVelocityCurve", "FiberForceLengthCurve", "TendonForceLengthCurve"):
        drawn = [getattr(muscle, f"get_{name}")() for muscle in millard]
        values = [[curve.calcValue(at) for curve in drawn] for at in x]
        slopes = [[curve.calcDerivative(at, 1) for curve in drawn] for at in x]
        found[name] = np.array([values, slopes])
        found[f"{name} parameters"] = np.array([in_use(curve) for curve in drawn]).T
    degroote = [muscle for muscle in muscles if hasattr(muscle, "calcPassiveForceMultiplier")]
    for name in ("ActiveForceLength", "PassiveForce", "TendonForce"):
        values = [[getattr(muscle, f"calc{name}Multiplier")(at) for muscle in degroote] for at in x]
        slopes = [[getattr(muscle, f"calc{name}MultiplierDerivative")(at) for muscle in degroote] for at in x]
        found[name] = np.array([values, slopes])
    names = ("active_force_width_scale", "passive_fiber_strain_at_one_norm_force", "tendon_strain_at_one_norm_force")
    found["degroote parameters"] = np.array([[getattr(m, f"get_{name}")() for m in degroote] for name in names])
    found["ForceVelocity"] = np.array([[muscle.calcForceVelocityMultiplier(at) for muscle in degroote] for at in x])
    found["ForceVelocityInverse"] = np.array([degroote[0].calcForceVelocityInverseCurve(at) for at in x])
    force = np.linspace(-0.15, 5.0, 301)
    inverse = [[muscle.calcTendonForceLengthInverseCurve(at) for muscle in degroote] for at in force]
    found |= {"force": force, "TendonForceLengthInverse": np.array(inverse)}
    return found


def main(folder: Path, model_path: str | None = None) -> None:
    if model_path is not None:
        np.savez(folder / "postures.npz", **in_postures(model_path))
        return
    elastic_path, rigid_path = str(folder / "muscles.osim"), str(folder / "rigid.osim")
    build().printToXML(elastic_path)
    model = osim.Model(elastic_path)
    flag(model)
    model.printToXML(rigid_path)
    fiber, force = equilibria(elastic_path)
    passive, total = rigid_forces(rigid_path)
    np.savez(
        folder / "oracle.npz",
        length=LENGTHS,
        speed=SPEEDS,
        gain=gains(elastic_path),
        activation=ACTIVATIONS,
        fiber_length=fiber,
        tendon_force=force,
        passive=passive,
        rigid_force=total,
        **curves(elastic_path),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
