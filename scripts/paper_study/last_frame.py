"""Networks of windows that speak about the last frame, by name and of about as many weights each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from osimopt.errors import InputError, explain
from osimopt.surrogate.architecture import Architecture, build
from osimopt.surrogate.training import ADAM, History, Loss, Progress, TrainingOptions, UpdateRule, fit

Array = NDArray[np.float64]

#: The paper's hybrid, its parts alone and in pairs, the recurrence of its equation (1), and one without history.
NETWORKS = (
    "mlp", "cnn", "elman", "lstm", "attention", "cnn+lstm", "cnn+attention", "lstm+attention", "cnn+lstm+attention",
)  # fmt: skip
HYBRID = "cnn+lstm+attention"
#: Weights of each network.
WEIGHTS = 20_000
#: Widths that are tried: whole heads, and two directions.
WIDTHS = range(4, 257, 4)
#: Layers of the first part of a network; one without history can afford more, and needs them.
DEPTH, DEPTH_ALONE = 2, 4


class Elman(nn.Module):
    """The recurrence of equation (1) in layers, without gates: h ← tanh(W_h h + W_x x + b)."""

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.cells = nn.RNN(inputs, width, depth, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, inputs) to (N, T, width)."""
        out: Tensor = self.cells(x)[0]
        return out


class AtTheEnd(nn.Module):
    """What a network of sequences (N, T, C) says of the last frame, (N, K); ``"mlp"`` sees no other.

    Inputs come scaled to [0, 1] and are moved to [-2, 2] first: on the arm of the paper's study, with 30,000 windows,
    that divides the mean square error of a network without history by 2.5.
    """

    def __init__(
        self, kind: str, inputs: int, outputs: int, width: int, depth: int | None = None, kernel: int = 5
    ) -> None:
        super().__init__()
        depth = depth or (DEPTH_ALONE if kind == "mlp" else DEPTH)
        self.kind = kind
        if kind == "elman":
            self.network: nn.Module = nn.Sequential(Elman(inputs, width, depth), nn.Linear(width, outputs))
        else:
            shape = Architecture(kind, width, depth, kernel, causal=True)
            self.network = build(shape, inputs, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, T, C) to (N, K)."""
        if self.kind == "mlp":
            inputs = inputs[:, -1:]
        said: Tensor = self.network(4.0 * inputs - 2.0)[:, -1]
        return said


class Bounded(nn.Module):
    """A network whose answers are within bounds, whatever it says: equation (3) by construction.

    The first columns, as many as there are bounds, are held in [lower, upper]; the others are free. Inside, answers are
    the network's own; beyond, they stay at the bound while gradients still lead back.
    """

    lower: Tensor
    upper: Tensor

    def __init__(self, network: nn.Module, lower: Tensor, upper: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("lower", lower)
        self.register_buffer("upper", upper)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, T, C) to (N, K)."""
        said: Tensor = self.network(inputs)
        count = len(self.lower)
        free, held = said[:, count:], said[:, :count]
        inside = held.clamp(self.lower, self.upper)
        if self.training:
            inside = inside.detach() + (held - held.detach())  # a clamp would end the gradient
        return torch.cat([inside, free], dim=1)


def count_weights(network: nn.Module) -> int:
    """Number of weights."""
    return sum(weight.numel() for weight in network.parameters())


def sized(kind: str, inputs: int, outputs: int, weights: int = WEIGHTS, **shape: int) -> AtTheEnd:
    """The network of a kind whose number of weights comes nearest to ``weights``.

    Raises
    ------
    InputError
        An unknown kind.
    """
    if kind not in NETWORKS:
        raise InputError(explain(f"a network among {', '.join(NETWORKS)}", repr(kind), "Choose one of them."))
    counted = {width: count_weights(AtTheEnd(kind, inputs, outputs, width, **shape)) for width in WIDTHS}
    best = min(counted, key=lambda width: abs(counted[width] - weights))
    return AtTheEnd(kind, inputs, outputs, best, **shape)


def fitted(
    kind: str,
    training: tuple[Array, Array],
    validation: tuple[Array, Array],
    loss: Loss,
    options: TrainingOptions,
    weights: int = WEIGHTS,
    bounds: tuple[Array, Array] | None = None,
    progress: Progress | None = None,
    rule: UpdateRule = ADAM,
) -> tuple[Callable[[Array], Array], History, int]:
    """Train a network of a kind on windows (N, T, C) and targets (N, K), in single precision.

    ``bounds`` are the least and the largest of the first targets, which are then held (:class:`Bounded`); ``progress``
    and ``rule`` are as of :func:`osimopt.surrogate.training.fit`.

    Returns
    -------
    tuple
        A function of windows, NumPy in and out; how training went; the number of weights.
    """
    tensors = [tuple(torch.as_tensor(part, dtype=torch.float32) for part in own) for own in (training, validation)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network: nn.Module = sized(kind, training[0].shape[2], training[1].shape[1], weights)
    if bounds is not None:
        network = Bounded(network, *(torch.as_tensor(end, dtype=torch.float32) for end in bounds))
    history = fit(network, tensors[0], tensors[1], loss, options, progress=progress, rule=rule)
    return caller(network, options.device), history, count_weights(network)


def untrained(kind: str, inputs: int, outputs: int, weights: int = WEIGHTS) -> Callable[[Array], Array]:
    """A function of windows as of :func:`fitted`, whose answers are noise and cost what others do."""
    return caller(sized(kind, inputs, outputs, weights))


def caller(network: nn.Module, device: str = "cpu") -> Callable[[Array], Array]:
    """A network as a function of windows (N, T, C), NumPy in and out, in single precision."""
    network.eval()

    def call(inputs: Array) -> Array:
        with torch.inference_mode():
            said = network(torch.as_tensor(inputs, dtype=torch.float32).to(device))
        return np.asarray(said.cpu(), dtype=float)

    return call
