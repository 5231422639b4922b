"""Muscle paths of a model in arrays: tangent to every object that they wrap over, so that moment arms are −∂l/∂q."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

from ..errors import InputError, explain, some
from ..multibody.description import Mask, Multibody
from ..paths.description import Paths
from ..polynomial.geometry import Fit
from ..problem.arrays import Array
from .model import Model

#: Muscle paths that can be tabulated, sampled and fitted.
Geometry = Literal["opensim", "exact"]
GEOMETRIES = get_args(Geometry)
#: Postures per block: 80 muscles take 20 MB.
BLOCK = 500


@dataclass(frozen=True, eq=False)
class ExactPaths:
    """A model's own muscle paths, as :class:`~osimopt.polynomial.geometry.MusclePaths`.

    ``described`` are the paths of the muscles that it has, in the order of ``muscles``. ``asked`` says by name of a
    muscle why its path is left to OpenSim. ``crossing`` (N, M) marks the coordinates that a muscle acts on in postures
    of the motion, where these are known.
    """

    multibody: Multibody
    described: Paths
    muscles: tuple[str, ...]
    asked: Mapping[str, str]
    crossing: Mask | None = None

    kind = "exact"

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates that any muscle depends on."""
        spanned = self.spanned.any(axis=1)
        return tuple(name for name, any_muscle in zip(self.multibody.coordinates, spanned, strict=True) if any_muscle)

    @property
    def left(self) -> Mapping[str, float]:
        """None: muscles without an exact path have no mismatch, they are ``asked``."""
        return {}

    @property
    def fits(self) -> Mapping[str, Fit]:
        """None: nothing is fitted."""
        return {}

    def select(self, muscles: Sequence[str]) -> ExactPaths:
        """Return the paths of these muscles, in this order; an InputError names those that are missing."""
        if missing := [name for name in muscles if name not in self.muscles]:
            raise InputError(explain("muscles with exact paths", f"none for {some(missing)}", "Use another geometry."))
        columns = [self.muscles.index(name) for name in muscles]
        paths = replace(self.described, muscles=tuple(self.described.muscles[column] for column in columns))
        crossing = None if self.crossing is None else self.crossing[:, columns]
        return replace(self, described=paths, muscles=tuple(muscles), crossing=crossing)

    def outside(self, names: Sequence[str], value: Array) -> dict[str, int]:
        """No frame is outside a fitted range."""
        return {}

    @cached_property
    def spanned(self) -> Mask:
        raise NotImplementedError


def read_exact(model: Model) -> ExactPaths:
    raise NotImplementedError
