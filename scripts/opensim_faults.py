"""Faults of OpenSim 4.6 and its Simbody, each on a model of a few lines, beside a value that does not depend on them.

usage: python scripts/opensim_faults.py

A line says what is computed, OpenSim's value, the right one, and where that comes from. Every number of the models is
invented. The length of a path over two wrap objects has a script of its own, two_wraps.py. See docs/opensim_faults.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import opensim as osim
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: What is computed, OpenSim's value, the right one, and its judge.
Line = tuple[str, float, float, str]
osim.Logger.setLevelString("off")
V, ZERO = osim.Vec3, (0.0, 0.0, 0.0)
STEP = 1e-4


def array(vector: Any) -> Array:
    return np.array([vector.get(k) for k in range(3)])


def body(model: Any, name: str, mass: float = 1.0, center: tuple[float, ...] = (0.0, -0.2, 0.0)) -> Any:
    model.addBody(osim.Body(name, mass, V(*center), osim.Inertia(0.03, 0.01, 0.02)))
    return model.getBodySet().get(name)


def pin(model: Any, name: str, parent: Any, at: tuple[float, ...], child: Any, end: tuple[float, ...] = ZERO) -> Any:
    """Add a PinJoint about z; its coordinate has its name."""
    joint = osim.PinJoint(f"{name}_joint", parent, V(*at), V(0), child, V(*end), V(0))
    joint.upd_coordinates(0).setName(name)
    model.addJoint(joint)
    return joint


def custom(model: Any, child: Any, functions: list[tuple[Any, bool]]) -> Any:
    """Add a CustomJoint at ground; of each rotation its function, and whether it is of the coordinate `q`."""
    transform = osim.SpatialTransform()
    for number, (function, moves) in enumerate(functions, start=1):
        axis = getattr(transform, f"upd_rotation{number}")()
        names = osim.ArrayStr()
        if moves:
            names.append("q")
        axis.setCoordinateNames(names)
        axis.set_function(function)
    joint = osim.CustomJoint("joint", model.updGround(), child, transform)
    joint.finalizeFromProperties()
    joint.upd_coordinates(0).setName("q")
    model.addJoint(joint)
    return joint


def muscle(model: Any, *points: tuple[Any, tuple[float, ...]]) -> Any:
    made = osim.Millard2012EquilibriumMuscle("muscle", 100.0, 0.1, 0.1, 0.0)
    for number, (frame, place) in enumerate(points):
        made.addNewPathPoint(f"p{number}", frame, V(*place))
    model.addForce(made)
    return made


def path_over(ends: Sequence[Sequence[float]], *objects: Any) -> tuple[Any, Any, Any]:
    """A model with a muscle between two points of ground over wrap objects there, the muscle, and its state."""
    model = osim.Model()
    body(model, "loose")
    made = muscle(model, *((model.getGround(), tuple(map(float, end))) for end in ends))
    for number, over in enumerate(objects):
        over.setName(f"wrap_{number}")
        model.updGround().addWrapObject(over)
        made.updGeometryPath().addPathWrap(model.updGround().getWrapObject(f"wrap_{number}"))
    state = model.initSystem()
    model.realizePosition(state)
    return model, made, state


def one_coordinate_turns_several_axes() -> Iterator[Line]:
    """Simbody's FunctionBased mobilizer: Hdot."""
    model = osim.Model()
    shank = body(model, "shank", 3.7, (0.05, -0.19, 0.02))
    joint = custom(model, shank, [(osim.LinearFunction(slope, 0.0), True) for slope in (1.0, 0.6, -0.8)])
    q, state = joint.upd_coordinates(0), model.initSystem()
    value, rate = 0.6, 3.0

    def spin(at: float) -> Array:
        q.setValue(state, at)
        q.setSpeedValue(state, rate)
        model.realizeVelocity(state)
        return array(shank.getAngularVelocityInGround(state))

    def energies(at: float) -> Array:
        spin(at)
        return np.array([model.calcKineticEnergy(state) / rate**2, model.calcPotentialEnergy(state)])

    slopes = (energies(value + STEP) - energies(value - STEP)) / (2 * STEP)
    turned = rate * (spin(value + STEP) - spin(value - STEP)) / (2 * STEP)
    spin(value)
    moment = osim.InverseDynamicsSolver(model).solve(state, osim.Vector(1, 0.0)).get(0)
    yield (
        "moment at constant speed, N.m",
        moment,
        slopes[0] * rate**2 + slopes[1],
        "Lagrange's equation, OpenSim's energies",
    )
    model.realizeAcceleration(state)
    change = q.getAccelerationValue(state)
    here, own = array(shank.getAngularAccelerationInGround(state)), spin(value)
    for axis, name in enumerate("xyz"):
        right = turned[axis] + own[axis] / rate * change
        yield f"angular acceleration, {name}, rad/s^2", here[axis], right, "difference of OpenSim's angular velocities"


