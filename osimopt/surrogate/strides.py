"""Motions and their muscles as tensors: inputs of the dynamic surrogate's network, and their ranges in training.

Axes: B motions or variants, T frames, M muscles, D coordinates that muscles serve. Tensors that all variants of one
motion share have B = 1. Forces are normalised by each muscle's maximum isometric force (its strength).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, explain, some
from ..muscle.contraction import Fiber, FiberState, active_multiplier, passive_multiplier
from ..muscle.degroote import DEGROOTE, not_degroote
from ..problem.arrays import Array, MuscleParameters
from ..problem.costs import get_cost, reserve_weight
from ..problem.problem import RedundancyProblem
from .architecture import SLACK, Scaler

#: Fraction of the diagonal that is added to matrices before solving, as rows may be linearly dependent.
RIDGE = 1e-6
#: Share of a quantity that rounds away in single precision.
ROUNDING = 1e-6
#: Properties of activation dynamics, in the order in which the equations take them.
DYNAMICS = ("activation_time_constant", "deactivation_time_constant", "activation_dynamics_smoothing")
#: Quantities whose training range is over all muscles together: of rigid fibres, and constants of a muscle.
QUANTITIES = ("fiber_length", "fiber_velocity", "tendon_ratio", "tendon_strain", "fiber_height", "strength")


@dataclass(frozen=True, eq=False)
class StrideInputs:
    """A batch of motions and muscles.

    ``length``, ``speed`` (B, T, M) of muscle-tendon units in m and m/s, ``arm`` (B, T, D, M) in m, ``moment``
    (B, T, D) in N·m; ``reserve`` (B, D, D) moments of the reserves for a price on each moment, in N²·m²; ``lower``,
    ``upper`` (B, 1, M) of activations, ``strength`` (B, 1, M) in N, then :class:`Fiber` and ``DYNAMICS``, each
    (B, 1, M).
    """

    length: Tensor
    speed: Tensor
    arm: Tensor
    moment: Tensor
    reserve: Tensor
    lower: Tensor
    upper: Tensor
    strength: Tensor
    fiber: Fiber
    dynamics: tuple[Tensor, ...]

    @classmethod
    def of(
        cls, problems: Sequence[RedundancyProblem], kind: torch.dtype = torch.float64, device: str = "cpu"
    ) -> StrideInputs:
        """Make a batch of problems of one model with the same number of frames."""

        def put(arrays: Sequence[Any]) -> Tensor:
            return torch.as_tensor(np.stack(arrays)).to(device, kind)

        parameters = [parameters_of(problem) for problem in problems]
        served = np.flatnonzero(problems[0].geometry.served)
        return cls(
            put([one.geometry.length for one in problems]),
            put([one.geometry.lengthening_speed for one in problems]),
            put([one.moment_arm[:, served] for one in problems]),
            put([one.generalized_force[:, served] for one in problems]),
            put([_reserve(one)[np.ix_(served, served)] for one in problems]),
            put([one.lower[None] for one in problems]),
            put([one.upper[None] for one in problems]),
            *_muscles(parameters, kind, device),
        )

    def with_muscles(self, parameters: Sequence[MuscleParameters]) -> StrideInputs:
        """Return one motion with the muscles of several variants."""
        strength, fiber, dynamics = _muscles(parameters, self.length.dtype, str(self.length.device))
        return StrideInputs.from_tensors([*(tensor[:1] for tensor in self.tensors[:7]), strength, *fiber, *dynamics])

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors in the order of the fields."""
        motion = (self.length, self.speed, self.arm, self.moment, self.reserve, self.lower, self.upper)
        return (*motion, self.strength, *self.fiber, *self.dynamics)

    @classmethod
    def from_tensors(cls, tensors: Sequence[Tensor]) -> StrideInputs:
        """Invert ``tensors``."""
        length, speed, arm, moment, reserve, lower, upper, strength, *rest = tensors
        return cls(length, speed, arm, moment, reserve, lower, upper, strength, Fiber(*rest[:-3]), tuple(rest[-3:]))

    def to(self, kind: torch.dtype, device: str) -> StrideInputs:
        """Move the tensors to a device and precision."""
        return StrideInputs.from_tensors([tensor.to(device, kind) for tensor in self.tensors])

    def within(self, activation: Tensor) -> Tensor:
        """Clip activations to their bounds."""
        return torch.minimum(torch.maximum(activation, self.lower), self.upper)

    def moments(self, force: Tensor) -> Tensor:
        """Moments (B, T, D) in N·m of normalised forces (B, T, M)."""
        return self._with_arms("tdm,btm->btd", force * self.strength)

    def pulls(self, price: Tensor) -> Tensor:
        """Value (B, T, M) of a unit of normalised force at prices (B, T, D) of moments."""
        return self._with_arms("tdm,btd->btm", price) * self.strength

    def gram(self, give: Tensor) -> Tensor:
        """(B, T, D, D) moments for a price on each, from muscles that change by ``give`` (B, T, M) per value."""
        weight = give * self.strength**2
        if len(self.arm) == 1 and len(weight) > 1:  # products of moment arms are the same for all variants
            count = self.arm.shape[2]
            row, column = torch.tril_indices(count, count)
            found = torch.einsum("tkm,btm->btk", self.arm[0, :, row] * self.arm[0, :, column], weight)
            place = torch.zeros(count, count, dtype=torch.long, device=weight.device)
            place[row, column] = place[column, row] = torch.arange(len(row), device=weight.device)
            return found[..., place] + self.reserve[:, None]
        return (self.arm * weight[:, :, None]) @ self.arm.transpose(2, 3) + self.reserve[:, None]

    def rigid_state(self) -> FiberState:
        """State of the fibres on rigid tendons."""
        along = self.length - self.fiber.slack
        length = torch.sqrt(along**2 + self.fiber.height**2)
        cosine = (along / length).clamp(min=0.0)  # a unit shorter than its tendon has no force
        return FiberState(length / self.fiber.optimal, self.speed * cosine / self.fiber.fastest, cosine)

    def multipliers(self, state: FiberState) -> tuple[Tensor, Tensor]:
        """Active and passive normalised force along the tendon, at activation 1."""
        active, passive = active_multiplier(state, self.fiber), passive_multiplier(state, self.fiber)
        return active * state.cosine, passive * state.cosine

    def constants(self) -> Tensor:
        """(B, 1, M, 4) the last four of ``QUANTITIES``: muscle parameters, scaled to a size of about 1."""
        fiber = self.fiber
        parameters = (
            torch.log(fiber.slack / fiber.optimal),
            10.0 * fiber.tendon_strain_at_one_norm_force,
            fiber.height / fiber.optimal,
            torch.log(self.strength) / 3.0 - 2.0,
        )
        return torch.stack(parameters, dim=-1)

    def quantities(self) -> list[Tensor]:
        """``QUANTITIES``, each (B, T, M), or (B, 1, M) if it does not vary in time."""
        state = self.rigid_state()
        return [state.length, state.velocity, *self.constants().unbind(dim=-1)]

    def _with_arms(self, equation: str, values: Tensor) -> Tensor:
        if len(self.arm) == 1:
            return torch.einsum(equation, self.arm[0], values)
        return torch.einsum(f"b{equation}", self.arm, values)


