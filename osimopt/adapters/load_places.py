"""Warnings about external forces that act beside the foot, or other part, to which their file applies them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..multibody.description import Multibody
from ..multibody.kinematics import Posture, posture
from ..multibody.layout import layout
from ..multibody.vectors import apply, apply_transposed, cross
from ..paths.description import Paths
from ..problem.arrays import Array, Index, Kinematics
from ..solution.checks import BESIDE, SOLE, percent
from .load_arrays import measured_loads
from .loads import LOADS, ExternalLoads, acting_forces, columns_of
from .model import read_xml

#: Frames that are looked at: postures of 1000 take 0.1 s.
MOST = 1000
#: Points that say how large a part of the body is.
FEWEST = 4
#: Steps of the search for the point of a line that is nearest to a box, each of which makes an interval 0.62 times
#: as long: 4 m become 1e-6 m.
STEPS, GOLDEN = 32, 0.5 * (np.sqrt(5.0) - 1.0)


def forces_beside(motion: Kinematics, multibody: Multibody, paths: Paths, loads: ExternalLoads) -> list[str]:
    """Warnings about forces that act farther than SOLE outside of a foot: by more than BESIDE times peak over force.

    A foot, or another part, is the box around the points that the model has on the body and on those beyond it, in the
    body's axes. Bodies with none beyond are not judged: how far they reach is not known.
    ``loads`` are those of the file: filtered ones start before a foot lands, and end after it has left.
    """
    if multibody.gaps("joint"):  # places in ground are not known
        return []
    time, value, sampled = _common(motion, loads)
    at, points, texts = posture(multibody, value), _points(multibody, paths), list[str]()
    given = measured_loads(sampled, multibody.tree.bodies, time)
    forces = acting_forces(read_xml(loads.rewritten or loads.path, *LOADS))
    for number, (element, body) in enumerate(zip(forces, given.body.tolist(), strict=True)):
        beyond = np.flatnonzero(layout(multibody).subtree[body])
        own = [(part, place) for part in beyond.tolist() for place in points[part]]
        force = apply(at.rotations[given.frame[number]], given.force[number])
        size = np.linalg.norm(force, axis=0)
        known = {"force", "point"} <= columns_of(element).keys() and size.any()
        if body == 0 or len(beyond) < 2 or len(own) < FEWEST or not known:
            continue
        torque = apply(at.rotations[given.frame[number]], given.torque[number])
        place = at.positions[given.place[number]] + apply(at.rotations[given.place[number]], given.point[number])
        lines = [force, np.broadcast_to(multibody.gravity[:, None], force.shape)]
        off = _outside(at, body, _box(at, body, own), _on_axis(place, force, torque), lines)
        share = size / size.max()
        weighted = np.maximum(off - SOLE, 0.0) * share
        over, worst = time[weighted > BESIDE], int(weighted.argmax())
        if len(over):
            texts.append(
                f"ExternalForce '{element.get('name')}' acts {1e3 * off[worst]:.0f} mm outside of "
                f"'{multibody.tree.bodies[body]}' at {time[worst]:.4g} s, where it is {percent(share[worst])} of its "
                f"peak, and in {len(over)} of {len(time)} frames ({over[0]:.4g} to {over[-1]:.4g} s) farther than "
                "sole and plate explain. A second foot on the plate, another clock or a displaced plate do that; the "
                "joint moments there are not those of this foot alone."
            )
    return texts


def _common(motion: Kinematics, loads: ExternalLoads) -> tuple[Array, Array, ExternalLoads]:
    """Times (T,), at most MOST, and values (T, N) of a motion; loads of the rows at these times, not interpolated."""
    rows = loads.table.index.to_numpy(dtype=float)
    nearest = np.unique(_nearest(rows, motion.time[:: -(-len(motion.time) // MOST)]))
    values = motion.value[_nearest(motion.time, rows[nearest])]
    return rows[nearest], values, replace(loads, table=loads.table.rows(nearest))


def _nearest(among: Array, wanted: Array) -> Index:
    """Numbers of the values, of some that increase, which are nearest to those that are wanted."""
    right = np.clip(np.searchsorted(among, wanted), 1, max(1, len(among) - 1))
    return np.where(wanted - among[right - 1] <= among[right] - wanted, right - 1, right)


def _points(multibody: Multibody, paths: Paths) -> list[list[Array]]:
    """Points (3,) in m that a model has on each body: of joints, paths, wrap objects and forces."""
    tree, points = multibody.tree, [list[Array]() for _ in multibody.tree.bodies]
    for body in range(1, len(points)):
        points[body].append(tree.outboard[body, :3, 3])
        points[tree.parent[body]].append(tree.inboard[body, :3, 3])
    for path in (*paths.muscles, *paths.others):
        for body, place, mover in [] if path is None else zip(path.body, path.place, path.mover, strict=True):
            if (mover < 0).all():
                points[body].append(place)
    for one in paths.objects:
        points[one.body].append(one.frame[:3, 3])
    for law in multibody.forces:
        for body, frame in zip(law.bodies, law.frames, strict=True):
            points[body].append(frame[:3, 3])
    return points


def _on_axis(place: Array, force: Array, torque: Array) -> Array:
    """The point (3, T) of a wrench's central axis that is nearest to the place about which its torque is."""
    return np.asarray(place + cross(force, torque) / np.maximum(np.sum(force**2, axis=0), np.finfo(float).tiny))


def _box(at: Posture, body: int, points: list[tuple[int, Array]]) -> tuple[Array, Array]:
    """Least and greatest places (3, T) in the axes of a body, of points on it and on others."""
    ground = [at.positions[part] + np.einsum("ijt,j->it", at.rotations[part], place) for part, place in points]
    places = [apply_transposed(at.rotations[body], place - at.positions[body]) for place in ground]
    return np.min(places, axis=0), np.max(places, axis=0)


def _outside(at: Posture, body: int, box: tuple[Array, Array], place: Array, lines: list[Array]) -> Array:
    """Distance (T,) in m of lines through a place from a box in the axes of a body: the least of several directions.

    That of the force moves it without a change; the vertical, since soles are below the points of a foot.
    """
    start = apply_transposed(at.rotations[body], place - at.positions[body])
    apart = [_distance(start, apply_transposed(at.rotations[body], line), *box) for line in lines]
    return np.asarray(np.min(apart, axis=0))


def _distance(start: Array, line: Array, low: Array, high: Array) -> Array:
    """Distance (T,) of lines from boxes: that of a point is convex along the line; zero lines are points."""
    along = line / np.maximum(np.linalg.norm(line, axis=0), np.finfo(float).tiny)

    def off(at: Array) -> Array:
        point = start + at * along
        return np.asarray(np.linalg.norm(np.maximum(np.maximum(low - point, point - high), 0.0), axis=0))

    middle, half = 0.5 * (low + high), 0.5 * np.linalg.norm(high - low, axis=0)
    center = np.sum((middle - start) * along, axis=0)
    reach = half + np.linalg.norm(start + center * along - middle, axis=0)
    first, last = center - reach, center + reach
    for _ in range(STEPS):
        one, other = last - GOLDEN * (last - first), first + GOLDEN * (last - first)
        left = off(one) <= off(other)
        first, last = np.where(left, first, one), np.where(left, other, last)
    return off(0.5 * (first + last))
