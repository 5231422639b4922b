"""What a dynamic surrogate has seen: the least and largest of what it is told of muscles, and moments.

Its network is the same for every muscle, so that what one muscle taught serves all: ranges of quantities are over the
muscles together, those of moments by coordinate.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..problem.problem import RedundancyProblem
from .scaler import SLACK, Scaler
from .strides import StrideInputs
from .tendon_network import constants, rigid_state

Array = NDArray[np.float64]

#: What ranges are of, for all muscles together: rigid fibres, and what is constant of a muscle.
QUANTITIES = ("fiber_length", "fiber_velocity", "tendon_ratio", "tendon_strain", "fiber_height", "strength")


def features(problem: RedundancyProblem) -> Array:
    """(T, 12 + D) least and largest of each of ``QUANTITIES``, and the moments that muscles serve."""
    strides = StrideInputs.of([problem])
    shape = (1, len(problem), len(problem.muscles))
    extremes = [end[0].numpy() for values in _quantities(strides) for end in values.expand(shape).aminmax(dim=-1)]
    return np.column_stack([*extremes, strides.moment[0].numpy()])


def named_features(problem: RedundancyProblem) -> list[str]:
    """Names of ``features``."""
    served = np.flatnonzero(problem.geometry.served)
    of_muscles = [f"{end} {quantity}" for quantity in QUANTITIES for end in ("least", "largest")]
    return of_muscles + [f"{problem.coordinates[index]} moment" for index in served]


def beyond(ranges: Scaler, strides: StrideInputs) -> Tensor:
    """(B, T) frames in which a muscle or a moment lies beyond the ranges, or is no number."""
    count = 2 * len(QUANTITIES)
    low = np.concatenate([ranges.low[0:count:2], ranges.low[count:]])
    high = np.concatenate([ranges.high[1:count:2], ranges.high[count:]])
    slack = SLACK * (high - low) + 1e-9 * np.maximum(1.0, np.abs(high))
    least, most = (torch.as_tensor(end).to(strides.length) for end in (low - slack, high + slack))
    inside = ((strides.moment >= least[len(QUANTITIES) :]) & (strides.moment <= most[len(QUANTITIES) :])).all(dim=-1)
    for values, lower, upper in zip(_quantities(strides), least, most, strict=False):
        inside = inside & ((values >= lower) & (values <= upper)).all(dim=-1)
    return ~inside.expand(strides.strength.shape[0], strides.length.shape[1])


def _quantities(strides: StrideInputs) -> list[Tensor]:
    """``QUANTITIES``, each (B, T, M), or with 1 in place of T where it does not vary in time."""
    state = rigid_state(strides)
    return [state.length, state.velocity, *constants(strides).unbind(dim=-1)]
