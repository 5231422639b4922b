"""Residuals of a calibration and their exact derivatives: EMG-driven and EMG-assisted.

*Driven*: activations follow from EMG alone, and residuals are the moments that are missing, over their noise.
*Assisted*: every activation may differ from that of its EMG, at the cost ½ ((a − a₀)/s)²; muscles without EMG start at
their least activation, with a wider s. In a frame

    min over a:  ½ Σ ((a − a₀)/s)² + ½ Σ ((τ − R F(a))/σ)²,   bounds on a,

whose dual has one unknown per coordinate: with λ = (τ − R F)/σ², a(λ) = clip(a₀ + s² (R G)ᵀ λ) for F = F₀ + G a.
The parameters are those of the least sum of these minima; derivatives of a are exact by the implicit function theorem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ..problem.arrays import Array
from ..static.dual import DualProgram, newton, quadratic_response
from .noise import Noise
from .parameters import Parameters
from .trial import CalibrationTrial

Mode = Literal["driven", "assisted"]

#: Standard deviation of activations about those of their EMG, in the assisted mode.
NEAR_EMG = 0.05
#: The same of muscles without EMG, about their least activation.
WITHOUT_EMG = 0.3
#: Relative missing moment at which a frame is solved.
SOLVED = 1e-12


class Assisted(NamedTuple):
    """Activations (T, M) near their EMG's ``aim``, multipliers λ (T, D), and the moment (T, D) of their forces."""

    activation: Array
    aim: Array
    multipliers: Array
    moment: Array


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals of trials, in standard deviations.

    In the driven mode, errors of moments have the covariance whose Cholesky factors are ``white``, by blocks of frames
    (:class:`.noise.Left`), as ``spectrum`` was estimated; before that, and in the assisted mode, the standard deviation
    ``noise`` (D,). ``weight`` (D,) multiplies all residuals of a trial that have no noise of their own: 1/√(frames that
    count as one). ``passive`` is the standard deviation of passive forces about 0, as a share of the strength.
    """

    trials: tuple[CalibrationTrial, ...]
    unknowns: Parameters
    mode: Mode
    noise: tuple[Array, ...]
    weight: tuple[Array, ...]
    coordinates: tuple[str, ...] = ()
    spectrum: Noise | None = None
    passive: float | None = None
    white: tuple[tuple[Array, ...], ...] = ()

    def values(self, x: Array) -> Array:
        """Residuals of the data, of passive forces, and of the priors."""
        parts = [self._of(number, x, slopes=False)[0] for number in range(len(self.trials))]
        return np.concatenate([*parts, self.passive_values(x)[0], x])

    def jacobian(self, x: Array) -> Array:
        """Derivative of ``values`` by x."""
        parts = [self._of(number, x, slopes=True)[1] for number in range(len(self.trials))]
        return np.vstack([*parts, self.passive_values(x)[1], np.eye(len(x))])

    def passive_values(self, x: Array) -> tuple[Array, Array]:
        """Passive forces over ``passive`` times the model's strengths, and their derivatives; empty without it."""
        values, slopes = [np.zeros(0)], [np.zeros((0, len(x)))]
        for trial, weight in zip(self.trials if self.passive else (), self.weight, strict=False):
            relaxed = trial.forces(self.unknowns, x, np.zeros_like(trial.length))
            scale = float(np.mean(weight)) / (self.passive * trial.own.max_isometric_force)  # type: ignore[operator]
            by_x = np.zeros((*relaxed.force.shape, len(x)))
            for kind, owner, factor in trial.owned(self.unknowns):
                for muscle in np.flatnonzero(owner >= 0):
                    by_x[:, muscle, owner[muscle]] += relaxed.by_log[kind][:, muscle] * factor[owner[muscle]]
            values.append((scale * relaxed.force).ravel())
            slopes.append((scale[:, None] * by_x).reshape(-1, len(x)))
        return np.concatenate(values), np.vstack(slopes)

    def _whitened(self, number: int, value: Array) -> Array:
        """Rows (T D, n) of values (T, D, n) whose errors are independent of each other and of variance 1."""
        parts, first = [], 0
        for factor in self.white[number]:
            frames = len(factor) // value.shape[1]
            block = value[first : first + frames].reshape(len(factor), -1)
            parts.append(np.linalg.solve(factor, block))
            first += frames
        return np.vstack(parts)

    def _of(self, number: int, x: Array, slopes: bool) -> tuple[Array, Array]:
        trial, unknowns, weight = self.trials[number], self.unknowns, self.weight[number]
        scale = weight / self.noise[number]
        if self.mode == "driven":
            driven = trial.drive(unknowns, x)
            missed = driven.moment - trial.moment
            by_x = trial.driven_slopes(unknowns, driven) if slopes else None
            if self.white:
                residual = self._whitened(number, missed[:, :, None])[:, 0]
                return residual, residual if by_x is None else self._whitened(number, by_x)
            residual = (scale * missed).ravel()
            return residual, residual if by_x is None else (scale[:, None] * by_x).reshape(-1, len(x))
        return self._assisted(number, x, slopes)

    def assist(self, number: int, x: Array) -> Assisted:
        """Solve every frame of a trial."""
        trial, unknowns = self.trials[number], self.unknowns
        aim = trial.excited(trial.levels(unknowns, x))
        forces = trial.forces(unknowns, x, np.zeros_like(aim))
        gain = trial.arm * forces.by_activation[:, None, :]
        passive = np.einsum("tdm,tm->td", trial.arm, forces.force)
        spread = self.spread(number)
        activation, multipliers = nearest(aim, spread, trial.lower, gain, trial.moment - passive, self.noise[number])
        moment = passive + np.einsum("tdm,tm->td", gain, activation)
        return Assisted(activation, aim, multipliers, moment)

    def spread(self, number: int) -> Array:
        """(M,) standard deviation of activations about their aim."""
        measured = self.trials[number].share.any(axis=1)
        return np.where(measured, NEAR_EMG, WITHOUT_EMG)

    def _assisted(self, number: int, x: Array, slopes: bool) -> tuple[Array, Array]:
        trial, unknowns, noise = self.trials[number], self.unknowns, self.noise[number]
        found, spread = self.assist(number, x), self.spread(number)
        common = float(np.mean(self.weight[number]))
        off, short = (found.activation - found.aim) / spread, (found.moment - trial.moment) / noise
        residual = common * np.hstack([off, short])
        if not slopes:
            return residual.ravel(), residual
        by_aim = trial.activation_slopes(unknowns, trial.levels(unknowns, x))
        at, none = (trial.forces(unknowns, x, level) for level in (found.activation, np.zeros_like(off)))
        fixed = trial.moment_slopes(unknowns, at)  # of the moment, at these activations
        gain = trial.arm * at.by_activation[:, None, :]
        full = trial.forces(unknowns, x, np.ones_like(off))
        pull = np.einsum("tdm,td->tm", trial.arm, found.multipliers)
        turned = np.zeros((*off.shape, len(x)))  # d(R G)ᵀ λ by x
        for kind in full.by_log:
            for muscle, item in enumerate(unknowns.owner(kind)):
                if item >= 0:
                    change = full.by_log[kind][:, muscle] - none.by_log[kind][:, muscle]
                    turned[:, muscle, item] += pull[:, muscle] * change * unknowns.scale[item]
        wanted = found.aim + spread**2 * np.einsum("tdm,td->tm", gain, found.multipliers)
        free = (wanted > trial.lower) & (wanted < 1.0)
        open_ = np.where(free, spread**2, 0.0)
        moved = np.where(free, 1.0, 0.0)[:, :, None] * by_aim + open_[:, :, None] * turned
        system = np.einsum("tdm,tm,tem->tde", gain, open_, gain) + np.diag(noise**2)
        by_lambda = np.linalg.solve(system, -(fixed + gain @ moved))
        by_activation = moved + open_[:, :, None] * np.einsum("tdm,tdn->tmn", gain, by_lambda)
        d_off = (by_activation - by_aim) / spread[:, None]
        d_short = (fixed + gain @ by_activation) / noise[:, None]
        return residual.ravel(), common * np.concatenate([d_off, d_short], axis=1).reshape(-1, len(x))


def nearest(aim: Array, spread: Array, lower: Array, gain: Array, wanted: Array, noise: Array) -> tuple[Array, Array]:
    """Activations (T, M) nearest to their ``aim``, and multipliers (T, D): what moments miss is an unknown, too."""
    frames, count = wanted.shape
    system = np.concatenate([gain, np.broadcast_to(np.eye(count), (frames, count, count))], axis=2)
    centre = np.hstack([aim, np.zeros((frames, count))])
    compliance = np.broadcast_to(np.concatenate([spread**2, noise**2]), centre.shape)
    low = np.broadcast_to(np.concatenate([lower, np.full(count, -np.inf)]), centre.shape)
    high = np.broadcast_to(np.concatenate([np.ones(len(lower)), np.full(count, np.inf)]), centre.shape)
    allowed = SOLVED * np.maximum(np.abs(wanted).max(axis=1), noise.max())
    program = DualProgram(system, wanted, low, high, quadratic_response(centre, compliance), allowed)
    answer = newton(program, np.zeros_like(wanted))
    return answer.y[:, : aim.shape[1]], answer.multipliers
