"""Build a small two-leg OpenSim model with a walking-like motion: `python two_leg.py FOLDER`.

Every number is invented or a rounded textbook value (m, kg, N, degrees); x is forward, y up, z to the right.
The left leg mirrors the right one; flexing a knee turns its angle negative.
"""

import sys
from pathlib import Path

import numpy as np
import opensim as osim
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

osim.Logger.setLevelString("error")
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

Array = NDArray[np.float64]
Point = tuple[float, float, float]
Knots = tuple[list[float], list[float]]

SIDES = {"r": 1.0, "l": -1.0}
TIMES = 0.1 + np.arange(70) / 100.0  # s; the stride lasts 1 s, the right heel strikes at 0 s
SPEED = 1.2  # m/s
GRAVITY = 9.80665

# body: mass, mass centre, (Ixx, Iyy, Izz); the pelvis carries the trunk, arms and head
BODIES: dict[str, tuple[float, Point, Point]] = {
    "pelvis": (46.0, (-0.04, 0.22, 0.0), (2.6, 0.7, 2.4)),
    "femur": (9.0, (0.0, -0.18, 0.0), (0.14, 0.035, 0.15)),
    "patella": (0.1, (0.0, 0.0, 0.0), (1e-5, 1e-5, 1e-5)),
    "tibia": (3.6, (0.0, -0.19, 0.0), (0.05, 0.005, 0.051)),
    "foot": (1.0, (0.05, -0.04, 0.0), (0.001, 0.004, 0.004)),
    "toes": (0.2, (0.03, 0.0, 0.0), (0.0001, 0.0002, 0.0002)),
}
HIP: Point = (-0.06, -0.07, 0.085)  # in the pelvis
# pin joint: coordinate, parent, child, place in the parent, place in the child, obliquity about x and y (rad)
PINS: dict[str, tuple[str, str, str, Point, Point, tuple[float, float]]] = {
    "knee": ("knee_angle", "femur", "tibia", (0.0, -0.41, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0)),
    "patellofemoral": ("knee_beta", "femur", "patella", (0.0, -0.41, 0.0), (-0.045, 0.0, 0.0), (0.0, 0.0)),
    "ankle": ("ankle_angle", "tibia", "foot", (0.0, -0.42, 0.0), (0.0, 0.0, 0.0), (0.1, -0.08)),
    "mtp": ("mtp_angle", "foot", "toes", (0.13, -0.05, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0)),
}
PATELLA = (0.12, 0.72, 0.3)  # knee_beta as a polynomial of knee_angle (rad), highest power first
MTP_LOCK = {"r": 5.0, "l": -3.0}

# muscle: class, strength, optimal fibre length, tendon slack length, pennation (deg)
MUSCLES: dict[str, tuple[str, float, float, float, float]] = {
    "iliopsoas": ("Thelen2003Muscle", 2600.0, 0.11, 0.115, 8.0),
    "glut_max": ("Thelen2003Muscle", 2400.0, 0.15, 0.065, 5.0),
    "glut_med": ("Millard2012EquilibriumMuscle", 3200.0, 0.08, 0.06, 12.0),
    "adductor": ("Thelen2003Muscle", 1500.0, 0.12, 0.095, 6.0),
    "rect_fem": ("Thelen2003Muscle", 1800.0, 0.12, 0.43, 10.0),
    "vasti": ("Millard2012EquilibriumMuscle", 5500.0, 0.1, 0.24, 5.0),
    "hamstrings": ("Millard2012EquilibriumMuscle", 3000.0, 0.12, 0.29, 10.0),
    "gastroc": ("Thelen2003Muscle", 2600.0, 0.08, 0.395, 12.0),
    "soleus": ("DeGrooteFregly2016Muscle", 5000.0, 0.06, 0.275, 25.0),
    "tib_ant": ("Thelen2003Muscle", 1200.0, 0.09, 0.24, 8.0),
}
Route = list[tuple[str, Point]]
PATELLAR: Route = [
    ("patella", (0.018, 0.025, 0.0)),
    ("patella", (0.006, -0.02, 0.0)),
    ("tibia", (0.022, -0.075, 0.0)),
]
PATHS: dict[str, Route] = {
    "iliopsoas": [
        ("pelvis", (-0.06, 0.08, 0.06)),
        ("pelvis", (-0.02, -0.06, 0.085)),
        ("femur", (0.0, -0.06, -0.01)),
    ],
    "glut_max": [
        ("pelvis", (-0.13, 0.03, 0.06)),
        ("pelvis", (-0.13, -0.05, 0.09)),
        ("femur", (-0.03, -0.09, 0.03)),
    ],
    "glut_med": [("pelvis", (-0.06, 0.05, 0.11)), ("femur", (-0.01, -0.01, 0.065))],
    "adductor": [("pelvis", (-0.04, -0.11, 0.02)), ("femur", (0.005, -0.24, 0.01))],
    "rect_fem": [("pelvis", (-0.03, -0.04, 0.095)), *PATELLAR],
    "vasti": [("femur", (0.025, -0.19, 0.02)), *PATELLAR],
    "hamstrings": [("pelvis", (-0.12, -0.11, 0.07)), ("tibia", (-0.035, -0.04, -0.01))],
    "gastroc": [("femur", (-0.02, -0.37, 0.0)), ("foot", (-0.05, -0.03, -0.005))],
    "soleus": [("tibia", (-0.01, -0.13, 0.0)), ("foot", (-0.05, -0.035, -0.005))],
    "tib_ant": [
        ("tibia", (0.015, -0.14, 0.01)),
        ("tibia", (0.035, -0.38, 0.0)),
        ("foot", (0.08, -0.03, -0.015)),
    ],
}
CONDYLES = ("gastroc", "femur", (0.0, -0.41, 0.0), 0.03, 0.12)  # wrapped muscle, body, place, radius, length

