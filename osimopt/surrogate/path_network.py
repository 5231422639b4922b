"""Small networks for what polynomials leave of muscle lengths, many muscles side by side, with their exact slopes.

Paths over wrap objects and through points that appear at an angle have kinks that no polynomial follows, while
everywhere else a polynomial is hard to beat. So a network learns only the rest, a millimetre or less: two layers of
tanh, whose slope is written out (one more product of matrices, whatever the number of coordinates), because it is
trained on, and used, as much as the length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]

#: Standard deviation of the first weights, over coordinates scaled to [−1, 1]: kinks are steep.
STEEP = 2.0
#: Postures evaluated at once: 80 muscles of width 32 take 100 MB.
CHUNK = 1024


class PathNetwork(nn.Module):
    """m networks of d coordinates each, of the same width, for lengths in m.

    ``center`` and ``extent`` (m, d) are the middle and half of the range of the coordinates, ``unit`` (m,) what a
    network's output of 1 means in m.
    """

    def __init__(self, center: Array, extent: Array, unit: Array, width: int) -> None:
        super().__init__()
        count, dimension = center.shape
        for name, array in (("center", center), ("extent", extent), ("unit", unit)):
            self.register_buffer(name, torch.as_tensor(array, dtype=torch.float32))
        shapes = {
            "weight_1": (count, dimension, width),
            "bias_1": (count, 1, width),
            "weight_2": (count, width, width),
            "weight_3": (count, width, 1),
        }
        sizes = {"weight_1": STEEP, "bias_1": 1.0, "weight_2": width**-0.5, "weight_3": width**-0.5}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(sizes[name] * torch.randn(shape)))
        self.bias_2 = nn.Parameter(torch.zeros(count, 1, width))
        self.bias_3 = nn.Parameter(torch.zeros(count, 1, 1))

    def forward(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Lengths (n, m) in m and slopes (n, m, d) from coordinates (n, m, d) in rad or m."""
        return respond(dict(self.state_dict(keep_vars=True)), value)


def respond(weights: Mapping[str, Tensor], value: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (n, m) in m and their slopes (n, m, d), which are their exact derivatives; see :class:`PathNetwork`."""
    scaled = ((value - weights["center"]) / weights["extent"]).transpose(0, 1)
    first = torch.tanh(torch.baddbmm(weights["bias_1"], scaled, weights["weight_1"]))
    second = torch.tanh(torch.baddbmm(weights["bias_2"], first, weights["weight_2"]))
    length = torch.baddbmm(weights["bias_3"], second, weights["weight_3"])[..., 0].transpose(0, 1)
    back = (1.0 - second * second) * weights["weight_3"].transpose(1, 2)
    back = torch.bmm(back, weights["weight_2"].transpose(1, 2)) * (1.0 - first * first)
    slope = torch.bmm(back, weights["weight_1"].transpose(1, 2)).transpose(0, 1) / weights["extent"]
    return weights["unit"] * length, weights["unit"][:, None] * slope


@dataclass(frozen=True, eq=False)
class Corrections:
    """Trained networks of muscles over equally many coordinates: the weights of a :class:`PathNetwork` in float64."""

    muscles: tuple[str, ...]
    coordinates: tuple[tuple[str, ...], ...]
    weights: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, muscles: Sequence[str], coordinates: Sequence[tuple[str, ...]], network: PathNetwork) -> Corrections:
        """From a network, as it is now."""
        weights = {name: tensor.double().cpu().numpy() for name, tensor in network.state_dict().items()}
        return cls(tuple(muscles), tuple(coordinates), weights)

    def keep(self, muscles: Sequence[str]) -> Corrections:
        """Those of these muscles."""
        index = [place for place, name in enumerate(self.muscles) if name in set(muscles)]
        kept = {name: array[index] for name, array in self.weights.items()}
        return replace(
            self,
            muscles=tuple(self.muscles[place] for place in index),
            coordinates=tuple(self.coordinates[place] for place in index),
            weights=kept,
        )

    def columns(self, names: Sequence[str]) -> NDArray[np.intp]:
        """(m, d) where the coordinates of each muscle are among names."""
        place = {name: index for index, name in enumerate(names)}
        return np.array([[place[name] for name in own] for own in self.coordinates], dtype=np.intp)

    def lengths(self, names: Sequence[str], value: Tensor) -> Tensor:
        """(T, m) in m, of the type and on the device of ``value`` (T, N), and differentiable."""
        weights = {name: value.new_tensor(array) for name, array in self.weights.items()}
        return respond(weights, value[:, torch.as_tensor(self.columns(names), device=value.device)])[0]

    def evaluate(self, names: Sequence[str], value: Array, device: str = "cpu") -> tuple[Array, Array]:
        """Lengths (T, m) in m and slopes (T, m, d), in float64."""
        weights = {name: torch.as_tensor(array, device=device) for name, array in self.weights.items()}
        columns = self.columns(names)
        parts = []
        for start in range(0, max(len(value), 1), CHUNK):
            own = torch.as_tensor(value[start : start + CHUNK, columns], dtype=torch.float64, device=device)
            parts.append([tensor.cpu().numpy() for tensor in respond(weights, own)])
        length, slope = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return length, slope
