"""Millard2012EquilibriumMuscle: its curves, quintic Bézier corners between straight ends, from the model's properties.

Lengths are normalised by the optimal fibre length (fibre) or the slack length (tendon), forces by the maximum
isometric force, speeds by the maximum contraction velocity (positive while lengthening).
Parameters carry OpenSim's property names, (M,) each.

A corner bends from one line to another. Of its six control points the second and third coincide, and the fourth and
fifth; in Bernstein form every term is then positive and nothing cancels. A curve is y(x) through a parameter u, so that
x is inverted: by Newton's method from a table, in a bracket. OpenSim's SegmentedQuinticBezierToolkit inverts to 2e-14.

Millard M, Uchida T, Seth A, Delp SL. Flexing computational muscle: modeling and simulation of musculotendon dynamics.
J Biomech Eng 135(2), 021005, 2013. doi:10.1115/1.4023390 (corners: its appendix). Where the corners lie is not in the
paper: they are those of OpenSim's SmoothSegmentedFunctionFactory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from ..namespace import Tensor, alike, detached, namespace, true_rows
from ..problem.arrays import Index
from .muscle_class import Array, Multiplier, MuscleClass, Properties, Values, newton_step

#: Half the width of the plateau of the active curve, in optimal fibre lengths.
_PLATEAU = 0.05
#: Speeds next to the fastest at which the force–velocity curve has its slopes "near vmax".
_NEAR = 0.9
#: Cells of u in the table: linear interpolation is accurate to 1e-3, then a Halley and a Newton step follow.
_CELLS = 32
#: A smaller step in u ends the search: its square is below rounding.
_LAST_STEP = 1e-8
#: Bisection alone would need 48 from a cell of the table.
_MOST_STEPS = 60
#: Elements per block with NumPy, small enough for the processor's cache.
_CHUNK = 8192


@dataclass(frozen=True, eq=False)
class BezierCurves:
    """One curve y(x) of S corners for each of M muscles.

    ``x`` and ``y`` (M, S, 4) are the distinct control points, ``first_slope`` and ``last_slope`` (M,) the slopes of the
    straight ends.
    """

    x: Values
    y: Values
    first_slope: Values
    last_slope: Values

    @cached_property
    def table(self) -> Tensor:
        """Abscissa at the cell bounds of every corner, (M, S · cells + 1)."""
        xp = namespace(self.x)
        u = alike(np.linspace(0.0, 1.0, _CELLS + 1)[:-1], self.x)
        inner = xp.reshape(quintic(u, *(self.x[:, :, point, None] for point in range(4))), (len(self.x), -1))
        return xp.concat([inner, self.x[:, -1, 3:]], axis=1)

    def of(self, x: Array) -> Array:
        """``value`` at an array (T, M) of NumPy or torch, there with its first derivative."""
        if isinstance(x, np.ndarray) or not x.requires_grad:
            return self.value(x)
        value, slope = self.evaluate(x.detach())
        return value + slope * (x - x.detach())

    def value(self, x: Values) -> Tensor:
        """Value at x (T, M); NaN at NaN."""
        before, after, corners, u = self._invert(x)
        value = namespace(x).reshape(quintic(u, *_points(self.y, corners)), x.shape)
        return value + self.first_slope * before + self.last_slope * after

    def evaluate(self, x: Values) -> tuple[Values, Values]:
        """Value and slope dy/dx at x (T, M); NaN at NaN."""
        before, after, corners, u = self._invert(x)
        xp, along, up = namespace(x), _points(self.x, corners), _points(self.y, corners)
        slope = xp.reshape(quintic_slope(u, *up) / quintic_slope(u, *along), x.shape)
        value = xp.reshape(quintic(u, *up), x.shape) + self.first_slope * before + self.last_slope * after
        return value, xp.where(before < 0.0, self.first_slope, xp.where(after > 0.0, self.last_slope, slope))

    def _invert(self, x: Values) -> tuple[Values, Values, Index, Values]:
        """Distances of every x (T, M) below (negative) and above the domain; corner and u inside it, flat.

        Corners are numbered muscle · S + corner.
        """
        xp, first, last = namespace(x), self.table[:, 0], self.table[:, -1]
        before, after = xp.clip(x - first, None, 0.0), xp.clip(x - last, 0.0, None)
        number = alike(np.arange(x.shape[1]), x)
        muscle = xp.reshape(xp.broadcast_to(number, x.shape), (-1,))
        x = xp.reshape(xp.minimum(xp.maximum(x, first), last), (-1,))
        corners, u = xp.zeros_like(muscle), xp.zeros_like(x)
        chunk = _CHUNK if isinstance(x, np.ndarray) else max(1, x.shape[0])
        for start in range(0, x.shape[0], chunk):
            part = slice(start, start + chunk)
            cell, share = self._locate(x[part], muscle[part])
            corners[part] = muscle[part] * self.x.shape[1] + cell // _CELLS
            u[part] = _solve(x[part], _points(self.x, corners[part]), cell % _CELLS, share)
        return before, after, corners, u

    def _locate(self, x: Values, muscle: Index) -> tuple[Index, Values]:
        """Cell of each x in its muscle's row of the table, and the share of it that lies below x.

        One search covers all rows, placed one after another at a distance of 2 and each scaled to 0 … 1.
        """
        xp, first, laid, bounds = namespace(x), self.table[:, 0], self._laid, self.table.shape[1]
        width = self.table[:, -1] - first
        at = 2.0 * muscle + ((x - first[muscle]) / width[muscle])
        cell = xp.searchsorted(laid, at, side="right") - 1
        cell = xp.minimum(xp.maximum(cell, muscle * bounds), muscle * bounds + bounds - 2)
        below = laid[cell]
        return cell - muscle * bounds, xp.clip((at - below) / (laid[cell + 1] - below), 0.0, 1.0)

    @cached_property
    def _laid(self) -> Tensor:
        xp, first, last = namespace(self.table), self.table[:, :1], self.table[:, -1:]
        row = alike(2.0 * np.arange(len(self.table))[:, None], self.table)
        return xp.reshape(row + (self.table - first) / (last - first), (-1,))


def corner(start: Values, first_slope: Values, end: Values, last_slope: Values, curviness: Values) -> Tensor:
    """Control points (2, 4, …) of a corner from a point (2, …) to another, tangent to a line in each.

    ``curviness`` from 0 (close to the chord) to 1 (close to the lines). Parallel lines are taken to meet half-way, as
    in OpenSim.
    """
    xp = namespace(start)
    parallel = xp.abs(first_slope - last_slope) <= np.sqrt(np.finfo(float).eps)
    difference = xp.where(parallel, 1.0, first_slope - last_slope)
    crossing = (end[1] - start[1] - end[0] * last_slope + start[0] * first_slope) / difference
    x = xp.where(parallel, 0.5 * (start[0] + end[0]), crossing)
    meeting = xp.stack([x, (x - end[0]) * last_slope + end[1]])
    share = 0.1 + 0.8 * curviness
    return xp.stack([start, start + share * (meeting - start), end + share * (meeting - end), end], axis=1)


def quintic(u: Values, p0: Values, p1: Values, p2: Values, p3: Values) -> Values:
    """Quintic Bézier polynomial of the control values p0, p1, p1, p2, p2, p3."""
    v = 1.0 - u
    uu, vv = u * u, v * v
    ends = vv * vv * v * p0 + uu * uu * u * p3
    return ends + 5.0 * u * v * (vv * (v + 2.0 * u) * p1 + uu * (2.0 * v + u) * p2)


def quintic_slope(u: Values, p0: Values, p1: Values, p2: Values, p3: Values) -> Values:
    """Derivative of ``quintic`` with respect to u."""
    uu, vv = u * u, (1.0 - u) * (1.0 - u)
    return 5.0 * (vv * vv * (p1 - p0) + 6.0 * uu * vv * (p2 - p1) + uu * uu * (p3 - p2))


def quintic_bend(u: Values, p0: Values, p1: Values, p2: Values, p3: Values) -> Values:
    """Second derivative of ``quintic`` with respect to u."""
    v = 1.0 - u
    return 20.0 * (3.0 * u * v * (v - u) * (p2 - p1) + u * u * u * (p3 - p2) - v * v * v * (p1 - p0))


def _points(points: Values, flat: Index) -> list[Values]:
    """The four control values of the corners numbered muscle · S + corner."""
    return [namespace(points).reshape(points[:, :, point], (-1,))[flat] for point in range(4)]


def _solve(x: Values, points: list[Values], cell: Index, share: Values) -> Tensor:
    """Find the u at which the corners' abscissa is x: a Halley and a Newton step, a bracketed search if they fail."""
    xp, u = namespace(x), (cell + share) / _CELLS
    error, slope = quintic(u, *points) - x, quintic_slope(u, *points)
    u = xp.clip(u - error * slope / (slope * slope - 0.5 * error * quintic_bend(u, *points)), 0.0, 1.0)
    step = (quintic(u, *points) - x) / quintic_slope(u, *points)
    u = xp.clip(u - step, 0.0, 1.0)
    hard = true_rows(~(xp.abs(step) < _LAST_STEP) & ~xp.isnan(x))
    if hard.shape[0]:
        u[hard] = _bracketed(x[hard], [values[hard] for values in points], cell[hard] / _CELLS)
    return u


