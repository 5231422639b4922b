"""From tendon forces to everything else: moments, fibres, activations, excitations, and what does not add up.

A network may say any forces. They are moved to where the moments hold, each muscle as much as activation could; their
rates give the tendons' speeds, those the fibres', and what fibres must carry gives activations, which are put within
their bounds. Muscles that bounds hold back keep what their fibres can carry, and the others share the rest, a few times
over. What is left then is reported: moments that nothing carries, forces that no activation explains, activations that
no excitation follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..muscle.activation import activation_rate
from ..muscle.contraction import FiberState, fiber_state
from .rates import Rates
from .strides import StrideInputs, balanced
from .tendon_network import LEAST_FORCE, MOST_FORCE, multipliers

#: Times that the muscles which are free share what the others cannot carry, and how much these still give way.
SHARES, HELD = 3, 0.1
#: Active force along the tendon at activation 1, normalised, below which activation cannot be told from force.
POWERLESS = 1e-3
#: Newton steps to an excitation: smoothing is weak, and the first is nearly right.
EXCITATION_STEPS = 5


@dataclass(frozen=True, eq=False)
class Decoded:
    """Everything that follows from tendon forces; (B, T, M) unless said otherwise.

    ``force`` normalised tendon force and its ``force_rate`` in 1/s; ``activation`` and ``excitation`` within bounds;
    ``active`` and ``passive`` multipliers of the fibres found, along the tendon: activation · active + passive is the
    force that fibres carry, ``tendon_residual`` the tendon's force beyond that; ``excitation_residual`` is how far
    beyond its bounds excitation would have to be for activation to change as it does. ``price`` (B, T, D) of moments
    gives the reserves.
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
        """(B, T, M) in shares of each muscle's strength."""
        return self.force - self.carried


def decode(force: Tensor, strides: StrideInputs, rates: Rates, shares: int = SHARES) -> Decoded:
    """Make an answer of forces (B, T, M) at the frames of ``rates``; nothing in it is NaN, whatever they are.

    ``shares`` is how many times free muscles share what the others cannot carry.
    """
    proposed = _sensible(force)
    give = torch.ones_like(proposed)
    free = torch.ones_like(proposed)
    for share in range(shares + 1):
        moved, price = balanced(proposed, give * free, strides)
        moved = _sensible(moved)
        rate = rates.of(moved)
        state = _state(moved, rate, strides)
        active, passive = (torch.nan_to_num(part) for part in multipliers(state, strides))
        wanted = (moved - passive) / active.clamp(min=POWERLESS)
        activation = _within(wanted, strides)
        held = wanted != activation
        if share < shares:
            proposed = torch.where(held, _sensible(activation * active + passive), moved)
            give = active.clamp(min=POWERLESS) ** 2
            free = torch.where(held, HELD, 1.0).to(moved.dtype)
    excitation = excitation_of(rates.of(activation), activation, strides)
    bounded = _within(excitation, strides)
    return Decoded(
        moved, rate, activation, bounded, active, passive, state, torch.nan_to_num(price),
        torch.nan_to_num(excitation - bounded, nan=1.0),
    )  # fmt: skip


def excitation_of(rate: Tensor, activation: Tensor, strides: StrideInputs) -> Tensor:
    """The excitation at which activation changes at a rate (1/s), by Newton's method from the mean time constant."""
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


def _sensible(force: Tensor) -> Tensor:
    return torch.nan_to_num(force, nan=LEAST_FORCE).clamp(LEAST_FORCE, MOST_FORCE)


def _state(force: Tensor, rate: Tensor, strides: StrideInputs) -> FiberState:
    return fiber_state(strides.length, strides.speed, force, rate, strides.fiber)


def _within(values: Tensor, strides: StrideInputs) -> Tensor:
    inside = torch.minimum(torch.maximum(values, strides.lower), strides.upper)
    return torch.where(torch.isnan(values), strides.lower.expand_as(values), inside)
