"""All muscle paths of models in random postures within the coordinates' ranges, against OpenSim's GeometryPath.

usage: python scripts/benchmarks/paths_against_opensim.py MODEL.osim... [--postures 1000] [--arms 50]

Printed per model and kinds of objects: postures without a length (named), postures where another set of objects is
touched, and by how much, in mm, lengths are shorter and longer than OpenSim's. Over one cylinder OpenSim's path is not
tangent, hence longer. Over several, its length is also compared as it is through its own points (straight parts and
helices), and its moment arms of a tension, for as many postures as --arms says.
"""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim
from numpy.typing import NDArray

from osimopt.adapters.mechanics import read_described
from osimopt.adapters.model import identify
from osimopt.multibody.description import Multibody
from osimopt.multibody.functions import evaluate
from osimopt.multibody.kinematics import posture
from osimopt.paths.arms import Arms, moment_arms
from osimopt.paths.arrangement import Arrangement, arrange
from osimopt.paths.solve import lengths, solve_paths

Array = NDArray[Any]
osim.Logger.setLevelString("off")


class Judge:
    """OpenSim's model."""

    def __init__(self, path: Path) -> None:
        self.model = osim.Model(str(path))
        self.state = self.model.initSystem()
        self.coordinates = list(self.model.getCoordinateSet())
        self.paths = [osim.GeometryPath.safeDownCast(one.getPath()) for one in self.model.getMuscles()]
        for one in self.coordinates:
            one.setLocked(self.state, False)
            one.setIsPrescribed(self.state, False)

    def postures(self, multibody: Multibody, count: int) -> Array:
        """Random values (T, N) within the ranges; coupled coordinates follow."""
        low = np.array([one.getRangeMin() for one in self.coordinates])
        high = np.array([one.getRangeMax() for one in self.coordinates])
        value = np.random.default_rng(5).uniform(low, high, (count, len(low)))
        for one in multibody.couplers:
            function = np.array([one.function], dtype=np.intp)
            value[:, one.dependent] = (
                one.scale * evaluate(multibody.functions, function, value[None, :, one.independent])[0][0]
            )
        return value

    def bend(self, value: Array) -> None:
        """Take on a posture (N,)."""
        for one, angle in zip(self.coordinates, value.tolist(), strict=True):
            one.setValue(self.state, angle, False)
        self.model.realizePosition(self.state)

    def points(self, row: int) -> list[Any]:
        """The points of the path that a muscle takes."""
        found = self.paths[row].getCurrentPath(self.state)
        return [found.get(i) for i in range(found.getSize())]

    def touched(self, row: int) -> int:
        """Over how many objects it turns."""
        return sum(point.getWrapObject() is not None for point in self.points(row)) // 2

    def through_points(self, row: int) -> float:
        """Length of straight parts, and of the shorter helices between two points on one cylinder."""
        total = 0.0
        for one, two in pairwise(self.points(row)):
            ends = [point.getLocationInGround(self.state).to_numpy() for point in (one, two)]
            wrap, other = one.getWrapObject(), two.getWrapObject()
            if wrap is None or other is None or wrap.getAbsolutePathString() != other.getAbsolutePathString():
                total += float(np.linalg.norm(ends[0] - ends[1]))
                continue
            cylinder = osim.WrapCylinder.safeDownCast(wrap)
            if cylinder is None:
                return float("nan")
            first, last = (self.within(wrap, end) for end in ends)
            turn = (np.arctan2(last[1], last[0]) - np.arctan2(first[1], first[0]) + np.pi) % (2.0 * np.pi) - np.pi
            total += float(np.hypot(cylinder.get_radius() * turn, last[2] - first[2]))
        return total

    def within(self, wrap: Any, place: Array) -> Array:
        """A place of ground in the frame of an object."""
        for transform in (wrap.getFrame().getTransformInGround(self.state), wrap.getTransform()):
            rotation = np.array([[transform.R().get(i, j) for j in range(3)] for i in range(3)])
            place = rotation.T @ (place - transform.p().to_numpy())
        return place


def compare(path: Path, count: int, arms: int) -> None:
    whole = read_described(identify(path))
    multibody, described = whole.multibody, whole.paths
    arrangement, judge = arrange(described, [one for one in described.muscles if one]), Judge(path)
    names = [one.getName() for one in judge.model.getMuscles()]
    rows = [names.index(name) for name in arrangement.names]
    value = judge.postures(multibody, count)
    there = posture(multibody, value)
    strands = solve_paths(arrangement, there)
    ours = lengths(arrangement, strands)
    theirs, touched, through = np.full((3, *ours.shape), np.nan)
    for frame, angles in enumerate(value):
        judge.bend(angles)
        for column, row in enumerate(rows):
            theirs[frame, column] = judge.paths[row].getLength(judge.state)
            touched[frame, column] = judge.touched(row)
            if touched[frame, column] > 1:
                through[frame, column] = judge.through_points(row)
    print(f"{path.name}: {len(rows)} muscles, {count} postures")
    own = np.zeros(ours.shape)
    kinds = [""] * len(rows)
    for one in strands:
        own[:, one.bundle.rows] = one.touched.sum(axis=0).T
        for row in one.bundle.rows:
            kinds[row] = " ".join(one.bundle.kinds) or "points only"
    for kind in sorted(set(kinds)):
        column = np.array(kinds) == kind
        report(kind, arrangement, column, ours, theirs, own, touched)
    several = (touched > 1) & np.isfinite(through)
    if several.any():
        print(
            f"  several touched: {several.sum()} postures, through OpenSim's points", spread((ours - through)[several])
        )
        compare_arms(judge, rows, moment_arms(arrangement, strands, there), value, several, arms)


def report(
    kind: str, arrangement: Arrangement, column: Array, ours: Array, theirs: Array, own: Array, touched: Array
) -> None:
    lost, other = np.isnan(ours) & column, (own != touched) & column & np.isfinite(ours)
    kept = column & np.isfinite(ours) & (own == touched)
    print(
        f"  {kind}: {column.sum()} muscles, no length {lost.sum()}, touched differ {other.sum()}",
        spread((ours - theirs)[kept]),
    )
    for name, found in (("no length", lost), ("touched differ", other)):
        for row in np.flatnonzero(found.any(axis=0)):
            frames = np.flatnonzero(found[:, row])
            print(f"    {name}: {arrangement.names[row]} in {len(frames)} postures, first {frames[0]}")


def spread(difference: Array) -> str:
    return f"difference {1e3 * difference.min():.6f} to {1e3 * difference.max():.6f} mm"


def compare_arms(judge: Judge, rows: list[int], found: Arms, value: Array, several: Array, count: int) -> None:
    """Moment arms of a tension, in ``count`` postures where OpenSim turns over several objects."""
    worst = 0.0
    for frame in np.flatnonzero(several.any(axis=1))[:count]:
        judge.bend(value[frame])
        for column in np.flatnonzero(several[frame]):
            for pair in np.flatnonzero(found.path == column):
                coordinate = judge.coordinates[found.coordinate[pair]]
                arm = judge.paths[rows[column]].computeMomentArm(judge.state, coordinate)
                worst = max(worst, abs(arm - float(found.value[pair, frame])))
    print(f"  several touched: moment arms of OpenSim's tension within {1e3 * worst:.4f} mm, or mm per m")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--postures", type=int, default=1000)
    parser.add_argument("--arms", type=int, default=50)
    wanted = parser.parse_args()
    for model in wanted.models:
        compare(model, wanted.postures, wanted.arms)


if __name__ == "__main__":
    main()
