"""Hypothesis strategies and independent reference solutions for the tests of the redundancy problem.

Nothing here calls a solver of osimopt: the references are bisection, enumeration of active sets, a lower bound
from duality, and linear programs written in another form than the library's.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq, linprog, minimize

from osimopt.problem.arrays import MuscleGeometry
from osimopt.problem.problem import RedundancyProblem

Array = NDArray[np.float64]

#: name → exponent of the costs with an exponent of their own
POWER_COSTS = {"sum_force_squared": 2.0, "sum_stress_squared": 2.0, "sum_moment_ratio_cubed": 3.0}
LINEAR_COSTS = ("sum_force", "min_max")
QUADRATIC = [{"cost": "activation_power"}, {"cost": "sum_force_squared"}, {"cost": "sum_stress_squared"}]
POWERS = [1.2, 1.5, 2.0, 3.0, 5.0, 10.0]
#: every cost as keyword arguments of solve_static
ALL_COSTS: list[dict[str, Any]] = [
    *({"cost": name} for name in (*LINEAR_COSTS, *POWER_COSTS)),
    *({"cost": "activation_power", "exponent": p} for p in (1.0, *POWERS)),
]


def is_linear(cost: dict[str, Any]) -> bool:
    """Whether the cost is a linear program."""
    return cost.get("cost") in LINEAR_COSTS or cost.get("exponent") == 1.0


#: those with a unique minimiser
STRICT_COSTS = [cost for cost in ALL_COSTS if not is_linear(cost)]


def label(cost: dict[str, Any]) -> str:
    """A test id for a cost."""
    return f"{cost['cost']}{cost.get('exponent', '')}"


# --- problems -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A problem and a point within the bounds that meets its moments: feasible by construction."""

    problem: RedundancyProblem
    activation: Array
    control: Array

    def __repr__(self) -> str:
        p, r = self.problem, self.problem.reserves
        arguments = {
            "moment_arm": p.moment_arm,
            "max_force": p.max_force,
            "generalized_force": p.generalized_force,
            "pcsa": p.pcsa,
            "bounds": [p.lower, p.upper],
            "weights": p.weights,
            "reserves": [r.optimal_force, r.lower, r.upper],
            "feasible": [self.activation[0], self.control[0]],
        }
        lists = {
            name: [v.tolist() for v in value] if isinstance(value, list) else value.tolist()
            for name, value in arguments.items()
        }
        return f"Case({', '.join(f'{name}={value}' for name, value in lists.items())})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # what Hypothesis prints of a failing case
        printer.text(repr(self))


def _grid(low: int, high: int, unit: float) -> st.SearchStrategy[float]:
    """Multiples of a unit: physical sizes, no denormal numbers, and ties that occur in practice."""
    return st.integers(low, high).map(lambda i: i * unit)


def _arms(zeros: bool) -> st.SearchStrategy[float]:
    """Moment arms from 2 mm to 100 mm of either sign; optionally 0."""
    sizes = st.builds(lambda size, sign: size * sign, _grid(2, 100, 1e-3), st.sampled_from([1.0, -1.0]))
    return st.one_of(sizes, st.just(0.0)) if zeros else sizes


def _array(draw: st.DrawFn, values: st.SearchStrategy[float], *shape: int) -> Array:
    count = int(np.prod(shape))
    return np.array(draw(st.lists(values, min_size=count, max_size=count)), dtype=float).reshape(shape)


