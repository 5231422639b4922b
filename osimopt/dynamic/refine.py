"""A finer mesh where integration says that the intervals are too long."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .mesh import Mesh

Array = NDArray[np.float64]

#: Pieces that an interval is divided into at most, in one refinement.
MOST_PIECES = 4


@dataclass
class Refinement:
    """How far to go: an error ``tolerance`` of each interval (None keeps the mesh), and a number of ``rounds``."""

    tolerance: float | None
    rounds: int
    done: int = field(default=0, init=False)

    def finer(self, mesh: Mesh, error: Array) -> Mesh | None:
        """The mesh with its bad intervals divided, or None where it is good or all rounds are used up.

        The error of an interval falls with its duration to the power order + 1 (for smooth controls; where they meet
        their bounds it is slower, and another round is taken), which says how many pieces are needed.
        """
        if self.tolerance is None or self.done >= self.rounds or (error <= self.tolerance).all():
            return None
        self.done += 1
        error = np.where(np.isnan(error), np.inf, error)  # integration failed
        needed = (error / self.tolerance) ** (1.0 / (mesh.scheme.order + 1))
        pieces = np.where(error > self.tolerance, np.clip(np.ceil(needed), 2, MOST_PIECES), 1).astype(int)
        edges = [
            np.linspace(first, last, count + 1)[:-1]
            for first, last, count in zip(mesh.edges[:-1], mesh.edges[1:], pieces, strict=True)
        ]
        return Mesh(mesh.scheme, np.append(np.concatenate(edges), mesh.edges[-1]))

    def unmet(self, mesh: Mesh, error: Array) -> str | None:
        """Say where intervals are still worse than asked for, None where none is."""
        if self.tolerance is None or (error <= self.tolerance).all():
            return None
        worst = int(np.nan_to_num(error, nan=np.inf).argmax())
        return (
            f"mesh_tolerance {self.tolerance:g} was not reached after {self.done} refinements: "
            f"{int(np.sum(~(error <= self.tolerance)))} of {len(mesh)} intervals have larger errors, the largest "
            f"{error[worst]:.2g} from {mesh.edges[worst]:g} to {mesh.edges[worst + 1]:g} s. Raise max_refinements, or "
            "shorten mesh_interval."
        )
