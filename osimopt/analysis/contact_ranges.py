"""Least and greatest contact force of a joint over all activations that meet the moments.

A joint's reaction is affine in the activations: the feasible ones give a polytope of reactions. A component's ends are
two linear programs; the ends of the force's norm follow from the polytope's support (``norms``), each a linear program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, explain, shown
from ..files.storage import time_table
from ..namespace import alike, plain
from ..problem.arrays import Array, Index
from ..problem.reactions import Frame, On, reactions_of
from .feasible import FeasibleSet, Programs
from .norms import greatest_norm, least_norm

if TYPE_CHECKING:
    import pandas as pd

#: Components of a joint's reaction, in the order of its six numbers: of the force in N, of the moment in N·m.
FORCES, MOMENTS = ("x", "y", "z"), ("mx", "my", "mz")
#: The bound of a greatest norm is above the greatest norm found by at most this share; 1e-2 takes half the programs.
SHARE = 1e-6
#: Frames with their programs in memory at once.
TOGETHER = 500


@dataclass(frozen=True, eq=False)
class ContactRanges:
    """Least and greatest contact force (or moment) of a joint in T frames, over all activations that meet the moments.

    Attributes
    ----------
    time : (T,) array
        Times in s.
    joint, component : str
        The joint, and which component of its reaction; ``"norm"`` for the size of the force, ``"distance"`` for that
        of its difference from a measured one.
    unit : str
        ``"N"`` or ``"N·m"``.
    muscles : tuple of str
        Names of the M muscles.
    minimum, optimum, maximum : (T,) array
        Values with minimum ≤ optimum ≤ maximum, each of a feasible activation; NaN in frames without a solution.
    lower_bound, upper_bound : (T,) array
        Proved: no feasible activation has a value below or above. Within 1e-6 of minimum and maximum, relative to the
        values, unless linear programs stayed unproved.
    lowest, highest : (T, M) array
        Activations at minimum and maximum.
    body_weight : float
        N.
    """

    time: Array
    joint: str
    component: str
    unit: str
    muscles: tuple[str, ...]
    minimum: Array
    optimum: Array
    maximum: Array
    lower_bound: Array
    upper_bound: Array
    lowest: Array
    highest: Array
    body_weight: float

    def to_dataframe(self, body_weights: bool = False) -> pd.DataFrame:
        """Minimum, optimum, maximum and both bounds in N (N·m), or divided by body weight; the index is time in s."""
        names = ("minimum", "optimum", "maximum", "lower_bound", "upper_bound")
        values = np.stack([getattr(self, name) for name in names], axis=1)
        return time_table(self.time, values / self.body_weight if body_weights else values, names)

    def summary(self) -> pd.DataFrame:
        """One row each for minimum, optimum and maximum: mean over the frames, largest value and its time in s.

        ``body_weights`` is the largest value divided by body weight.
        """
        import pandas as pd

        table = self.to_dataframe()[["minimum", "optimum", "maximum"]].dropna()
        peak = table.max()
        when = table.idxmax() if len(table) else peak
        columns = {"mean": table.mean(), "peak": peak, "time": when, "body_weights": peak / self.body_weight}
        return pd.DataFrame(columns)

    def outside(self, measured: ArrayLike) -> Array:
        """By how much a measured value (T,) lies outside the range, at least: negative below, positive above, 0 inside.

        NaN in frames without a solution or without a measurement.
        """
        value = np.asarray(measured, dtype=float)
        if value.shape != self.time.shape:
            fix = "Interpolate the measurement at ranges.time."
            raise InputError(explain(f"measured values of shape {self.time.shape}", f"shape {value.shape}", fix))
        return np.minimum(value - self.lower_bound, 0.0) + np.maximum(value - self.upper_bound, 0.0)

    def contains(self, measured: ArrayLike) -> pd.DataFrame:
        """Whether the model admits a measured value (T,) at all, frame by frame; the index is time in s.

        ``inside`` is False also in frames without a solution or measurement; ``outside`` is as of :meth:`outside`, in
        the unit of the range.
        """
        import pandas as pd

        outside = self.outside(measured)
        columns = {"measured": np.asarray(measured, dtype=float), "inside": outside == 0.0, "outside": outside}
        return pd.DataFrame(columns, index=pd.Index(self.time, name="time"))


def contact_ranges(
    sets: FeasibleSet, joint: str, component: str | Sequence[float], on: On, frame: Frame, measured: ArrayLike | None
) -> ContactRanges:
    """The ranges of one joint over feasible sets; arguments as of feasible_ranges."""
    problem = sets.problem
    label, unit, rows = _rows(component)
    known = reactions_of(problem, [joint])
    constant, effect = known.affine(problem, joint, on, frame).by_unknowns(problem)
    constant, effect = np.einsum("rc,tc->tr", rows, plain(constant)), np.einsum("rc,tcu->tru", rows, plain(effect))
    own, control = plain(sets.optimum), plain(sets.control)
    value = constant + np.einsum("tru,tu->tr", effect, np.concatenate([own, control], axis=1))
    if measured is not None:
        value, label = value - _forces(measured, len(problem), component), "distance"
    solved = np.flatnonzero(np.isfinite(value).all(axis=1))
    effect = sets.by_activation(effect)
    ends = [np.full(len(problem), np.nan) for _ in range(4)]
    activations = [np.full(own.shape, np.nan) for _ in range(2)]
    for few in np.array_split(solved, max(1, -(-len(solved) // TOGETHER))):
        if few.size:
            support = _Polytopes(sets.frames(few), value[few], effect[few], own[few])
            found = _component(support) if effect.shape[1] == 1 else _norms(support)
            for array, values in zip((*ends, *activations), found, strict=True):
                array[few] = values
    low, high, below, above = ends
    optimum = value[:, 0] if effect.shape[1] == 1 else np.linalg.norm(value, axis=1)
    return ContactRanges(
        problem.time, joint, label, unit, problem.muscles, low, optimum, high, below, above, *activations,
        known.body_weight,
    )  # fmt: skip


def _rows(component: str | Sequence[float]) -> tuple[str, str, Array]:
    """Label, unit, and rows (n, 6) by which a joint's reaction is multiplied."""
    names = (*FORCES, *MOMENTS)
    if isinstance(component, str):
        if component == "norm":
            return component, "N", np.eye(6)[:3]
        if component in names:
            return component, "N" if component in FORCES else "N·m", np.eye(6)[[names.index(component)]]
        fix = "Check the component."
        raise InputError(explain(f"'norm', {', '.join(names)} or a direction (3,)", shown(component), fix))
    direction = np.asarray(component, dtype=float)
    size = float(np.linalg.norm(direction)) if direction.shape == (3,) else 0.0
    if not (np.isfinite(size) and size > 0.0):
        raise InputError(explain("a direction of three numbers, not all 0", shown(component), "Check the component."))
    unit = direction / size
    return "along " + ", ".join(f"{number:.4g}" for number in unit), "N", np.append(unit, np.zeros(3))[None]


