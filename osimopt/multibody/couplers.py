"""Coordinates that couplers make functions of others, by substitution."""

from __future__ import annotations

import numpy as np

from ..namespace import alike, namespace
from .description import CoordinateCoupler, Multibody
from .functions import evaluate
from .vectors import Tensor


def coupled(multibody: Multibody, value: Tensor) -> Tensor:
    """Coordinates (N, T), those that couplers determine by the others."""
    rows = list(value)
    for coupler in multibody.couplers:
        rows[coupler.dependent] = _function(multibody, coupler, rows[coupler.independent])[0]
    return namespace(value).stack(rows) if rows else value


def coupled_motion(
    multibody: Multibody, value: Tensor, rate: Tensor, acceleration: Tensor
) -> tuple[list[Tensor], list[Tensor], list[Tensor], dict[tuple[int, int], Tensor]]:
    """Rows (T,) of values, rates and accelerations (N, T), those of coupled coordinates by the others.

    Also the slope (T,) of each coupled coordinate by the coordinate that is coupled to no other and that it follows.
    """
    q, v, a = list(value), list(rate), list(acceleration)
    slopes: dict[tuple[int, int], Tensor] = {}
    for coupler in multibody.couplers:
        source, dependent = coupler.independent, coupler.dependent
        q[dependent], slope, curvature = _function(multibody, coupler, q[source])
        v[dependent] = slope * v[source]
        a[dependent] = slope * a[source] + curvature * v[source] ** 2
        above = {root: by for (one, root), by in slopes.items() if one == source}
        slopes |= {(dependent, root): slope * by for root, by in above.items()} or {(dependent, source): slope}
    return q, v, a, slopes


def coupled_rates(multibody: Multibody, value: Tensor) -> Tensor:
    """(N, N, T) matrices from the rates of all others to those of coupled coordinates, whose columns are zero."""
    xp, size = namespace(value), len(multibody.coordinates)
    rows = list(xp.zeros_like(value)[:, None] + alike(np.eye(size), value)[:, :, None])
    for coupler in multibody.couplers:
        _, slope, _ = _function(multibody, coupler, value[coupler.independent])
        rows[coupler.dependent] = slope * rows[coupler.independent]
    return xp.stack(rows)


def coupled_accelerations(multibody: Multibody, value: Tensor, rate: Tensor, acceleration: Tensor) -> Tensor:
    """Accelerations (N, T) with those that couplers determine: with q_d = f(q), q̈_d = f′q̈ + f″q̇²."""
    rows = list(acceleration)
    for coupler in multibody.couplers:
        source = coupler.independent
        _, slope, curvature = _function(multibody, coupler, value[source])
        rows[coupler.dependent] = slope * rows[source] + curvature * rate[source] ** 2
    return namespace(acceleration).stack(rows) if rows else acceleration


def _function(multibody: Multibody, coupler: CoordinateCoupler, argument: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value and derivatives (T,) of the dependent coordinate."""
    found = evaluate(multibody.functions, np.array([coupler.function], dtype=np.intp), argument[None])
    value, slope, curvature = (coupler.scale * part[0] for part in found)
    return value, slope, curvature
