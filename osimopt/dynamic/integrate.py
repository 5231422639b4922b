"""Forward integration of the muscles' differential equations, and the check of a dynamic solution by it.

Only the points and the excitations of the transcription are used. Activation follows excitation and, with compliant
tendons, force follows both, in explicit form. Between points, excitations are the polynomials of the scheme, which may
jump from interval to interval; muscle lengths and speeds are quintic splines.

SciPy integrates all muscles and all intervals in one call, each interval from its own initial states: separate calls
would take ten times as long. Muscles are independent of each other, so with the states sorted as activation, force,
activation, … the Jacobian has three diagonals, which LSODA determines with four evaluations. Its error norm is the
largest error, not the mean over all muscles.

Started from the solution's own states, the integration gives the error that each interval adds. For the integral over
the whole motion each interval must start where the one before ended. Multiple shooting moves the starts there with
approximate sensitivities, and the remaining gaps are measured. Two calls are usual; inexact sensitivities cost further
calls but no accuracy, as only gaps below ``SETTLED`` end the iteration.

Bock HG, Plitt KJ. A multiple shooting algorithm for direct solution of optimal control problems. IFAC Proceedings
Volumes 17(2), 1603-1608, 1984. doi:10.1016/S1474-6670(17)61205-9.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..muscle.activation import activation_rate
from ..muscle.contraction import tendon_force_rate
from ..problem.arrays import Array
from ..signals import MINIMUM_FRAMES, natural_cubic_spline, quintic_spline
from ..solution.checks import IDLE, INTEGRATION_LIMITS
from ..solution.findings import Finding
from .nodes import Nodes, Unknowns, strength

#: Relative and absolute tolerance of a step, and the largest gap between two intervals, in activation and normalised
#: force. For 80 walking muscles the result then differs by 1e-6 to 1e-5 from separate integrations at 1e-8.
RELATIVE, ABSOLUTE, SETTLED = 1e-5, 1e-6, 1e-5
#: Largest number of calls (2 are usual), and of evaluations in each (100 to 200 are usual), before integration fails.
MOST_CALLS, MOST_EVALUATIONS = 12, 5000
#: Step of finite differences.
STEP = 1e-6
#: Lower limits of the states in the rates: below, velocity (without activation) or length (of a tendon that pushes) are
#: not defined.
LEAST_ACTIVATION, LEAST_FORCE = 1e-4, -0.19


@dataclass(frozen=True, eq=False)
class ForwardCheck:
    """Forward integration of the excitations, at the N points of a solution; NaN where integration failed.

    Attributes
    ----------
    muscles, coordinates
        Their names.
    activation, muscle_force
        (N, M) of the integration, forces in N.
    activation_error
        (M,) largest difference from the solution's activation over time.
    force_error
        (M,) largest difference from the solution's force over time, divided by the muscle's peak force or 5 % of its
        strength, whichever is larger.
    moment_error
        (D,) largest moment of the differences of the forces, in N·m (N of a translation).
    interval_error
        (n,) error that each interval adds: the largest error of any muscle in activation or normalised tendon force at
        the interval's end, integrated from the solution at its start.
    """

    muscles: tuple[str, ...]
    coordinates: tuple[str, ...]
    activation: Array
    muscle_force: Array
    activation_error: Array
    force_error: Array
    moment_error: Array
    interval_error: Array

    @classmethod
    def of_windows(cls, checks: Sequence[ForwardCheck], nodes: Nodes, unknowns: Unknowns) -> ForwardCheck:
        """Join those of consecutive windows, each integrated from the solution at its own first point.

        Errors are those of the whole motion: forces are divided by their peaks over all windows.
        """
        first, *later = checks
        activation, force = (
            np.concatenate([getattr(first, name), *(getattr(one, name)[1:] for one in later)])
            for name in ("activation", "muscle_force")
        )
        return _compared(nodes, unknowns, activation, force, np.concatenate([one.interval_error for one in checks]))

    def findings(self) -> list[str]:
        """The text of each of ``entries``."""
        return [finding.text for finding in self.entries()]

    def entries(self) -> list[Finding]:
        """Findings: muscles whose activation or force differs by more than its limit, or a failed integration."""
        errors = {"activations": self.activation_error, "forces": self.force_error}
        if any(np.isnan(error).any() for error in errors.values()):
            return [Finding("integration_failed")]
        found, values = [], {"muscles": len(self.muscles)}
        for code, error in errors.items():
            worst = np.flatnonzero(error > INTEGRATION_LIMITS[code]).tolist()
            if names := {self.muscles[m]: float(error[m]) for m in worst}:
                found.append(Finding(code, largest=float(self.interval_error.max()), names=names, values=values))
        return found

    def summary(self) -> dict[str, Any]:
        """The largest errors and their muscle, coordinate or interval, as plain data; None where integration failed."""
        return {
            "activation_error": _largest(self.activation_error, self.muscles),
            "force_error_share_of_peak": _largest(self.force_error, self.muscles),
            "moment_error": _largest(self.moment_error, self.coordinates),
            "interval_error": _largest(self.interval_error, range(len(self.interval_error))),
        }


def _largest(error: Array, names: Sequence[Any]) -> dict[str, Any]:
    if not error.size or np.isnan(error).any():
        return {"largest": None, "at": None}
    worst = int(error.argmax())
    return {"largest": float(error[worst]), "at": names[worst]}


def check_solution(nodes: Nodes, unknowns: Unknowns) -> ForwardCheck:
    """Integrate the muscles from the first point with the solution's excitations, and compare.

    Does not raise: where integration fails the arrays have NaN and ``findings`` reports it.
    """
    problem, mesh = nodes.problem, nodes.mesh
    whole, ends = integrate(nodes, unknowns)
    local = np.abs(ends - _states(nodes, unknowns)[mesh.points[:, -1]])
    force = problem.max_force * whole[..., 0] + problem.passive_force
    if nodes.fiber is not None:
        force = np.where(nodes.elastic, strength(problem) * whole[..., 1], force)
    return _compared(nodes, unknowns, whole[..., 0], force, local.max(axis=(1, 2), initial=0.0))


def _compared(nodes: Nodes, unknowns: Unknowns, activation: Array, force: Array, interval_error: Array) -> ForwardCheck:
    """Compare integrated activations and forces (N, M) with those of the solution."""
    problem = nodes.problem
    expected = problem.max_force * unknowns.activation + problem.passive_force
    if nodes.fiber is not None:
        expected = np.where(nodes.elastic, strength(problem) * unknowns.force, expected)
    difference = force - expected
    moment = np.zeros((len(force), len(problem.coordinates)))
    geometry = problem.geometry
    for pair, (coordinate, muscle) in enumerate(zip(geometry.pair_coordinate, geometry.pair_muscle, strict=True)):
        moment[:, coordinate] += geometry.moment_arms[:, pair] * difference[:, muscle]
    peak = np.maximum(np.abs(expected).max(axis=0), IDLE * strength(problem))
    return ForwardCheck(
        muscles=problem.muscles,
        coordinates=problem.coordinates,
        activation=activation,
        muscle_force=force,
        activation_error=np.abs(activation - unknowns.activation).max(axis=0),
        force_error=np.abs(difference).max(axis=0) / peak,
        moment_error=np.abs(moment).max(axis=0),
        interval_error=interval_error,
    )


def _states(nodes: Nodes, unknowns: Unknowns) -> Array:
    """(N, M, 1 or 2) activation and, where any tendon is elastic, normalised tendon force."""
    return np.stack([unknowns.activation] + ([] if nodes.fiber is None else [unknowns.force]), axis=2)


def integrate(nodes: Nodes, unknowns: Unknowns) -> tuple[Array, Array]:
    """States by forward integration: activation and, where any tendon is elastic, normalised tendon force (0 if rigid).

    Returns
    -------
    whole
        (N, M, 1 or 2) at the points of the mesh, integrated from the solution's states at the first point. NaN where
        integration failed.
    ends
        (n, M, 1 or 2) at the end of each interval, integrated from the solution's states at its start.
    """
    states = _states(nodes, unknowns)
    muscles = _Muscles(nodes, unknowns)
    start = states[nodes.mesh.points[:, 0]]
    inside = muscles.integrate(start)
    ends = inside[-1]
    sensitivity = _sensitivity(muscles.slopes(states))
    for _ in range(1, MOST_CALLS):
        gaps = inside[-1, :-1] - start[1:]
        if not (np.abs(gaps) > SETTLED).any():  # false for NaN, too
            break
        start = _moved(start, gaps, sensitivity)
        inside = muscles.integrate(start)
    else:
        inside = np.full_like(inside, np.nan)
    per_point = inside[:-1].swapaxes(0, 1).reshape(-1, *start.shape[1:])
    return np.concatenate([per_point, inside[-1:, -1]]), ends


def _moved(start: Array, gaps: Array, sensitivity: Array) -> Array:
    """Starts (n, M, S) that close the gaps to first order."""
    moved = start.copy()
    for interval, gap in enumerate(gaps):
        by = moved[interval] - start[interval]
        moved[interval + 1] += gap + np.einsum("mij,mj->mi", sensitivity[interval], by)
    return moved


def _sensitivity(slopes: Array) -> Array:
    """∂(end)/∂(start) (n, M, S, S) of intervals with constant slopes, which are ∂(rate)/∂(state) times the duration.

    Activation does not depend on force, so the exponential of the matrix has a closed form.
    """
    diagonal = np.exp(np.diagonal(slopes, axis1=2, axis2=3))
    sensitivity = diagonal[..., None] * np.eye(slopes.shape[-1])
    if slopes.shape[-1] == 2:
        difference = slopes[..., 0, 0] - slopes[..., 1, 1]
        same = np.abs(difference) < STEP
        divided = (diagonal[..., 0] - diagonal[..., 1]) / np.where(same, 1.0, difference)
        sensitivity[..., 1, 0] = slopes[..., 1, 0] * np.where(same, diagonal[..., 0], divided)
    return sensitivity


class _TooLongError(Exception):
    """Integration takes more than MOST_EVALUATIONS evaluations."""


class _Muscles:
    """The muscles' differential equations with their inputs: excitations, lengths and speeds."""

    def __init__(self, nodes: Nodes, unknowns: Unknowns) -> None:
        self._mesh, self._dynamics, self._fiber = nodes.mesh, nodes.dynamics, None
        self._excitation = unknowns.excitation
        self._drive = unknowns.excitation[nodes.mesh.collocation].swapaxes(0, 1).copy()
        if nodes.fiber is not None:
            self._elastic, geometry = np.flatnonzero(nodes.elastic), nodes.problem.geometry
            self._fiber = nodes.fibers(self._elastic)
            arrays = geometry.length, geometry.lengthening_speed
            both = np.hstack([np.asarray(array)[:, self._elastic] for array in arrays])
            smooth = quintic_spline if len(both) >= MINIMUM_FRAMES else natural_cubic_spline
            self._geometry = smooth(nodes.mesh.time, both)

    def rates(self, excitation: Array, time: Array, states: Array) -> Array:
        """Rates of states (T, M, S) at times (T,)."""
        activation = states[..., 0]
        rates = np.empty_like(states)
        rates[..., 0] = activation_rate(excitation, activation, *self._dynamics)
        if self._fiber is not None:
            length, speed = np.hsplit(self._geometry(time), 2)
            force = np.maximum(states[:, self._elastic, 1], LEAST_FORCE)
            activation = np.maximum(activation[:, self._elastic], LEAST_ACTIVATION)
            rates[..., 1] = 0.0
            rates[:, self._elastic, 1] = tendon_force_rate(activation, force, length, speed, self._fiber)
        return rates

    def slopes(self, states: Array) -> Array:
        """∂(rate)/∂(state) at states (N, M, S), averaged over each interval, times its duration: (n, M, S, S)."""
        mesh, excitation = self._mesh, self._excitation
        rates = self.rates(excitation, mesh.time, states)
        steps = STEP * np.eye(states.shape[-1])
        columns = [(self.rates(excitation, mesh.time, states + step) - rates) / STEP for step in steps]
        weights = mesh.durations[:, None] * mesh.scheme.weights
        return np.asarray(np.einsum("nc,ncmij->nmij", weights, np.stack(columns, axis=-1)[mesh.collocation]))

    def integrate(self, start: Array) -> Array:
        """States (P, n, M, S) at the points of all intervals, from (n, M, S) at their starts; NaN where that failed.

        The independent variable is the share of the interval, from 0 to 1.
        """
        from scipy.integrate import solve_ivp

        mesh, evaluations = self._mesh, 0

        def rate(share: float, flat: Array) -> Array:
            nonlocal evaluations
            evaluations += 1
            if evaluations > MOST_EVALUATIONS:
                raise _TooLongError
            basis = np.array([polynomial(share) for polynomial in mesh.scheme.lagrange])
            excitation = np.tensordot(basis, self._drive, 1)
            rates = self.rates(excitation, mesh.edges[:-1] + share * mesh.durations, flat.reshape(start.shape))
            return np.asarray(mesh.durations[:, None, None] * rates).ravel()

        points, band = mesh.scheme.points, start.shape[-1] - 1
        states = np.full((len(points), start.size), np.nan)
        if not (start.size and np.isfinite(start).all()):
            return states.reshape(len(points), *start.shape)
        with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.suppress(_TooLongError):
            warnings.simplefilter("ignore", UserWarning)  # LSODA's, when it fails
            found = solve_ivp(
                rate, (0.0, 1.0), start.ravel(), "LSODA", points, rtol=RELATIVE, atol=ABSOLUTE, lband=band, uband=band
            )
            states[: found.y.shape[1]] = found.y.T
        return states.reshape(len(points), *start.shape)
