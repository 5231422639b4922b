"""Architectures behind one interface: sequences (B, T, inputs) to sequences (B, T, outputs)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError, explain

Kind = Literal[
    "set", "mlp", "cnn", "lstm", "attention", "cnn+lstm", "cnn+attention", "lstm+attention", "cnn+lstm+attention",
]  # fmt: skip


@dataclass(frozen=True)
class Architecture:
    """What a network is made of.

    ``"set"`` is the static surrogate's own, the same small network for every muscle, ``depth`` rounds of it; the others
    are made by :func:`build`, of the parts that they name. ``width`` are the units of a layer, ``depth`` layers of the
    first part (the others have one), ``kernel`` frames of a convolution, ``heads`` of the attention. ``causal``: what
    comes later has no influence.

    Raises
    ------
    InputError
        Another kind, a number out of range, or a width that heads or the two directions of an LSTM do not divide.
    """

    kind: Kind = "mlp"
    width: int = 128
    depth: int = 3
    kernel: int = 5
    heads: int = 4
    causal: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            got = repr(self.kind)
            raise InputError(explain(f"an architecture among {', '.join(get_args(Kind))}", got, "Choose one of them."))
        for name in ("width", "depth", "kernel", "heads"):
            value = getattr(self, name)
            if not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
                raise InputError(explain(f"{name} as a whole number ≥ 1", repr(value), "Leave it out."))
        if not (isinstance(self.dropout, int | float) and 0.0 <= self.dropout < 1.0):
            raise InputError(explain("dropout from 0 to below 1", repr(self.dropout), "Leave it out."))
        if self.kind.endswith("attention") and self.width % self.heads:
            got = f"{self.width} and {self.heads}"
            raise InputError(explain("a width that heads divide", got, "Choose another width or number of heads."))
        if "lstm" in self.kind and not self.causal and self.width % 2:
            fix = "Choose another width, or causal=True."
            raise InputError(explain("an even width, half of it for each direction", str(self.width), fix))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for :meth:`from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Architecture:
        """From plain data.

        Raises
        ------
        InputError
            They are no settings of an architecture.
        """
        try:
            return cls(**told)
        except TypeError:
            fix = "It was written by another version of osimopt: train it anew."
            raise InputError(explain("the settings of an architecture", str(told), fix)) from None


def build(architecture: Architecture, inputs: int, outputs: int) -> nn.Module:
    """Make a network that maps (B, T, inputs) to (B, T, outputs), with random weights.

    Raises
    ------
    InputError
        ``"set"``, which is made elsewhere.
    """
    a = architecture
    if a.kind == "set":
        raise InputError(explain("an architecture for sequences", "'set'", "It is for static surrogates only."))
    layers: list[nn.Module] = []
    if a.kind == "mlp":
        layers += [_dense(inputs if n == 0 else a.width, a) for n in range(a.depth)]
    if a.kind.startswith("cnn"):
        layers += [Convolution(inputs if n == 0 else a.width, a) for n in range(a.depth)]
    if "lstm" in a.kind:
        first = not a.kind.startswith("cnn")
        layers.append(Recurrence(inputs if first else a.width, a, a.depth if first else 1))
    if a.kind == "attention":
        layers += [_dense(inputs, a), *(Attention(a) for _ in range(a.depth - 1))]
    if a.kind.endswith("attention"):
        layers.append(Attention(a))
    return nn.Sequential(*layers, nn.Linear(a.width, outputs))


def _dense(inputs: int, architecture: Architecture) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, architecture.width), nn.SiLU(), nn.Dropout(architecture.dropout))


class Convolution(nn.Module):
    """One-dimensional convolution over time, as many frames out as in."""

    def __init__(self, inputs: int, architecture: Architecture) -> None:
        super().__init__()
        span = architecture.kernel - 1
        self.before = span if architecture.causal else span // 2
        self.after = span - self.before
        self.convolution = nn.Conv1d(inputs, architecture.width, architecture.kernel)
        self.rest = nn.Sequential(nn.SiLU(), nn.Dropout(architecture.dropout))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, inputs) to (B, T, width); frames beyond the ends are those at the ends."""
        padded = functional.pad(x.transpose(1, 2), (self.before, self.after), mode="replicate")
        out: Tensor = self.rest(self.convolution(padded)).transpose(1, 2)
        return out


class Recurrence(nn.Module):
    """LSTM in layers, in both directions where it need not be causal (half the width each)."""

    def __init__(self, inputs: int, architecture: Architecture, depth: int) -> None:
        super().__init__()
        both, between = not architecture.causal, architecture.dropout if depth > 1 else 0.0
        width = architecture.width // 2 if both else architecture.width
        self.cells = nn.LSTM(inputs, width, depth, batch_first=True, bidirectional=both, dropout=between)
        self.dropout = nn.Dropout(architecture.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, inputs) to (B, T, width)."""
        out: Tensor = self.dropout(self.cells(x)[0])
        return out


class Attention(nn.Module):
    """Self-attention over the frames of a sequence, beside what comes in; without a code of position."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.heads, self.causal = architecture.heads, architecture.causal
        self.norm, self.ask, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) to the same."""
        batch, frames, width = x.shape
        asked = self.ask(self.norm(x)).reshape(batch, frames, 3, self.heads, width // self.heads)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        score = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)
        if self.causal:
            later = torch.ones(frames, frames, dtype=torch.bool, device=x.device).triu(1)
            score, value = score.masked_fill(later, -math.inf), value.nan_to_num()  # 0 · NaN would reach earlier frames
        seen = score.softmax(dim=-1) @ value
        out: Tensor = x + self.out(seen.transpose(1, 2).reshape(batch, frames, width))
        return out
