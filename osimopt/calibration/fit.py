"""Least squares of a calibration from several starts, with the noise of the moments estimated on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..problem.arrays import Array
from .noise import FILTERED, Left, Noise, noise_of
from .residuals import Residuals

#: Noise of a moment before the first fit, and its least value, as shares of the moment's range in the trials.
FIRST_NOISE, LEAST_NOISE = 0.1, 1e-6
#: Noise of moments in the assisted mode, as a share of their range; s within which frames count as one in what has no
#: noise of its own: passive forces, and activations near EMG.
ASSISTED_NOISE, APART = 0.02, 0.1
#: Rounds of fitting and estimating noise; changes of noise below SETTLED end them.
ROUNDS, SETTLED = 6, 0.02
#: Evaluations in one least-squares fit.
EVALUATIONS = 60
#: Most standard deviations from the prior's mean of a random start.
FARTHEST = 2.0


@dataclass(frozen=True, eq=False)
class Estimate:
    """A minimum: ``x``, the objective ½ |r|², the residuals it is of, and objectives of all starts."""

    x: Array
    objective: float
    residuals: Residuals
    starts: tuple[float, ...]

    def jacobian(self) -> tuple[Array, Array]:
        """Derivatives of the data's residuals (n, N), and the residuals (n,)."""
        count = len(self.x)
        return self.residuals.jacobian(self.x)[:-count], self.residuals.values(self.x)[:-count]


def fit(residuals: Residuals, starts: int, seed: int, progress: Callable[[int, int], None] | None = None) -> Estimate:
    """The best of fits from the priors' means and from random draws of the priors; then noise and fit in turn."""
    low, high = residuals.unknowns.bounds()
    random = np.random.default_rng(seed)
    count, done = len(low), 0
    total = starts + ROUNDS

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    results = []
    for number in range(starts):
        draw = np.clip(random.standard_normal(count), -FARTHEST, FARTHEST) if number else np.zeros(count)
        results.append(_minimum(residuals, np.clip(draw, low, high)))
        step()
    objectives = tuple(float(value) for _, value in results)
    x, objective = min(results, key=lambda result: result[1])
    for _ in range(ROUNDS if residuals.mode == "driven" else 0):
        noisier = with_noise(residuals, x)
        change = np.inf
        if residuals.spectrum is not None and noisier.spectrum is not None:
            change = float(np.abs(np.log(noisier.spectrum.numbers / residuals.spectrum.numbers)).max())
        residuals = noisier
        x, objective = _minimum(residuals, x)
        step()
        if change < SETTLED:
            break
    if progress is not None:
        progress(total, total)
    return Estimate(x, objective, residuals, objectives)


def _minimum(residuals: Residuals, x: Array) -> tuple[Array, float]:
    from scipy.optimize import least_squares

    found = least_squares(
        residuals.values, np.clip(x, *residuals.unknowns.bounds()), jac=residuals.jacobian,
        bounds=residuals.unknowns.bounds(), method="trf", max_nfev=EVALUATIONS, xtol=1e-8, ftol=1e-10, gtol=1e-8,
    )  # fmt: skip
    return np.asarray(found.x), float(found.cost)


def with_noise(residuals: Residuals, x: Array) -> Residuals:
    """The residuals, weighted by the noise that they show at x, and by how long it lasts."""
    noise = noise_at(residuals, x, FILTERED)
    white = tuple(
        tuple(np.asarray(np.linalg.cholesky(noise.covariance(block)), dtype=float) for block in one.blocks())
        for one in left_of(residuals, x)
    )
    return replace(residuals, noise=(noise.deviation,) * len(white), spectrum=noise, white=white)


def noise_at(residuals: Residuals, x: Array, longest: float) -> Noise:
    """Noise of moments and EMG, pooled over trials, that lasts at most ``longest`` s."""
    missing = [trial.drive(residuals.unknowns, x).moment - trial.moment for trial in residuals.trials]
    span = np.max([np.ptp(trial.moment, axis=0) for trial in residuals.trials], axis=0)
    size = np.maximum(np.sqrt(np.concatenate([part**2 for part in missing]).mean(axis=0)), LEAST_NOISE * span)
    return noise_of(left_of(residuals, x), size, LEAST_NOISE * span, longest)


def left_of(residuals: Residuals, x: Array) -> list[Left]:
    """What EMG-driven moments at x leave of every trial."""
    found, unknowns = [], residuals.unknowns
    for trial in residuals.trials:
        driven = trial.drive(unknowns, x)
        slopes = trial.driven_slopes(unknowns, driven)
        missing = trial.moment - driven.moment + slopes @ x  # of the means of the priors
        found.append(Left(trial.time, missing, slopes, trial.pull(driven)))
    return found
