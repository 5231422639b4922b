"""Paths over one ellipsoid, torus or cylinder against OpenSim's own, and against its geodesics, at random points.

usage: python scripts/benchmarks/wrap_judges.py [--pairs 40] [--chains 20]

The start is fixed in ground, the end on a body that is moved. The judge is OpenSim's Scholz2015GeometryPath over the
same object, with a contact hint on the side of osimopt's path. Printed per kind: the largest difference of the length,
in m, and of the pull, in m of lengthening per m of the end's motion (central differences of the judge's length); and
how WrapCylinder, WrapEllipsoid and WrapTorus differ. Ellipsoids are also compared with the shortest chains of points
(tests/path_chain.py).
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim
from numpy.typing import NDArray

from osimopt.paths.contact import Touch
from osimopt.paths.wraps import WRAPS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

Array = NDArray[np.float64]
osim.Logger.setLevelString("off")
#: m: step of the central differences.
STEP = 1e-5


def vec(values: Array) -> Any:
    return osim.Vec3(*map(float, values))


def scene(kind: str, size: Array, start: Array, quadrant: str = "all") -> tuple[Any, Any]:
    """A model with an object at ground's origin, and a body with the end; muscle 0 has OpenSim's wrap."""
    model = osim.Model()
    body = osim.Body("end", 1.0, osim.Vec3(0), osim.Inertia(1.0))
    model.addBody(body)
    model.addJoint(osim.FreeJoint("free", model.getGround(), body))
    made = {
        "ellipsoid": osim.WrapEllipsoid, "torus": osim.WrapTorus, "cylinder": osim.WrapCylinder,
    }  # fmt: skip
    wrap = made[kind]()
    wrap.setName("wrap")
    wrap.set_quadrant(quadrant)
    if kind == "ellipsoid":
        wrap.set_dimensions(vec(size))
    elif kind == "torus":
        wrap.set_inner_radius(float(size[0]))
        wrap.set_outer_radius(float(size[1]))
    else:
        wrap.set_radius(float(size[0]))
        wrap.set_length(float(size[1]))
    model.updGround().addWrapObject(wrap)
    muscle = osim.Millard2012EquilibriumMuscle("muscle", 100.0, 0.1, 0.1, 0.0)
    muscle.addNewPathPoint("start", model.updGround(), vec(start))
    muscle.addNewPathPoint("finish", body, osim.Vec3(0))
    muscle.updGeometryPath().addPathWrap(model.updGround().getWrapObject("wrap"))
    model.addForce(muscle)
    return model, body


def add_judge(model: Any, body: Any, kind: str, size: Array, start: Array, hint: Array) -> Any:
    """A spring along a Scholz2015GeometryPath over the same object."""
    ground, zero = model.updGround(), osim.Vec3(0)
    if kind == "ellipsoid":
        obstacle = osim.ContactEllipsoid(vec(size), zero, zero, ground)
    elif kind == "torus":
        obstacle = osim.ContactTorus(float(size[1]), float(size[0]), zero, zero, ground)
    else:
        obstacle = osim.ContactCylinder(float(size[0]), zero, zero, ground)
    obstacle.setName("obstacle")
    model.addComponent(obstacle)
    spring = osim.PathSpring()
    spring.setRestingLength(0.1)
    spring.setStiffness(10.0)
    spring.setDissipation(0.1)
    spring.set_path(osim.Scholz2015GeometryPath())
    model.addComponent(spring)
    path = osim.Scholz2015GeometryPath.safeDownCast(spring.updPath())
    path.appendPathPoint(ground, vec(start))
    path.appendObstacle(obstacle, vec(hint))
    path.appendPathPoint(body, zero)
    return spring


def put(model: Any, state: Any, place: Array) -> None:
    for axis, value in enumerate(place):
        model.getCoordinateSet().get(f"free_coord_{axis + 3}").setValue(state, float(value), False)
    model.realizePosition(state)


def total(start: Array, end: Array, contact: Touch) -> Array:
    straight = np.linalg.norm(end - start, axis=0)
    over = np.linalg.norm(contact.first - start, axis=0) + contact.arc + np.linalg.norm(contact.last - end, axis=0)
    return np.where(contact.on, over, straight)


def compare(kind: str, size: Array, start: Array, end: Array, contact: Touch) -> list[float]:
    """Differences of one pair: of the judge's length and pull, of OpenSim's wrap's length and pull."""
    model, body = scene(kind, size, start)
    spring = add_judge(model, body, kind, size, start, 0.5 * (contact.first[:, 0] + contact.last[:, 0]))
    for axis in range(3):  # the judge wants both points outside of the obstacle from the start
        model.getCoordinateSet().get(f"free_coord_{axis + 3}").setDefaultValue(float(end[axis, 0]))
    model.finalizeConnections()
    state = model.initSystem()
    muscle = model.getMuscles().get(0)
    here = [spring.updPath().getLength, muscle.getLength]
    put(model, state, end[:, 0])
    own = total(start[:, None], end, contact)[0]
    lengths = [get(state) for get in here]
    slopes = np.zeros((2, 3))
    for axis in range(3):
        for side in (1, -1):
            moved = end[:, 0] + side * STEP * np.eye(3)[axis]
            put(model, state, moved)
            slopes[:, axis] += [side * get(state) / (2 * STEP) for get in here]
    pull = (end - contact.last)[:, 0] / np.linalg.norm(end - contact.last)
    apart = [float(np.max(np.abs(slope - pull))) for slope in slopes]
    return [abs(lengths[0] - own), apart[0], abs(lengths[1] - own), apart[1]]


