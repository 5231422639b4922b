"""A muscle over two cylinders: OpenSim's length is of points that have moved since. Writes a figure and a table.

usage: python scripts/two_wraps.py [FIGURE.png]

Every number of the model is invented. Over the knee angle: GeometryPath's length and its slope; the same with each wrap
point's place in ground computed anew from its place in its body; OpenSim's Scholz2015GeometryPath over the same
cylinders; osimopt's path; and the moment arm of a tension (computeMomentArm). See docs/opensim_path_lengths.md.
"""

import sys
from typing import Any

import numpy as np
import opensim as osim
from numpy.typing import NDArray

from osimopt.paths.several_wraps import settle
from osimopt.paths.turns import Obstacle

Array = NDArray[np.float64]
osim.Logger.setLevelString("off")
KNEE = np.array([0.0, -0.4, 0.0])
ORIGIN, INSERTION = np.array([0.005, -0.355, -0.02]), np.array([-0.045, -0.42, 0.01])  # thigh (ground), shank
#: Name: on the shank?, radius, center, angles about body-fixed x, y, z, quadrant.
CYLINDERS: dict[str, tuple[bool, float, Array, Array, str]] = {
    "lower": (True, 0.055, np.array([0.012, -0.085, 0.0]), np.array([0.10, 0.15, 0.0]), "-x"),
    "upper": (False, 0.03, KNEE, np.array([0.0, 0.0, 0.0]), "all"),
}
ANGLES = np.radians(np.arange(-60.0, 0.1, 1.0))
STEP = 1e-4


def vec(values: Array) -> Any:
    return osim.Vec3(*map(float, values))


def array(vector: Any) -> Array:
    return np.array([vector.get(k) for k in range(3)])


def model_with(judge: bool) -> tuple[Any, Any]:
    """The model, and its muscle or, with Scholz2015GeometryPath, its spring."""
    model = osim.Model()
    ground, shank = model.updGround(), osim.Body("shank", 3.0, osim.Vec3(0, -0.2, 0), osim.Inertia(0.05, 0.005, 0.05))
    model.addBody(shank)
    zero = osim.Vec3(0)
    knee = osim.PinJoint("knee", ground, vec(KNEE), zero, shank, zero, zero)
    knee.updCoordinate().setName("knee")
    model.addJoint(knee)
    if judge:
        spring = osim.PathSpring("spring", 0.3, 10.0, 0.1)
        spring.set_path(osim.Scholz2015GeometryPath())
        model.addComponent(spring)
        path = osim.Scholz2015GeometryPath.safeDownCast(spring.updPath())
        path.appendPathPoint(ground, vec(ORIGIN))
        for name in ("upper", "lower"):
            below, radius, place, turn, _ = CYLINDERS[name]
            surface = osim.ContactCylinder(radius, vec(place), vec(turn), shank if below else ground, name)
            model.addContactGeometry(surface)
            path.appendObstacle(surface, osim.Vec3(-radius, 0, 0))
        path.appendPathPoint(shank, vec(INSERTION))
        return model, spring
    muscle = osim.Millard2012EquilibriumMuscle("muscle", 1000.0, 0.06, 0.4, 0.0)
    muscle.addNewPathPoint("origin", ground, vec(ORIGIN))
    muscle.addNewPathPoint("insertion", shank, vec(INSERTION))
    for name, (below, radius, place, turn, quadrant) in CYLINDERS.items():
        wrap = osim.WrapCylinder()
        wrap.setName(name)
        wrap.set_radius(radius)
        wrap.set_length(0.2)
        wrap.set_translation(vec(place))
        wrap.set_xyz_body_rotation(vec(turn))
        wrap.set_quadrant(quadrant)
        (shank if below else ground).addWrapObject(wrap)
        muscle.updGeometryPath().addPathWrap((shank if below else ground).getWrapObject(name))
    model.addForce(muscle)
    return model, muscle


def fresh_length(state: Any, path: Any) -> tuple[float, float]:
    """OpenSim's length with places in ground computed anew, and the farthest, in m, from where OpenSim takes them."""
    points, total, farthest, before, over = path.getCurrentPath(state), 0.0, 0.0, np.zeros(3), ""
    for index in range(points.getSize()):
        point = points.get(index)
        place = array(point.getParentFrame().findStationLocationInGround(state, point.getLocation(state)))
        farthest = max(farthest, float(np.linalg.norm(place - array(point.getLocationInGround(state)))))
        wrap = osim.PathWrapPoint.safeDownCast(point)
        name = "" if wrap is None else wrap.getWrapObject().getName()
        if index:
            total += wrap.getWrapLength(state) if name and name == over else float(np.linalg.norm(place - before))
        before, over = place, name
    return total, farthest


