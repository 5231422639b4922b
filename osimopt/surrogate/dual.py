"""Whitened frames of static problems, and the networks that estimate their dual unknowns.

A frame's program in y = scale · x is to minimise Σ y²/2 subject to A y = b within bounds. With A Aᵀ = L Lᵀ the rows of
W = L⁻¹ A are orthonormal, and with b̃ = L⁻¹ b the dual unknowns are u = Lᵀλ: the answer is y(u) = clip(Wᵀu), and u = b̃
where no bound is active. For any u, y(u) is within its bounds, stationary and complementary, and misses the moments by
ρ = b̃ − W y(u) alone.

For every muscle a network gives the shares p of being at its lower bound, free, and at its upper bound. The dual is
then the solution of W P Wᵀu = b̃ − W y_B, P being the share of free and y_B the bounds times their shares: the optimum
itself where shares are 0 and 1 as at the optimum, the answer without bounds where all muscles are free, and
differentiable in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..namespace import alike, filled, plain
from ..problem.arrays import Array, Index
from ..problem.costs import Cost, scale_of_unknowns
from ..problem.problem import RedundancyProblem
from ..static.reduction import Places
from .architecture import Architecture, Scaler, build

#: Stands for no bound in tensors: 0 · ∞ is NaN.
UNBOUNDED = 1e6
#: Fraction of the diagonal of A Aᵀ that is added to it, as rows may be linearly dependent.
SHARE = 1e-12
#: Logits of (lower, free, upper) of an untrained network: almost the answer without bounds.
FREE = (0.0, 2.0, -4.0)
#: Added to the diagonal of W P Wᵀ: all muscles of a moment may be at bounds.
RIDGE = 1e-6
#: Factor of the logits of a set network.
SHARP = 3.0
#: Number of features of a muscle.
FEATURES = 5


class Whitened(NamedTuple):
    """Frames (T,) of W (T, D, U), b̃ (T, D), bounds of y (T, U); ``muscle`` (T, U) is 1 for muscles, 0 for reserves."""

    matrix: Tensor
    target: Tensor
    lower: Tensor
    upper: Tensor
    muscle: Tensor

    def unbounded(self, u: Tensor) -> Tensor:
        """Wᵀu (T, U), before the bounds."""
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

    def padded(self, rows: int, unknowns: int) -> Whitened:
        """Add moments and unknowns without effect, so that frames of several models have one size."""
        down, right = rows - self.matrix.shape[1], unknowns - self.matrix.shape[2]
        wide = [pad(tensor, (0, right)) for tensor in (self.lower, self.upper, self.muscle)]
        return Whitened(pad(self.matrix, (0, right, 0, down)), pad(self.target, (0, down)), *wide)

    def to(self, kind: torch.dtype, device: str) -> Whitened:
        """Move the tensors to a device and precision."""
        return Whitened(*(tensor.to(device, kind) for tensor in self))


@dataclass(frozen=True, eq=False)
class Whitening:
    """The transformation between a problem's unknowns and whitened frames.

    ``factor`` L (T, D, D), the ``rows`` (D,) and ``columns`` (U,) of the problem, ``scale`` and the unknowns
    ``settled`` by moments alone (T, M + K).
    """

    factor: Tensor
    rows: Index
    columns: Index
    scale: Array
    settled: Array

    def unknowns(self, y: Tensor) -> Array:
        """Unknowns x (T, M + K) of y (T, U), including those that the moments determine alone."""
        x = self.settled + 0.0
        x[:, self.columns] = beside(y.double(), x) / self.scale[:, self.columns]
        return x

    def labels(self, x: Array) -> Tensor:
        """Y (T, U) of a solution's unknowns x (T, M + K)."""
        return torch.from_numpy(x[:, self.columns] * self.scale[:, self.columns])

    def multipliers(self, u: Tensor, rows: int) -> Any:
        """λ (T, rows) of u (T, D), NaN where u is NaN; 0 for rows that need no optimization."""
        back = torch.linalg.solve_triangular(self.factor.transpose(1, 2), u.double()[..., None], upper=True)
        found = filled((len(u), rows), 0.0, self.settled)
        found[:, self.rows] = beside(back[..., 0], found)
        return found


