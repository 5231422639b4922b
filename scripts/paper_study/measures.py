"""What is measured of predictions: on the scale [0, 1] of the training set, and how long they take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Calls whose times make a latency, after as many that warm up.
CALLS, WARM_UP = 300, 30
#: Edges of the histogram of absolute errors, on the scale [0, 1].
EDGES = np.concatenate([[0.0], np.logspace(-5, 0, 26)])


def errors(said: Array, asked: Array) -> dict[str, float]:
    """Mean square and absolute error, PSNR in dB, and what a reader can judge by, of (N, K) scaled values.

    PSNR = 10 log10(1 / MSE), the peak being 1: it says what the MSE says. ``r`` is the correlation, ``r2`` the share of
    the variance that is explained, of each column, averaged over those that vary; ``share_of_peak`` the root mean
    square error over the columns' ranges, averaged.
    """
    difference = said - asked
    mse = float(np.mean(difference**2))
    spread, range_ = asked.std(axis=0), np.ptp(asked, axis=0)
    varies = spread > 1e-9
    r = [
        float(np.corrcoef(said[:, k], asked[:, k])[0, 1]) if said[:, k].std() > 1e-12 else 0.0
        for k in np.flatnonzero(varies)
    ]
    rms = np.sqrt(np.mean(difference**2, axis=0))
    return {
        "mse": mse,
        "mae": float(np.mean(np.abs(difference))),
        "psnr": 10.0 * math.log10(1.0 / mse) if mse > 0.0 else math.inf,
        "r": float(np.mean(r)) if r else math.nan,
        "r2": float(np.mean(1.0 - (rms[varies] / spread[varies]) ** 2)) if varies.any() else math.nan,
        "share_of_peak": float(np.mean(rms[varies] / range_[varies])) if varies.any() else math.nan,
        "largest": float(np.abs(difference).max(initial=0.0)),
    }


def histogram(said: Array, asked: Array) -> list[int]:
    """Counts of absolute errors between ``EDGES``; larger ones count in the last."""
    away = np.minimum(np.abs(said - asked), EDGES[-1])
    return [int(count) for count in np.histogram(away, EDGES)[0]]


def latency(call: Callable[[], Any], calls: int = CALLS) -> dict[str, float]:
    """Median and 99th percentile in ms of a call, after warming up."""
    for _ in range(min(WARM_UP, calls)):
        call()
    taken = np.empty(calls)
    for number in range(calls):
        begun = time.perf_counter()
        call()
        taken[number] = time.perf_counter() - begun
    return {"median_ms": 1e3 * float(np.median(taken)), "p99_ms": 1e3 * float(np.quantile(taken, 0.99))}


def spread(values: Any) -> dict[str, float]:
    """Median, 5th and 95th percentile over seeds; numbers that are missing do not count."""
    known = np.asarray([value for value in values if value is not None], dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return {"median": math.nan, "p5": math.nan, "p95": math.nan, "n": 0}
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return {"median": float(middle), "p5": float(low), "p95": float(high), "n": len(known)}