def constant_rotation_before_a_turning_axis() -> Iterator[Line]:
    """The same mobilizer: H leaves out a rotation without a coordinate, the transform does not."""
    model = osim.Model()
    part = body(model, "part")
    joint = custom(model, part, [(osim.Constant(0.3), False), (osim.LinearFunction(1.0, 0.0), True)])
    q, state = joint.upd_coordinates(0), model.initSystem()

    def turned(at: float) -> Array:
        q.setValue(state, at)
        q.setSpeedValue(state, 1.0)
        model.realizeVelocity(state)
        rotation = part.getTransformInGround(state).R()
        return np.array([[rotation.get(i, j) for j in range(3)] for i in range(3)])

    change = (turned(0.4 + STEP) - turned(0.4 - STEP)) / (2 * STEP) @ turned(0.4).T
    said = array(part.getAngularVelocityInGround(state))
    for axis, name in enumerate("xyz"):
        right = (change[2, 1], change[0, 2], change[1, 0])[axis]
        yield f"angular velocity, {name}, rad/s", said[axis], right, "difference of OpenSim's rotation matrices"


def reaction_of_a_reversed_joint() -> Iterator[Line]:
    """A lower body hangs at an upper one, whose weld to it names the lower one as the parent."""
    for reversed_joint in (False, True):
        model = osim.Model()
        upper, lower = body(model, "upper", 2.0), body(model, "lower", 3.0)
        pin(model, "q", model.getGround(), ZERO, upper)
        frames = [upper, V(0, -0.4, 0), V(0), lower, V(0), V(0)]
        weld = osim.WeldJoint("weld", *(frames[3:] + frames[:3] if reversed_joint else frames))
        model.addJoint(weld)
        state = model.initSystem()
        model.realizeAcceleration(state)
        said = weld.calcReactionOnChildExpressedInGround(state).get(1).get(1)
        child, right = ("upper body, child of a reversed weld", -1.0) if reversed_joint else ("lower body", 1.0)
        yield f"force on the {child}, y, N", said, right * 3.0 * 9.80665, "weight of the lower body"


def path_over_one_cylinder() -> Iterator[Line]:
    """Not iterated to tangency where a path has one wrap object; a second one, out of reach, mends it."""
    radius, ends = 0.04, ((-0.055, 0.02, 0.0), (0.05, -0.01, 0.12))
    distance, angle = zip(*((math.hypot(x, y), math.atan2(y, x)) for x, y, _ in ends), strict=True)
    free = [math.acos(radius / one) for one in distance]
    arc = min((angle[0] - angle[1]) % math.tau, (angle[1] - angle[0]) % math.tau) - sum(free)
    flat = radius * arc + sum(one * math.sin(turn) for one, turn in zip(distance, free, strict=True))
    right = math.hypot(flat, ends[1][2] - ends[0][2])
    for far in ((0.0,), (0.0, 50.0)):
        cylinders = [osim.WrapCylinder() for _ in far]
        for cylinder, x in zip(cylinders, far, strict=True):
            cylinder.set_radius(radius)
            cylinder.set_length(2.0)
            cylinder.set_translation(V(x, 0, 0))
        _model, made, state = path_over(ends, *cylinders)
        what = f"length over {len(far)} cylinder{'s, one of them 50 m away' if far[1:] else ''}, mm"
        yield what, 1e3 * made.getLength(state), 1e3 * right, "closed form: the cylinder unrolled"


