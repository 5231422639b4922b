"""SciPy's SLSQP and lsq_linear on one frame: the cost Σ |y|^p / p for any p > 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import ROUNDING
from .frame import RANK_TOLERANCE, Frame, with_independent_rows

Array = NDArray[np.float64]

#: SLSQP stops where the cost changes by less than this share of its size. Tighter lets it wander in rounding: p = 2
#: is exact at once (its first quadratic model is the problem), the rest is polished.
PRECISION = 1e-10
MAX_ITERATIONS = 500
#: Relative; an answer of SLSQP that misses the moments by more is a failed search, not an answer.
FEASIBLE = 1e-8
#: Bounds are widened by this for SLSQP (and its answer clipped): a feasible set that is one corner must not be lost to
#: rounding.
CORNER = 1e-12
#: Newton steps that polish SLSQP's answer, and the relative moment residual at which they are done.
POLISH_STEPS, POLISHED = 40, 1e-13
#: Relative; where rounding stops the polish, a residual below this still is an answer.
NEARLY_POLISHED = 1e-10


@dataclass(frozen=True, eq=False)
class Minimum:
    """What a solver made of one frame; ``converged`` is its own claim."""

    y: Array
    iterations: int
    converged: bool
    message: str = ""


def slsqp(frame: Frame, exponent: float, start: Array | None) -> Minimum:
    """Sequential quadratic programming with exact derivatives, then a Newton polish on the optimality conditions.

    For p = 2 SLSQP's first quadratic model is the problem itself, so its answer is exact from any start. For other p
    the variables are scaled by the largest of the p = 2 answer, which is also the start unless one is given.
    """
    frame = with_independent_rows(frame)
    least = np.asarray(np.linalg.lstsq(frame.A, frame.b, rcond=None)[0])
    quadratic = _polished(frame, 2.0, _slsqp(frame, 2.0, least if start is None else start, 1.0))
    if exponent == 2.0 or not quadratic.converged:
        return quadratic
    size = max(float(np.abs(quadratic.y).max()), 1e-3)
    answer = _polished(frame, exponent, _slsqp(frame, exponent, quadratic.y if start is None else start, size))
    return replace(answer, iterations=quadratic.iterations + answer.iterations)


def _slsqp(frame: Frame, p: float, start: Array, size: float) -> Minimum:
    from scipy.optimize import minimize

    A, lower, upper = frame.A * size, frame.lower / size, frame.upper / size

    def cost(y: Array) -> tuple[float, Array]:
        slope = np.sign(y) * np.abs(y) ** (p - 1.0)
        return float(slope @ y) / p, slope

    begin = start / size
    result = minimize(
        cost,
        np.clip(begin, lower, upper),
        jac=True,
        method="SLSQP",
        bounds=np.column_stack([lower - CORNER, upper + CORNER]),
        constraints={"type": "eq", "fun": lambda y: A @ y - frame.b, "jac": lambda y: A},
        options={"ftol": PRECISION * max(1.0, cost(begin)[0]), "maxiter": MAX_ITERATIONS},
    )
    y = _restored(frame, np.clip(result.x, lower, upper) * size)
    missed = float(np.abs(frame.A @ y - frame.b).max(initial=0.0))
    met = missed <= FEASIBLE * max(1.0, float(np.abs(frame.b).max(initial=0.0)))
    # Mode 8, "positive directional derivative", is where rounding ends the descent: an answer, checked later.
    return Minimum(y, int(result.nit), met and result.status in (0, 8), str(result.message))


def _restored(frame: Frame, y: Array) -> Array:
    """Remove what rounding left of the moments' residual, by the least change of the unknowns inside their bounds."""
    inside = (y > frame.lower) & (y < frame.upper)
    if not inside.any():
        return y
    change = np.linalg.lstsq(frame.A[:, inside], frame.b - frame.A @ y, rcond=None)[0]
    restored = y.copy()
    restored[inside] += change
    return np.asarray(np.clip(restored, frame.lower, frame.upper))


def _polished(frame: Frame, p: float, answer: Minimum) -> Minimum:
    better = _polish(frame, p, answer.y)
    return answer if better is None else replace(answer, y=_restored(frame, better), converged=True)