def _bracketed(x: Values, points: list[Values], low: Values) -> Tensor:
    """Find the same u by Newton's method in a bracket that starts as the cell."""
    xp = namespace(x)
    # slightly wider than the cell, because the search for it was rounded
    low, high = xp.clip(low - 1e-6, 0.0, None), xp.clip(low + 1.0 / _CELLS + 1e-6, None, 1.0)
    u = 0.5 * (low + high)
    for _ in range(_MOST_STEPS):
        u, low, high, step = newton_step(u, quintic(u, *points) - x, quintic_slope(u, *points), low, high)
        if bool(xp.max(step) < _LAST_STEP):
            break
    return u


def active_force_length(
    shortest: Values, bend: Values, longest: Values, shallow: Values, minimum: Values
) -> BezierCurves:
    """Five corners: foot, steep limb, shallow limb, plateau at 1, descending limb; flat at the minimum outside."""
    zero, one, shoulder = 0.0 * minimum, 1.0 + 0.0 * minimum, 1.0 - _PLATEAU
    at_bend = 1.0 - shallow * (shoulder - bend)
    points = [
        (shortest, minimum, zero),
        (0.5 * (shortest + bend), 0.5 * at_bend, 1.25 * at_bend / (bend - shortest)),
        (0.5 * (bend + shoulder), 0.5 * (at_bend + 1.0), shallow),
        (one, one, zero),
        (0.5 * (1.0 + _PLATEAU + longest), 0.5 * one, -1.0 / (longest - 1.0 - 2.0 * _PLATEAU)),
        (longest, minimum, zero),
    ]
    return _join(points, [one] * 5)


