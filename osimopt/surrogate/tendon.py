"""Tendon forces over time: the network that estimates them, and everything that follows from them.

The network is the same for every muscle and starts from static optimization on rigid tendons, a few damped Newton steps
that need not converge. In every round a muscle sees its last and next tenths of a second, and its output changes
its force and its share in balancing the moments; then forces are moved to where the moments hold.

Decoding accepts any forces. They are moved to where the moments hold; their rates give the tendons' speeds, these the
fibres' speeds, and the forces that fibres must carry give activations, which are clipped to their bounds. Muscles at
bounds keep the force that their fibres can carry, and the other muscles share the rest, several times. The remaining
errors are reported: moments that are not met, forces without an activation, activations without an excitation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..muscle.activation import activation_rate
from ..muscle.contraction import FiberState, fiber_state
from .architecture import Architecture, build
from .strides import StrideInputs, balanced, priced

#: Frames whose polynomial is differentiated.
WIDTH = 7
#: Newton steps of the estimate; step sizes that are tried; damping, as a fraction of the diagonal, where more than
#: LARGE N·m are missing: 6 steps leave less than 0.2 N·m in nine of ten frames of a walk with 80 muscles.
STEPS, TRIED, DAMPING, LARGE = 6, (1.0, 0.3, 0.1), 0.01, 10.0
#: Limits of normalised forces, and of active multipliers, that are physically plausible.
LEAST_FORCE, MOST_FORCE, LEAST_ACTIVE = 1e-3, 3.0, 0.01
#: Inputs of the network by muscle: from the estimate, from the state of each round, and constants.
ESTIMATED, STATE, CONSTANTS = 7, 8, 4
#: Values that a muscle keeps for the next round, and outputs: change of force, logarithm of its share, memory.
MEMORY = 2
OUTPUTS = 2 + MEMORY
#: Normalised force of an output of 1.
UNIT = 0.3
#: Number of times that muscles inside their bounds share the force which the others cannot carry, and the share of
#: muscles at bounds.
SHARES, HELD = 3, 0.1
#: Normalised active force along the tendon at activation 1, below which force does not determine activation.
POWERLESS = 1e-3
#: Newton steps to an excitation: smoothing is weak, and the first step is nearly exact.
EXCITATION_STEPS = 5


@dataclass(frozen=True, eq=False)
class Rates:
    """Differentiation in time by the polynomial through the seven nearest frames: weights (T, w) of frames (T, w)."""

    index: Tensor
    weight: Tensor

    @classmethod
    def at(cls, time: ArrayLike, like: Tensor) -> Rates:
        """Make the weights for increasing times (T,) in s, on the device and in the precision of ``like``."""
        time = np.asarray(time, dtype=float)
        width = min(WIDTH, len(time))
        first = np.clip(np.arange(len(time)) - width // 2, 0, len(time) - width)
        index = first[:, None] + np.arange(width)
        away = time[index] - time[:, None]
        size = np.abs(away).max(axis=1, initial=0.0)
        size = np.where(size > 0.0, size, 1.0)
        # weights w of values with Σ w x^p = 1 for p = 1 and 0 for all other powers up to the polynomial's
        powers = (away / size[:, None])[:, None, :] ** np.arange(width)[:, None]
        wanted = np.zeros((len(time), width, 1))
        wanted[:, 1:2] = 1.0
        weight = np.linalg.solve(powers, wanted)[..., 0] / size[:, None]
        return cls(torch.as_tensor(index).to(like.device), torch.as_tensor(weight).to(like.device, like.dtype))

    def of(self, values: Tensor) -> Tensor:
        """Rates (B, T, M) in 1/s of values (B, T, M)."""
        total = torch.zeros_like(values)
        for place in range(self.index.shape[1]):
            total = total + values[:, self.index[:, place]] * self.weight[:, place, None]
        return total


def estimate(strides: StrideInputs) -> Tensor:
    """Minimise Σ a² on rigid tendons.

    Returns force, pull, active and passive multiplier, fibre length and velocity: (B, T, M, 6).
    """
    state = strides.rigid_state()
    active, passive = strides.multipliers(state)
    active = active.clamp(min=LEAST_FORCE)
    price = _static_prices(strides, active, passive)
    pull = active * strides.pulls(price)
    force = active * strides.within(pull) + passive
    parts = (force, pull, active, passive, state.length - 1.0, state.velocity)
    return torch.stack([part.expand(force.shape) for part in parts], dim=-1)


def _static_prices(strides: StrideInputs, active: Tensor, passive: Tensor) -> Tensor:
    """Prices (B, T, D) near the dual optimum of static optimization with these muscles."""
    required = strides.moment - strides.moments(passive)
    whole = strides.gram(active**2)
    diagonal = torch.diag_embed(whole.diagonal(dim1=-2, dim2=-1))
    price = priced(whole, required)
    pull = active * strides.pulls(price)
    reserve = strides.reserve[:, None]

    def dual(price: Tensor, pull: Tensor) -> Tensor:
        a = strides.within(pull)
        by_reserves = (reserve @ price[..., None])[..., 0]
        return (a * (0.5 * a - pull)).sum(-1) + (price * (required - 0.5 * by_reserves)).sum(-1)

    for _ in range(STEPS):
        a = strides.within(pull)
        free = ((pull > strides.lower) & (pull < strides.upper)).to(pull.dtype)
        missing = required - strides.moments(active * a) - (reserve @ price[..., None])[..., 0]
        damping = DAMPING * (missing.abs().amax(dim=-1) / LARGE).clamp(max=1.0)
        step = priced(strides.gram(free * active**2) + damping[..., None, None] * diagonal, missing)
        pulled = active * strides.pulls(step)
        values = torch.stack([dual(price + size * step, pull + size * pulled) for size in TRIED])
        size = torch.tensor(TRIED, dtype=pull.dtype, device=pull.device)[values.argmax(dim=0)][..., None]
        price, pull = price + size * step, pull + size * pulled
    return price


class TendonNetwork(nn.Module):
    """``rounds`` networks of one architecture, for frames that are ``step`` s apart."""

    def __init__(self, architecture: Architecture, rounds: int, step: float) -> None:
        super().__init__()
        self.step = step
        inputs = ESTIMATED + STATE + CONSTANTS + MEMORY
        self.rounds = nn.ModuleList(_silent(build(architecture, inputs, OUTPUTS)) for _ in range(rounds))

    def forward(self, strides: StrideInputs, estimated: Tensor) -> list[Tensor]:
        """Normalised tendon forces (B, T, M) after each round, from the result of :func:`estimate`."""
        force, pull, active, passive, length, velocity = estimated.unbind(dim=-1)
        of_estimate = [force, torch.tanh(pull), torch.tanh(4.0 * pull), active, passive, length, 3.0 * velocity]
        force, _ = balanced(force, active**2, strides)
        rates = Rates.at(self.step * np.arange(force.shape[1]), force)
        constants = [part.expand_as(force) for part in strides.constants().unbind(dim=-1)]
        memory = [torch.zeros_like(force)] * MEMORY
        found = []
        for network in self.rounds:
            active, state = _state_inputs(force, rates.of(force), strides)
            change, share, *kept = _per_muscle(network, [*of_estimate, *constants, *state, *memory])
            give = (active * torch.exp(share.clamp(-4.0, 4.0))) ** 2
            force, _ = balanced(force + UNIT * change, give, strides)
            memory = [torch.tanh(part) for part in kept]
            found.append(force)
        return found


def _state_inputs(force: Tensor, rate: Tensor, strides: StrideInputs) -> tuple[Tensor, list[Tensor]]:
    """Active multiplier of the fibres with these forces, and the inputs that describe their state, (B, T, M) each."""
    force = force.clamp(LEAST_FORCE, MOST_FORCE)
    state = fiber_state(strides.length, strides.speed, force, rate, strides.fiber)
    active, passive = strides.multipliers(state)
    active = active.clamp(min=LEAST_ACTIVE)
    activation = (force - passive) / active
    inputs = [
        torch.tanh(activation), torch.tanh(4.0 * activation), force, 0.1 * rate, active, passive,
        3.0 * state.velocity, state.length - 1.0,
    ]  # fmt: skip
    return active, inputs


def _per_muscle(network: nn.Module, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Apply a network of sequences to each muscle's series: (B, T, M) each, in and out.

    Time is innermost in memory, as convolutions need it.
    """
    batch, _, muscles = inputs[0].shape
    series = torch.stack([part.transpose(1, 2) for part in inputs], dim=2).flatten(0, 1)
    outputs: Tensor = network(series.transpose(1, 2))
    return tuple(part.transpose(1, 2) for part in outputs.reshape(batch, muscles, *outputs.shape[1:]).unbind(dim=-1))