def _polish(frame: Frame, p: float, y: Array) -> Array | None:
    """Newton on the multipliers λ of the moments, from those that fit y best; None where it does not converge.

    At the optimum y(λ) = clip(sign(z) |z|^(1/(p−1)), lower, upper) with z = Aᵀλ, for every λ stationary and
    within bounds; what is left is A y(λ) = b, the gradient of the concave dual function.
    """
    A, b, lower, upper = frame.A, frame.b, frame.lower, frame.upper
    inside = (y > lower) & (y < upper)
    if not inside.any():
        return None

    def answer(z: Array) -> tuple[Array, Array]:
        free = np.sign(z) * np.abs(z) ** (1.0 / (p - 1.0))
        at = np.clip(free, lower, upper)
        return at, (at == free) & (free != 0.0)

    slope = np.sign(y) * np.abs(y) ** (p - 1.0)
    z = A.T @ np.linalg.lstsq(A[:, inside].T, slope[inside], rcond=None)[0]
    size = max(1.0, float(np.abs(b).max(initial=0.0)))
    for _ in range(POLISH_STEPS):
        at, moving = answer(z)
        missing = b - A @ at
        error = float(np.abs(missing).max()) / size
        if error <= POLISHED:
            return at
        gain = np.zeros_like(at)
        gain[moving] = np.abs(at[moving]) ** (2.0 - p) / (p - 1.0)
        curvature = (A * gain) @ A.T
        # Where muscles rest on their bounds nothing curves: a trace of the identity, and the line search does the rest.
        curvature += max(1e-12 * float(np.trace(curvature)), 1e-12) * np.eye(len(b))
        step = np.linalg.solve(curvature, missing)
        along, gained = A.T @ step, float(b @ step)
        length = _step_length(partial(_slope, z, along, gained, answer))
        if length is None:
            return at if error <= NEARLY_POLISHED else None
        z = z + length * along
    return None


def _slope(
    z: Array, along: Array, gained: float, answer: Callable[[Array], tuple[Array, Array]], length: float
) -> float:
    """Derivative of the dual function along a step of the multipliers."""
    return gained - float(answer(z + length * along)[0] @ along)


def _step_length(slope: Callable[[float], float]) -> float | None:
    """Where the falling slope of a concave function is small: 1 if that will do, None if it is not a way up."""
    from scipy.optimize import brentq

    start = slope(0.0)
    if not start > 0.0:
        return None
    if abs(slope(1.0)) <= 0.5 * start:
        return 1.0
    far = 1.0
    while slope(far) > 0.0:
        far *= 4.0
        if far > 1e8:
            return None
    return float(brentq(slope, 0.0, far, xtol=1e-300, rtol=1e-3))


def lsq_linear(frame: Frame) -> Minimum:
    """Bounded least squares, for p = 2 where every row has an unbounded unknown of its own to eliminate.

    With y_r = (b − C y_m) / d the program is min |y_m|² + |(b − C y_m) / d|² within the bounds of y_m.
    """
    from scipy.optimize import lsq_linear as bounded_least_squares

    own = eliminable(frame)
    others = np.setdiff1d(np.arange(frame.A.shape[1]), own)
    divisor = frame.A[np.arange(len(own)), own]
    C = frame.A[:, others] / divisor[:, None]
    target = frame.b / divisor
    y = np.empty(frame.A.shape[1])
    matrix = np.vstack([np.eye(len(others)), C])
    right = np.concatenate([np.zeros(len(others)), target])
    bounds = frame.lower[others], frame.upper[others]
    result = bounded_least_squares(matrix, right, bounds=bounds, method="bvls", tol=1e-14, max_iter=MAX_ITERATIONS)
    y[others] = np.clip(result.x, *bounds)
    y[own] = target - C @ y[others]
    return Minimum(y, int(result.nit), bool(result.success), str(result.message))


def fitting_multipliers(A: Array, lower: Array, upper: Array, p: float, scale: Array, x: Array) -> Array:
    """Multipliers (D,) under which x (U,) is most nearly stationary: least squares on what is inside its bounds."""
    s = np.where(scale > 0.0, scale, 1.0)
    y, size = s * x, np.abs(A).max(axis=1, initial=0.0)
    size = np.where(size > 0.0, size, 1.0)
    inside = (x > lower) & (x < upper) & (scale > 0.0)
    slope = np.sign(y) * np.abs(y) ** (p - 1.0)
    fitted = np.linalg.lstsq((A / s / size[:, None])[:, inside].T, slope[inside], rcond=RANK_TOLERANCE)[0]
    return np.asarray(fitted / size)


def eliminable(frame: Frame) -> NDArray[np.intp]:
    """For each row, an unbounded unknown that acts on no other row; empty where a row has none."""
    unbounded = np.isneginf(frame.lower) & np.isposinf(frame.upper)
    acting = np.abs(frame.A) > ROUNDING * np.abs(frame.A).max(axis=0, initial=0.0)
    candidates = acting & ((acting.sum(axis=0) == 1) & unbounded)
    if not candidates.any(axis=1).all():
        return np.empty(0, dtype=np.intp)
    own: NDArray[np.intp] = np.argmax(candidates, axis=1)
    return own