def force_velocity(
    first: Values, second: Values, isometric: Values, last: Values, last_but_one: Values, highest: Values,
    concentric: Values, eccentric: Values,
) -> BezierCurves:  # fmt: skip
    """Four corners through (−1, 0), (0, 1) and (1, ``highest``), from the slopes and the curviness of either side."""
    zero, one, gap = 0.0 * isometric, 1.0 + 0.0 * isometric, 1.0 - _NEAR
    points = [
        (-one, zero, first),
        (-_NEAR * one, 0.5 * gap * (second + first), second),
        (zero, one, isometric),
        (_NEAR * one, highest - 0.5 * gap * (last_but_one + last), last_but_one),
        (one, highest, last),
    ]
    return _join(points, [concentric] * 2 + [eccentric] * 2)


def passive_force_length(
    zero_strain: Values, one_strain: Values, low: Values, stiffness: Values, curviness: Values
) -> BezierCurves:
    """Two corners: a short toe to the low stiffness, then up to 1 at the strain ``one_strain``; straight beyond."""
    slack, taut = 1.0 + zero_strain, 1.0 + one_strain
    toe = namespace(taut).minimum(0.1 / stiffness, 0.1 * (taut - slack))
    points = [
        (slack, 0.0 * slack, 0.0 * slack),
        (slack + toe, low * 0.5 * toe, low),
        (taut, 1.0 + 0.0 * taut, stiffness),
    ]
    return _join(points, [curviness] * 2)