def opensim_columns(angles: Array) -> dict[str, Array]:
    """Lengths (n,) m and moment arms (n,) m that OpenSim's two kinds of path say."""
    (model, muscle), (twin, spring) = model_with(judge=False), model_with(judge=True)
    state, other = model.initSystem(), twin.initSystem()
    knee, path = model.getCoordinateSet().get(0), osim.GeometryPath.safeDownCast(muscle.getPath())
    rows = []
    for angle in angles:
        knee.setValue(state, float(angle))
        model.realizePosition(state)
        length = muscle.getLength(state)
        fresh, moved = fresh_length(state, path)
        twin.getCoordinateSet().get(0).setValue(other, float(angle))
        twin.realizePosition(other)
        judge = spring.updPath().getLength(other)
        rows.append([length, fresh, judge, moved, muscle.computeMomentArm(state, knee)])
    names = ("GeometryPath", "points computed anew", "Scholz2015", "moved", "tension")
    return dict(zip(names, np.array(rows).T, strict=True))


def own_lengths(angles: Array) -> Array:
    """Osimopt's lengths (n,), tangent to both cylinders."""
    count = len(angles)
    cosine, sine, zero, one = np.cos(angles), np.sin(angles), 0 * angles, 1 + 0 * angles
    shank = np.array([[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]])
    obstacles = []
    for below, radius, place, turn, quadrant in CYLINDERS.values():
        rotation = array_of(turn)
        frame, center = rotation[:, :, None] + zero, place[:, None] + zero
        if below:
            frame = np.einsum("ijn,jkn->ikn", shank, frame)
            center = KNEE[:, None] + np.einsum("ijn,jn->in", shank, center)
        size = np.array([radius, 0.2, 0.0])[:, None] * np.ones(count)
        axis, sign = np.zeros(count, dtype=int), np.full(count, 0 if quadrant == "all" else -1)
        obstacles.append(Obstacle("cylinder", frame, center, size, axis, sign, np.ones((1, count), dtype=bool)))
    end = KNEE[:, None] + np.einsum("ijn,j->in", shank, INSERTION)
    points = np.stack([np.repeat(ORIGIN[:, None], count, axis=1), end], axis=1)
    turns, settled, _ = settle(obstacles, points)
    assert np.all(settled)
    lower, upper = turns
    nodes = [(points[:, 0], points[:, 0], zero)]
    nodes += [(turn.first, turn.last, turn.arc) for turn in (upper, lower)]
    total, before = 0 * angles, nodes[0][1]
    for turn, (first, last, arc) in zip((upper, lower), nodes[1:], strict=True):
        total = total + np.where(turn.on, np.linalg.norm(first - before, axis=0) + arc, 0.0)
        before = np.where(turn.on, last, before)
    return total + np.linalg.norm(end - before, axis=0)


def array_of(angles: Array) -> Array:
    """The matrix of a rotation about body-fixed x, y, z."""
    x, y, z = (
        np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])[np.ix_(order, order)]
        for a, order in zip(angles, ([0, 1, 2], [2, 0, 1], [1, 2, 0]), strict=True)
    )
    return x @ y @ z


def main() -> None:
    columns, there, back = (opensim_columns(ANGLES + shift) for shift in (0.0, STEP, -STEP))
    for values, shift in ((columns, 0.0), (there, STEP), (back, -STEP)):
        values["osimopt"] = own_lengths(ANGLES + shift)
    kinds = ("GeometryPath", "points computed anew", "Scholz2015", "osimopt")
    arms = {kind: -(there[kind] - back[kind]) / (2 * STEP) for kind in kinds}
    print(
        "knee | length - Scholz2015's, mm: GeometryPath   anew  osimopt | moved, mm | moment arm, mm:",
        *kinds,
        "tension",
    )
    for row in range(0, len(ANGLES), 5):
        apart = [1e3 * (columns[kind] - columns["Scholz2015"])[row] for kind in (kinds[0], kinds[1], kinds[3])]
        numbers = [1e3 * arms[kind][row] for kind in kinds] + [1e3 * columns["tension"][row]]
        print(
            f"{np.degrees(ANGLES[row]):4.0f} |", *(f"{value:12.5f}" for value in apart),
            f"| {1e3 * columns['moved'][row]:6.3f} |", *(f"{value:9.4f}" for value in numbers),
        )  # fmt: skip
    if len(sys.argv) > 1:
        draw(sys.argv[1], columns, arms)


def draw(file: str, columns: dict[str, Array], arms: dict[str, Array]) -> None:
    """Length and moment arm over the knee angle."""
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    styles = {"GeometryPath": "C3-", "points computed anew": "C0-", "Scholz2015": "k--", "osimopt": "C2:"}
    degrees = np.degrees(ANGLES)
    for kind, style in styles.items():
        left.plot(degrees, 1e3 * columns[kind], style, label=kind, linewidth=2)
        right.plot(degrees, 1e3 * arms[kind], style, label=f"-dl/dq, {kind}", linewidth=2)
    right.plot(degrees, 1e3 * columns["tension"], "C1-", label="computeMomentArm", linewidth=1)
    left.set(xlabel="knee angle (degrees)", ylabel="length (mm)")
    right.set(xlabel="knee angle (degrees)", ylabel="moment arm (mm)", ylim=(-40, 10))
    left.legend(fontsize="small")
    right.legend(fontsize="small")
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()