def _forces(measured: ArrayLike, frames: int, component: str | Sequence[float]) -> Array:
    """Measured forces (T, 3) from which distances are asked for."""
    force = np.asarray(measured, dtype=float)
    if not isinstance(component, str) or component != "norm" or force.shape != (frames, 3):
        got = f"shape {force.shape} and component={component!r}"
        fix = "Compare a component with ranges.contains."
        raise InputError(explain(f"measured forces of shape ({frames}, 3), with component='norm'", got, fix))
    return force


@dataclass(frozen=True, eq=False)
class _Polytopes:
    """Furthest points of the sets y + E (a − a*) of F frames: y (F, n), E (F, n, M), a* (F, M)."""

    programs: Programs
    value: Array
    effect: Array
    activation: Array

    def __call__(self, frame: Index, direction: Array) -> tuple[Array, Array, Array]:
        """Points (N, n), their activations (N, M) and bounds (N,) along directions (N, n) in frames by number."""
        effect, value, origin = self.effect[frame], self.value[frame], self.activation[frame]
        c = np.einsum("nr,nrm->nm", direction, effect)
        size = np.abs(c).max(axis=1, initial=0.0)
        size = np.where(size > 0.0, size, 1.0)
        c /= size[:, None]
        like = self.programs.A
        most, gap, activation = map(plain, self.programs.maximise(alike(frame, like), alike(c, like)))
        point = value + np.einsum("nrm,nm->nr", effect, activation - origin)
        reached = np.einsum("nr,nr->n", direction, point)
        bound = np.einsum("nr,nr->n", direction, value) + size * (most + gap - np.einsum("nm,nm->n", c, origin))
        return point, activation, np.maximum(bound, reached)


def _component(support: _Polytopes) -> tuple[Array, ...]:
    """Minimum, maximum, their bounds, and the activations at both, of a single component."""
    count = len(support.value)
    sign = np.repeat([-1.0, 1.0], count)[:, None]
    point, activation, bound = support(np.tile(np.arange(count), 2), sign)
    own = support.value[:, 0]
    low, high = np.minimum(point[:count, 0], own), np.maximum(point[count:, 0], own)
    return low, high, np.minimum(-bound[:count], low), np.maximum(bound[count:], high), *np.split(activation, 2)


def _norms(support: _Polytopes) -> tuple[Array, ...]:
    """The same of the norm."""
    least = least_norm(support.value, support.activation, support)
    most = greatest_norm(support.value, support.activation, support, SHARE)
    return least.value, most.value, least.bound, most.bound, least.known, most.known
