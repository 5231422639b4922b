"""A static problem in coordinates in which nothing is left to learn but the bounds.

A frame's program in y = scale · x is to minimise Σ y²/2 subject to A y = b within bounds. With A Aᵀ = L Lᵀ the rows of
W = L⁻¹ A are orthonormal, and with b̃ = L⁻¹ b the dual unknowns are u = Lᵀλ: the answer is y(u) = clip(Wᵀu), and u = b̃
where no bound holds. Units, strength and size of a subject have gone; whatever a network says of u, y(u) is within its
bounds, stationary and complementary, and misses the moments by ρ = b̃ − W y(u) alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from ..problem.costs import Cost, scale_of_unknowns
from ..problem.problem import RedundancyProblem
from ..static.reduction import Places

Array = NDArray[np.float64]

#: Stands for no bound in tensors: 0 · ∞ is no number.
UNBOUNDED = 1e6
#: Share of the diagonal of A Aᵀ that is added to it: rows may depend on each other.
SHARE = 1e-12


@dataclass(frozen=True, eq=False)
class Whitened:
    """Frames (T,) of W (T, D, U), b̃ (T, D), bounds of y (T, U); ``muscle`` (T, U) is 1 for muscles, 0 for reserves."""

    matrix: Tensor
    target: Tensor
    lower: Tensor
    upper: Tensor
    muscle: Tensor

    def unbounded(self, u: Tensor) -> Tensor:
        """Before the bounds, z = Wᵀu, (T, U)."""
        return (self.matrix.transpose(1, 2) @ u[..., None])[..., 0]

    def answer(self, u: Tensor) -> Tensor:
        """y(u), (T, U)."""
        return torch.minimum(torch.maximum(self.unbounded(u), self.lower), self.upper)

    def moments(self, y: Tensor) -> Tensor:
        """W y, (T, D)."""
        return (self.matrix @ y[..., None])[..., 0]

    def missing(self, u: Tensor) -> Tensor:
        """ρ(u), (T, D)."""
        return self.target - self.moments(self.answer(u))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """In the order in which it is made of them."""
        return tuple(getattr(self, one.name) for one in fields(self))

    def padded(self, rows: int, unknowns: int) -> Whitened:
        """With moments and unknowns that do nothing, so that frames of several models fit together."""
        down, right = rows - self.matrix.shape[1], unknowns - self.matrix.shape[2]
        wide = [pad(tensor, (0, right)) for tensor in (self.lower, self.upper, self.muscle)]
        return Whitened(pad(self.matrix, (0, right, 0, down)), pad(self.target, (0, down)), *wide)

    def only(self, keep: Any) -> Whitened:
        """Some of the frames."""
        return Whitened(*(tensor[keep] for tensor in self.tensors))

    def to(self, kind: torch.dtype, device: str) -> Whitened:
        """On a device, in another precision."""
        return Whitened(*(tensor.to(device, kind) for tensor in self.tensors))


@dataclass(frozen=True, eq=False)
class Whitening:
    """How to get there and back.

    ``factor`` L (T, D, D), the ``rows`` (D,) and ``columns`` (U,) of the problem, ``scale`` and the unknowns
    ``settled`` by moments alone (T, M + K).
    """

    factor: Tensor
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    scale: Array
    settled: Array

    def unknowns(self, y: Tensor) -> Array:
        """Unknowns x (T, M + K) of y (T, U), with what moments determine by themselves."""
        x = self.settled.copy()
        x[:, self.columns] = y.double().cpu().numpy() / self.scale[:, self.columns]
        return x

    def labels(self, x: Array) -> Tensor:
        """Labels y (T, U) of a solution's unknowns x (T, M + K)."""
        return torch.from_numpy(x[:, self.columns] * self.scale[:, self.columns])

    def multipliers(self, u: Tensor, rows: int) -> Array:
        """λ (T, rows) of u (T, D), NaN where u is no number; 0 of rows that need no optimization."""
        back = torch.linalg.solve_triangular(self.factor.transpose(1, 2), u.double()[..., None], upper=True)
        found = np.zeros((len(u), rows))
        found[:, self.rows] = back[..., 0].cpu().numpy()
        return found


def whiten(problem: RedundancyProblem, cost: Cost, device: str = "cpu") -> tuple[Whitened, Whitening]:
    """Whiten all frames of a problem, in double precision.

    What moments determine by themselves (residuals of a floating base, motors of limbs without muscles) is left out, as
    the exact solver does.
    """
    scale = scale_of_unknowns(problem, cost)
    places = Places.of(problem)
    value, b = places.system(slice(None))
    reduction = places.reduction(value)
    low, high = problem.bounds()
    settled, left, _ = reduction.settle(value, b, low, high)
    rows = np.concatenate([block.rows for block in reduction.blocks] or [np.zeros(0, dtype=np.intp)])
    columns = np.concatenate([block.columns for block in reduction.blocks] or [np.zeros(0, dtype=np.intp)])
    A = np.zeros((len(problem), len(rows), len(columns)))
    row = column = 0
    for block in reduction.blocks:
        height, width = len(block.rows), len(block.columns)
        A[:, row : row + height, column : column + width] = block.dense(value, scale)
        row, column = row + height, column + width
    muscle = columns < len(problem.muscles)
    size = scale[:, columns]

    def put(array: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    matrix, target = put(A), put(left[:, rows])
    factor = _factor(matrix)
    whitened = Whitened(
        torch.linalg.solve_triangular(factor, matrix, upper=False),
        torch.linalg.solve_triangular(factor, target[..., None], upper=False)[..., 0],
        put(np.clip(low[columns] * size, -UNBOUNDED, UNBOUNDED)),
        put(np.clip(high[columns] * size, -UNBOUNDED, UNBOUNDED)),
        put(np.tile(muscle.astype(float), (len(problem), 1))),
    )
    return whitened, Whitening(factor, rows, columns, scale, settled)


def _factor(matrix: Tensor) -> Tensor:
    """L of A Aᵀ (T, D, D); NaN in frames where rows depend on each other all the same."""
    gram = matrix @ matrix.transpose(1, 2)
    diagonal = gram.diagonal(dim1=1, dim2=2)
    gram = gram + torch.diag_embed(torch.where(diagonal > 0.0, SHARE * diagonal, 1.0))  # nothing acts on some rows
    factor, failed = torch.linalg.cholesky_ex(gram)
    factor[failed > 0] = torch.nan
    result: Tensor = factor
    return result