RESERVES = {"none": None, "finite": (-1.0, 1.0), "unbounded": (-np.inf, np.inf)}


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    coordinates: tuple[int, int] = (1, 2),
    muscles: tuple[int, int] = (1, 5),
    frames: tuple[int, int] = (1, 1),
    reserves: tuple[str, ...] = tuple(RESERVES),
    lower: tuple[float, ...] = (0.0, 0.01, -0.5),
    zeros: bool = False,
    proportional: bool = False,
    strengths: tuple[float, ...] = (1.0,),
    weights: bool = True,
    interior: bool = True,
    loads: tuple[float, ...] = (0.0,),
) -> Case:
    """Feasible problems: the moments are those of activations and controls within their bounds.

    ``zeros`` allows zero moment arms and muscles without gain, ``proportional`` makes all rows multiples of
    the first, ``strengths`` multiply all forces and moments, ``interior`` keeps the feasible point off its bounds
    (on them, the feasible set can be a single point), ``loads`` (N·m) are what unbounded reserves
    may carry; 0: as much as at control 1.
    """
    D, M, T = (draw(st.integers(*size)) for size in (coordinates, muscles, frames))
    strength = draw(st.sampled_from(strengths))
    arm = _array(draw, _arms(zeros), T, D, M)
    if proportional:
        arm = arm[:, :1] * np.append(1.0, _array(draw, _grid(1, 4, 0.5), D - 1))[:, None]
    force = strength * _array(draw, _grid(0 if zeros else 1, 40, 50.0), T, M)
    if not (zeros or proportional):  # rows that say the same thing twice are asked for, not met by accident
        assume(all(M >= D and np.linalg.svd(a / np.abs(a).max(), compute_uv=False)[-1] > 1e-2 for a in arm))
    weight = _array(draw, _grid(1, 8, 0.25), M) if weights else np.ones(M)
    low = _array(draw, st.sampled_from(lower), M)
    problem = RedundancyProblem.from_arrays(
        arm, force, np.zeros((T, D)), _array(draw, _grid(1, 60, 0.5), M), (low, 1.0), weight
    )
    kind = draw(st.sampled_from(reserves))
    if RESERVES[kind] is not None:
        optimal = dict(zip(problem.coordinates, strength * _array(draw, _grid(1, 50, 1.0), D), strict=True))
        problem = problem.with_reserves(optimal, RESERVES[kind])
    share = _array(draw, _grid(1, 19, 0.05) if interior else st.sampled_from([0.0, 0.25, 0.5, 1.0]), T, M)
    activation = problem.lower + share * (problem.upper - problem.lower)
    K = len(problem.reserves.names)
    control = _array(draw, _grid(-9, 9, 0.1), T, K)
    if kind == "unbounded" and (load := draw(st.sampled_from(loads))) > 0.0:
        control *= load / problem.reserves.optimal_force
    target = np.empty((T, D))
    for frame in range(T):
        target[frame] = problem.system(frame)[0] @ np.concatenate([activation[frame], control[frame]])
    return Case(replace(problem, generalized_force=target), activation, control)


def permuted_muscles(problem: RedundancyProblem, order: Array) -> RedundancyProblem:
    """The problem with its muscles in another order."""
    names = tuple(problem.muscles[i] for i in order)
    per_muscle = ("lower", "upper", "pcsa", "weights")
    return replace(
        problem,
        geometry=MuscleGeometry.from_dense(problem.moment_arm[:, :, order], names, problem.coordinates),
        max_force=problem.max_force[:, order],
        passive_force=problem.passive_force[:, order],
        **{name: getattr(problem, name)[order] for name in per_muscle},
    )


def permuted_coordinates(problem: RedundancyProblem, order: Array) -> RedundancyProblem:
    """The problem with its coordinates in another order."""
    names = tuple(problem.coordinates[i] for i in order)
    return replace(
        problem,
        geometry=MuscleGeometry.from_dense(problem.moment_arm[:, order], problem.muscles, names),
        generalized_force=problem.generalized_force[:, order],
        reserves=problem.reserves.select(order),
    )


def in_units(
    problem: RedundancyProblem, force: float = 1.0, length: float = 1.0, area: float = 1.0
) -> RedundancyProblem:
    """The problem with its forces, lengths and areas counted in other units (numbers times these)."""
    moment = force * length
    reserves = problem.reserves
    return replace(
        problem,
        geometry=replace(problem.geometry, moment_arms=length * problem.geometry.moment_arms),
        max_force=force * problem.max_force,
        passive_force=force * problem.passive_force,
        generalized_force=moment * problem.generalized_force,
        pcsa=area * problem.pcsa,
        reserves=replace(reserves, effect=moment * reserves.effect, optimal_force=moment * reserves.optimal_force),
    )


# --- independent references -----------------------------------------------------------------------------------------