def priced(gram: Tensor, moment: Tensor) -> Tensor:
    """Prices (…, D) that give the moments (…, D)."""
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    safe = gram + torch.diag_embed(RIDGE * diagonal + (diagonal == 0.0).to(gram.dtype))
    price: Tensor = torch.linalg.solve_ex(safe, moment)[0]
    return price


def balanced(force: Tensor, give: Tensor, strides: StrideInputs) -> tuple[Tensor, Tensor]:
    """Return the nearest forces that meet the moments together with reserves, and the prices of moments (B, T, D).

    Minimises Σ ΔF²/give + Σ (controls of reserves)² with the weight of the reserves in the cost.
    """
    price = priced(strides.gram(give), strides.moment - strides.moments(force))
    return force + give * strides.pulls(price), price


def parameters_of(problem: RedundancyProblem) -> MuscleParameters:
    """Return the parameters of De Groote muscles with elastic tendons.

    Raises
    ------
    InputError
        The problem has no muscle parameters, other muscles, or muscles that ignore tendon compliance.
    """
    parameters, geometry = problem.parameters, problem.geometry
    if parameters is None or geometry.length is None or geometry.lengthening_speed is None:
        fix = "Make it with osimopt.load_problem."
        raise InputError(explain("a problem from a model", "one without muscle parameters or lengths", fix))
    if other := not_degroote(parameters):
        fix = "Use osimopt.use_degroote_muscles(problem)."
        raise InputError(explain(f"{DEGROOTE.name} only", f"other muscles: {some(other)}", fix))
    if (rigid := parameters.properties["ignore_tendon_compliance"] > 0.0).any():
        got = f"muscles that ignore_tendon_compliance: {some(np.array(parameters.names)[rigid])}"
        fix = (
            "Set it to false in the model, by use_degroote_muscles(ignore_tendon_compliance=False), or use collocation."
        )
        raise InputError(explain("elastic tendons for a dynamic surrogate", got, fix))
    return parameters


