"""Postures outside the range that a model gives a coordinate, told in the units of the files.

A model's muscle paths, above all those over wrap objects, were made for that range; past it they may run through
bones. OpenSim's tools say nothing of it, unless the coordinate is clamped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Coordinate

Array = NDArray[np.float64]

#: rad and m beyond a range that are not worth a word: ranges are round numbers, and inverse kinematics is no better.
SLACK_ROTATION, SLACK_TRANSLATION = np.deg2rad(5.0), 0.01
#: rad; a wider range, as OpenSim's default of -10 to 10, says nothing of the joint.
WIDEST = 4.0 * np.pi


def tell_outside(coordinate: Coordinate, value: Array, slack: float | None = None) -> str:
    """Say by how much and how often a coordinate leaves its range, or give "" where it does not.

    Parameters
    ----------
    coordinate
        Free; a floating one or one of a range that says nothing is never outside.
    value
        (T,) in rad or m.
    slack
        rad or m beyond the range that pass; 5 degrees or 1 cm unless given.

    Returns
    -------
    ``knee_angle_r by up to 12.3 deg in 45 of 101 (range -120 to 10)``.
    """
    low, high = coordinate.range
    if coordinate.floating or not low <= high or (coordinate.rotational and high - low > WIDEST):
        return ""
    if slack is None:
        slack = SLACK_ROTATION if coordinate.rotational else SLACK_TRANSLATION
    beyond = np.maximum(low - value, value - high)
    count = int((beyond > slack).sum())
    if not count:
        return ""
    factor, unit = (float(np.rad2deg(1.0)), "deg") if coordinate.rotational else (1.0, "m")
    far = f"{factor * float(np.nanmax(beyond)):.3g} {unit}"
    ends = f"range {factor * low:.4g} to {factor * high:.4g}"
    return f"{coordinate.name} by up to {far} in {count} of {len(value)} ({ends})"
