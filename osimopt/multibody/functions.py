"""Functions of one argument, with their first and second derivatives, at many arguments at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..namespace import alike, namespace
from ..problem.arrays import Index
from .description import Functions
from .vectors import Tensor


def evaluate(functions: Functions, rows: Index, argument: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values, first and second derivatives (F, T) of functions at ``argument`` (F, T).

    ``rows`` (F,) are rows of the functions. Where an argument is a break, the piece after it counts.
    """
    xp = namespace(argument)
    groups, order = _groups(functions, rows.tobytes(), len(rows))
    found = [_of_group(functions, rows[group], argument[group]) for group in groups]
    if len(groups) == 1:
        return found[0]
    if not groups:
        return argument, argument, argument
    value, slope, curvature = (xp.concat(list(parts), axis=0)[order] for parts in zip(*found, strict=True))
    return value, slope, curvature


@lru_cache(maxsize=64)
def _groups(functions: Functions, rows: bytes, count: int) -> tuple[tuple[Index, ...], Index]:
    """Places of functions with and without breaks, of equal degree, with and without a sine; and their order back."""
    rows_ = np.frombuffer(rows, dtype=np.intp, count=count)
    used = (functions.coefficients[rows_] != 0.0).any(axis=1)
    degree = np.where(used.any(axis=1), used.shape[1] - 1 - used[:, ::-1].argmax(axis=1), 0)
    keys = np.stack([np.isfinite(functions.breaks[rows_]).any(axis=1), degree, functions.sine[rows_, 0] != 0.0], axis=1)
    places = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    groups = tuple(np.flatnonzero(places == number) for number in range(places.max(initial=-1) + 1))
    order = np.argsort(np.concatenate(groups)) if groups else np.zeros(0, dtype=np.intp)
    return groups, order


def _of_group(functions: Functions, rows: Index, argument: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same for functions that are alike."""
    xp = namespace(argument)
    used = (functions.coefficients[rows] != 0.0).any(axis=(0, 1))
    terms = int(np.flatnonzero(used).max(initial=0)) + 1
    breaks = functions.breaks[rows]
    breaks = breaks[:, np.isfinite(breaks).any(axis=0)]
    coefficients = alike(functions.coefficients[rows], argument)
    if breaks.shape[1]:
        after = argument[:, None, :] >= alike(breaks, argument)[:, :, None]
        piece = xp.sum(xp.astype(after, xp.int64), axis=1)
        at = alike(np.arange(len(rows))[:, None], piece), piece
        shift = argument - alike(functions.origin[rows], argument)[at]
        taken = [coefficients[..., power][at] for power in range(terms)]
    else:
        shift = argument - alike(functions.origin[rows, :1], argument)
        taken = [coefficients[:, :1, power] for power in range(terms)]
    value = slope = curvature = xp.zeros_like(argument)
    for coefficient in reversed(taken):  # Horner's method, and its derivatives
        curvature = curvature * shift + 2.0 * slope
        slope = slope * shift + value
        value = value * shift + coefficient
    if (functions.sine[rows, 0] != 0.0).any():
        amplitude, frequency, phase = (alike(functions.sine[rows, i : i + 1], argument) for i in range(3))
        angle = frequency * argument + phase
        value = value + amplitude * xp.sin(angle)
        slope = slope + amplitude * frequency * xp.cos(angle)
        curvature = curvature - amplitude * frequency**2 * xp.sin(angle)
    return value, slope, curvature