def reserve_price(problem: RedundancyProblem) -> float:
    """Cost of a reserve at control 1 in Σ e²."""
    return float(reserve_weight(get_cost("activation_power").scale(problem), 2.0).mean())


def _reserve(problem: RedundancyProblem) -> Any:
    """(D, D) E Eᵀ / S, with the mean over time of the effects E."""
    effect = problem.reserves.effect.mean(axis=0)
    return effect @ effect.T / reserve_price(problem)


def _muscles(
    parameters: Sequence[MuscleParameters], kind: torch.dtype, device: str
) -> tuple[Tensor, Fiber, tuple[Tensor, ...]]:
    def put(arrays: Sequence[Any]) -> Tensor:
        wide = [np.broadcast_to(np.asarray(array, dtype=float), len(parameters[0].names)) for array in arrays]
        return torch.as_tensor(np.stack(wide)[:, None]).to(device, kind)

    fiber = Fiber(*(put(column) for column in zip(*map(Fiber.of, parameters), strict=True)))
    dynamics = tuple(put([one.properties[name] for one in parameters]) for name in DYNAMICS)
    return put([one.max_isometric_force for one in parameters]), fiber, dynamics


def features(problem: RedundancyProblem) -> Array:
    """(T, 12 + D) minimum and maximum over the muscles of each of ``QUANTITIES``, and the moments of muscles."""
    strides = StrideInputs.of([problem])
    shape = (1, len(problem), len(problem.muscles))
    extremes = [end[0].numpy() for values in strides.quantities() for end in values.expand(shape).aminmax(dim=-1)]
    return np.column_stack([*extremes, strides.moment[0].numpy()])


def named_features(problem: RedundancyProblem) -> list[str]:
    """Names of ``features``, which folders of surrogates contain."""
    served = np.flatnonzero(problem.geometry.served)
    of_muscles = [f"{end} {quantity}" for quantity in QUANTITIES for end in ("least", "largest")]
    return of_muscles + [f"{problem.coordinates[index]} moment" for index in served]


def beyond(ranges: Scaler, strides: StrideInputs) -> Tensor:
    """(B, T) frames in which a muscle or a moment is outside the ranges, or not finite."""
    count = 2 * len(QUANTITIES)
    low = np.concatenate([ranges.low[0:count:2], ranges.low[count:]])
    high = np.concatenate([ranges.high[1:count:2], ranges.high[count:]])
    slack = SLACK * (high - low) + ROUNDING * np.maximum(1.0, np.abs(high))
    least, most = (torch.as_tensor(end).to(strides.length) for end in (low - slack, high + slack))
    inside = ((strides.moment >= least[len(QUANTITIES) :]) & (strides.moment <= most[len(QUANTITIES) :])).all(dim=-1)
    for values, lower, upper in zip(strides.quantities(), least, most, strict=False):
        inside = inside & ((values >= lower) & (values <= upper)).all(dim=-1)
    return ~inside.expand(strides.strength.shape[0], strides.length.shape[1])
