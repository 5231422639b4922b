"""All frames of a problem: at once by Newton's method (:func:`newton`), or one by one (:func:`solve_frames`).

A solver's solution is a claim: :func:`osimopt.static.proof.prove` checks it with its multipliers. A frame that is not
certified is solved again by an interior-point method, on the CPU.

Newton's method and the certificate compute where the problem's arrays are: with NumPy, or with torch on its device.
What leaves a device are the places at which the moment balance may be nonzero, and the frames that are not certified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..devices import Device
from ..namespace import Tensor, alike, filled, namespace, plain
from ..problem.arrays import Array
from ..problem.costs import Cost, exponents
from ..problem.problem import RedundancyProblem
from ..solution.status import Status
from .contact import released, traced
from .exponents import Exponents, part_of, simplest
from .frame import Frame, InfeasibleError, acting, positive, reduce_frame
from .interior import solve_again
from .linear import attainable
from .nonlinear import FrameSolver, Minimum, fitting_multipliers
from .power import power_slope, repaired, solve_block
from .proof import Proof, prove
from .reduction import Places

Progress = Callable[[int, int], None] | None

#: Frames solved at once with NumPy: a few hundred kB a block, which stay in the cache.
CHUNK = 512


@dataclass(eq=False)
class Answers:
    """Solutions by frame: unknowns x (T, M + K), status, iterations, uniqueness, detail and certificate.

    x, gap, activation_error and multipliers are where the problem is.
    """

    x: Array
    status: NDArray[np.object_]
    iterations: NDArray[np.intp]
    unique: NDArray[np.bool_]
    detail: dict[int, str]
    gap: Array
    activation_error: Array
    multipliers: Array

    @classmethod
    def none(cls, problem: RedundancyProblem) -> Answers:
        """No frame solved yet."""
        frames, like = len(problem), problem.max_force
        x, multipliers = (
            filled((frames, len(names)), np.nan, like) for names in (problem.actuators, problem.coordinates)
        )
        status = np.full(frames, Status.NOT_CONVERGED, dtype=object)
        counts, yes = np.zeros(frames, dtype=np.intp), np.ones(frames, dtype=bool)
        gap, error = (filled((frames,), np.nan, like) for _ in range(2))
        return cls(x, status, counts, yes, {}, gap, error, multipliers)

    def certify(self, proof: Proof, unit: Array) -> None:
        """Keep the certificate; the cost is in units ``unit`` (T,) of Σ |scale · x|^p."""
        xp = namespace(proof.gap)
        self.gap = xp.where(proof.certified, unit * proof.gap, xp.nan)
        self.activation_error = xp.where(proof.certified, proof.activation_error, xp.nan)

    def refuse(self, problem: RedundancyProblem, frame: int, missing: dict[int, float]) -> None:
        """Mark a frame infeasible; ``missing`` is the least shortfall by row."""
        names = problem.coordinates
        parts = [f"{names[row]} is short of {value:.4g} {problem.unit(names[row])}" for row, value in missing.items()]
        self.status[frame] = Status.INFEASIBLE
        self.detail[frame] = "At best, " + ", ".join(parts) + "." if parts else ""


def newton(problem: RedundancyProblem, cost: Cost, scale: Array, start: Array | None, progress: Progress) -> Answers:
    """Solve all frames at once; those that are not certified are solved again one by one.

    ``scale`` (T, U) as of :func:`osimopt.problem.costs.scale_of_unknowns`; ``start`` (T, D) multipliers in the unit of
    the cost, NaN in frames without.
    """
    from threadpoolctl import threadpool_limits

    unit, p = unit_of_cost(problem, cost), exponents(problem, cost)
    begin = None if start is None else start / unit[:, None]
    with threadpool_limits(1 if isinstance(unit, np.ndarray) else None):
        found = solve_batched(problem, p, scale, begin, progress)
        if (smaller := traced(problem, scale, cost.exponent, found.x)) is not None:
            found = solve_batched(problem, p, smaller, found.multipliers, progress)
        free = namespace(scale).any(scale > 0.0, axis=1)
        found.multipliers[~free] = 0.0  # nothing costs
        found.multipliers = released(problem, found.x, found.multipliers)
        proof = prove(problem, p, scale, found.x, found.multipliers)
        found.certify(proof, unit)
        found.multipliers *= unit[:, None]
        suspect, certified = found.status == Status.INFEASIBLE, plain(proof.certified)
        found.status[certified] = Status.SOLVED
        _solve_again(found, problem, cost, scale, unit, np.flatnonzero(~certified), suspect)
    return found


def solve_batched(
    problem: RedundancyProblem, p: Exponents, scale: Array, start: Array | None, progress: Progress
) -> Answers:
    """Minimise Σ |scale · x|^p / p in all frames, p > 1, without a certificate.

    The status is INFEASIBLE where the moments seem to be out of reach.
    """
    frames, bounds, places, reduction = len(problem), problem.bounds(), Places.of(problem), None
    scale, xp = positive(scale), namespace(scale)  # an unknown without cost has no gain and acts on nothing
    found = Answers.none(problem)
    found.multipliers[:] = 0.0
    together = CHUNK if isinstance(scale, np.ndarray) else Device.at(scale).together(len(places.row))
    for first in range(0, frames, together):
        keep = slice(first, min(first + together, frames))
        value, b = places.system(keep)
        if reduction is None or not reduction.holds(value):
            reduction = places.reduction(value)
        x, left, short = reduction.settle(value, b, *bounds)
        infeasible, multipliers = xp.any(short != 0.0, axis=1), found.multipliers[keep]
        steps = filled((keep.stop - first,), 0.0, b)
        for block in reduction.blocks:
            rows, columns = block.rows, block.columns
            s, begin = scale[keep][:, columns], None if start is None else start[keep][:, rows]
            A, target = block.dense(value, scale[keep]), left[:, rows]
            low, high = (alike(bound[columns], s) * s for bound in bounds)
            own = part_of(p, columns)
            answer = solve_block(A, target, low, high, own, begin)
            x[:, columns] = repaired(A, target, low, high, own, answer.y, answer.multipliers) / s
            multipliers[:, rows] = answer.multipliers
            steps, infeasible = xp.maximum(steps, answer.steps), infeasible | answer.infeasible
        if reduction.order:
            slope = scale[keep] * power_slope(scale[keep] * x, simplest(p, x))
            found.multipliers[keep] = reduction.multipliers(value, slope, multipliers)
        found.x[keep], found.status[keep][plain(infeasible)] = x, Status.INFEASIBLE
        found.iterations[keep] = plain(steps).astype(np.intp)
        if progress is not None:
            progress(keep.stop, frames)
    return found


def _solve_again(
    found: Answers, problem: RedundancyProblem, cost: Cost, scale: Array, unit: Array, rows: NDArray[np.intp],
    suspect: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Solve frames ``rows`` by the interior-point method; ``suspect`` (T,) where the moments seem out of reach."""
    if not rows.size:
        return
    few = problem.frames(rows).to("cpu")
    scales, units = plain(scale[rows]), plain(unit[rows])
    again = Answers.none(few)
    for index, frame in enumerate(rows.tolist()):
        try:
            answer = solve_again(few, index, exponents(problem, cost), scales[index], bool(suspect[frame]))
        except InfeasibleError as error:
            again.refuse(few, index, error.shortfall)
            continue
        if answer is None:
            again.detail[index] = "No solution was proved to be within 1e-6 of the least cost."
            continue
        again.status[index] = Status.SOLVED
        again.detail[index] = "Solved by an interior-point method: newton did not converge."
        again.x[index], multipliers, again.iterations[index], proof = answer
        again.multipliers[index], again.gap[index] = units[index] * multipliers, units[index] * proof.gap[0]
        again.activation_error[index] = proof.activation_error[0]
    solved = again.status == Status.SOLVED
    found.status[rows], found.iterations[rows[solved]] = again.status, again.iterations[solved]
    found.detail |= {int(rows[index]): text for index, text in again.detail.items()}
    found.x[rows[solved]] = alike(again.x[solved], found.x)
    for name in ("multipliers", "gap", "activation_error"):
        getattr(found, name)[rows] = alike(getattr(again, name), found.x)