def sphere_beyond_half_a_turn() -> Iterator[Line]:
    """A quadrant sends the path round the far side of a sphere."""
    radius, ends = 0.05, ((0.04, 0.05, 0.0), (0.04, -0.05, 0.0))
    distance, angle = math.hypot(*ends[0]), 2 * math.atan2(ends[0][1], ends[0][0])
    right = 2 * math.sqrt(distance**2 - radius**2) + radius * (math.tau - angle - 2 * math.acos(radius / distance))
    sphere = osim.WrapSphere()
    sphere.set_radius(radius)
    sphere.set_quadrant("-x")
    _model, made, state = path_over(ends, sphere)
    yield "length, mm", 1e3 * made.getLength(state), 1e3 * right, "tangents and the longer arc of a great circle"


def nearest_point_of_a_ring() -> Iterator[Line]:
    """WrapTorus wraps over a cylinder that touches the ring's circle; its place there, from the two tangent points."""
    tube, ring, ends = 0.008, 0.04, (np.array([0.02, 0.05, 0.06]), np.array([0.05, -0.03, -0.05]))
    torus = osim.WrapTorus()
    torus.set_inner_radius(tube)
    torus.set_outer_radius(ring)
    _model, made, state = path_over(ends, torus)
    points = osim.GeometryPath.safeDownCast(made.getPath()).getCurrentPath(state)
    tangent = np.array([array(points.get(k).getLocation(state)) for k in (1, 2)])
    azimuth = np.radians(np.arange(-180.0, 180.0, 0.001))
    outward = np.array([np.cos(azimuth), np.sin(azimuth), 0 * azimuth])
    apart = np.hypot(tangent[:, :2] @ outward[:2] - ring, tangent[:, 2:])  # m: of each point from each cylinder's axis
    said = azimuth[np.argmin(np.abs(apart - tube).max(axis=0))]

    def nearest(radius: float) -> float:
        line = ends[0] + np.linspace(0.0, 1.0, 1_000_001)[:, None] * (ends[1] - ends[0])
        best = line[np.argmin(np.hypot(np.hypot(line[:, 0], line[:, 1]) - radius, line[:, 2]))]
        return math.degrees(math.atan2(best[1], best[0]))

    judge = f"nearest point of the circle to the line; of a circle of twice the radius {nearest(2 * ring):.3f}"
    yield "azimuth of the cylinder, degrees", math.degrees(said), nearest(ring), judge


def moving_point_beside_a_fixed_one() -> Iterator[Line]:
    """Between two points of one body no tension acts, though one of them moves in it."""
    model = osim.Model()
    shank = body(model, "shank")
    joint = pin(model, "knee", model.getGround(), ZERO, shank)
    joint.upd_coordinates(0).setRangeMin(-1.0)
    joint.upd_coordinates(0).setRangeMax(1.0)
    made = muscle(model, (model.getGround(), (0.05, 0.2, 0.0)))
    point = osim.MovingPathPoint()
    point.setName("moving")
    point.updSocket("parent_frame").setConnecteePath("/bodyset/shank")
    for letter, numbers in zip("xyz", ((0.02, 0.03), (-0.03, -0.02), (0.0, 0.0)), strict=True):
        point.updSocket(f"{letter}_coordinate").setConnecteePath("/jointset/knee_joint/knee")
        getattr(point, f"set_{letter}_location")(osim.LinearFunction(*numbers))
    made.updGeometryPath().updPathPointSet().cloneAndAppend(point)
    made.addNewPathPoint("fixed", shank, V(0.03, -0.3, 0.0))
    knee, state = joint.upd_coordinates(0), model.initSystem()

    def length(at: float) -> float:
        knee.setValue(state, at)
        knee.setSpeedValue(state, 1.0)
        model.realizeVelocity(state)
        return float(made.getLength(state))

    for at, where in ((0.5, ""), (1.5, " beyond the coordinate's range")):
        slope = (length(at + STEP) - length(at - STEP)) / (2 * STEP)
        length(at)
        if not where:
            yield "moment arm, mm", 1e3 * made.computeMomentArm(state, knee), -1e3 * slope, "-dl/dq of getLength"
        speed = 1e3 * made.getLengtheningSpeed(state)
        yield f"lengthening speed{where}, mm/s", speed, 1e3 * slope, "dl/dq of getLength"