def whiten(problem: RedundancyProblem, cost: Cost, device: str = "cpu") -> tuple[Whitened, Whitening]:
    """Whiten all frames of a problem, in double precision.

    Unknowns that the moments determine alone (residuals of a floating base, motors of limbs without muscles) are left
    out, as in the exact solver.
    """
    scale = scale_of_unknowns(problem, cost)
    places = Places.of(problem)
    value, b = places.system(slice(None))
    reduction = places.reduction(value)
    low, high = problem.bounds()
    settled, left, _ = reduction.settle(value, b, low, high)
    none = np.zeros(0, dtype=np.intp)
    rows, columns = (np.r_[none, *(getattr(block, name) for block in reduction.blocks)] for name in ("rows", "columns"))
    whole = filled((len(problem), len(problem.coordinates), scale.shape[1]), 0.0, scale)
    for block in reduction.blocks:
        whole[:, block.rows[:, None], block.columns] = block.dense(value, scale)
    A = whole[:, rows[:, None], columns]
    size = scale[:, columns]

    def put(array: Any) -> Tensor:
        return (torch.from_numpy(np.ascontiguousarray(array)) if isinstance(array, np.ndarray) else array).to(device)

    matrix = put(A)
    factor = _factor(matrix)
    whitened = Whitened(
        torch.linalg.solve_triangular(factor, matrix, upper=False),
        torch.linalg.solve_triangular(factor, put(left[:, rows])[..., None], upper=False)[..., 0],
        put((alike(low[columns], size) * size).clip(-UNBOUNDED, UNBOUNDED)),
        put((alike(high[columns], size) * size).clip(-UNBOUNDED, UNBOUNDED)),
        put(np.tile((columns < len(problem.muscles)).astype(float), (len(problem), 1))),
    )
    return whitened, Whitening(factor, rows, columns, scale, settled)


def beside(tensor: Tensor, other: Any) -> Any:
    """A tensor in NumPy, where the other array is."""
    return plain(tensor) if isinstance(other, np.ndarray) else tensor


def _factor(matrix: Tensor) -> Tensor:
    """L of A Aᵀ (T, D, D); NaN in frames whose rows are linearly dependent all the same."""
    gram = matrix @ matrix.transpose(1, 2)
    diagonal = gram.diagonal(dim1=1, dim2=2)
    gram = gram + torch.diag_embed(torch.where(diagonal > 0.0, SHARE * diagonal, 1.0))  # some rows may be zero
    factor, failed = torch.linalg.cholesky_ex(gram)
    return torch.where(failed[:, None, None] > 0, torch.nan, factor)


def raw_features(frames: Whitened, u: Tensor) -> Tensor:
    """(T, U, 5): z, y and Wᵀρ in units of each muscle's range, the diagonal of WᵀW, and 1 for reserves."""
    z = frames.unbounded(u)
    y = torch.minimum(torch.maximum(z, frames.lower), frames.upper)
    missing = frames.unbounded(frames.target - frames.moments(y))
    reserve = 1.0 - frames.muscle
    size = torch.where(reserve > 0.0, torch.ones_like(z), frames.upper - frames.lower).clamp(min=RIDGE)
    diagonal = (frames.matrix**2).sum(dim=1)
    return torch.stack([z / size, y / size, missing / size, diagonal, reserve], dim=2)


def features(frames: Whitened, u: Tensor) -> Tensor:
    """(T, U, 5) as :func:`raw_features`, the first three limited to ±2."""
    raw = raw_features(frames, u)
    return torch.cat([2.0 * torch.tanh(0.5 * raw[..., :3]), raw[..., 3:]], dim=2)


def frame_features(frames: Whitened) -> Tensor:
    """(T, 3 · muscles) z, Wᵀρ and the diagonal of WᵀW at the answer without bounds."""
    of_each = features(frames, frames.target)[:, frames.muscle[0] > 0.0]
    return of_each[..., [0, 2, 3]].flatten(1)