def tendon_force_length(strain: Values, stiffness: Values, toe_force: Values, curviness: Values) -> BezierCurves:
    """Two corners make the toe, up to the force ``toe_force``; straight beyond it, through 1 at the strain."""
    toe = 1.0 + strain + (toe_force - 1.0) / stiffness
    foot = 1.0 + 0.1 * (toe - 1.0)
    middle = 1.0 + strain + (0.5 * toe_force - 1.0) / stiffness
    slope = 0.5 * toe_force / (middle - foot)
    points = [
        (1.0 + 0.0 * foot, 0.0 * foot, 0.0 * foot),
        (0.5 * (foot + middle), slope * 0.5 * (middle - foot), slope),
        (toe, toe_force, stiffness),
    ]
    return _join(points, [curviness] * 2)


def _join(points: Sequence[tuple[Values, Values, Values]], curviness: Sequence[Values]) -> BezierCurves:
    """Corners between successive points (x, y, slope), each (M,)."""
    xp = namespace(points[0][0])
    corners = [
        corner(xp.stack(start), first_slope, xp.stack(end), last_slope, bent)
        for ((*start, first_slope), (*end, last_slope)), bent in zip(pairwise(points), curviness, strict=True)
    ]
    x, y = xp.permute_dims(xp.stack(corners), (1, 3, 0, 2))
    return BezierCurves(x, y, points[0][2], points[-1][2])


#: OpenSim's names of the curves and of their properties, in the order in which the functions take them.
_PROPERTIES: dict[str, tuple[Callable[..., BezierCurves], tuple[str, ...]]] = {
    "ActiveForceLengthCurve": (active_force_length, (
        "min_norm_active_fiber_length", "transition_norm_fiber_length", "max_norm_active_fiber_length",
        "shallow_ascending_slope", "minimum_value",
    )),
    "FiberForceLengthCurve": (passive_force_length, (
        "strain_at_zero_force", "strain_at_one_norm_force", "stiffness_at_low_force", "stiffness_at_one_norm_force",
        "curviness",
    )),
    "TendonForceLengthCurve": (tendon_force_length, (
        "strain_at_one_norm_force", "stiffness_at_one_norm_force", "norm_force_at_toe_end", "curviness",
    )),
    "ForceVelocityCurve": (force_velocity, (
        "concentric_slope_at_vmax", "concentric_slope_near_vmax", "isometric_slope", "eccentric_slope_at_vmax",
        "eccentric_slope_near_vmax", "max_eccentric_velocity_force_multiplier", "concentric_curviness",
        "eccentric_curviness",
    )),
}  # fmt: skip


def _curves(p: Properties) -> tuple[Multiplier, ...]:
    drawn = [build(*(detached(p[f"{part}.{name}"]) for name in names)) for part, (build, names) in _PROPERTIES.items()]
    return tuple(Multiplier(curve.of, curve.evaluate) for curve in drawn)


MILLARD = MuscleClass(
    name="Millard2012EquilibriumMuscle",
    curves=_curves,
    needed=(
        *(f"{part}.{name}" for part, (_, names) in _PROPERTIES.items() for name in names),
        *("maximum_pennation_angle", "fiber_damping", "ignore_tendon_compliance"),
    ),
    # OpenSim reads a normalised fibre length in metres (opensim-core issue 4390)
    opensim_cosine=lambda muscles, fiber: muscles.cosine(fiber / muscles.optimal),
    shortest_active="ActiveForceLengthCurve.min_norm_active_fiber_length",
    degroote={
        "passive_fiber_strain_at_one_norm_force": "FiberForceLengthCurve.strain_at_one_norm_force",
        "tendon_strain_at_one_norm_force": "TendonForceLengthCurve.strain_at_one_norm_force",
    },
    dropped="shapes of the four curves and the shortest active fibre length",
)