def limit_force_without_stiffness() -> Iterator[Line]:
    """The damping is scaled by stiffness over stiffness."""
    model = osim.Model()
    joint = pin(model, "q", model.getGround(), ZERO, body(model, "rod"))
    force = osim.CoordinateLimitForce("q", 10.0, 0.0, -10.0, 5.0, 0.1, 5.0)
    model.addForce(force)
    state = model.initSystem()
    joint.upd_coordinates(0).setValue(state, 0.0)
    model.realizeDynamics(state)
    yield "force between the limits, N.m", force.calcLimitForce(state), 0.0, "neither limit is reached"


def loop_of_joints() -> Iterator[Line]:
    """A parallelogram that a fourth pin closes, or a PointConstraint; OpenSim cuts the rocker (1 kg, 0.02 kg.m^2)."""
    energies = []
    for speeds in ((1.0, -1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 1.0), (1.0, -1.0, 1.0)):
        model = osim.Model()
        ground = model.getGround()
        crank, coupler, rocker = (body(model, name) for name in ("crank", "coupler", "rocker"))
        pin(model, "q1", ground, ZERO, crank)
        pin(model, "q2", crank, (0.0, -0.3, 0.0), coupler)
        pin(model, "q3", ground, (0.0, -0.5, 0.0), rocker)
        if len(speeds) == 4:
            pin(model, "q4", coupler, (0.0, -0.5, 0.0), rocker, (0.0, -0.3, 0.0))
        else:
            model.addConstraint(osim.PointConstraint(coupler, V(0, -0.5, 0), rocker, V(0, -0.3, 0)))
        state = model.initSystem()
        for number, speed in enumerate(speeds, start=1):
            model.getCoordinateSet().get(f"q{number}").setSpeedValue(state, speed)
        model.realizeVelocity(state)
        energies.append(model.calcKineticEnergy(state))
    yield "kinetic energy, J", energies[0], energies[2], "the loop closed by a PointConstraint"
    central = 2.0 * energies[1] - 0.5 * 0.1**2  # 0.5 kg, 0.1 m from the fourth pin, which alone moves
    yield (
        "central inertia of the cut-off half, kg.m^2",
        central,
        0.01,
        "half of the rocker's; about its origin it has 0.06",
    )


REACTION = """<OpenSimDocument Version="40600"><AnalyzeTool name="tool"><model_file>rod.osim</model_file>
<coordinates_file>rod.sto</coordinates_file><results_directory>.</results_directory>
<initial_time>0</initial_time><final_time>1</final_time><AnalysisSet><objects><JointReaction name="joints">
<forces_file>forces.sto</forces_file>{properties}</JointReaction></objects></AnalysisSet></AnalyzeTool></OpenSimDocument>
"""