def solve_frames(
    problem: RedundancyProblem, cost: Cost, solve: FrameSolver, scale: Array, guess: Array | None, progress: Progress
) -> Answers:
    """Solve frame by frame; each starts from ``guess`` (T, U), or by default from the frame before.

    ``solve`` minimises Σ |scale · x|^p / p, Σ |scale · x| or max(floor, max |scale · x|) in a reduced frame.
    """
    from threadpoolctl import threadpool_limits

    frames, found, p = len(problem), Answers.none(problem), exponents(problem, cost)
    scales = scale if cost.linear else positive(scale)
    start: Array | None = None
    with threadpool_limits(1):  # matrices this small gain nothing from BLAS threads; beside a busy core they cost 2x
        for frame in range(frames):
            begin, start = start if guess is None else guess[frame], None
            try:
                answer = _solve_frame(Frame.at(problem, frame), p, solve, scales[frame], begin)
            except InfeasibleError as error:
                found.refuse(problem, frame, error.shortfall)
            except ArithmeticError as error:
                found.detail[frame] = str(error)
            else:
                found.x[frame], found.iterations[frame] = answer.y, answer.iterations
                found.unique[frame] = answer.unique
                if answer.converged:
                    found.status[frame], start = Status.SOLVED, answer.y
                else:
                    found.detail[frame] = answer.message
            if progress is not None and (frame % 20 == 19 or frame + 1 == frames):
                progress(frame + 1, frames)
    if not cost.linear:
        bounds = problem.bounds()
        for frame in np.flatnonzero(found.status == Status.SOLVED).tolist():
            A = acting(Frame.at(problem, frame))
            found.multipliers[frame] = fitting_multipliers(A, *bounds, p, scale[frame], found.x[frame])
        found.multipliers = released(problem, found.x, found.multipliers)
        found.certify(prove(problem, p, scale, found.x, found.multipliers), unit_of_cost(problem, cost))
    return found