def coefficients(problem: RedundancyProblem, cost: str, exponent: float = 2.0) -> tuple[Array, float]:
    """(T, M + K) W and p so that the cost is Σ W |x|^p, from the definitions (min_max: W |x| inside the maximum)."""
    force, reserves = problem.max_force, len(problem.reserves.names)
    if cost == "min_max":
        beside_muscles = (problem.moment_arm != 0.0).any(axis=(0, 2))
        counted = (problem.reserves.effect[:, beside_muscles] != 0.0).any(axis=(0, 1))
        return np.tile(np.concatenate([problem.weights, counted]), (len(problem), 1)), np.inf
    p = {"sum_force": 1.0, "activation_power": float(exponent), **POWER_COSTS}[cost]
    with np.errstate(divide="ignore"):
        strongest = 1.0 / np.abs(problem.moment_arm).max(axis=1)
    scale = {
        "sum_force": force,
        "sum_force_squared": force,
        "sum_stress_squared": force / problem.pcsa,
        "sum_moment_ratio_cubed": strongest,  # (F a) / (F max|r|)
        "activation_power": np.ones_like(force),
    }[cost]
    average = np.mean(scale**p, axis=1, keepdims=True)
    return np.hstack([problem.weights * scale**p, np.repeat(average, reserves, axis=1)]), p


def value(weight: Array, x: Array, p: float) -> float:
    """Σ weight |x|^p, or the largest weight |x| for infinite p."""
    return float(np.max(weight * np.abs(x)) if np.isinf(p) else weight @ np.abs(x) ** p)


def stationary(z: Array, weight: Array, lower: Array, upper: Array, p: float) -> Array:
    """The x within bounds that minimises Σ weight |x|^p / p − z x."""
    return np.clip(np.sign(z) * (np.abs(z) / weight) ** (1.0 / (p - 1.0)), lower, upper)


def bisection(a: Array, b: float, lower: Array, upper: Array, weight: Array, p: float) -> Array:
    """The exact minimiser of Σ weight |x|^p with one moment a·x = b: bisection on its one multiplier."""

    def missing(t: float) -> float:
        # λ = sign(t) |t|^(p−1) makes x(λ) piecewise linear in t
        return float(a @ stationary(a * np.sign(t) * np.abs(t) ** (p - 1.0), weight, lower, upper, p) - b)

    reach = 1.0
    while missing(-reach) > 0.0 or missing(reach) < 0.0:
        reach *= 4.0
        if reach > 1e30:
            raise ArithmeticError("infeasible")
    t = brentq(missing, -reach, reach, xtol=1e-300, rtol=8.9e-16, maxiter=2000)
    return stationary(a * np.sign(t) * np.abs(t) ** (p - 1.0), weight, lower, upper, p)


def enumeration(A: Array, b: Array, lower: Array, upper: Array, weight: Array) -> Array:
    """The exact minimiser of Σ weight x² with A x = b, by trying every set of active bounds."""
    best, least = np.full(A.shape[1], np.nan), np.inf
    scale = np.sqrt(weight)
    choices = [
        (0.0, *((end,) if np.isfinite(end) else ()), *((top,) if np.isfinite(top) else ()))
        for end, top in zip(lower, upper, strict=True)
    ]
    states = [range(len(choice)) for choice in choices]
    size = max(1.0, float(np.abs(b).max()))
    for state in itertools.product(*states):
        free = np.array(state) == 0
        x = np.array([choice[i] for choice, i in zip(choices, state, strict=True)])
        rest = b - A[:, ~free] @ x[~free]
        if free.any():
            x[free] = np.linalg.lstsq(A[:, free] / scale[free], rest, rcond=1e-12)[0] / scale[free]
        value = float(weight @ x**2)
        met = np.abs(A @ x - b).max() <= 1e-9 * size
        if met and value < least and np.all((x >= lower - 1e-10) & (x <= upper + 1e-10)):
            best, least = x, value
    return best


