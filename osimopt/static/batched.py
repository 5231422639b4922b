"""The batched solver: a problem reduced, cut into chunks and blocks, and each solved by ``power``.

The reduction is the CPU's; the blocks are solved on NumPy or on a device of torch. What comes out is a claim, which
``proof`` judges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..problem.problem import RedundancyProblem
from .device import Device
from .gap import power_slope
from .power import solve_block
from .reduction import Places, Reduction
from .repair import repaired

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(eq=False)
class Batch:
    """What is claimed of T frames, in y = scale · x with the cost Σ |y|^p / p.

    Unknowns x (T, U), Newton steps (T,), which frames seem infeasible, and multipliers (T, D) = ∂cost/∂b.
    """

    x: Array
    steps: NDArray[np.intp]
    infeasible: Mask
    multipliers: Array

    @classmethod
    def empty(cls, frames: int, unknowns: int, rows: int) -> Batch:
        """Nothing found yet."""
        steps, no = np.zeros(frames, dtype=np.intp), np.zeros(frames, dtype=bool)
        return cls(np.empty((frames, unknowns)), steps, no, np.zeros((frames, rows)))


def solve_batched(
    problem: RedundancyProblem,
    exponent: float,
    scale: Array,
    start: Array | None = None,
    progress: Callable[[int, int], None] | None = None,
    device: Device | None = None,
) -> Batch:
    """Solve all frames of the cost Σ |scale · x|^p / p, p > 1, ``scale`` (T, U).

    ``start`` (T, D) are multipliers to start from, NaN in frames without.
    """
    device = Device.of("cpu") if device is None else device
    frames = len(problem)
    places, reduction = Places.of(problem), None
    scale = np.where(scale > 0.0, scale, 1.0)  # what costs nothing has no gain: it acts on nothing
    batch = Batch.empty(frames, scale.shape[1], len(problem.coordinates))
    for first in range(0, frames, device.chunk):
        keep = slice(first, min(first + device.chunk, frames))
        value, b = places.system(problem, keep)
        begin = None if start is None else start[keep]
        if reduction is None or not reduction.holds(value):
            reduction = places.reduction(problem, value)
        _solve_chunk(batch, keep, reduction, value, b, problem.bounds(), exponent, scale[keep], begin, device)
        if progress is not None:
            progress(keep.stop, frames)
    return batch


def solve_alone(
    A: Array, b: Array, lower: Array, upper: Array, exponent: float, scale: Array
) -> tuple[Array, Array, int]:
    """One frame by its own structure, its rows scaled to the same size: unknowns (U,), multipliers (D,), steps."""
    size = np.abs(A).max(axis=1, initial=0.0)
    size = np.where(size > 0.0, size, 1.0)
    row, column = np.nonzero(A)
    value = (A / size[:, None])[row, column][None]
    batch = Batch.empty(1, A.shape[1], len(b))
    reduction = Reduction.of(row, column, value, *A.shape)
    scale = np.where(scale > 0.0, scale, 1.0)[None]
    bounds = (lower, upper)
    _solve_chunk(
        batch, slice(0, 1), reduction, value, (b / size)[None], bounds, exponent, scale, None, Device.of("cpu")
    )
    return batch.x[0], batch.multipliers[0] / size, int(batch.steps[0])


def _solve_chunk(
    batch: Batch,
    keep: slice,
    reduction: Reduction,
    value: Array,
    b: Array,
    bounds: tuple[Array, Array],
    p: float,
    scale: Array,
    start: Array | None,
    device: Device,
) -> None:
    """Solve some frames, of values (T, Q) and moments (T, D), and write them into the batch."""
    lower, upper = bounds
    x, left, short = reduction.settle(value, b, lower, upper)
    infeasible = short.any(axis=1)
    multipliers = batch.multipliers[keep]
    for block in reduction.blocks:
        s, begin = scale[:, block.columns], None if start is None else device.put(start[:, block.rows])
        arrays = block.dense(value, scale), left[:, block.rows], lower[block.columns] * s, upper[block.columns] * s
        A, own, low, high = (device.put(array) for array in arrays)
        answer = solve_block(A, own, low, high, p, begin)
        y = repaired(A, own, low, high, p, answer.y, answer.multipliers)
        x[:, block.columns] = device.get(y) / s
        multipliers[:, block.rows] = device.get(answer.multipliers)
        steps = device.get(answer.steps).astype(np.intp)
        batch.steps[keep] = np.maximum(batch.steps[keep], steps)
        infeasible |= device.get(answer.infeasible)
    if reduction.order:
        slope = scale * power_slope(scale * x, p)
        batch.multipliers[keep] = reduction.multipliers(value, slope, multipliers)
    batch.x[keep], batch.infeasible[keep] = x, infeasible
