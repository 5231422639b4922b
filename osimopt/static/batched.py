"""The batched certified solver: a problem reduced, cut into chunks and blocks, and each solved by ``power``.

The reduction happens once and on the CPU; the blocks are solved and certified on NumPy or on a device of torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem import RedundancyProblem
from .certificate import certify
from .device import Device
from .gap import power_slope
from .power import solve_block
from .reduction import Block, Places, Reduction

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Relative; a frame whose moments are missed by more is left to another solver.
SOLVED = 1e-10
#: Relative; so is one whose duality gap is more, where it is known.
OPTIMAL = 1e-6


@dataclass(eq=False)
class Batch:
    """What is found of T frames, in y = scale · x with the cost Σ |y|^p / p.

    Unknowns x (T, U), Newton steps (T,), which frames are solved and which proved infeasible, the certificate (gap,
    bound on the error of any activation, validity; (T,) each), and multipliers (T, D) = ∂cost/∂b.
    """

    x: Array
    steps: NDArray[np.intp]
    solved: Mask
    infeasible: Mask
    gap: Array
    activation_error: Array
    certified: Mask
    multipliers: Array

    @classmethod
    def empty(cls, frames: int, unknowns: int, rows: int) -> Batch:
        """Nothing found yet."""
        no, zero = np.zeros(frames, dtype=bool), np.zeros(frames)
        steps, multipliers = np.zeros(frames, dtype=np.intp), np.zeros((frames, rows))
        return cls(np.empty((frames, unknowns)), steps, no, no.copy(), zero, zero.copy(), ~no, multipliers)


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
    places = Places.of(problem)
    reduction = places.reduction(problem)
    batch = Batch.empty(frames, scale.shape[1], len(problem.coordinates))
    for first in range(0, frames, device.chunk):
        keep = slice(first, min(first + device.chunk, frames))
        begin = None if start is None else start[keep]
        _solve_chunk(batch, problem, places, reduction, exponent, keep, scale[keep], begin, device)
        if progress is not None:
            progress(keep.stop, frames)
    return batch


def _solve_chunk(
    batch: Batch,
    problem: RedundancyProblem,
    places: Places,
    reduction: Reduction,
    p: float,
    keep: slice,
    scale: Array,
    start: Array | None,
    device: Device,
) -> None:
    value, b = places.system(problem, keep)
    lower, upper = problem.bounds()
    x, left, short = reduction.settle(value, b, lower, upper)
    infeasible = short.any(axis=1)
    multipliers, worth = batch.multipliers[keep], np.zeros(len(b))
    for block in reduction.blocks:
        s, begin = scale[:, block.columns], None if start is None else start[:, block.rows]
        A, low, high = block.dense(value, scale), lower[block.columns] * s, upper[block.columns] * s
        found = _solve_one(block, device, A, left[:, block.rows], low, high, p, begin, s, len(problem.muscles))
        y, multipliers[:, block.rows], steps, refuted, gap, error, valid = found
        x[:, block.columns] = y / s
        worth += np.sum(np.abs(y) ** p, axis=1) / p
        batch.steps[keep] = np.maximum(batch.steps[keep], steps.astype(np.intp))
        infeasible |= refuted
        batch.gap[keep] += gap
        batch.activation_error[keep] = np.maximum(batch.activation_error[keep], error)
        batch.certified[keep] &= valid
    if reduction.order:
        slope = scale * power_slope(scale * x, p)
        batch.multipliers[keep] = reduction.multipliers(value, slope, multipliers)
    missed = np.abs(b - reduction.product(value, x)).max(axis=1, initial=0.0)
    met = missed <= SOLVED * np.maximum(1.0, np.abs(b).max(axis=1, initial=0.0))
    batch.x[keep], batch.infeasible[keep] = x, infeasible
    optimal = ~batch.certified[keep] | (batch.gap[keep] <= OPTIMAL * worth)
    batch.solved[keep] = met & optimal & ~infeasible


def _solve_one(
    block: Block,
    device: Device,
    A: Array,
    b: Array,
    lower: Array,
    upper: Array,
    p: float,
    start: Array | None,
    scale: Array,
    muscles: int,
) -> tuple[Any, ...]:
    """A block on the device: y, multipliers, steps, frames proved infeasible; gap, error and validity of the answer."""
    A, b, lower, upper = (device.put(array) for array in (A, b, lower, upper))
    answer = solve_block(A, b, lower, upper, p, None if start is None else device.put(start))
    counted = device.put(np.flatnonzero(block.columns < muscles))
    sure = certify(A, b, lower, upper, p, answer.y, answer.multipliers, device.put(scale), counted)
    found = (sure.y, answer.multipliers, answer.steps, answer.infeasible, sure.gap, sure.error, sure.valid)
    return tuple(device.get(array) for array in found)
