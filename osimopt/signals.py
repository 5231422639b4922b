"""Filtering and differentiation of motions, equal to what OpenSim's tools do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, explain

Array = NDArray[np.float64]

#: Sample intervals within this share of their mean count as uniform (files print times to 6-8 digits).
UNIFORM_TOLERANCE = 1e-3
#: A spline of degree 5 needs one sample more than its degree.
MINIMUM_FRAMES = 6


def differentiate(time: Array, value: Array) -> tuple[Array, Array]:
    """Speeds and accelerations as OpenSim's AnalyzeTool derives them.

    The speed is the first derivative of the natural quintic interpolating spline through the values
    (OpenSim's ``GCVSplineSet`` of degree 5 with error variance 0); the acceleration is the first derivative
    of a second such spline through the sampled *speeds*, not the second derivative of the first.

    Parameters
    ----------
    time
        (T,) increasing times in s, T ≥ 6; need not be uniform.
    value
        (T, N) samples.

    Returns
    -------
    speed, acceleration
        (T, N) each, per second and per second squared.

    References
    ----------
    Woltring (1986), doi:10.1016/0141-1195(86)90098-7
    """
    speed = quintic_spline(time, value, derivative=1)(time)
    return speed, quintic_spline(time, speed, derivative=1)(time)


def quintic_spline(time: Array, value: Array, derivative: int = 0):  # type: ignore[no-untyped-def]
    """Natural quintic interpolating spline (third and fourth derivative zero at the ends), or its derivative."""
    from scipy.interpolate import make_interp_spline

    if len(time) < MINIMUM_FRAMES:
        fix = "Give a longer motion: derivatives come from a spline of degree 5."
        raise InputError(explain(f"at least {MINIMUM_FRAMES} frames", str(len(time)), fix))
    natural = [(3, np.zeros(value.shape[1:])), (4, np.zeros(value.shape[1:]))]
    spline = make_interp_spline(time, value, k=5, bc_type=(natural, natural))
    return spline.derivative(derivative) if derivative else spline


def natural_cubic_spline(time: Array, value: Array):  # type: ignore[no-untyped-def]
    """Cubic interpolating spline with second derivative zero at the ends: OpenSim's ExternalForce between samples."""
    from scipy.interpolate import make_interp_spline

    natural = [(2, np.zeros(value.shape[1:]))]
    return make_interp_spline(time, value, k=3, bc_type=(natural, natural))


def lowpass(time: Array, value: Array, cutoff_hz: float) -> Array:
    """Zero-phase low-pass as OpenSim's tools do it: third-order Butterworth, forward and backward.

    The signal is padded by half its length with its odd reflection. As in OpenSim the cutoff is
    not corrected for the double pass (the gain at ``cutoff_hz`` is 1/2, not 1/√2). Samples that are not
    uniform are padded, brought to a uniform grid of the smallest interval (quintic spline), filtered and
    evaluated at their own times.

    Parameters
    ----------
    time, value
        (T,) in s and (T, N).
    cutoff_hz
        Between 0 and half the sampling rate, exclusive.

    Returns
    -------
    (T, N) filtered samples.
    """
    return lowpass_padded(time, value, cutoff_hz, 0)[1]


def lowpass_padded(time: Array, value: Array, cutoff_hz: float, keep: int) -> tuple[Array, Array]:
    """Times and filtered samples as from :func:`lowpass`, with ``keep`` samples of the padding left at either end.

    OpenSim's AnalyzeTool differentiates with the padding (half the length) still there, which matters near the ends.
    """
    if len(time) < MINIMUM_FRAMES:
        raise InputError(
            explain(f"at least {MINIMUM_FRAMES} frames", str(len(time)), "Give a longer motion to filter.")
        )
    step = np.diff(time)
    uniform = bool(np.all(np.abs(step - step.mean()) <= UNIFORM_TOLERANCE * step.mean()))
    interval = float(step.mean() if uniform else step.min())
    nyquist = 0.5 / interval
    if not 0.0 < cutoff_hz < nyquist:
        fix = "Lower lowpass_hz, or leave it out."
        raise InputError(explain(f"a cutoff between 0 and {nyquist:.4g} Hz (half the rate)", f"{cutoff_hz:g} Hz", fix))
    pad = len(time) // 2
    times, samples = _reflect(time, pad), _reflect(value, pad)
    wanted = slice(pad - keep, pad + len(time) + keep)
    if uniform:
        return times[wanted], np.ascontiguousarray(_both_ways(samples, cutoff_hz / nyquist)[wanted])
    grid = times[0] + interval * np.arange(int((times[-1] - times[0]) / interval) + 1)
    filtered = _both_ways(np.asarray(quintic_spline(times, samples)(grid)), cutoff_hz / nyquist)
    return times[wanted], np.asarray(quintic_spline(grid, filtered)(times[wanted]))


def _reflect(value: Array, pad: int) -> Array:
    """Pad both ends with the odd reflection of the signal about its first and last sample."""
    count = len(value)
    before = 2.0 * value[0] - value[pad:0:-1]
    after = 2.0 * value[-1] - value[count - 2 : count - 2 - pad : -1]
    return np.concatenate([before, value, after])


def _both_ways(value: Array, relative_cutoff: float) -> Array:
    """Third-order Butterworth low-pass, forward and backward."""
    from scipy.signal import butter

    numerator, denominator = butter(3, relative_cutoff)
    forward = _start_from_samples(numerator, denominator, value)
    return _start_from_samples(numerator, denominator, forward[::-1])[::-1]


def _start_from_samples(numerator: Array, denominator: Array, value: Array) -> Array:
    """Filter along axis 0 with the first three outputs set to the first three inputs, as OpenSim does."""
    from scipy.signal import lfilter, lfiltic

    first = value[:3]
    state = np.column_stack([lfiltic(numerator, denominator, y[::-1], y[::-1]) for y in first.T])
    rest, _ = lfilter(numerator, denominator, value[3:], axis=0, zi=state)
    return np.concatenate([first, rest])


def interpolate(time: Array, value: Array, times: Array) -> Array:
    """(N, …) values at other times of (T, …) samples: quintic interpolating spline with natural ends.

    Beside not-a-knot ends, within walks of 20 frames at 50 and 100 Hz, natural ones leave half the error in moment
    arms, maximum forces and moments of the first and last interval, whose curves have kinks, and 10 times that in
    angles, which is 5e-4 rad at most.

    Below 6 frames the polynomial through all of them. At a sample's own time the sample comes back bit by bit.
    """
    if value.size == 0:
        return np.empty((len(times), *value.shape[1:]))
    if len(time) < MINIMUM_FRAMES:
        from scipy.interpolate import make_interp_spline

        found = np.asarray(make_interp_spline(time, value, k=len(time) - 1)(times))
    else:
        found = np.asarray(quintic_spline(time, value)(times))
    rows = np.minimum(np.searchsorted(time, times), len(time) - 1)
    known = time[rows] == times
    found[known] = value[rows[known]]
    return found
