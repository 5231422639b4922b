"""A network for tendon forces that vary in time: the same for every muscle, which hear of each other through moments.

Static optimization on rigid tendons is where it begins, a few damped Newton steps that need not converge. In every
round each muscle sees its own last and next tenths of a second, and proposes how its force differs and how much it
would give way; then forces are moved to where the moments hold. All of it is trained through.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..muscle.contraction import FiberState, active_multiplier, fiber_state, passive_multiplier
from .architecture import Architecture, build
from .rates import Rates
from .strides import StrideInputs, balanced, priced

#: Newton steps of the estimate; sizes of a step that are tried; damping, as a share of the diagonal, where more than
#: LARGE N·m are missed: 6 steps leave less than 0.2 N·m in nine of ten frames of a walk with 80 muscles.
STEPS, TRIED, DAMPING, LARGE = 6, (1.0, 0.3, 0.1), 0.01, 10.0
#: Normalised forces, and active multipliers, between which a state makes sense.
LEAST_FORCE, MOST_FORCE, LEAST_ACTIVE = 1e-3, 3.0, 0.01
#: What the estimate tells of each muscle, and what is told beside it in every round.
ESTIMATE = ("force", "pull", "active", "passive", "length", "velocity")
STATE = ("activation", "activation_near", "force", "rate", "active", "passive", "velocity", "length")
CONSTANTS = ("tendon", "strain", "height", "strength")
#: Of what muscles say: a step of force, how they give way, and what they remember for the next round.
MEMORY, SAID = 2, 4
#: Units in which they say a force.
UNIT = 0.3


def estimate(strides: StrideInputs) -> Tensor:
    """(B, T, M, 6) ``ESTIMATE``: static optimization of Σ a² on rigid tendons, and the rigid fibre."""
    state = rigid_state(strides)
    active, passive = multipliers(state, strides)
    active = active.clamp(min=LEAST_FORCE)
    price = _static_prices(strides, active, passive)
    pull = active * strides.pulls(price)
    force = active * _within(pull, strides) + passive
    shape = force.shape
    told = (force, pull, active, passive, state.length - 1.0, state.velocity)
    return torch.stack([part.expand(shape) for part in told], dim=-1)


def _static_prices(strides: StrideInputs, active: Tensor, passive: Tensor) -> Tensor:
    """Prices (B, T, D) near the dual optimum of static optimization with these muscles."""
    asked = strides.moment - strides.moments(passive)
    whole = strides.gram(active**2)
    diagonal = torch.diag_embed(whole.diagonal(dim1=-2, dim2=-1))
    price = priced(whole, asked)
    pull = active * strides.pulls(price)
    reserve = strides.reserve[:, None]

    def dual(price: Tensor, pull: Tensor) -> Tensor:
        a = _within(pull, strides)
        by_reserves = (reserve @ price[..., None])[..., 0]
        return (a * (0.5 * a - pull)).sum(-1) + (price * (asked - 0.5 * by_reserves)).sum(-1)

    for _ in range(STEPS):
        a = _within(pull, strides)
        free = ((pull > strides.lower) & (pull < strides.upper)).to(pull.dtype)
        missing = asked - strides.moments(active * a) - (reserve @ price[..., None])[..., 0]
        damping = DAMPING * (missing.abs().amax(dim=-1) / LARGE).clamp(max=1.0)
        step = priced(strides.gram(free * active**2) + damping[..., None, None] * diagonal, missing)
        pulled = active * strides.pulls(step)
        values = torch.stack([dual(price + size * step, pull + size * pulled) for size in TRIED])
        size = torch.tensor(TRIED, dtype=pull.dtype, device=pull.device)[values.argmax(dim=0)][..., None]
        price, pull = price + size * step, pull + size * pulled
    return price


def rigid_state(strides: StrideInputs) -> FiberState:
    """Fibres on rigid tendons."""
    fiber = strides.fiber
    along = strides.length - fiber.slack
    length = torch.sqrt(along**2 + fiber.height**2)
    cosine = along / length
    return FiberState(length / fiber.optimal, strides.speed * cosine / fiber.fastest, cosine)


def multipliers(state: FiberState, strides: StrideInputs) -> tuple[Tensor, Tensor]:
    """Active and passive normalised force along the tendon."""
    active = active_multiplier(state, strides.fiber) * state.cosine
    return active, passive_multiplier(state, strides.fiber) * state.cosine


def _within(activation: Tensor, strides: StrideInputs) -> Tensor:
    return torch.minimum(torch.maximum(activation, strides.lower), strides.upper)


class TendonNetwork(nn.Module):
    """``rounds`` networks of one architecture, for frames that are ``step`` s apart."""

    def __init__(self, architecture: Architecture, rounds: int, step: float) -> None:
        super().__init__()
        self.step = step
        told = len(ESTIMATE) + 1 + len(STATE) + len(CONSTANTS) + MEMORY
        self.rounds = nn.ModuleList(_quiet(build(architecture, told, SAID)) for _ in range(rounds))

    def forward(self, strides: StrideInputs, told: Tensor) -> list[Tensor]:
        """Normalised tendon forces (B, T, M) after each round, given the ``estimate``."""
        force, _ = balanced(told[..., 0], told[..., 2] ** 2, strides)
        rates = Rates.uniform(force.shape[1], self.step, force)
        fixed = [*_scaled(told), *(part.expand_as(force) for part in constants(strides).unbind(dim=-1))]
        memory = [torch.zeros_like(force)] * MEMORY
        found = []
        for one in self.rounds:
            active, now = _now(force, rates.of(force), strides)
            step, ease, *remembered = _per_muscle(one, [*fixed, *now, *memory])
            give = (active * torch.exp(ease.clamp(-4.0, 4.0))) ** 2
            force, _ = balanced(force + UNIT * step, give, strides)
            memory = [torch.tanh(part) for part in remembered]
            found.append(force)
        return found


def constants(strides: StrideInputs) -> Tensor:
    """(B, 1, M, 4) ``CONSTANTS``: what muscles are by their parameters, about 1 in size."""
    fiber = strides.fiber
    told = (
        torch.log(fiber.slack / fiber.optimal),
        10.0 * fiber.tendon_strain_at_one_norm_force,
        fiber.height / fiber.optimal,
        torch.log(strides.strength) / 3.0 - 2.0,
    )
    return torch.stack(told, dim=-1)


def _scaled(told: Tensor) -> list[Tensor]:
    """The estimate, about 1 in size; the pull twice, once for what is near 0."""
    force, pull, active, passive, length, velocity = told.unbind(dim=-1)
    return [force, torch.tanh(pull), torch.tanh(4.0 * pull), active, passive, length, 3.0 * velocity]


def _now(force: Tensor, rate: Tensor, strides: StrideInputs) -> tuple[Tensor, list[Tensor]]:
    """Active multiplier and ``STATE``, (B, T, M) each, of the fibres with these forces."""
    force = force.clamp(LEAST_FORCE, MOST_FORCE)
    state = fiber_state(strides.length, strides.speed, force, rate, strides.fiber)
    active, passive = multipliers(state, strides)
    active = active.clamp(min=LEAST_ACTIVE)
    activation = (force - passive) / active
    told = [
        torch.tanh(activation), torch.tanh(4.0 * activation), force, 0.1 * rate, active, passive,
        3.0 * state.velocity, state.length - 1.0,
    ]  # fmt: skip
    return active, told


def _per_muscle(network: Any, told: list[Tensor]) -> tuple[Tensor, ...]:
    """Apply a network of sequences to each muscle's series: (B, T, M) each, in and out.

    Time is innermost in memory, as convolutions want it.
    """
    batch, _, muscles = told[0].shape
    series = torch.stack([part.transpose(1, 2) for part in told], dim=2).flatten(0, 1)
    said: Tensor = network(series.transpose(1, 2))
    return tuple(part.transpose(1, 2) for part in said.reshape(batch, muscles, *said.shape[1:]).unbind(dim=-1))


def _quiet(network: nn.Module) -> nn.Module:
    """The network saying nothing at first, so that training begins with static optimization."""
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return network
