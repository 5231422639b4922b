"""The curves of Millard2012EquilibriumMuscle, built from the properties of the model's own curve objects.

Lengths are normalised by the optimal fibre length (fibre) or the slack length (tendon), forces by the maximum
isometric force, speeds by the maximum contraction velocity (positive while lengthening).
Parameters carry OpenSim's property names, (M,) each.

Millard M, Uchida T, Seth A, Delp SL. Flexing computational muscle: modeling and simulation of musculotendon dynamics.
J Biomech Eng 135(2), 021005, 2013. doi:10.1115/1.4023390. Where the corners lie is not in the paper: they are those of
OpenSim's SmoothSegmentedFunctionFactory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .bezier import Curves, corner

Array = NDArray[np.float64]

#: Half the width of the plateau of the active curve, in optimal fibre lengths.
_PLATEAU = 0.05
#: Speeds next to the fastest at which the force–velocity curve has its slopes "near vmax".
_NEAR = 0.9


def active_force_length(
    min_norm_active_fiber_length: Array,
    transition_norm_fiber_length: Array,
    max_norm_active_fiber_length: Array,
    shallow_ascending_slope: Array,
    minimum_value: Array,
) -> Curves:
    """Five corners: foot, steep limb, shallow limb, plateau at 1, descending limb; flat at minimum_value outside."""
    shortest, bend, longest = min_norm_active_fiber_length, transition_norm_fiber_length, max_norm_active_fiber_length
    shallow, zero, one = shallow_ascending_slope, 0.0 * minimum_value, 1.0 + 0.0 * minimum_value
    shoulder = 1.0 - _PLATEAU
    at_bend = 1.0 - shallow * (shoulder - bend)
    points = [
        (shortest, minimum_value, zero),
        (0.5 * (shortest + bend), 0.5 * at_bend, 1.25 * at_bend / (bend - shortest)),
        (0.5 * (bend + shoulder), 0.5 * (at_bend + 1.0), shallow),
        (one, one, zero),
        (0.5 * (1.0 + _PLATEAU + longest), 0.5 * one, -1.0 / (longest - 1.0 - 2.0 * _PLATEAU)),
        (longest, minimum_value, zero),
    ]
    return _join(points, [one] * 5)


def force_velocity(
    concentric_slope_at_vmax: Array,
    concentric_slope_near_vmax: Array,
    isometric_slope: Array,
    eccentric_slope_at_vmax: Array,
    eccentric_slope_near_vmax: Array,
    max_eccentric_velocity_force_multiplier: Array,
    concentric_curviness: Array,
    eccentric_curviness: Array,
) -> Curves:
    """Four corners through (−1, 0), (0, 1) and (1, the largest multiplier)."""
    zero, one = 0.0 * isometric_slope, 1.0 + 0.0 * isometric_slope
    highest, gap = max_eccentric_velocity_force_multiplier, 1.0 - _NEAR
    points = [
        (-one, zero, concentric_slope_at_vmax),
        (-_NEAR * one, 0.5 * gap * (concentric_slope_near_vmax + concentric_slope_at_vmax), concentric_slope_near_vmax),
        (zero, one, isometric_slope),
        (
            _NEAR * one,
            highest - 0.5 * gap * (eccentric_slope_near_vmax + eccentric_slope_at_vmax),
            eccentric_slope_near_vmax,
        ),
        (one, highest, eccentric_slope_at_vmax),
    ]
    return _join(points, [concentric_curviness] * 2 + [eccentric_curviness] * 2)


def passive_force_length(
    strain_at_zero_force: Array,
    strain_at_one_norm_force: Array,
    stiffness_at_low_force: Array,
    stiffness_at_one_norm_force: Array,
    curviness: Array,
) -> Curves:
    """Two corners: a short toe to the low stiffness, then up to 1 at the given strain; straight beyond."""
    slack, taut, low = 1.0 + strain_at_zero_force, 1.0 + strain_at_one_norm_force, stiffness_at_low_force
    toe = np.minimum(0.1 / stiffness_at_one_norm_force, 0.1 * (taut - slack))
    points = [
        (slack, 0.0 * slack, 0.0 * slack),
        (slack + toe, low * 0.5 * toe, low),
        (taut, 1.0 + 0.0 * taut, stiffness_at_one_norm_force),
    ]
    return _join(points, [curviness] * 2)


def tendon_force_length(
    strain_at_one_norm_force: Array,
    stiffness_at_one_norm_force: Array,
    norm_force_at_toe_end: Array,
    curviness: Array,
) -> Curves:
    """Two corners make the toe; straight beyond it, through 1 at the given strain."""
    stiffness, toe_force = stiffness_at_one_norm_force, norm_force_at_toe_end
    toe = 1.0 + strain_at_one_norm_force + (toe_force - 1.0) / stiffness
    foot = 1.0 + 0.1 * (toe - 1.0)
    middle = 1.0 + strain_at_one_norm_force + (0.5 * toe_force - 1.0) / stiffness
    slope = 0.5 * toe_force / (middle - foot)
    points = [
        (1.0 + 0.0 * foot, 0.0 * foot, 0.0 * foot),
        (0.5 * (foot + middle), slope * 0.5 * (middle - foot), slope),
        (toe, toe_force, stiffness),
    ]
    return _join(points, [curviness] * 2)


def _join(points: Sequence[tuple[Array, Array, Array]], curviness: Sequence[Array]) -> Curves:
    """Corners between successive points (x, y, slope), each (M,)."""
    corners = []
    for (x0, y0, slope0), (x1, y1, slope1), bent in zip(points[:-1], points[1:], curviness, strict=True):
        corners.append(corner(np.array([x0, y0]), slope0, np.array([x1, y1]), slope1, bent))
    x, y = np.moveaxis(np.array(corners), (1, 3, 0, 2), (0, 1, 2, 3))
    return Curves(x, y, points[0][2], points[-1][2])