def reactions_of_a_pulled_rod(columns: dict[str, str], lost: int | None = None, properties: str = "") -> Array:
    """Times, and what OpenSim's JointReaction gives for the force (y) on a rod of 1 kg that hangs at a pin.

    Two path actuators, "pull" and "other", pull it towards the pin. ``columns`` are the forces of the file at times
    0, 0.1, ..., 1 s; the first of them is NaN in the row ``lost``.
    """
    model = osim.Model()
    model.setName("rod")
    rod = body(model, "rod")
    pin(model, "q", model.getGround(), ZERO, rod)
    for name in ("pull", "other"):
        actuator = osim.PathActuator()
        actuator.setName(name)
        actuator.addNewPathPoint(f"{name}_0", model.getGround(), V(0, 0.1, 0))
        actuator.addNewPathPoint(f"{name}_1", rod, V(0, -0.2, 0))
        model.addForce(actuator)
    model.initSystem()
    rows = [[f"{row / 10}", *columns.values()] for row in range(11)]
    if lost is not None:
        rows[lost][1] = "nan"
    with TemporaryDirectory() as place:
        folder = Path(place)
        model.printToXML(str(folder / "rod.osim"))
        table(folder / "rod.sto", ["q"], [[row[0], "0"] for row in rows])
        table(folder / "forces.sto", list(columns), rows)
        (folder / "setup.xml").write_text(REACTION.format(properties=properties))
        osim.AnalyzeTool(str(folder / "setup.xml")).run()
        found = osim.TimeSeriesTable(str(folder / "tool_joints_ReactionLoads.sto"))
        force = found.getDependentColumn("q_joint_on_rod_in_ground_fy").to_numpy()
        return np.array([found.getIndependentColumn(), force])


def table(path: Path, labels: list[str], rows: list[list[str]]) -> None:
    """Write a file of OpenSim's format."""
    head = f"forces\nversion=1\nnRows={len(rows)}\nnColumns={len(labels) + 1}\ninDegrees=no\nendheader\n"
    path.write_text(head + "\n".join("\t".join(row) for row in [["time", *labels], *rows]) + "\n")


def joint_reaction_and_its_file_of_forces() -> Iterator[Line]:
    """JointReaction: a NaN in the file, a column less than actuators, a column more, properties that change nothing."""
    weight, whole = 9.80665, {"pull": "10", "other": "0"}
    _times, force = reactions_of_a_pulled_rod(whole)
    yield "force on the rod at 1 s, N", force[-1], weight - 10.0, "weight less the pull"
    _times, force = reactions_of_a_pulled_rod(whole, lost=5)
    yield "the same, the pull NaN at 0.5 s, N", force[-1], weight - 10.0, "weight less the pull, which is known at 1 s"
    _times, force = reactions_of_a_pulled_rod({"pull": "10"})
    yield "the same, without the column of an idle actuator, N", force[-1], weight - 10.0, "weight less the pull"
    _times, force = reactions_of_a_pulled_rod({"of_no_actuator": "0", "other": "0", "pull": "10"})
    yield "the same, a column of no actuator before the others, N", force[-1], weight - 10.0, "weight less the pull"
    times, _force = reactions_of_a_pulled_rod(whole, properties="<start_time>0.5</start_time>")
    yield "first time with start_time 0.5, s", times[0], 0.5, "the property"
    times, _force = reactions_of_a_pulled_rod(whole, properties="<end_time>0.5</end_time>")
    yield "last time with end_time 0.5, s", times[-1], 0.5, "the property"


FAULTS: tuple[Callable[[], Iterator[Line]], ...] = (
    one_coordinate_turns_several_axes, constant_rotation_before_a_turning_axis, reaction_of_a_reversed_joint,
    path_over_one_cylinder, sphere_beyond_half_a_turn, nearest_point_of_a_ring, moving_point_beside_a_fixed_one,
    limit_force_without_stiffness, loop_of_joints, joint_reaction_and_its_file_of_forces,
)  # fmt: skip


def main() -> None:
    print(f"OpenSim {osim.GetVersion()}")
    for fault in FAULTS:
        print(f"\n{fault.__name__.replace('_', ' ')}")
        for what, opensim, right, judge in fault():
            print(f"  {what:62} OpenSim {opensim:12.6f}   right {right:12.6f}   ({judge})")


if __name__ == "__main__":
    main()
