"""How well two sets of muscle forces over the same times agree: correlation and RMS difference, muscle by muscle.

Steps between times may be uneven, as those of a collocation mesh are, so that every mean is one over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Two forces agree where they correlate at least so, and their RMS difference is at most this share of the peak.
CORRELATION, SHARE = 0.8, 0.10
#: Standard deviation as a share of the peak below which a signal is constant: an activation on its bound of 0.01 moves
#: with the solver's tolerance of 1e-6.
CONSTANT = 1e-3


def agreement(
    muscles: Sequence[str],
    time: Array,
    known: NDArray[np.bool_],
    forces: tuple[Array, Array],
    activations: tuple[Array, Array],
) -> pd.DataFrame:
    """Compare the muscles of a static and a dynamic solution, (N, M) each, in N and 1.

    Returns
    -------
    pandas.DataFrame
        One row per muscle, the strongest first: ``peak_static_N``, ``peak_dynamic_N``, ``correlation`` (Pearson's r of
        the forces), ``rms_N`` (of their difference) and ``rms_percent`` of the greater peak; the same of activations in
        ``activation_correlation`` and ``activation_rms``; ``impulse_percent`` of all muscles' ∫ F dt (mean of both);
        ``agrees`` unless r is below 0.8 or the RMS above 10 % of the peak. Only ``known`` (N,) times count; r is NaN
        where a signal is constant.
    """
    import pandas as pd

    weights = _weights(time, known)
    static, dynamic, still, moving = (np.where(known[:, None], values, 0.0) for values in (*forces, *activations))
    difference, impulse = _rms(weights, dynamic - static), weights @ (static + dynamic)
    peaks = static.max(axis=0), dynamic.max(axis=0)
    highest = np.maximum(*peaks)
    share = np.divide(difference, highest, out=np.zeros_like(difference), where=highest > 0.0)
    likeness = _correlation(weights, static, dynamic)
    columns = {
        "peak_static_N": peaks[0],
        "peak_dynamic_N": peaks[1],
        "correlation": likeness,
        "rms_N": difference,
        "rms_percent": 100.0 * share,
        "activation_correlation": _correlation(weights, still, moving),
        "activation_rms": _rms(weights, moving - still),
        "impulse_percent": 100.0 * impulse / impulse.sum(),
        "agrees": (share <= SHARE) & ~(likeness < CORRELATION),
    }
    table = pd.DataFrame(columns, index=pd.Index(muscles, name="muscle"))
    return table.iloc[np.argsort(-highest, kind="stable")]


def _weights(time: Array, known: NDArray[np.bool_]) -> Array:
    """(N,) of the trapezoidal rule over times (N,), of sum 1, and 0 where nothing is ``known`` (N,)."""
    steps = np.diff(time)
    weights = np.zeros(len(time))
    weights[:-1] += steps
    weights[1:] += steps
    weights *= known
    return np.asarray(weights / max(weights.sum(), np.finfo(float).tiny))


def _rms(weights: Array, values: Array) -> Array:
    """(M,) root of the mean square over time of (N, M)."""
    return np.asarray(np.sqrt(weights @ values**2))


def _correlation(weights: Array, one: Array, other: Array) -> Array:
    """(M,) Pearson's r over time of (N, M); NaN where a signal is constant."""
    spreads = []
    for values in (one, other):
        spread = _rms(weights, values - weights @ values)
        spreads.append(np.where(spread > CONSTANT * np.abs(values).max(axis=0, initial=0.0), spread, np.nan))
    together = weights @ ((one - weights @ one) * (other - weights @ other))
    return np.asarray(together / (spreads[0] * spreads[1]))
