"""All frames of a problem: at once by Newton's method (:func:`newton`), or one by one (:func:`solve_frames`).

A solver's solution is a claim: :func:`osimopt.static.proof.prove` checks it with its multipliers. A frame that is not
certified is solved again by an interior-point method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingDependencyError, explain
from ..problem.arrays import Array
from ..problem.costs import Cost
from ..problem.problem import RedundancyProblem
from ..solution.solution import Status
from .interior import solve_again
from .linear import attainable
from .nonlinear import FrameSolver, Minimum, fitting_multipliers
from .power import power_slope, repaired, solve_block
from .proof import Proof, prove
from .reduction import Frame, InfeasibleError, Places, acting, positive, reduce_frame

Progress = Callable[[int, int], None] | None

#: Frames solved at once with NumPy: a few hundred kB a block, which stay in the cache.
CHUNK = 512
#: Frames solved at once with torch: enough work to hide the launch of a kernel, a few hundred MB.
DEVICE_CHUNK = 65536


@dataclass(frozen=True)
class Device:
    """Where Newton's method computes: a device name of torch, or None for NumPy; and the frames to solve at once."""

    name: str | None
    chunk: int

    @classmethod
    def of(cls, device: str) -> Device:
        """From ``"cpu"`` (NumPy), ``"torch"`` (torch on the CPU), ``"cuda"``, ``"cuda:1"``, ….

        Raises
        ------
        InputError
            The device is not available.
        MissingDependencyError
            torch is not installed.
        """
        if device == "cpu":
            return cls(None, CHUNK)
        name = "cpu" if device == "torch" else device
        rule = "device among 'cpu' (NumPy), 'torch' (torch on the CPU) and device names of torch such as 'cuda'"
        if not isinstance(device, str):
            raise InputError(explain(rule, repr(device), "Give its name."))
        torch = _torch(device)
        try:
            torch.zeros(1, dtype=torch.float64, device=name)
        except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
            got = f"{device!r}: {str(error).splitlines()[0]}"
            raise InputError(explain(rule, got, "Use device='cpu', or install torch for your accelerator.")) from None
        return cls(name, DEVICE_CHUNK)

    def put(self, array: Any) -> Any:
        """The array on the device."""
        if self.name is None:
            return array
        return _torch(self.name).from_numpy(np.ascontiguousarray(array)).to(self.name)

    def get(self, array: Any) -> Any:
        """A device's array in NumPy."""
        return array if self.name is None else array.cpu().numpy()


def _torch(device: str) -> Any:
    try:
        import torch
    except ImportError:
        fix = "Install torch, or use device='cpu'."
        raise MissingDependencyError(explain(f"torch for device={device!r}", "no torch", fix)) from None
    return torch


@dataclass(eq=False)
class Answers:
    """Solutions by frame: unknowns x (T, M + K), status, iterations, uniqueness, detail and certificate."""

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
        frames = len(problem)
        x, multipliers = (np.full((frames, len(names)), np.nan) for names in (problem.actuators, problem.coordinates))
        status = np.full(frames, Status.NOT_CONVERGED, dtype=object)
        counts, yes = np.zeros(frames, dtype=np.intp), np.ones(frames, dtype=bool)
        return cls(x, status, counts, yes, {}, np.full(frames, np.nan), np.full(frames, np.nan), multipliers)

    def certify(self, proof: Proof, unit: Array) -> None:
        """Keep the certificate; the cost is in units ``unit`` (T,) of Σ |scale · x|^p."""
        self.gap = np.where(proof.certified, unit * proof.gap, np.nan)
        self.activation_error = np.where(proof.certified, proof.activation_error, np.nan)

    def refuse(self, problem: RedundancyProblem, frame: int, missing: dict[int, float]) -> None:
        """Mark a frame infeasible; ``missing`` is the least shortfall by row."""
        names = problem.coordinates
        parts = [f"{names[row]} is short of {value:.4g} {problem.unit(names[row])}" for row, value in missing.items()]
        self.status[frame] = Status.INFEASIBLE
        self.detail[frame] = "At best, " + ", ".join(parts) + "." if parts else ""


def newton(
    problem: RedundancyProblem, cost: Cost, scale: Array, start: Array | None, progress: Progress, device: Device
) -> Answers:
    """Solve all frames at once; those that are not certified are solved again one by one.

    ``scale`` (T, U) as of :func:`osimopt.problem.costs.scale_of_unknowns`; ``start`` (T, D) multipliers in the unit of
    the cost, NaN in frames without.
    """
    from threadpoolctl import threadpool_limits

    unit = unit_of_cost(problem, cost)
    begin = None if start is None else start / unit[:, None]
    with threadpool_limits(1):
        found = solve_batched(problem, cost.exponent, scale, begin, progress, device)
        found.multipliers[~(scale > 0.0).any(axis=1)] = 0.0  # nothing costs
        proof = prove(problem, cost.exponent, scale, found.x, found.multipliers)
        found.certify(proof, unit)
        found.multipliers *= unit[:, None]
        infeasible = found.status == Status.INFEASIBLE
        found.status[proof.certified] = Status.SOLVED
        for frame in np.flatnonzero(~proof.certified).tolist():
            _solve_again(found, problem, frame, cost, scale[frame], float(unit[frame]), bool(infeasible[frame]))
    return found