# coordinate of the right leg: degrees at phases of its own stride
GAIT: dict[str, Knots] = {
    "hip_flexion": ([0.0, 0.15, 0.5, 0.62, 0.85, 1.0], [27.0, 21.0, -11.0, -4.0, 28.0, 27.0]),
    "hip_adduction": ([0.0, 0.2, 0.45, 0.65, 0.85, 1.0], [0.0, 5.0, 3.0, -5.0, -2.0, 0.0]),
    "knee_angle": ([0.0, 0.14, 0.4, 0.6, 0.72, 0.9, 1.0], [-6.0, -17.0, -7.0, -38.0, -58.0, -18.0, -6.0]),
    "ankle_angle": ([0.0, 0.08, 0.25, 0.45, 0.63, 0.8, 1.0], [0.0, -4.0, 4.0, 9.0, -14.0, 2.0, 0.0]),
}
# pelvis coordinate: mean, amplitude, cycles a stride, phase (deg or m); pelvis_tx also travels at SPEED
PELVIS: dict[str, tuple[float, float, int, float]] = {
    "pelvis_tilt": (-4.0, 1.0, 2, 0.1),
    "pelvis_list": (0.0, 3.0, 1, 0.15),
    "pelvis_rotation": (0.0, 4.0, 1, 0.0),
    "pelvis_tx": (0.0, 0.008, 2, 0.2),
    "pelvis_ty": (0.95, 0.015, 2, 0.28),
    "pelvis_tz": (0.0, 0.015, 1, 0.3),
}
# force on the right foot: body weights at phases of its own stride
REACTION: dict[str, Knots] = {
    "x": ([0.0, 0.12, 0.32, 0.5, 0.62, 1.0], [0.0, -0.13, 0.0, 0.15, 0.0, 0.0]),
    "y": ([0.0, 0.13, 0.3, 0.5, 0.62, 1.0], [0.0, 1.03, 0.82, 1.05, 0.0, 0.0]),
    "z": ([0.0, 0.15, 0.45, 0.62, 1.0], [0.0, -0.05, -0.04, 0.0, 0.0]),
}
PRESSURE: Knots = ([0.0, 0.1, 0.45, 0.62, 1.0], [-0.03, 0.02, 0.11, 0.15, -0.03])  # its x in the foot (m)
SOLE = -0.06  # y of the sole in the foot
TWIST = 3.0  # free moment of a foot about the vertical at one body weight (N.m)

