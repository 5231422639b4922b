"""Functions of one argument, with their first and second derivatives, at many arguments at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..namespace import alike, namespace
from ..problem.arrays import Array, Index
from .description import Functions
from .vectors import Tensor, join, pick


@dataclass(frozen=True, eq=False)
class FunctionGroup:
    """Functions that are alike: with or without breaks, of equal degree, with or without a sine.

    ``places`` (n,) among those that are evaluated; ``breaks`` (n, K), ``origin`` (n, K + 1), ``coefficients`` (P, n,
    K + 1) and ``sine`` (3, n, 1), which is empty where they have none.
    """

    places: Index
    breaks: Array
    origin: Array
    coefficients: Array
    sine: Array


def evaluate(functions: Functions, rows: Index, argument: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values, first and second derivatives (F, T) of functions at ``argument`` (F, T).

    ``rows`` (F,) are rows of the functions. Where an argument is a break, the piece after it counts.
    """
    groups, order = _groups(functions, rows.tobytes(), len(rows))
    if not groups:
        return argument, argument, argument
    found = [_of_group(group, argument[group.places]) for group in groups]
    value, slope, curvature = (pick(join(parts), order) for parts in zip(*found, strict=True))
    return value, slope, curvature


@lru_cache(maxsize=64)
def _groups(functions: Functions, rows: bytes, count: int) -> tuple[tuple[FunctionGroup, ...], Index]:
    """The groups of some rows of functions, and the order back from the groups to the rows."""
    chosen = np.frombuffer(rows, dtype=np.intp, count=count)
    used = (functions.coefficients[chosen] != 0.0).any(axis=1)
    degree = np.where(used.any(axis=1), used.shape[1] - 1 - used[:, ::-1].argmax(axis=1), 0)
    breaking = np.isfinite(functions.breaks[chosen]).any(axis=1)
    keys = np.stack([breaking, degree, functions.sine[chosen, 0] != 0.0], axis=1)
    kinds = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    groups = []
    for kind in range(kinds.max(initial=-1) + 1):
        places = np.flatnonzero(kinds == kind)
        own = chosen[places]
        breaks = functions.breaks[own]
        breaks = breaks[:, np.isfinite(breaks).any(axis=0)]
        pieces, terms = breaks.shape[1] + 1, degree[places[0]] + 1
        coefficients = np.moveaxis(functions.coefficients[own, :pieces, :terms], 2, 0)
        sine = functions.sine[own].T[:, :, None]
        groups.append(FunctionGroup(
            places, breaks, functions.origin[own, :pieces], np.ascontiguousarray(coefficients),
            sine if keys[places[0], 2] else sine[:0],
        ))  # fmt: skip
    order = np.argsort(np.concatenate([group.places for group in groups])) if groups else chosen
    return tuple(groups), order


def _of_group(group: FunctionGroup, argument: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values and derivatives of functions that are alike."""
    xp = namespace(argument)
    origin, coefficients = alike(group.origin, argument), list(alike(group.coefficients, argument))
    if group.breaks.shape[1]:
        after = argument[:, None, :] >= alike(group.breaks, argument)[:, :, None]
        piece = xp.sum(xp.astype(after, xp.int64), axis=1)
        at = alike(np.arange(len(argument))[:, None], piece), piece
        origin, coefficients = origin[at], [coefficient[at] for coefficient in coefficients]
    shift = argument - origin
    slope = curvature = xp.zeros_like(argument)
    value = slope + coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):  # Horner's method, and its derivatives
        curvature = curvature * shift + 2.0 * slope
        slope = slope * shift + value
        value = value * shift + coefficient
    if len(group.sine):
        amplitude, frequency, phase = alike(group.sine, argument)
        angle = frequency * argument + phase
        value = value + amplitude * xp.sin(angle)
        slope = slope + amplitude * frequency * xp.cos(angle)
        curvature = curvature - amplitude * frequency**2 * xp.sin(angle)
    return value, slope, curvature
