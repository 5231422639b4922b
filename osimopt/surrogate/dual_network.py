"""Networks that say which bounds hold; the dual unknowns follow.

For every muscle a network gives shares p of being at its lower bound, free, and at its upper bound. Were they 0 and 1,
the whitened dual u would be the solution of W P W^T u = b̃ − W y_B, P being 1 where a muscle is free and y_B its bound
where it is not: with the right ones the optimum itself, with all muscles free (δ = 0) the answer without bounds. In
between it is smooth, and all of it is trained through.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .architecture import Architecture, build
from .scaler import Scaler
from .whitened import Whitened

#: Logits of (lower, free, upper) of an untrained network: almost the answer without bounds.
FREE = (0.0, 2.0, -4.0)
#: Added to the diagonal of the matrix that is solved with: all muscles of a moment may be at bounds.
RIDGE = 1e-6
#: How sharp logits are.
SHARP = 3.0
#: What a muscle is told of: where it would be, where it is, what moments ask of it, and how free it is.
FEATURES = ("free", "clipped", "asked", "own", "reserve")


def features(frames: Whitened, u: Tensor) -> Tensor:
    """(T, U, 5) as :func:`raw_features`, the first three kept below 2."""
    raw = raw_features(frames, u)
    return torch.cat([2.0 * torch.tanh(0.5 * raw[..., :3]), raw[..., 3:]], dim=2)


def raw_features(frames: Whitened, u: Tensor) -> Tensor:
    """(T, U, 5): z, y and Wᵀρ in units of each muscle's range, the diagonal of WᵀW, and whether it is a reserve."""
    z = frames.unbounded(u)
    y = torch.minimum(torch.maximum(z, frames.lower), frames.upper)
    asked = (frames.matrix.transpose(1, 2) @ (frames.target - frames.moments(y))[..., None])[..., 0]
    reserve = 1.0 - frames.muscle
    size = torch.where(reserve > 0.0, torch.ones_like(z), frames.upper - frames.lower).clamp(min=RIDGE)
    own = (frames.matrix**2).sum(dim=1)
    return torch.stack([z / size, y / size, asked / size, own, reserve], dim=2)


def settle(frames: Whitened, logits: Tensor) -> Tensor:
    """Whitened dual u (T, D) from logits (T, U, 3); reserves are free."""
    share = torch.softmax(logits, dim=-1)
    reserve = frames.muscle == 0.0
    free = torch.where(reserve, torch.ones_like(share[..., 1]), share[..., 1])
    bound = torch.where(reserve, torch.zeros_like(free), share[..., 0] * frames.lower + share[..., 2] * frames.upper)
    curvature = (frames.matrix * free[:, None]) @ frames.matrix.transpose(1, 2)
    ridge = RIDGE * torch.eye(curvature.shape[1], dtype=curvature.dtype, device=curvature.device)
    u: Tensor = torch.linalg.solve_ex(curvature + ridge, frames.target - frames.moments(bound))[0]
    return u


class SetNetwork(nn.Module):
    """The same small network for every muscle of any model, in rounds between which muscles hear of each other.

    What they hear is WᵀW h: what the others do about the same moments. No order, name or number of muscles matters,
    and no coordinate system of the moments.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, self.memory = architecture.width, max(4, architecture.width // 4)
        told = len(FEATURES) + 2 * self.memory
        self.rounds = nn.ModuleList(_perceptron(told, width, 3 + self.memory) for _ in range(architecture.depth))

    def forward(self, frames: Whitened) -> tuple[list[Tensor], list[Tensor]]:
        """Whitened duals (T, D) and logits (T, U, 3) after each round."""
        u, duals, says = frames.target, [], []
        memory = torch.zeros(*frames.lower.shape, self.memory, dtype=u.dtype, device=u.device)
        for one in self.rounds:
            heard = frames.matrix.transpose(1, 2) @ (frames.matrix @ memory)
            out = one(torch.cat([features(frames, u), memory, heard], dim=2))
            memory = torch.tanh(out[..., 3:])
            logits = SHARP * out[..., :3] + torch.tensor(FREE, dtype=u.dtype, device=u.device)
            u = settle(frames, logits)
            duals.append(u)
            says.append(logits)
        return duals, says


class FrameNetwork(nn.Module):
    """Any architecture, for the muscles of one model: features of all of them in, their logits out.

    ``scaler`` (muscles · 3) scales the features of training. Frames are in windows (B, T); histories help nothing here.
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
        """Whitened duals (T, D) and logits (T, U, 3), one round."""
        told = frame_features(frames)
        scaled = ((told - self.mean) / self.std).to(told.dtype)
        logits = torch.zeros(*frames.lower.shape, 3, dtype=told.dtype, device=told.device)
        out = self.trunk(_in_windows(scaled, self.window)).reshape(-1, self.count, 3)[: len(told)]
        logits[:, frames.muscle[0] > 0.0] = out
        logits = logits + torch.tensor(FREE, dtype=told.dtype, device=told.device)
        return [settle(frames, logits)], [logits]


def frame_features(frames: Whitened) -> Tensor:
    """(T, 3 · muscles) of the answer without bounds: where muscles would be, what moments ask, how free they are."""
    of_each = features(frames, frames.target)[:, frames.muscle[0] > 0.0]
    return of_each[..., [0, 2, 3]].flatten(1)


def _in_windows(rows: Tensor, window: int) -> Tensor:
    """(B, window, F) of consecutive rows, the last repeated to fill."""
    short = -len(rows) % window
    filled = torch.cat([rows, rows[-1:].expand(short, -1)]) if short else rows
    return filled.reshape(-1, window, rows.shape[1])


def _perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    layers: list[Any] = [
        nn.Linear(inputs, width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, outputs),
    ]
    nn.init.zeros_(layers[-1].bias)
    with torch.no_grad():
        layers[-1].weight[:3] = 0.0
    return nn.Sequential(*layers)