PASSIVE_ANKLE = ("ankle_angle_r", 15.0, 0.05, 0.5)  # stiffness (N.m/rad), rest (rad), viscosity
KNEE_LIMIT = ("knee_angle_r", 5.0, 0.5, -50.0, 0.6, 0.01, 5.0)  # upper, K, lower, K, damping, transition
THIGH_TORQUE = ("femur_l", (1.0, 2.0, 2.0), 15.0)  # body, axis in it (no unit vector), optimal torque (N.m)
HIP_RESERVE = ("hip_flexion_r", 10.0)
RESIDUALS = (250.0, 50.0)  # optimal torque (N.m) and force (N) on the pelvis
TRANSLATIONS = ("pelvis_tx", "pelvis_ty", "pelvis_tz")


def vec(point: Point, side: float = 1.0) -> osim.Vec3:
    return osim.Vec3(point[0], point[1], side * point[2])


def names(*items: str) -> osim.ArrayStr:
    array = osim.ArrayStr()
    for item in items:
        array.append(item)
    return array


def add_body(model: osim.Model, body: str, name: str) -> None:
    mass, centre, inertia = BODIES[body]
    model.addBody(osim.Body(name, mass, vec(centre), osim.Inertia(*inertia)))


def add_custom_joint(
    model: osim.Model, name: str, parent: str, child: str, place: Point, motion: dict[str, tuple[str, Point]]
) -> None:
    """Join two bodies; `motion` maps an axis of the transform to its coordinate (if any) and direction."""
    transform = osim.SpatialTransform()
    for axis, (coordinate, direction) in motion.items():
        part = getattr(transform, f"upd_{axis}")()
        part.setAxis(vec(direction))
        if coordinate:
            part.setCoordinateNames(names(coordinate))
            part.set_function(osim.LinearFunction(1.0, 0.0))
    zero = osim.Vec3(0.0)
    bodies = model.getBodySet()
    base = model.getGround() if parent == "ground" else bodies.get(parent)
    model.addJoint(osim.CustomJoint(name, base, vec(place), zero, bodies.get(child), zero, zero, transform))


def add_pelvis(model: osim.Model) -> None:
    add_body(model, "pelvis", "pelvis")
    x, y, z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    motion = {
        "rotation1": ("pelvis_tilt", z),
        "rotation2": ("pelvis_list", x),
        "rotation3": ("pelvis_rotation", y),
        "translation1": ("pelvis_tx", x),
        "translation2": ("pelvis_ty", y),
        "translation3": ("pelvis_tz", z),
    }
    add_custom_joint(model, "base", "ground", "pelvis", (0.0, 0.0, 0.0), motion)
    model.getCoordinateSet().get("pelvis_ty").set_default_value(PELVIS["pelvis_ty"][0])


def add_leg(model: osim.Model, side: str) -> None:
    sign = SIDES[side]
    for body in list(BODIES)[1:]:
        add_body(model, body, f"{body}_{side}")
    motion = {
        "rotation1": (f"hip_flexion_{side}", (0.0, 0.0, 1.0)),
        "rotation2": (f"hip_adduction_{side}", (sign, 0.0, 0.0)),
        "rotation3": ("", (0.0, 1.0, 0.0)),
    }
    place = (HIP[0], HIP[1], sign * HIP[2])
    add_custom_joint(model, f"hip_{side}", "pelvis", f"femur_{side}", place, motion)
    for name, (coordinate, parent, child, at, there, (about_x, about_y)) in PINS.items():
        turn = osim.Vec3(sign * about_x, sign * about_y, 0.0)
        ends = [model.getBodySet().get(f"{body}_{side}") for body in (parent, child)]
        pin = osim.PinJoint(f"{name}_{side}", ends[0], vec(at, sign), turn, ends[1], vec(there, sign), turn)
        pin.updCoordinate().setName(f"{coordinate}_{side}")
        model.addJoint(pin)
    toe = model.getCoordinateSet().get(f"mtp_angle_{side}")
    toe.set_default_value(np.radians(MTP_LOCK[side]))
    toe.set_locked(True)


def patella_function(side: str) -> osim.Function:
    """knee_beta of knee_angle: a spline on the right, the polynomial itself on the left."""
    if side == "l":
        return osim.PolynomialFunction(osim.Vector(list(PATELLA)))
    spline = osim.SimmSpline()
    for angle in np.radians(np.arange(-120.0, 21.0, 20.0)):
        spline.addPoint(angle, np.polyval(PATELLA, angle))
    return spline