def settle(frames: Whitened, logits: Tensor) -> Tensor:
    """Whitened dual u (T, D) from logits (T, U, 3) of (lower, free, upper); reserves are free."""
    share = torch.softmax(logits, dim=-1)
    reserve = frames.muscle == 0.0
    free = torch.where(reserve, torch.ones_like(share[..., 1]), share[..., 1])
    bound = torch.where(reserve, torch.zeros_like(free), share[..., 0] * frames.lower + share[..., 2] * frames.upper)
    curvature = (frames.matrix * free[:, None]) @ frames.matrix.transpose(1, 2)
    ridge = RIDGE * torch.eye(curvature.shape[1], dtype=curvature.dtype, device=curvature.device)
    u: Tensor = torch.linalg.solve_ex(curvature + ridge, frames.target - frames.moments(bound))[0]
    return u


class SetNetwork(nn.Module):
    """The same small network for every muscle of any model, in rounds between which muscles exchange information.

    A muscle receives WᵀW h of all memories h, the response of the other muscles to the same moments. The result
    depends neither on order, names and number of muscles, nor on the coordinate system of the moments.
    """

    window = 1

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, self.memory = architecture.width, max(4, architecture.width // 4)
        inputs = FEATURES + 2 * self.memory
        self.rounds = nn.ModuleList(_perceptron(inputs, width, 3 + self.memory) for _ in range(architecture.depth))

    def forward(self, frames: Whitened) -> tuple[list[Tensor], list[Tensor]]:
        """Whitened duals (T, D) and logits (T, U, 3) after each round."""
        u, duals, all_logits = frames.target, [], []
        memory = torch.zeros(*frames.lower.shape, self.memory, dtype=u.dtype, device=u.device)
        for network in self.rounds:
            received = frames.matrix.transpose(1, 2) @ (frames.matrix @ memory)
            out = network(torch.cat([features(frames, u), memory, received], dim=2))
            memory = torch.tanh(out[..., 3:])
            logits = SHARP * out[..., :3] + u.new_tensor(FREE)
            u = settle(frames, logits)
            duals.append(u)
            all_logits.append(logits)
        return duals, all_logits


class FrameNetwork(nn.Module):
    """Any architecture for the muscles of one model, from the features of all muscles to their logits.

    ``scaler`` (muscles · 3) scales the features. Frames are in windows (B, T); the frames before do not help here.
    """

    def __init__(self, architecture: Architecture, muscles: int, scaler: Scaler, window: int = 1) -> None:
        super().__init__()
        self.window, self.count = window, muscles
        self.trunk = build(architecture, 3 * muscles, 3 * muscles)
        self.register_buffer("mean", torch.as_tensor(scaler.mean))
        self.register_buffer("std", torch.as_tensor(scaler.std))
        self.mean: Tensor
        self.std: Tensor

    def forward(self, frames: Whitened) -> tuple[list[Tensor], list[Tensor]]:
        """Whitened duals (T, D) and logits (T, U, 3) of one round."""
        inputs = frame_features(frames)
        scaled = ((inputs - self.mean) / self.std).to(inputs.dtype)
        logits = torch.zeros(*frames.lower.shape, 3, dtype=inputs.dtype, device=inputs.device)
        filled = torch.cat([scaled, scaled[-1:].expand(-len(scaled) % self.window, -1)])  # repeats the last frame
        windows = filled.reshape(-1, self.window, scaled.shape[1])
        out = self.trunk(windows).reshape(-1, self.count, 3)[: len(inputs)]
        logits[:, frames.muscle[0] > 0.0] = out
        logits = logits + inputs.new_tensor(FREE)
        return [settle(frames, logits)], [logits]


def _perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Three layers whose first three outputs, the logits, are 0 before training."""
    hidden = [nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()]
    last = nn.Linear(width, outputs)
    nn.init.zeros_(last.bias)
    with torch.no_grad():
        last.weight[:3] = 0.0
    return nn.Sequential(*hidden, last)