def solve_batched(
    problem: RedundancyProblem, p: float, scale: Array, start: Array | None, progress: Progress, device: Device
) -> Answers:
    """Minimise Σ |scale · x|^p / p in all frames, p > 1, without a certificate.

    The status is INFEASIBLE where the moments seem to be out of reach. The reduction runs on the CPU, the blocks are
    solved on the device.
    """
    frames, bounds, places, reduction = len(problem), problem.bounds(), Places.of(problem), None
    scale = positive(scale)  # an unknown without cost has no gain and acts on nothing
    found = Answers.none(problem)
    found.multipliers[:] = 0.0
    for first in range(0, frames, device.chunk):
        keep = slice(first, min(first + device.chunk, frames))
        value, b = places.system(keep)
        if reduction is None or not reduction.holds(value):
            reduction = places.reduction(value)
        x, left, short = reduction.settle(value, b, *bounds)
        infeasible, multipliers = short.any(axis=1), found.multipliers[keep]
        for block in reduction.blocks:
            rows, columns = block.rows, block.columns
            s, begin = scale[keep, columns], None if start is None else device.put(start[keep, rows])
            A, target = device.put(block.dense(value, scale[keep])), device.put(left[:, rows])
            low, high = (device.put(bound[columns] * s) for bound in bounds)
            answer = solve_block(A, target, low, high, p, begin)
            x[:, columns] = device.get(repaired(A, target, low, high, p, answer.y, answer.multipliers)) / s
            multipliers[:, rows] = device.get(answer.multipliers)
            steps = device.get(answer.steps).astype(np.intp)
            found.iterations[keep] = np.maximum(found.iterations[keep], steps)
            infeasible |= device.get(answer.infeasible)
        if reduction.order:
            slope = scale[keep] * power_slope(scale[keep] * x, p)
            found.multipliers[keep] = reduction.multipliers(value, slope, multipliers)
        found.x[keep], found.status[keep][infeasible] = x, Status.INFEASIBLE
        if progress is not None:
            progress(keep.stop, frames)
    return found


def _solve_again(
    found: Answers, problem: RedundancyProblem, frame: int, cost: Cost, scale: Array, unit: float, suspect: bool
) -> None:
    """Solve one frame by the interior-point method; ``suspect`` where Newton found the moments out of reach."""
    found.status[frame], found.multipliers[frame] = Status.NOT_CONVERGED, np.nan
    try:
        answer = solve_again(problem, frame, cost.exponent, scale, suspect)
    except InfeasibleError as error:
        found.refuse(problem, frame, error.shortfall)
        return
    if answer is None:
        found.detail[frame] = "No solution was proved to be within 1e-6 of the least cost."
        return
    found.status[frame] = Status.SOLVED
    found.detail[frame] = "Solved by an interior-point method: newton did not converge."
    found.x[frame], multipliers, found.iterations[frame], proof = answer
    found.multipliers[frame], found.gap[frame] = unit * multipliers, unit * proof.gap[0]
    found.activation_error[frame] = proof.activation_error[0]


def solve_frames(
    problem: RedundancyProblem, cost: Cost, solve: FrameSolver, scale: Array, guess: Array | None, progress: Progress
) -> Answers:
    """Solve frame by frame; each starts from ``guess`` (T, U), or by default from the frame before.

    ``solve`` minimises Σ |scale · x|^p / p, Σ |scale · x| or max(floor, max |scale · x|) in a reduced frame.
    """
    from threadpoolctl import threadpool_limits

    frames, found = len(problem), Answers.none(problem)
    start: Array | None = None
    with threadpool_limits(1):  # matrices this small gain nothing from BLAS threads; beside a busy core they cost 2x
        for frame in range(frames):
            begin, start = start if guess is None else guess[frame], None
            try:
                answer = _solve_frame(Frame.at(problem, frame), cost.exponent, solve, scale[frame], begin)
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
            found.multipliers[frame] = fitting_multipliers(A, *bounds, cost.exponent, scale[frame], found.x[frame])
        found.certify(prove(problem, cost.exponent, scale, found.x, found.multipliers), unit_of_cost(problem, cost))
    return found


def _solve_frame(whole: Frame, p: float, solve: FrameSolver, scale: Array, start: Array | None) -> Minimum:
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


def _solve_reduced(whole: Frame, p: float, solve: FrameSolver, scale: Array, start: Array | None) -> Minimum:
    rest, x = reduce_frame(whole)
    if not rest.columns.size:
        return Minimum(x, 0, True)
    first = None if start is None else start[rest.columns]
    floor = float(np.nanmax(scale * np.abs(x), initial=0.0))
    answer = solve(rest, scale[rest.columns], p, first, floor)
    x[rest.columns] = answer.y
    return replace(answer, y=x)


def unit_of_cost(problem: RedundancyProblem, cost: Cost) -> Array:
    """(T,) the unit of the cost in terms of Σ |scale · x|^p: the p-th power of the size by which scales are divided."""
    size = np.mean(cost.scale(problem) * problem.weights ** (1.0 / cost.exponent), axis=1)
    return np.asarray(np.where(size > 0.0, size, 1.0) ** cost.exponent)
