"""The paper's objective on scaled loads and displacements, its regularisation, and its constraints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def objective(said: Any, asked: Any, loads: int, balance: float = 1.0) -> Any:
    """Equation (2), per window: mean square error of loads plus ``balance`` (λ) times that of displacements.

    Of arrays or tensors (N, L + P), scaled to [0, 1] so that λ has no unit. The paper sums over time; means over
    windows and columns do not depend on how many there are. Without displacements, or loads, the other term alone.
    """
    square = (said - asked) ** 2
    terms = [part.mean() for part in (square[:, :loads], square[:, loads:]) if part.shape[1]]
    if len(terms) == 1:
        return terms[0]
    return terms[0] + balance * terms[1]


def loss_of(loads: int, balance: float = 1.0) -> Callable[..., Any]:
    """Equation (2) as a loss of :func:`osimopt.surrogate.training.fit`.

    Equation (7)'s λ‖w‖² is the option ``weight_decay`` = 2 λ of every optimizer but ``"adamw"``: its gradient is 2 λ w.
    """

    def loss(network: Any, inputs: Any, asked: Any) -> Any:
        return objective(network(inputs), asked, loads, balance)

    return loss


def violation(said: Array, lower: Array, upper: Array) -> float:
    """Equation (3): the largest A x + b over windows, A x + b ≤ 0 being lower ≤ x ≤ upper; 0 where it holds."""
    held = said[:, : len(lower)]
    return float(np.maximum(lower - held, held - upper).max(initial=0.0))