def _silent(network: nn.Module) -> nn.Module:
    """Set the last layer to 0, so that training begins with static optimization."""
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return network


@dataclass(frozen=True, eq=False)
class Decoded:
    """Everything that follows from tendon forces, each (B, T, M) except ``price``.

    ``force`` normalised tendon force and its ``force_rate`` in 1/s; ``activation`` and ``excitation`` within bounds;
    ``active`` and ``passive`` multipliers of the fibres along the tendon, so that fibres carry activation · active +
    passive; ``excitation_residual``, how far outside its bounds the excitation would have to be for activation to
    change as it does. ``price`` (B, T, D) of moments determines the reserves.
    """

    force: Tensor
    force_rate: Tensor
    activation: Tensor
    excitation: Tensor
    active: Tensor
    passive: Tensor
    state: FiberState
    price: Tensor
    excitation_residual: Tensor

    @property
    def carried(self) -> Tensor:
        """(B, T, M) normalised force that the fibres carry."""
        return self.activation * self.active + self.passive

    @property
    def tendon_residual(self) -> Tensor:
        """(B, T, M) tendon force minus the force that the fibres carry, relative to each muscle's strength."""
        return self.force - self.carried


def decode(force: Tensor, strides: StrideInputs, rates: Rates, shares: int = SHARES) -> Decoded:
    """Compute everything from forces (B, T, M) at the frames of ``rates``; no result is NaN, whatever the forces are.

    ``shares`` is the number of times that muscles inside their bounds share the force which the others cannot carry.
    """
    proposed = _plausible(force)
    give = free = torch.ones_like(proposed)
    for share in range(shares + 1):
        moved, price = balanced(proposed, give * free, strides)
        moved = _plausible(moved)
        rate = rates.of(moved)
        state = fiber_state(strides.length, strides.speed, moved, rate, strides.fiber)
        active, passive = (torch.nan_to_num(part) for part in strides.multipliers(state))
        required = (moved - passive) / active.clamp(min=POWERLESS)
        activation = _within(required, strides)
        held = required != activation
        if share < shares:
            proposed = torch.where(held, _plausible(activation * active + passive), moved)
            give = active.clamp(min=POWERLESS) ** 2
            free = torch.where(held, HELD, 1.0).to(moved.dtype)
    excitation = excitation_of(rates.of(activation), activation, strides)
    bounded = _within(excitation, strides)
    return Decoded(
        moved, rate, activation, bounded, active, passive, state, torch.nan_to_num(price),
        torch.nan_to_num(excitation - bounded, nan=1.0),
    )  # fmt: skip


