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
from ..problem.reactions import Frame, JointReactions, On, reactions_of
from .compartments import NAMES, Compartments, numbers_or_nan, refuse_untold
from .feasible import FeasibleSet, Programs
from .norms import greatest_norm, least_norm

if TYPE_CHECKING:
    import pandas as pd

#: Components of a joint's reaction, in the order of its six numbers: of the force in N, of the moment in N·m.
FORCES, MOMENTS = ("x", "y", "z"), ("mx", "my", "mz")
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
        values, unless linear programs stayed unproved; a greatest norm that many directions reach within 1e-2.
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
        """One row each for minimum, optimum and maximum: mean over the frames, the peak and its time in s.

        The peak is the value of the largest size; ``body_weights`` is it divided by body weight.
        """
        import pandas as pd

        names = ("minimum", "optimum", "maximum")
        values = np.stack([getattr(self, name) for name in names], axis=1)
        solved = np.isfinite(values).all(axis=1)
        values, time = values[solved], self.time[solved]
        if not len(time):
            values, time = np.full((1, len(names)), np.nan), np.full(1, np.nan)
        at = np.abs(values).argmax(axis=0)
        peak = values[at, np.arange(len(names))]
        table = {"mean": values.mean(axis=0), "peak": peak, "time": time[at], "body_weights": peak / self.body_weight}
        return pd.DataFrame(table, index=pd.Index(names, name="force"))

    def outside(self, measured: ArrayLike) -> Array:
        """By how much a measured value (T,) lies outside the range, at least: negative below, positive above, 0 inside.

        NaN in frames without a solution or without a measurement.
        """
        value = numbers_or_nan(measured)
        if value.shape != self.time.shape:
            got = f"shape {value.shape}" if np.ndim(measured) and value.ndim else shown(measured)
            fix = "Interpolate the measurement at ranges.time."
            raise InputError(explain(f"measured values of shape {self.time.shape}", got, fix))
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


def check_asked(
    of: str | Compartments | None, component: str | Sequence[float], on: On, frame: Frame, measured: ArrayLike | None
) -> None:
    """Raise where ``of`` is no joint, or where other arguments would be ignored."""
    given = {"component": component, "on": on, "frame": frame, "measured": measured}
    default = {"component": "norm", "on": "child", "frame": "child", "measured": None}
    used = [name for name in given if not isinstance(given[name], type(default[name])) or given[name] != default[name]]
    got = ", ".join(f"{name}={shown(given[name])}" for name in used)
    if of is None and used:
        raise InputError(explain("of= the joint whose force is asked for", f"{got} alone", "Name the joint."))
    if not isinstance(of, str | Compartments | None):
        fix = "Ask for one joint at a time."
        raise InputError(explain("of= the name of a joint, or osimopt.Compartments", shown(of), fix))
    if isinstance(of, Compartments) and set(used) - {"component"}:
        fix = f"Leave the others out: the forces act on {of.body} along its axis."
        raise InputError(explain("of=Compartments with component alone", got, fix))


