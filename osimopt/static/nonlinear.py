"""SciPy's SLSQP and lsq_linear on one frame: the cost Σ |y|^p / p for any p > 1, or exponents by unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..problem.arrays import ROUNDING
from .exponents import Exponents, exponent_of, part_of, simplest, units_of
from .frame import RANK_TOLERANCE, Frame, positive, row_size, with_independent_rows

Array = NDArray[np.float64]

#: SLSQP stops where the cost changes by less than this share of its size. A tighter value lets it wander in rounding:
#: p = 2 is exact at once (its first quadratic model is the problem), other p are polished.
PRECISION = 1e-10
MAX_ITERATIONS = 500
#: Relative; a solution of SLSQP that misses the moments by more is a failed search.
FEASIBLE = 1e-8
#: Bounds are widened by this for SLSQP and its solution clipped: a feasible set that is one corner must not be lost to
#: rounding.
CORNER = 1e-12
#: Newton steps that polish SLSQP's solution, and the relative moment residual at which they end.
POLISH_STEPS, POLISHED = 40, 1e-13
#: Relative; where rounding ends the polish, a residual below this is accepted.
NEARLY_POLISHED = 1e-10


@dataclass(frozen=True, eq=False)
class Minimum:
    """A solver's solution of one frame; ``converged`` is the solver's own claim."""

    y: Array
    iterations: int
    converged: bool
    message: str = ""
    unique: bool = True


#: (frame, scale, exponent, start, floor) to the minimum of one reduced frame; :func:`slsqp` describes the arguments.
FrameSolver = Callable[[Frame, Array, Exponents, Array | None, float], Minimum]


def slsqp(frame: Frame, scale: Array, exponent: Exponents, start: Array | None, floor: float) -> Minimum:
    """Solve one reduced frame with SLSQP; where it fails from ``start``, from the least-squares solution.

    Parameters
    ----------
    frame
        The moment balance in N unknowns x.
    scale, exponent
        (N,) and p, one number or (N,): the cost is Σ |scale · x|^p / p.
    start
        (N,) start of x, or None.
    floor
        Only for the cost max(floor, max |scale · x|): the maximum over the unknowns that reduction removed.

    Returns
    -------
    Minimum
        Its ``y`` is x (N,).

    Raises
    ------
    InfeasibleError, ArithmeticError
        The moments cannot be met; the solver failed.
    """
    scaled = frame.scaled(scale)
    answer = least_power(scaled, exponent, None if start is None else start * scale)
    if not answer.converged and start is not None:
        answer = least_power(scaled, exponent, None)
    return replace(answer, y=answer.y / scale)


def lsq_linear(frame: Frame, scale: Array, exponent: Exponents, start: Array | None, floor: float) -> Minimum:
    """Like :func:`slsqp`, by bounded least squares: p = 2, and every row has an unbounded unknown to eliminate.

    With y_r = (b − C y_m) / d the program is min |y_m|² + |(b − C y_m) / d|² within the bounds of y_m.
    """
    from scipy.optimize import lsq_linear as bounded_least_squares

    frame = frame.scaled(scale)
    own = _eliminable(frame)
    if frame.b.size and not own.size:
        fix = "Add unbounded reserves or use solver='slsqp'."
        raise InputError(explain("an unbounded reserve on every coordinate for 'lsq_linear'", "none on some", fix))
    others = np.setdiff1d(np.arange(frame.A.shape[1]), own)
    divisor = frame.A[np.arange(len(own)), own]
    C = frame.A[:, others] / divisor[:, None]
    target = frame.b / divisor
    matrix = np.vstack([np.eye(len(others)), C])
    right = np.concatenate([np.zeros(len(others)), target])
    bounds = frame.lower[others], frame.upper[others]
    result = bounded_least_squares(matrix, right, bounds=bounds, method="bvls", tol=1e-14, max_iter=MAX_ITERATIONS)
    y = np.empty(frame.A.shape[1])
    y[others] = np.clip(result.x, *bounds)
    y[own] = target - C @ y[others]
    return Minimum(y / scale, int(result.nit), bool(result.success), str(result.message))


def _eliminable(frame: Frame) -> NDArray[np.intp]:
    """For each row, an unbounded unknown that acts on no other row; empty where a row has none."""
    unbounded = np.isneginf(frame.lower) & np.isposinf(frame.upper)
    acting = np.abs(frame.A) > ROUNDING * np.abs(frame.A).max(axis=0, initial=0.0)
    candidates = acting & ((acting.sum(axis=0) == 1) & unbounded)
    found = candidates.any(axis=1).all()
    return np.asarray(np.argmax(candidates, axis=1) if found else np.empty(0, dtype=np.intp))


def least_power(frame: Frame, exponent: Exponents, start: Array | None) -> Minimum:
    """Minimise Σ |y|^p / p by SLSQP with exact derivatives, then polish by Newton steps on the optimality conditions.

    For p = 2 SLSQP's first quadratic model is the problem itself, so its solution is exact from any start. For other p
    the variables are scaled by the largest of the p = 2 solution, which is also the start unless one is given.
    """
    frame = with_independent_rows(frame)
    least = np.asarray(np.linalg.lstsq(frame.A, frame.b, rcond=None)[0])
    quadratic = _slsqp(frame, 2.0, least if start is None else start, 1.0)
    exponent = simplest(exponent, least)
    main = exponent_of(exponent)
    if main == 2.0 or not quadratic.converged:
        return quadratic
    size = max(float((np.abs(quadratic.y) ** (exponent / main)).max()), 1e-3)
    answer = _slsqp(frame, exponent, quadratic.y if start is None else start, units_of(size, exponent))
    return replace(answer, iterations=quadratic.iterations + answer.iterations)


def _slsqp(frame: Frame, p: Exponents, start: Array, size: float | Array) -> Minimum:
    from scipy.optimize import minimize

    A, lower, upper = frame.A * size, frame.lower / size, frame.upper / size

    def cost(y: Array) -> tuple[float, Array]:
        slope = _power_slope(y, p)
        return float(slope @ y) / p if isinstance(p, float) else float(np.sum(slope * y / p)), slope

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
    # Mode 8, "positive directional derivative", is where rounding ends the descent: a solution, checked later.
    answer = Minimum(y, int(result.nit), met and result.status in (0, 8), str(result.message))
    better = _polish(frame, p, y)
    return answer if better is None else replace(answer, y=_restored(frame, better), converged=True)


def _power_slope(y: Array, p: Exponents) -> Array:
    """Slope of |y|^p / p."""
    return np.asarray(np.sign(y) * np.abs(y) ** (p - 1.0))


def _restored(frame: Frame, y: Array) -> Array:
    """Remove the moments' residual, which is rounding, by the least change of the unknowns inside their bounds."""
    inside = (y > frame.lower) & (y < frame.upper)
    if not inside.any():
        return y
    change = np.linalg.lstsq(frame.A[:, inside], frame.b - frame.A @ y, rcond=None)[0]
    restored = y.copy()
    restored[inside] += change
    return np.asarray(np.clip(restored, frame.lower, frame.upper))