def random_pairs(kind: str, count: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Points around an object of each pair: through the ring of a torus."""
    if kind == "torus":
        size = np.stack([rng.uniform(0.005, 0.012, count), rng.uniform(0.03, 0.05, count)])
        start, end = (rng.uniform(-0.06, 0.06, (3, count)) for _ in range(2))
        start[2], end[2] = rng.uniform(0.03, 0.1, count), -rng.uniform(0.03, 0.1, count)
        return size, start, end
    if kind == "cylinder":
        size = np.stack([rng.uniform(0.01, 0.04, count), np.full(count, 1.0)])
        radii = np.stack([size[0], size[0], size[0]])
    else:
        size = radii = 0.03 * np.exp(rng.uniform(-0.5, 0.5, (3, count)) * np.log(2.5))
    points = []
    for _ in range(2):
        point = rng.normal(size=(3, count))
        points.append(radii * point / np.linalg.norm(point[:2], axis=0) * rng.uniform(1.1, 3.0, count))
    return size, points[0], points[1]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--pairs", type=int, default=40)
    arguments.add_argument("--chains", type=int, default=20)
    options = arguments.parse_args()
    print("kind       pairs | judge: length    pull | OpenSim's wrap: length  median  |  pull    median | not found")
    for kind in ("cylinder", "ellipsoid", "torus"):
        size, start, end = random_pairs(kind, 40 * options.pairs, np.random.default_rng(0))
        free = np.zeros(size.shape[1], dtype=int)
        contact = WRAPS[kind](start, end, size, free, free)
        missing = int(np.sum(contact.on & np.isnan(contact.arc)))
        rows = []
        for pair in np.flatnonzero(contact.on & ~np.isnan(contact.arc))[: options.pairs]:
            columns = [getattr(contact, one.name)[..., [pair]] for one in fields(contact)]
            rows.append(compare(kind, size[:, pair], start[:, pair], end[:, [pair]], Touch(*columns)))
        table = np.array(rows)
        most, middle = table.max(axis=0), np.median(table, axis=0)
        print(
            f"{kind:10} {len(rows):5} |      {most[0]:9.1e} {most[1]:7.1e} |"
            f"               {most[2]:9.1e} {middle[2]:7.1e} | {most[3]:7.1e} {middle[3]:7.1e} |"
            f" {missing} of {np.sum(contact.on)}"
        )
    quadrants(options.pairs)
    chains(options.chains)


def quadrants(count: int) -> None:
    """Lengths over ellipsoids with a quadrant, beside OpenSim's, which are held on the quadrant's border."""
    size, start, end = random_pairs("ellipsoid", 20 * count, np.random.default_rng(2))
    rng = np.random.default_rng(3)
    axis, sign = rng.integers(0, 3, size.shape[1]), rng.choice([-1, 1], size.shape[1])
    contact = WRAPS["ellipsoid"](start, end, size, axis, sign)
    own, longer = total(start, end, contact), []
    for pair in np.flatnonzero(contact.on)[: 2 * count]:
        model, _ = scene("ellipsoid", size[:, pair], start[:, pair], "+-"[int(sign[pair] < 0)] + "xyz"[axis[pair]])
        state = model.initSystem()
        put(model, state, end[:, pair])
        longer.append(model.getMuscles().get(0).getLength(state) - own[pair])
    ranks = np.nanquantile(longer, [0.0, 0.05, 0.5, 0.95, 1.0])
    print("ellipsoids with quadrants, OpenSim longer by, quantiles 0, 5, 50, 95, 100 %:", *(f"{m:9.1e}" for m in ranks))
    print(f"    osimopt has NaN in {np.sum(np.isnan(own))}, OpenSim in {np.sum(np.isnan(longer))} of {len(longer)}")


def chains(count: int) -> None:
    """The largest difference to the shortest chain of points, over ellipsoids."""
    from path_chain import shortest_on_ellipsoid

    size, start, end = random_pairs("ellipsoid", 10 * count, np.random.default_rng(1))
    free = np.zeros(size.shape[1], dtype=int)
    contact = WRAPS["ellipsoid"](start, end, size, free, free)
    middles = (contact.first + contact.last) / size
    lengths, worst = total(start, end, contact), 0.0
    for pair in np.flatnonzero(contact.on)[:count]:
        middle = middles[:, pair] / np.linalg.norm(middles[:, pair])
        chain = shortest_on_ellipsoid(start[:, pair], end[:, pair], size[:, pair], middle)
        worst = max(worst, abs(chain - lengths[pair]))
    print(f"ellipsoids against chains of points, {count} pairs: {worst:.1e} m")


if __name__ == "__main__":
    main()
