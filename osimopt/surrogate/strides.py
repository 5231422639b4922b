"""Motions and their muscles as tensors, and the least-squares problem in which moments tie muscles together.

Axes: B motions or variants, T frames, M muscles, D coordinates that muscles serve. Everything that variants of one
motion share has B = 1. Forces are normalised by each muscle's strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, explain, some
from ..muscle.contraction import Fiber
from ..muscle.degroote import DEGROOTE, not_degroote
from ..problem.arrays import MuscleParameters
from ..problem.costs import get_cost, reserve_weight
from ..problem.problem import RedundancyProblem

#: Share of the diagonal that is added to the matrices that are solved with: rows may depend on each other.
RIDGE = 1e-6
#: Properties of activation dynamics, in the order in which the equations take them.
DYNAMICS = ("activation_time_constant", "deactivation_time_constant", "activation_dynamics_smoothing")


@dataclass(frozen=True, eq=False)
class StrideInputs:
    """See the module.

    ``length``, ``speed`` (B, T, M) of muscle-tendon units in m and m/s, ``arm`` (B, T, D, M) in m, ``moment``
    (B, T, D) in N·m; ``reserve`` (B, D, D) the moments that reserves give for a price on each, in N²·m²; ``lower``,
    ``upper`` (B, 1, M) of activations, ``strength`` (B, 1, M) in N, then what :class:`Fiber` has and ``DYNAMICS``, each
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
    dynamics: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(
        cls, problems: Sequence[RedundancyProblem], kind: torch.dtype = torch.float64, device: str = "cpu"
    ) -> StrideInputs:
        """Of problems of as many frames each, of one model."""

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
        """One motion with the muscles of several variants."""
        strength, fiber, dynamics = _muscles(parameters, self.length.dtype, str(self.length.device))
        return StrideInputs.from_tensors([*(tensor[:1] for tensor in self.tensors[:7]), strength, *fiber, *dynamics])

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of them in a row."""
        own = (self.length, self.speed, self.arm, self.moment, self.reserve, self.lower, self.upper, self.strength)
        return (*own, *self.fiber, *self.dynamics)

    @classmethod
    def from_tensors(cls, tensors: Sequence[Tensor]) -> StrideInputs:
        """The inverse of ``tensors``."""
        length, speed, arm, moment, reserve, lower, upper, strength, *rest = tensors
        *fiber, rise, fall, smoothing = rest
        dynamics = (rise, fall, smoothing)
        return cls(length, speed, arm, moment, reserve, lower, upper, strength, Fiber(*fiber), dynamics)

    def to(self, kind: torch.dtype, device: str) -> StrideInputs:
        """In another precision, on a device."""
        return StrideInputs.from_tensors([tensor.to(device, kind) for tensor in self.tensors])

    def variants(self, keep: slice) -> StrideInputs:
        """Some of the variants; what they share stays."""
        return StrideInputs.from_tensors([t if len(t) == 1 else t[keep] for t in self.tensors])

    def moments(self, force: Tensor) -> Tensor:
        """(B, T, D) N·m of normalised forces (B, T, M)."""
        return self._with_arms("tdm,btm->btd", force * self.strength)

    def pulls(self, price: Tensor) -> Tensor:
        """(B, T, M) what prices (B, T, D) of moments pay for a unit of normalised force."""
        return self._with_arms("tdm,btd->btm", price) * self.strength

    def gram(self, give: Tensor) -> Tensor:
        """(B, T, D, D) moments given for a price on each, by muscles that give ``give`` (B, T, M) for their own."""
        weight = give * self.strength**2
        if len(self.arm) == 1 and len(weight) > 1:  # products of arms are the same for all variants
            count = self.arm.shape[2]
            row, column = torch.tril_indices(count, count)
            found = torch.einsum("tkm,btm->btk", self.arm[0, :, row] * self.arm[0, :, column], weight)
            place = torch.zeros(count, count, dtype=torch.long, device=weight.device)
            place[row, column] = place[column, row] = torch.arange(len(row), device=weight.device)
            return found[..., place] + self.reserve[:, None]
        return (self.arm * weight[:, :, None]) @ self.arm.transpose(2, 3) + self.reserve[:, None]

    def _with_arms(self, equation: str, values: Tensor) -> Tensor:
        if len(self.arm) == 1:
            return torch.einsum(equation, self.arm[0], values)
        return torch.einsum(f"b{equation}", self.arm, values)


def priced(gram: Tensor, moment: Tensor) -> Tensor:
    """Prices (…, D) at which as much moment (…, D) is given."""
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    safe = gram + torch.diag_embed(RIDGE * diagonal + (diagonal == 0.0).to(gram.dtype))
    price: Tensor = torch.linalg.solve_ex(safe, moment)[0]
    return price


def balanced(force: Tensor, give: Tensor, strides: StrideInputs) -> tuple[Tensor, Tensor]:
    """The forces that meet the moments with reserves, nearest to these, and the prices of moments (B, T, D).

    Minimises Σ ΔF²/give + Σ (reserves' controls)² with the weight that these have in the cost.
    """
    price = priced(strides.gram(give), strides.moment - strides.moments(force))
    return force + give * strides.pulls(price), price


def parameters_of(problem: RedundancyProblem) -> MuscleParameters:
    """Parameters of De Groote muscles.

    Raises
    ------
    InputError
        The problem has no model behind it, or other muscles.
    """
    parameters, geometry = problem.parameters, problem.geometry
    if parameters is None or geometry.length is None or geometry.lengthening_speed is None:
        fix = "Make it with osimopt.load_problem."
        raise InputError(explain("a problem from a model", "one without muscle parameters or lengths", fix))
    if other := not_degroote(parameters):
        fix = "Use osimopt.use_degroote_muscles(problem)."
        raise InputError(explain(f"{DEGROOTE.name} only", f"others: {some(other)}", fix))
    return parameters


def _muscles(
    parameters: Sequence[MuscleParameters], kind: torch.dtype, device: str
) -> tuple[Tensor, Fiber, tuple[Tensor, Tensor, Tensor]]:
    def put(arrays: Sequence[Any]) -> Tensor:
        wide = [np.broadcast_to(np.asarray(array, dtype=float), len(parameters[0].names)) for array in arrays]
        return torch.as_tensor(np.stack(wide)[:, None]).to(device, kind)

    fibers = [Fiber.of(one) for one in parameters]
    fiber = Fiber(*(put(column) for column in zip(*fibers, strict=True)))
    rise, fall, smoothing = (put([one.properties[name] for one in parameters]) for name in DYNAMICS)
    return put([one.max_isometric_force for one in parameters]), fiber, (rise, fall, smoothing)


def reserve_price(problem: RedundancyProblem) -> float:
    """What a reserve at control 1 costs in Σ e²."""
    return float(reserve_weight(get_cost("activation_power").scale(problem), 2.0).mean())


def _reserve(problem: RedundancyProblem) -> Any:
    """(D, D) E Eᵀ / S; the mean over time where effects change."""
    effect = problem.reserves.effect.mean(axis=0)
    return effect @ effect.T / reserve_price(problem)