def _polish(frame: Frame, p: Exponents, y: Array) -> Array | None:
    """Newton steps on the multipliers λ of the moments, from those that fit y best; None where they do not converge.

    y(λ) = clip(sign(z) |z|^(1/(p−1)), lower, upper) with z = Aᵀλ is stationary and within bounds for every λ; the
    steps solve A y(λ) = b. The residual is the gradient of the concave dual function.
    """
    A, b, lower, upper = frame.A, frame.b, frame.lower, frame.upper
    inside = (y > lower) & (y < upper)
    if not inside.any():
        return None

    def answer(z: Array) -> tuple[Array, Array]:
        free = np.sign(z) * np.abs(z) ** (1.0 / (p - 1.0))
        at = np.clip(free, lower, upper)
        return at, (at == free) & (free != 0.0)

    z = A.T @ np.linalg.lstsq(A[:, inside].T, _power_slope(y, p)[inside], rcond=None)[0]
    size = max(1.0, float(np.abs(b).max(initial=0.0)))
    for _ in range(POLISH_STEPS):
        at, moving = answer(z)
        missing = b - A @ at
        error = float(np.abs(missing).max()) / size
        if error <= POLISHED:
            return at
        gain = np.zeros_like(at)
        own = part_of(p, moving)
        gain[moving] = np.abs(at[moving]) ** (2.0 - own) / (own - 1.0)
        curvature = (A * gain) @ A.T
        # Where all muscles are on their bounds there is no curvature: add a trace of the identity; the line search
        # finds the length.
        curvature += max(1e-12 * float(np.trace(curvature)), 1e-12) * np.eye(len(b))
        step = np.linalg.solve(curvature, missing)
        along = A.T @ step
        length = _step_length(answer, z, along, float(b @ step))
        if length is None:
            return at if error <= NEARLY_POLISHED else None
        z = z + length * along
    return None


def _step_length(answer: Callable[[Array], tuple[Array, Array]], z: Array, along: Array, gained: float) -> float | None:
    """Length of a step at which the slope of the concave dual function is small; None where it does not rise."""
    from scipy.optimize import brentq

    def slope(length: float) -> float:
        return gained - float(answer(z + length * along)[0] @ along)

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


def fitting_multipliers(A: Array, lower: Array, upper: Array, p: Exponents, scale: Array, x: Array) -> Array:
    """Multipliers (D,) under which x (U,) is most nearly stationary: least squares on the unknowns inside bounds."""
    s, size = positive(scale), row_size(A)
    inside = (x > lower) & (x < upper) & ((scale > 0.0) | (A != 0.0).any(axis=0))
    slope = np.where(scale > 0.0, _power_slope(s * x, p), 0.0)
    fitted = np.linalg.lstsq((A / s / size[:, None])[:, inside].T, slope[inside], rcond=RANK_TOLERANCE)[0]
    return np.asarray(fitted / size)
