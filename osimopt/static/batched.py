"""The batched certified solver: a problem cut into chunks, reduced, split into blocks, and solved by ``dual``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..costs import Cost
from ..problem import RedundancyProblem
from .certificate import Certificate, certify
from .dual import solve_block

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Frames solved at once: a few MB for 80 muscles, and enough for NumPy's overhead not to count.
CHUNK = 256
#: Largest exponent that is faster here than by SLSQP: beyond it the power is nearly flat where muscles rest.
LARGEST_EXPONENT = 5.0
#: Relative; a moment on which nothing acts, or a determined unknown beyond its bound, by more than this is infeasible.
INFEASIBLE = 1e-9
#: Relative; a frame whose moments are missed by more is left to another solver.
SOLVED = 1e-10


@dataclass(eq=False)
class Batch:
    """What is found of T frames: unknowns (T, U), their certificate, Newton steps, and the frames that failed."""

    x: Array
    steps: NDArray[np.intp]
    solved: Mask
    infeasible: Mask
    certificate: Certificate
    multipliers: Array


def solve_batched(
    problem: RedundancyProblem,
    cost: Cost,
    scale: Array,
    start: Array | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Batch:
    """Solve all frames of a separable cost with 1 < p ≤ 5; ``scale`` (T, U) makes every cost term |scale · x|^p.

    ``start`` (T, D) are multipliers to start from.
    """
    frames = len(problem)
    parts = []
    for first in range(0, frames, CHUNK):
        keep = slice(first, min(first + CHUNK, frames))
        begin = None if start is None else start[keep]
        parts.append(_solve_chunk(problem, cost.exponent, keep, scale[keep], begin))
        if progress is not None:
            progress(keep.stop, frames)
    return Batch(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.solved for part in parts]),
        np.concatenate([part.infeasible for part in parts]),
        Certificate.join([part.certificate for part in parts]),
        np.concatenate([part.multipliers for part in parts]),
    )


def _solve_chunk(problem: RedundancyProblem, p: float, keep: slice, scale: Array, start: Array | None) -> Batch:
    A, b = problem.systems(keep)
    frames, rows, unknowns = A.shape
    lower, upper = (np.broadcast_to(bound, (frames, unknowns)) for bound in problem.bounds())
    x, b_left, settled, rows_left, infeasible = _settle(A, b, lower, upper)
    steps = np.zeros(frames, dtype=np.intp)
    multipliers = np.zeros((frames, rows))
    certificate = Certificate.empty(frames)
    for block_rows, block_columns in _blocks(A, rows_left, ~settled):
        s = scale[:, block_columns]
        block = A[np.ix_(np.arange(frames), block_rows, block_columns)] / s[:, None, :]
        low, high = lower[:, block_columns] * s, upper[:, block_columns] * s
        target = b_left[:, block_rows]
        begin = None if start is None else start[:, block_rows]
        answer = solve_block(block, target, low, high, p, begin)
        y = certify(certificate, block, target, low, high, p, answer.y, answer.multipliers, s, block_columns, problem)
        x[:, block_columns] = y / s
        steps = np.maximum(steps, answer.steps.astype(np.intp))
        infeasible |= answer.infeasible
        multipliers[:, block_rows] = answer.multipliers
    missed = np.abs(b - np.einsum("tdu,tu->td", A, x)).max(axis=1, initial=0.0)
    solved = (missed <= SOLVED * np.maximum(1.0, np.abs(b).max(axis=1, initial=0.0))) & ~infeasible
    return Batch(x, steps, solved, infeasible, certificate, multipliers)


def _settle(A: Array, b: Array, lower: Array, upper: Array) -> tuple[Array, Array, Mask, Mask, Mask]:
    """Settle what needs no optimization, by the structure of the chunk: as ``frame.reduce_frame``, in all frames.

    Returns x (T, U), what is left of b, which unknowns are settled (U,), which rows are left (D,), and the
    frames (T,) in which a row cannot be met.
    """
    acts = (A != 0.0).any(axis=0)
    x = np.clip(np.zeros_like(lower), lower, upper)
    settled = ~acts.any(axis=0)
    b_left, left = b.copy(), np.ones(len(acts), dtype=bool)
    infeasible = np.zeros(len(A), dtype=bool)
    allowed = INFEASIBLE * np.maximum(1.0, np.abs(b).max(axis=1, initial=0.0))
    while True:
        count = acts[:, ~settled].sum(axis=1)
        todo = np.flatnonzero(left & (count <= 1))
        if not todo.size:
            return x, b_left, settled, left, infeasible
        row = int(todo[0])
        left[row] = False
        for column in np.flatnonzero(acts[row] & ~settled):
            effect = A[:, row, column]
            wanted = np.divide(b_left[:, row], effect, out=np.zeros(len(A)), where=effect != 0.0)
            x[:, column] = np.clip(wanted, lower[:, column], upper[:, column])
            settled[column] = True
            b_left -= A[:, :, column] * x[:, column, None]
        infeasible |= np.abs(b_left[:, row]) > allowed


def _blocks(A: Array, rows_left: Mask, open_columns: Mask) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows and columns that hang together: a left and a right leg are two small problems, not a large one."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.flatnonzero(rows_left), np.flatnonzero(open_columns)
    acts = (A[:, rows][:, :, columns] != 0.0).any(axis=0)
    row, column = np.nonzero(acts)
    size = len(rows) + len(columns)
    graph = csr_array((np.ones(len(row)), (row, column + len(rows))), shape=(size, size))
    count, label = connected_components(graph, directed=False)
    members = [(rows[label[: len(rows)] == i], columns[label[len(rows) :] == i]) for i in range(count)]
    return [(block_rows, block_columns) for block_rows, block_columns in members if block_rows.size]