def couple_patella(model: osim.Model, side: str) -> None:
    coupler = osim.CoordinateCouplerConstraint()
    coupler.setName(f"patella_{side}")
    coupler.setIndependentCoordinateNames(names(f"knee_angle_{side}"))
    coupler.setDependentCoordinateName(f"knee_beta_{side}")
    coupler.setFunction(patella_function(side))
    model.addConstraint(coupler)
    model.getCoordinateSet().get(f"knee_beta_{side}").set_default_value(PATELLA[-1])


def add_muscles(model: osim.Model, side: str) -> None:
    for name, (kind, strength, fibre, slack, pennation) in MUSCLES.items():
        muscle = getattr(osim, kind)()
        muscle.setName(f"{name}_{side}")
        muscle.set_max_isometric_force(strength)
        muscle.set_optimal_fiber_length(fibre)
        muscle.set_tendon_slack_length(slack)
        muscle.set_pennation_angle_at_optimal(np.radians(pennation))
        for index, (body, point) in enumerate(PATHS[name]):
            on = body if body == "pelvis" else f"{body}_{side}"
            place = vec(point, SIDES[side])
            muscle.addNewPathPoint(f"{name}_{side}_{index}", model.getBodySet().get(on), place)
        if name == CONDYLES[0]:
            muscle.updGeometryPath().addPathWrap(add_condyles(model, side))
        model.addForce(muscle)


def add_condyles(model: osim.Model, side: str) -> osim.WrapCylinder:
    _, body, place, radius, length = CONDYLES
    cylinder = osim.WrapCylinder()
    cylinder.setName(f"condyles_{side}")
    cylinder.set_radius(radius)
    cylinder.set_length(length)
    cylinder.set_translation(vec(place, SIDES[side]))
    cylinder.set_quadrant("-x")
    model.getBodySet().get(f"{body}_{side}").addWrapObject(cylinder)
    return cylinder


def add_springs(model: osim.Model) -> None:
    coordinate, stiffness, rest, viscosity = PASSIVE_ANKLE
    spring = osim.SpringGeneralizedForce(coordinate)
    spring.setName("ankle_spring")
    spring.setStiffness(stiffness)
    spring.setRestLength(rest)
    spring.setViscosity(viscosity)
    model.addForce(spring)
    limit = osim.CoordinateLimitForce(*KNEE_LIMIT)
    limit.setName("knee_limit")
    model.addForce(limit)


def add_actuators(model: osim.Model) -> None:
    """Residuals on the pelvis, a bounded reserve and a bounded thigh torque, weak reserves elsewhere."""
    body, axis, optimal = THIGH_TORQUE
    torque = osim.TorqueActuator(model.getBodySet().get(body), model.getGround(), vec(axis), False)
    torque.setName("thigh_torque")
    torque.setOptimalForce(optimal)
    bound(torque)
    model.addForce(torque)
    for index in range(model.getCoordinateSet().getSize()):
        coordinate = model.getCoordinateSet().get(index).getName()
        if coordinate.startswith(("knee_beta", "mtp")):
            continue
        actuator = osim.CoordinateActuator(coordinate)
        actuator.setName(f"{coordinate}_{'residual' if coordinate in PELVIS else 'reserve'}")
        if coordinate in PELVIS:
            actuator.setOptimalForce(RESIDUALS[coordinate in TRANSLATIONS])
        elif coordinate == HIP_RESERVE[0]:
            actuator.setOptimalForce(HIP_RESERVE[1])
            bound(actuator)
        else:
            actuator.setOptimalForce(1.0)
        model.addForce(actuator)


def bound(actuator: osim.ScalarActuator) -> None:
    actuator.setMinControl(-1.0)
    actuator.setMaxControl(1.0)


def build(folder: Path) -> osim.Model:
    """Write both models; the returned one has every actuator."""
    model = osim.Model()
    model.setName("two_leg")
    model.set_gravity(osim.Vec3(0.0, -GRAVITY, 0.0))
    add_pelvis(model)
    for side in SIDES:
        add_leg(model, side)
    for side in SIDES:
        couple_patella(model, side)
        add_muscles(model, side)
    add_springs(model)
    model.finalizeConnections()
    model.printToXML(str(folder / "two_leg_bare.osim"))
    add_actuators(model)
    model.finalizeConnections()
    model.printToXML(str(folder / "two_leg.osim"))
    return model


def phase(side: str) -> Array:
    """Of the leg's own stride, which starts at its heel strike."""
    return (TIMES + (0.0 if side == "r" else 0.5)) % 1.0


