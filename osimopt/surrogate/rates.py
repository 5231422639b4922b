"""Rates of sampled series, by the polynomial through the seven nearest frames: local, and exact on any times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

#: Frames whose polynomial is differentiated.
WIDTH = 7


@dataclass(frozen=True, eq=False)
class Rates:
    """``weight`` (T, w) of the frames ``index`` (T, w)."""

    index: Tensor
    weight: Tensor

    @classmethod
    def at(cls, time: ArrayLike, like: Tensor) -> Rates:
        """At increasing times (T,) in s, on the device and in the precision of another tensor."""
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

    @classmethod
    def uniform(cls, frames: int, step: float, like: Tensor) -> Rates:
        """At times that are ``step`` s apart."""
        return cls.at(step * np.arange(frames), like)

    def of(self, values: Tensor) -> Tensor:
        """(B, T, M) rates per s of values (B, T, M)."""
        total = torch.zeros_like(values)
        for place in range(self.index.shape[1]):
            total = total + values[:, self.index[:, place]] * self.weight[:, place, None]
        return total