def excitation_of(rate: Tensor, activation: Tensor, strides: StrideInputs) -> Tensor:
    """Excitation at which activation changes at a rate in 1/s, by Newton's method from the mean time constant."""
    rise, fall, smoothing = strides.dynamics
    stretch = 0.5 + 1.5 * activation
    rising, falling = 1.0 / (rise * stretch), stretch / fall
    mean, swing = 0.5 * (rising + falling), 0.5 * (rising - falling)
    excitation = activation + rate / mean
    for _ in range(EXCITATION_STEPS):
        away = excitation - activation
        bend = torch.tanh(smoothing * away)
        slope = mean + swing * bend + swing * smoothing * away * (1.0 - bend**2)
        missed = activation_rate(excitation, activation, rise, fall, smoothing) - rate
        excitation = excitation - missed / torch.maximum(slope, 0.1 * mean)
    return excitation


def _plausible(force: Tensor) -> Tensor:
    return torch.nan_to_num(force, nan=LEAST_FORCE).clamp(LEAST_FORCE, MOST_FORCE)


def _within(values: Tensor, strides: StrideInputs) -> Tensor:
    """Clip to the bounds of activations; NaN becomes the lower bound."""
    return torch.where(torch.isnan(values), strides.lower.expand_as(values), strides.within(values))
