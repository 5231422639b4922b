"""When a muscle is on: by a threshold on its envelope, or by the Teager-Kaiser energy of the raw signal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from .processing import filtered
from .recording import Emg

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Hz that the energy is smoothed by, and s below which being on, or off, does not count.
SMOOTH, SHORTEST = 50.0, 0.03


def teager_kaiser(value: Array) -> Array:
    """(T, C) energy x_t² − x_{t−1} x_{t+1}: large where amplitude and frequency are; 0 at the ends."""
    energy = np.zeros_like(value)
    energy[1:-1] = value[1:-1] ** 2 - value[:-2] * value[2:]
    return energy


def on_by_threshold(value: Array, rate: float, share: float = 0.2) -> Mask:
    """(T, C) where envelopes are above a share of the way from their 5th to their 95th percentile.

    Raises
    ------
    InputError
        A share that is not between 0 and 1.
    """
    if not 0.0 < share < 1.0:
        raise InputError(explain("a share between 0 and 1", repr(share), "0.2 is usual."))
    low, high = np.nanquantile(value, [0.05, 0.95], axis=0)
    return _without_short(value > low + share * (high - low), rate)


def on_by_energy(emg: Emg, rest: tuple[float, float], deviations: float = 8.0) -> Mask:
    """(T, C) where the smoothed Teager-Kaiser energy of raw EMG is that many deviations above its mean at rest.

    Parameters
    ----------
    emg
        Raw.
    rest
        s from and to which the muscles are at rest.
    deviations
        Standard deviations of the energy at rest.

    Raises
    ------
    InputError
        Envelopes, or no samples at rest.
    """
    if emg.envelope:
        raise InputError(explain("raw EMG for onsets by energy", "envelopes", "Use on_by_threshold."))
    still = (emg.time >= rest[0]) & (emg.time <= rest[1])
    if still.sum() < 10:
        raise InputError(explain("ten samples at rest or more", str(int(still.sum())), "Give a longer rest."))
    centred = np.nan_to_num(emg.value - np.nanmean(emg.value, axis=0))
    energy = filtered(np.abs(teager_kaiser(centred)), emg.rate, min(SMOOTH, 0.4 * emg.rate), "lowpass", 2)
    mean, spread = energy[still].mean(axis=0), energy[still].std(axis=0)
    return _without_short(energy > mean + deviations * spread, emg.rate)


def onsets(on: Mask, time: Array) -> Array:
    """Times (n,) at which one channel (T,) goes on."""
    return np.asarray(time[np.flatnonzero(on[1:] & ~on[:-1]) + 1])


def _without_short(on: Mask, rate: float) -> Mask:
    """Fill gaps, then drop bursts, that are shorter than ``SHORTEST``."""
    least = max(1, round(SHORTEST * rate))
    done = on.copy()
    for column in range(done.shape[1]):
        for state in (False, True):
            own = done[:, column]
            edges = np.flatnonzero(np.diff(own)) + 1
            for first, last in pairwise(edges.tolist()):
                if own[first] == state and last - first < least:
                    own[first:last] = not state
    return done
