"""Architectures of networks from sequences (B, T, inputs) to (B, T, outputs), and scaling of features."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError, explain, some
from ..problem.arrays import Array

#: Fraction of its training range by which a feature may exceed the range and still count as inside.
SLACK = 0.05
#: A feature whose standard deviation is smaller than this, relative to its mean, counts as constant.
CONSTANT = 1e-9


@dataclass(frozen=True)
class Architecture:
    """Kind and size of a network.

    ``kind`` is ``"set"``, the static surrogate's network that is the same for every muscle (``depth`` rounds of it), or
    one or more of ``PARTS`` joined by ``+``, such as ``"cnn+lstm"``, which :func:`build` makes. ``width`` is the number
    of units of a layer, ``depth`` the number of layers of the first part (the others have one), ``kernel`` the number
    of frames of a convolution, ``heads`` that of attention heads. A ``causal`` network does not see later frames.

    Raises
    ------
    InputError
        Unknown kind, a number out of range, or a width that the heads or the two directions of an LSTM do not divide.
    """

    kind: str = "mlp"
    width: int = 128
    depth: int = 3
    kernel: int = 5
    heads: int = 4
    causal: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        parts = str(self.kind).split("+")
        if self.kind != "set" and not set(parts) <= set(PARTS):
            expected = f"an architecture among set, {', '.join(PARTS)} and combinations such as cnn+lstm"
            raise InputError(explain(expected, repr(self.kind), "Choose one of them."))
        for name in ("width", "depth", "kernel", "heads"):
            check_whole(name, getattr(self, name), 1)
        if not (isinstance(self.dropout, int | float) and 0.0 <= self.dropout < 1.0):
            raise InputError(explain("dropout from 0 to below 1", repr(self.dropout), "Leave it out."))
        if "attention" in parts and self.width % self.heads:
            got, fix = f"{self.width} and {self.heads}", "Choose another width or number of heads."
            raise InputError(explain("a width that heads divide", got, fix))
        if "lstm" in parts and not self.causal and self.width % 2:
            fix = "Change it, or set causal=True."
            raise InputError(explain("an even width, half for each direction", str(self.width), fix))


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise an error unless the value is a whole number of at least ``least``."""
    if not (isinstance(value, int) and not isinstance(value, bool) and value >= least):
        raise InputError(explain(f"{name} as a whole number ≥ {least}", repr(value), "Leave it out."))


def check_names(what: str, known: Sequence[str], given: Sequence[str], fix: str) -> None:
    """Raise an error unless a problem has the names that a network was trained on, in their order."""
    if tuple(known) != tuple(given):
        other, lacking = ([n for n in one if n not in two] for one, two in ((given, known), (known, given)))
        got = f"others ({some(other)}), without {some(lacking)}" if other or lacking else "them in another order"
        raise InputError(explain(f"a problem with the {what} that the network was trained on", got, fix))


def build(architecture: Architecture, inputs: int, outputs: int) -> nn.Module:
    """Make a network that maps (B, T, inputs) to (B, T, outputs), with random weights."""
    if architecture.kind == "set":
        raise InputError(explain("an architecture for sequences", "'set'", "It is for static surrogates only."))
    parts, width = architecture.kind.split("+"), architecture.width
    layers = [_dense(inputs, architecture)] if parts[0] == "attention" else []  # attention does not change the width
    for number, part in enumerate(parts):
        layers += PARTS[part](width if layers else inputs, architecture, 1 if number else architecture.depth)
    return nn.Sequential(*layers, nn.Linear(width, outputs))


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
        """(B, T, inputs) to (B, T, width); the first and last frames are repeated beyond the ends."""
        padded = functional.pad(x.transpose(1, 2), (self.before, self.after), mode="replicate")
        out: Tensor = self.rest(self.convolution(padded)).transpose(1, 2)
        return out


class Recurrence(nn.Module):
    """LSTM in layers; in both directions, half the width each, unless it is causal."""

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
    """Self-attention over the frames of a sequence, added to its input; without positional encoding."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.heads, self.causal = architecture.heads, architecture.causal
        self.norm, self.ask, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) to the same."""
        batch, frames, width = x.shape
        projected = self.ask(self.norm(x)).reshape(batch, frames, 3, self.heads, width // self.heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        score = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)
        if self.causal:
            later = torch.ones(frames, frames, dtype=torch.bool, device=x.device).triu(1)
            score, value = score.masked_fill(later, -math.inf), value.nan_to_num()  # 0 · NaN would reach earlier frames
        mixed = score.softmax(dim=-1) @ value
        out: Tensor = x + self.out(mixed.transpose(1, 2).reshape(batch, frames, width))
        return out


#: Parts of an architecture by name; each makes its layers from (inputs, architecture, number of layers).
PARTS: dict[str, Callable[[int, Architecture, int], list[nn.Module]]] = {
    "mlp": lambda inputs, a, depth: [_dense(a.width if layer else inputs, a) for layer in range(depth)],
    "cnn": lambda inputs, a, depth: [Convolution(a.width if layer else inputs, a) for layer in range(depth)],
    "lstm": lambda inputs, a, depth: [Recurrence(inputs, a, depth)],
    "attention": lambda inputs, a, depth: [Attention(a) for _ in range(depth)],
}


@dataclass(frozen=True, eq=False)
class Scaler:
    """Mean, standard deviation (1 for constants), minimum and maximum of each feature (F,) in the training data."""

    mean: Array
    std: Array
    low: Array
    high: Array
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, samples: Any, names: Sequence[str] = ()) -> Scaler:
        """Compute them from samples (n, F) of the training data.

        Raises
        ------
        InputError
            No samples, or samples that are not finite.
        """
        samples = _numpy(samples)
        if samples.ndim != 2 or not samples.size or not np.isfinite(samples).all():
            got = f"shape {samples.shape} with {np.sum(~np.isfinite(samples))} values that are not"
            raise InputError(explain("samples (n, F) to scale by, all finite", got, "Leave out missing values."))
        mean, std = samples.mean(axis=0), samples.std(axis=0)
        constant = std <= CONSTANT * np.maximum(1.0, np.abs(mean))
        return cls(mean, np.where(constant, 1.0, std), samples.min(axis=0), samples.max(axis=0), tuple(names))

    def outside(self, values: Any) -> NDArray[np.bool_]:
        """(…, F) whether features of an array or tensor are outside the range of training, or not finite."""
        values = _numpy(values)
        slack = SLACK * (self.high - self.low) + CONSTANT * np.maximum(1.0, np.abs(self.mean))
        return np.asarray(~((values >= self.low - slack) & (values <= self.high + slack)))


def _numpy(values: Any) -> Array:
    """Return a NumPy array of an array, or of a tensor on any device."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=float)
