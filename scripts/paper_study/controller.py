"""A small reinforcement-learning controller: independent choices, their logits moved by policy gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Step of the logits for a reward one standard deviation above the running mean, and how fast these forget.
STEP, FORGET = 0.5, 0.2


class Controller:
    """REINFORCE with a running baseline (Williams 1992, doi:10.1007/BF00992696) over one categorical choice each."""

    def __init__(self, space: Mapping[str, Sequence[Any]], seed: int) -> None:
        self.space, self.random = space, np.random.default_rng(seed)
        self.logits: dict[str, Array] = {name: np.zeros(len(choices)) for name, choices in space.items()}
        self.mean, self.spread, self.seen = 0.0, 1.0, 0

    def ask(self) -> dict[str, int]:
        """Draw the place of one choice each."""
        return {name: int(self.random.choice(len(p), p=p)) for name, p in self.shares().items()}

    def tell(self, places: Mapping[str, int], reward: float) -> None:
        """Make choices that brought more than usual likelier: Δ logits = step · advantage · ∇ log probability."""
        self.seen += 1
        if self.seen == 1:
            self.mean = reward
            return
        advantage = (reward - self.mean) / self.spread
        for name, share in self.shares().items():
            gradient = -share
            gradient[places[name]] += 1.0
            self.logits[name] += STEP * np.clip(advantage, -2.0, 2.0) * gradient
        away = abs(reward - self.mean)
        self.spread = max(1e-3, away if self.seen == 2 else (1 - FORGET) * self.spread + FORGET * away)
        self.mean += FORGET * (reward - self.mean)

    def shares(self) -> dict[str, Array]:
        """Probabilities of the choices."""
        weight = {name: np.exp(logits - logits.max()) for name, logits in self.logits.items()}
        return {name: values / values.sum() for name, values in weight.items()}
