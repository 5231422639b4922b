"""Noise of moments and of EMG that a fit has left: sizes and durations, by restricted maximum likelihood.

The moments that a fit misses are smaller than the noise, and change faster, as the parameters have taken their share of
it. Errors of the moment of coordinate d are taken as normal with the covariance σ_d² k(|t − t'|/τ), smooth, as moments
and envelopes have gone through filters: k(x) = (1 + √5 x + 5 x²/3) exp(−√5 x) (Matérn 5/2). Envelopes have relative
errors with ς² k(|t − t'|/θ), each channel its own, which act on all moments by k_dc(t), the derivative of moment d by
the logarithm of the envelope c. With moments r that the means of the priors miss, in the linear model about the fit,
and derivatives J by the parameters, in standard deviations of the priors, σ, τ, ς and θ maximise

    −½ (log|C| + log|JᵀC⁻¹J + 1| + rᵀC⁻¹r − (JᵀC⁻¹r)ᵀ (JᵀC⁻¹J + 1)⁻¹ JᵀC⁻¹r)

(Patterson and Thompson 1971, Biometrika 58, 545-554, doi:10.1093/biomet/58.3.545).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..problem.arrays import Array

#: Least time in s over which noise lasts; the largest that filters make, by which a fit is weighted; and the largest
#: that is sought for intervals, which errors of the model widen.
SHORTEST, FILTERED, LONGEST = 0.002, 0.045, 0.3
#: Least and largest relative noise of envelopes.
EMG = (1e-4, 0.5)
#: Share of the moments' variance that is white: a fit must not trust what filters have taken out of the noise.
ROUGH = 0.02
#: Frames of a trial that are taken together; noise of others is independent of theirs.
BLOCK = 80
#: Steps of the search, and where it begins: σ in RMS of what a fit misses, τ and θ in s, ς.
STEPS, START = 60, (0.7, 0.05, 0.05, 0.05)


@dataclass(frozen=True, eq=False)
class Left:
    """What a fit has left of some frames of a trial.

    ``time`` (T,) in s; ``missing`` (T, D), moments that the means of the priors miss; ``slopes`` (T, D, N); ``pull``
    (T, D, C), derivatives of the moments by the logarithm of each envelope.
    """

    time: Array
    missing: Array
    slopes: Array
    pull: Array

    def blocks(self) -> list[Left]:
        """Parts of at most ``BLOCK`` frames."""
        count = -(-len(self.time) // BLOCK)
        edges = np.linspace(0, len(self.time), count + 1).astype(int)
        parts = (self.time, self.missing, self.slopes, self.pull)
        return [Left(*(part[a:b] for part in parts)) for a, b in pairwise(edges.tolist())]


@dataclass(frozen=True, eq=False)
class Noise:
    """Standard deviation (D,) in N·m of the moments' noise, relative one of envelopes, and how long both last in s."""

    deviation: Array
    time: float
    emg: float
    emg_time: float

    @property
    def numbers(self) -> Array:
        """All of them."""
        return np.array([*self.deviation, self.time, self.emg, self.emg_time])

    def covariance(self, block: Left) -> Array:
        """(T D, T D) covariance of the errors of a block's moments."""
        away = np.abs(block.time[:, None] - block.time)
        frames, count = block.missing.shape
        alike = smooth(away / self.time) + ROUGH * np.eye(len(away))
        own = np.einsum("ts,de->tdse", alike, np.diag(self.deviation**2))
        pull = block.pull.reshape(frames * count, -1)
        by_emg = (self.emg**2 * pull @ pull.T).reshape(frames, count, frames, count)
        whole = own + by_emg * smooth(away / self.emg_time)[:, None, :, None]
        return np.asarray(whole.reshape(frames * count, frames * count))


def smooth(distance: Array) -> Array:
    """Correlation of errors at a distance in correlation times."""
    x = np.sqrt(5.0) * distance
    return np.asarray((1.0 + x + x**2 / 3.0) * np.exp(-x))


def noise_of(left: Sequence[Left], size: Array, least: Array, longest: float = LONGEST) -> Noise:
    """Noise of trials that lasts at most ``longest`` s.

    ``size`` (D,) is the RMS of what the fit misses, ``least`` (D,) the least deviation, in N·m.
    """
    from scipy.optimize import minimize

    blocks = [block for one in left for block in one.blocks()]
    count, begin = len(size), np.maximum(size, least)

    def noise(z: Array) -> Noise:
        return Noise(begin * np.exp(z[:count]), *(float(value) for value in np.exp(z[count:])))

    def value(z: Array) -> float:
        return _surprise(blocks, noise(z))

    low = np.concatenate([np.log(least / begin), np.log([SHORTEST, EMG[0], SHORTEST])])
    high = np.concatenate([np.full(count, np.log(2.0)), np.log([longest, EMG[1], longest])])
    start = np.clip(np.concatenate([np.full(count, np.log(START[0])), np.log(START[1:])]), low, high)
    limits = list(zip(low, high, strict=True))
    found = minimize(value, start, method="L-BFGS-B", bounds=limits, options={"maxiter": STEPS})
    return noise(np.asarray(found.x))


def _surprise(blocks: Sequence[Left], noise: Noise) -> float:
    """Minus the logarithm of the restricted likelihood."""
    unknowns = blocks[0].slopes.shape[2]
    information, pulled, total = np.eye(unknowns), np.zeros(unknowns), 0.0
    for block in blocks:
        factor = np.linalg.cholesky(noise.covariance(block))
        both = np.column_stack([block.slopes.reshape(-1, unknowns), block.missing.ravel()])
        white = np.linalg.solve(factor, both)
        by_x, error = white[:, :-1], white[:, -1]
        information += by_x.T @ by_x
        pulled += by_x.T @ error
        total += 2.0 * float(np.log(np.diag(factor)).sum()) + float(error @ error)
    factor = np.linalg.cholesky(information)
    inside = np.linalg.solve(factor, pulled)
    return 0.5 * float(total + 2.0 * np.log(np.diag(factor)).sum() - inside @ inside)
