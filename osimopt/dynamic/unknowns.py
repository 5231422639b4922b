"""Values of every unknown at the points of a mesh: what a solver begins with, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from .layout import Layout, Part
from .mesh import Mesh

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Unknowns:
    """Activation, excitation, normalised tendon force and its rate (N, M), reserve control (N, K), EMG scale (C,)."""

    activation: Array
    excitation: Array
    force: Array
    force_rate: Array
    reserve: Array
    scale: Array

    def series(self) -> dict[str, Array]:
        """All that have an axis of points."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "scale"}

    def on_points(self, change: Callable[[Array], Array]) -> Unknowns:
        """With something done along the axis of points."""
        return Unknowns(**{name: change(values) for name, values in self.series().items()}, scale=self.scale)

    def moved(self, old: Mesh, new: Mesh) -> Unknowns:
        """The same on another mesh of the same interval."""
        return self.on_points(lambda values: old.controls_at(new.time, values))

    def within(self, lower: Array, upper: Array) -> Unknowns:
        """With activations and excitations in their bounds (M,), which polynomials between points can leave."""
        activation, excitation = (np.clip(values, lower, upper) for values in (self.activation, self.excitation))
        return replace(self, activation=activation, excitation=excitation)

    def into(self, layout: Layout, part: Part) -> Array:
        """The unknowns of a part, in its order."""
        x = np.zeros(layout.size)
        x[layout.activation] = self.activation[:, part.muscles]
        x[layout.excitation] = self.excitation[:, part.muscles]
        if layout.force.size:
            x[layout.force] = self.force[:, part.muscles]
            x[layout.force_rate] = self.force_rate[:, part.muscles]
        x[layout.reserve] = self.reserve[:, part.reserves]
        if layout.largest.size:
            x[layout.largest] = 1.1 * np.max(self.activation[:, part.muscles], axis=1, initial=0.1, keepdims=True)
        x[layout.scale] = self.scale[part.channels]
        return x

    def updated(self, parts: Sequence[Part], layouts: Sequence[Layout], found: Sequence[Array]) -> Unknowns:
        """With what was found for the parts."""
        new = Unknowns(*(getattr(self, field.name).copy() for field in fields(self)))
        for part, layout, x in zip(parts, layouts, found, strict=True):
            new.activation[:, part.muscles] = x[layout.activation]
            new.excitation[:, part.muscles] = x[layout.excitation]
            if layout.force.size:
                new.force[:, part.muscles] = x[layout.force]
                new.force_rate[:, part.muscles] = x[layout.force_rate]
            new.reserve[:, part.reserves] = x[layout.reserve]
            new.scale[part.channels] = x[layout.scale]
        return new