def lower_bound(A: Array, b: Array, lower: Array, upper: Array, weight: Array, p: float, x: Array) -> float:
    """A number that no feasible Σ weight |x|^p can be below: weak duality, true for any multipliers.

    ``x`` only serves to find multipliers that make the bound tight: those whose stationarity it violates least.
    """
    scale = weight ** (1.0 / p)
    size = max(float(np.abs(scale * x).max()), 1e-12)
    A, lower, upper, y = A * (size / scale), lower * scale / size, upper * scale / size, x * scale / size
    A, b = A / (row := np.maximum(np.abs(A).max(axis=1, keepdims=True), 1e-300)), b / row[:, 0]
    rows, columns = A.shape
    ones = np.ones(columns)

    def dual(multipliers: Array) -> float:
        z = A.T @ multipliers
        best = stationary(z, ones, lower, upper, p)
        return float(multipliers @ b + np.sum(np.abs(best) ** p / p - z * best))

    # Candidates: what the unknowns between their bounds say, and (where they leave it open) the least Σ |s| of
    # slope − Aᵀλ = s, where s > 0 is right on a lower and s < 0 on an upper bound.
    slope = np.sign(y) * np.abs(y) ** (p - 1.0)
    above, below = y > lower + 1e-8, y < upper - 1e-8
    inside = above & below
    candidates = [np.linalg.lstsq(A[:, inside].T, slope[inside], rcond=None)[0]]
    equations = np.hstack([A.T, -np.eye(columns), np.eye(columns)])
    limits = [(None, None)] * rows + [(0.0, None)] * (2 * columns)
    fit = linprog(np.concatenate([np.zeros(rows), above, below]), A_eq=equations, b_eq=slope, bounds=limits)
    candidates += [fit.x[:rows]] if fit.status == 0 else []
    start = max(candidates, key=dual)
    sharper = minimize(lambda m: -dual(m), start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
    return p * size**p * max(dual(start), -float(sharper.fun))


def linear_optimum(A: Array, b: Array, lower: Array, upper: Array, weight: Array, p: float) -> float:
    """The least Σ weight |x| (p = 1) or max weight |x| (p = ∞): a linear program in x and bounds u on the terms."""
    rows, columns = A.shape
    terms = np.diag(weight / (heaviest := float(weight.max(initial=1e-300))))
    above = np.eye(columns) if p == 1.0 else np.ones((columns, 1))
    answer = linprog(
        np.append(np.zeros(columns), np.ones(above.shape[1])),
        A_ub=np.block([[terms, -above], [-terms, -above]]),
        b_ub=np.zeros(2 * columns),
        A_eq=np.hstack([A, np.zeros((rows, above.shape[1]))]),
        b_eq=b,
        bounds=[*zip(lower, upper, strict=True), *[(0.0, None)] * above.shape[1]],
    )
    return float(answer.fun) * heaviest if answer.status == 0 else np.nan


def optimum(problem: RedundancyProblem, cost: dict[str, Any], x: Array, frame: int = 0) -> float:
    """The least cost in one frame, by a linear program or as the lower bound that multipliers from ``x`` prove."""
    A, b = problem.system(frame)
    lower, upper = problem.bounds()
    weight, p = coefficients(problem, **cost)
    acts = (A != 0.0).any(axis=0)
    rest = np.clip(0.0, lower, upper)
    if p == np.inf:
        idle = float((weight[frame] * np.abs(rest))[~acts].max(initial=0.0))
    else:
        idle = float(weight[frame, ~acts] @ np.abs(rest[~acts]) ** p)
    if not weight[frame, acts].any():  # nothing acts, or no muscle has a gain and reserves are free
        return idle
    program = (A[:, acts], b, lower[acts], upper[acts], weight[frame, acts], p)
    if p == np.inf:
        return max(idle, linear_optimum(*program))
    return idle + (linear_optimum(*program) if p == 1.0 else lower_bound(*program, x[acts]))


def capacity(problem: RedundancyProblem, frame: int = 0) -> Array:
    """(D,) the largest moment about each coordinate that the bounds allow."""
    A, _ = problem.system(frame)
    lower, upper = problem.bounds()
    with np.errstate(invalid="ignore"):
        ends = np.where(A == 0.0, 0.0, np.maximum(A * lower, A * upper))
    return np.sum(ends, axis=1)
