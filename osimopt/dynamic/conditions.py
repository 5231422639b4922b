"""What a motion of the muscles must meet beside its equations, and what it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..problem.problem import RedundancyProblem
from .cost import DynamicCost
from .emg import EmgTracking

#: What is asked of activations at the first point; see :func:`osimopt.solve_dynamic`.
Start = Literal["paid", "equal", "free"]


@dataclass(frozen=True)
class Conditions:
    """Options of :func:`osimopt.solve_dynamic` that make the program; see there."""

    cost: DynamicCost
    derivative_penalty: float = 0.01
    initial_activation: Start = "paid"
    periodic: bool | Mapping[str, str] = False
    emg: EmgTracking | None = None

    @property
    def pays(self) -> bool:
        """Whether the activations at the first point are in the cost; periodic ones come from the last."""
        return self.initial_activation == "paid" and not self.periodic

    def follower(self, problem: RedundancyProblem) -> list[int]:
        """(M,) whose values at the end each muscle has at the start, where periodic."""
        mapping = {} if isinstance(self.periodic, bool) else self.periodic
        return [problem.muscles.index(mapping.get(name, name)) for name in problem.muscles]