def contact_ranges(
    sets: FeasibleSet, of: str | Compartments, component: str | Sequence[float], on: On, frame: Frame,
    measured: ArrayLike | None,
) -> ContactRanges:  # fmt: skip
    """The ranges of one joint over feasible sets; arguments as of feasible_ranges."""
    problem, joint = sets.problem, of if isinstance(of, str) else of.joint
    known = reactions_of(problem, [joint])
    if isinstance(of, Compartments):
        label, unit, rows = _compartment(of, component, known)
        on = frame = of.side(known)
    else:
        label, unit, rows = _rows(component)
    constant, effect = map(plain, known.affine(problem, joint, on, frame).by_unknowns(problem))
    own, control = plain(sets.optimum), plain(sets.control)
    reaction = constant + np.einsum("tcu,tu->tc", effect, np.concatenate([own, control], axis=1))
    if isinstance(of, Compartments):
        refuse_untold(of, problem, known, reaction)
    value, effect = np.einsum("trc,tc->tr", rows, reaction), rows @ effect
    if measured is not None:
        value, label = value - _forces(measured, len(problem), component), "distance"
    solved = np.flatnonzero(np.isfinite(value).all(axis=1))
    effect = sets.by_activation(effect)
    ends = [np.full(len(problem), np.nan) for _ in range(4)]
    lowest, highest = (np.full(own.shape, np.nan) for _ in range(2))
    for few in np.array_split(solved, max(1, -(-len(solved) // TOGETHER))):
        if few.size:
            polytopes = _Polytopes(sets.frames(few), value[few], effect[few], own[few])
            found = _component(polytopes) if effect.shape[1] == 1 else _norms(polytopes)
            for array, values in zip((*ends, lowest, highest), found, strict=True):
                array[few] = values
    lowest, highest = (np.clip(each, problem.lower, problem.upper) for each in (lowest, highest))  # mixtures round
    low, high, below, above = ends
    optimum = value[:, 0] if effect.shape[1] == 1 else np.linalg.norm(value, axis=1)
    return ContactRanges(
        problem.time, joint, label, unit, problem.muscles, low, optimum, high, below, above, lowest, highest,
        known.body_weight,
    )  # fmt: skip


def _rows(component: str | Sequence[float]) -> tuple[str, str, Array]:
    """Label, unit, and rows (1, n, 6) by which a joint's reaction is multiplied."""
    names = (*FORCES, *MOMENTS)
    if isinstance(component, str):
        if component == "norm":
            return component, "N", np.eye(6)[None, :3]
        if component in names:
            return component, "N" if component in FORCES else "N·m", np.eye(6)[None, [names.index(component)]]
        fix = "Check the component."
        raise InputError(explain(f"'norm', {', '.join(names)} or a direction (3,)", shown(component), fix))
    direction = numbers_or_nan(component)
    size = float(np.linalg.norm(direction)) if direction.shape == (3,) else 0.0
    if not (np.isfinite(size) and size > 0.0):
        raise InputError(explain("a direction of three numbers, not all 0", shown(component), "Check the component."))
    unit = direction / size
    return "along " + ", ".join(f"{number:.4g}" for number in unit), "N", np.append(unit, np.zeros(3))[None, None]


def _compartment(of: Compartments, component: str | Sequence[float], known: JointReactions) -> tuple[str, str, Array]:
    """The same (T, 1, 6) of the force of one compartment."""
    if not isinstance(component, str) or component not in NAMES:
        got = f"component={shown(component)} of compartments"
        raise InputError(explain("component='medial' or 'lateral'", got, "Choose one."))
    return component, "N", of.rows(known)[:, [NAMES.index(component)]]


def _forces(measured: ArrayLike, frames: int, component: str | Sequence[float]) -> Array:
    """Measured forces (T, 3) from which distances are asked for."""
    force = numbers_or_nan(measured)
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


def _component(polytopes: _Polytopes) -> tuple[Array, ...]:
    """Minimum, maximum, their bounds, and the activations at both, of a single component."""
    count = len(polytopes.value)
    sign = np.repeat([-1.0, 1.0], count)[:, None]
    point, activation, bound = polytopes(np.tile(np.arange(count), 2), sign)
    own = polytopes.value[:, 0]
    low, high = np.minimum(point[:count, 0], own), np.maximum(point[count:, 0], own)
    return low, high, np.minimum(-bound[:count], low), np.maximum(bound[count:], high), *np.split(activation, 2)


def _norms(polytopes: _Polytopes) -> tuple[Array, ...]:
    """The same of the norm."""
    least = least_norm(polytopes.value, polytopes.activation, polytopes)
    most = greatest_norm(polytopes.value, polytopes.activation, polytopes)
    return least.value, most.value, least.bound, most.bound, least.known, most.known