def motion() -> dict[str, Array]:
    """Every coordinate over time, rad or m."""
    columns = {}
    for name, (mean, amplitude, cycles, shift) in PELVIS.items():
        wave = mean + amplitude * np.cos(2.0 * np.pi * cycles * (TIMES - shift))
        columns[name] = wave if name in TRANSLATIONS else np.radians(wave)
    columns["pelvis_tx"] += SPEED * TIMES
    for side in SIDES:
        for name, knots in GAIT.items():
            curve = CubicSpline(*knots, bc_type="periodic")
            columns[f"{name}_{side}"] = np.radians(curve(phase(side)))
        patella = patella_function(side)
        knee = columns[f"knee_angle_{side}"]
        columns[f"knee_beta_{side}"] = np.array([patella.calcValue(osim.Vector(1, x)) for x in knee])
        columns[f"mtp_angle_{side}"] = np.full(TIMES.size, np.radians(MTP_LOCK[side]))
    return columns


def reactions(model: osim.Model, columns: dict[str, Array]) -> dict[str, Array]:
    """Ground reactions whose centres of pressure travel along the soles.

    OpenSim takes the columns of a force in their order, not by the letters at the end of their names.
    """
    state = model.initSystem()
    weight = model.getTotalMass(state) * GRAVITY
    loads: dict[str, Array] = {}
    for side, sign in SIDES.items():
        phases = phase(side)
        shares = {axis: PchipInterpolator(*knots)(phases) for axis, knots in REACTION.items()}
        shares["z"] = sign * shares["z"]
        loads |= {f"ground_force_{side}_v{axis}": weight * share for axis, share in shares.items()}
        pressure = PchipInterpolator(*PRESSURE)(phases)
        places = np.array([sole(model, state, columns, side, row, x) for row, x in enumerate(pressure)])
        loads |= {f"ground_force_{side}_p{axis}": place for axis, place in zip("xyz", places.T, strict=True)}
        turns = {axis: TWIST * sign * shares["y"] * (axis == "y") for axis in "xyz"}
        loads |= {f"ground_torque_{side}_{axis}": turn for axis, turn in turns.items()}
    return loads


def sole(model: osim.Model, state: osim.State, columns: dict[str, Array], side: str, row: int, x: float) -> Point:
    """A point of the sole in the ground at one time."""
    coordinates = model.getCoordinateSet()
    for name, column in columns.items():
        if "mtp" not in name:
            coordinates.get(name).setValue(state, column[row], False)
    model.realizePosition(state)
    foot = model.getBodySet().get(f"foot_{side}")
    place = foot.findStationLocationInGround(state, osim.Vec3(x, SOLE, 0.0))
    return place.get(0), place.get(1), place.get(2)


def write_table(path: Path, columns: dict[str, Array], degrees: bool) -> None:
    head = [path.stem, "version=1", f"nRows={TIMES.size}", f"nColumns={len(columns) + 1}"]
    head += [f"inDegrees={'yes' if degrees else 'no'}", "endheader", "\t".join(["time", *columns])]
    rows = np.column_stack([TIMES, *columns.values()])
    text = ["\t".join([f"{row[0]:.2f}", *(f"{x:.10f}" for x in row[1:])]) for row in rows]
    path.write_text("\n".join([*head, *text]) + "\n")


def write_loads(folder: Path) -> None:
    loads = osim.ExternalLoads()
    loads.setDataFileName("grf.mot")
    for side in SIDES:
        force = osim.ExternalForce()
        force.setName(f"grf_{side}")
        force.set_applied_to_body(f"foot_{side}")
        force.set_force_expressed_in_body("ground")
        force.set_point_expressed_in_body("ground")
        force.set_force_identifier(f"ground_force_{side}_v")
        force.set_point_identifier(f"ground_force_{side}_p")
        force.set_torque_identifier(f"ground_torque_{side}_")
        loads.cloneAndAppend(force)
    loads.printToXML(str(folder / "external_loads.xml"))


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model = build(folder)
    columns = motion()
    degrees = {name: x if name in TRANSLATIONS else np.degrees(x) for name, x in columns.items()}
    write_table(folder / "motion.mot", degrees, degrees=True)
    write_table(folder / "grf.mot", reactions(model, columns), degrees=False)
    write_loads(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