def _solve_frame(whole: Frame, p: Exponents, solve: FrameSolver, scale: Array, start: Array | None) -> Minimum:
    """The solution in x; where there is none, that for the nearest moments that can be met."""
    try:
        answer = _solve_reduced(whole, p, solve, scale, start)
        if answer.converged:
            return answer
    except InfeasibleError:  # by structure, or to a solver's own tolerance: no proof
        pass
    moved = attainable(whole)[0]
    try:
        return _solve_reduced(moved, p, solve, scale, start)
    except InfeasibleError:
        raise ArithmeticError("The moments can be met to within rounding only.") from None


def _solve_reduced(whole: Frame, p: Exponents, solve: FrameSolver, scale: Array, start: Array | None) -> Minimum:
    rest, x = reduce_frame(whole)
    if not rest.columns.size:
        return Minimum(x, 0, True)
    first = None if start is None else start[rest.columns]
    floor = float(np.nanmax(scale * np.abs(x), initial=0.0))
    answer = solve(rest, scale[rest.columns], part_of(p, rest.columns), first, floor)
    x[rest.columns] = answer.y
    return replace(answer, y=x)


def unit_of_cost(problem: RedundancyProblem, cost: Cost) -> Tensor:
    """(T,) the unit of the cost in terms of Σ |scale · x|^p: the p-th power of the size by which scales are divided."""
    xp, scale = namespace(problem.max_force), cost.scale(problem)
    size = xp.mean(scale * alike(problem.weights ** (1.0 / cost.exponent), scale), axis=1)
    return xp.where(size > 0.0, size, 1.0) ** cost.exponent
