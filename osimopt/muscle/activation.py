"""Activation dynamics of De Groote muscles: the rate of activation for an excitation, and its inverse.

With time constants τ_a and τ_d of activation and deactivation, z = 0.5 + 1.5 a, and smoothing b:

    f = ½ tanh(b (e − a))
    da/dt = ((½ + f) / (τ_a z) + (½ − f) z / τ_d) (e − a)

De Groote F, Kinney AL, Rao AV, Fregly BJ. Ann Biomed Eng 44(10), 2922-2936, 2016. doi:10.1007/s10439-016-1591-9, as
OpenSim 4.6's DeGrooteFregly2016Muscle::computeStateVariableDerivatives computes it. Both use b = 0.1, at which f is
nearly zero, so that a muscle activates and deactivates at the mean of the two speeds; OpenSim recommends 10.

Difference from OpenSim 4.6: there the three constants are static variables, so that those of the first De Groote muscle
that is evaluated are used for all others in the process, of any model. A muscle of 7 ms, 200 ms and b = 2, evaluated
after one of 15 ms, 60 ms and 0.1, has da/dt = 48.3 1/s at e = 0.9, a = 0.1 there; its own constants give 169.0. Here
every muscle uses its own constants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, explain
from .muscle_class import Array, Values, namespace, newton_step

#: A step below this share of |e − a| is the last one.
_LAST_STEP = 1e-12
#: Bisection alone needs 44 from a bracket as wide as |e − a|; brackets are wider where the two speeds differ more.
_MOST_STEPS = 80


def activation_rate(excitation: Array, activation: Array, rise: Array, fall: Array, smoothing: Array) -> Array:
    """Rate of activation da/dt in 1/s; ``rise`` and ``fall`` are the time constants τ_a and τ_d in s.

    NumPy or torch arrays of shapes that broadcast, or CasADi expressions. Activation is not limited to 0 … 1.
    """
    difference = excitation - activation
    stretch = 0.5 + 1.5 * activation
    share = 0.5 * namespace(difference).tanh(smoothing * difference)
    rising = (0.5 + share) / (rise * stretch)
    return (rising + (0.5 - share) * stretch / fall) * difference


def excitation_for(
    rate: ArrayLike, activation: ArrayLike, rise: ArrayLike, fall: ArrayLike, smoothing: ArrayLike
) -> Values:
    """Find the excitation at which activation changes at this rate: the inverse of ``activation_rate``.

    It is not limited to 0 … 1. Excitation and rate rise together as long as one of the two speeds 1 / (τ_a z) and
    z / τ_d is less than 11.0 times the other; beyond that (for example 15 and 60 ms at a < 0.07) up to three
    excitations near |e − a| = 1.2 / b give the same rate, and the one nearest to the activation is returned.

    Parameters
    ----------
    rate
        1/s.
    activation
        Above −1/3, where the time constants change sign.
    rise, fall
        Time constants of activation and deactivation in s.
    smoothing
        Without unit.

    All are NumPy arrays of shapes that broadcast; NaN in any gives NaN.

    Raises
    ------
    InputError
        An activation is −1/3 or less, or a time constant or the smoothing is not positive.
    """
    given = (np.asarray(item, dtype=float) for item in (rate, activation, rise, fall, smoothing))
    wanted, level, rise, fall, smoothing = np.broadcast_arrays(*given)
    if (level <= -1.0 / 3.0).any():
        fix = "Clip it to the bounds of the problem."
        raise InputError(explain("activations above -1/3", f"{np.nanmin(level):g}", fix))
    for name, values in (("time constants", rise), ("time constants", fall), ("smoothing", smoothing)):
        if (values <= 0.0).any():
            fix = "Usual values are 0.015 s, 0.060 s and a smoothing of 0.1."
            raise InputError(explain(f"{name} above 0", f"{np.nanmin(values):g}", fix))
    stretch = 0.5 + 1.5 * level
    distance = _distance(wanted, 1.0 / (rise * stretch), stretch / fall, smoothing)
    return np.asarray(level + np.sign(wanted) * distance)


def _distance(rate: Values, rising: Values, falling: Values, smoothing: Values) -> Values:
    """Find the least x = |e − a| at which h(x) = (mean + swing tanh(smoothing x)) x is the size of the rate.

    By Newton's method, which bisects where a step would leave the bracket. Where there are several x, h is concave up
    to the first, and Newton's steps from below do not pass it. ``rising`` and ``falling`` are the two speeds in 1/s.
    """
    size, mean, swing = np.abs(rate), 0.5 * (rising + falling), 0.5 * np.sign(rate) * (rising - falling)
    low, high = size / np.maximum(rising, falling), size / np.minimum(rising, falling)
    x = np.where(swing < 0.0, size / mean, high)
    for _ in range(_MOST_STEPS):
        share = np.tanh(smoothing * x)
        speed = mean + swing * share
        slope = speed + swing * smoothing * x * (1.0 - share) * (1.0 + share)
        x, low, high, step = newton_step(x, speed * x - size, slope, low, high)
        if not (step > _LAST_STEP * x).any():
            break
    return np.asarray(x)
