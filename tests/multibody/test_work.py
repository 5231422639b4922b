"""Virtual work by differences of places is that of inverse dynamics, next to a knot of a joint's spline, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from multibody_cases import CURVED, branched, states

from osimopt.multibody.dynamics import inverse_dynamics
from osimopt.multibody.rates import to_changes, to_speeds
from osimopt.multibody.work import displace

#: Of the cubic in two pieces: the knot, the first piece from 0 on, and the jump of the third derivative there.
KNOT, FIRST, JUMP = 0.2, (0.1, 0.4, -0.3, 0.2), 20.0
#: rad/s of the joints with such splines.
FAST = 15.0


def missed(side: int) -> float:
    """By how much the work of a fast motion through the knot differs, as a share of the largest moment."""
    bare = branched()
    a, b, c, d = FIRST
    second = [
        a + b * KNOT + c * KNOT**2 + d * KNOT**3, b + 2 * c * KNOT + 3 * d * KNOT**2, c + 3 * d * KNOT, d + JUMP / 6
    ]  # fmt: skip
    coefficients = bare.functions.coefficients.copy()
    coefficients[CURVED] = [FIRST, second]
    multibody = replace(bare, functions=replace(bare.functions, coefficients=coefficients))
    value, rate, acceleration, *_ = states(multibody)
    value[:, [12, 14]], rate[:, [12, 14]] = KNOT, FAST
    direction = np.random.default_rng(0).uniform(0.5, 1.5, (2, *value.shape))
    speeds = to_speeds(multibody, value, rate)
    force = inverse_dynamics(multibody, value, speeds, to_changes(multibody, value, rate, acceleration))
    along = np.array([to_speeds(multibody, value, one) for one in direction])
    found = displace(multibody, value, rate, acceleration, direction, closer=True, side=side).inertial
    return float(np.abs(found - np.einsum("ktn,tn->kt", along, force)).max() / np.abs(force).max())


@pytest.mark.parametrize("side", [1, 2])
def test_differences_to_one_side_are_exact_at_a_knot(side: int) -> None:
    assert missed(side) < 1e-7
    assert missed(0) > 1e-6, "the limit of the checks"
