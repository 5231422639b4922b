"""Forward integration of the muscles' differential equations, by SciPy, from the excitations that were found.

Nothing of the transcription is used but its points: activation follows excitation, and with compliant tendons force
follows both, in explicit form. Between points, excitations are the polynomials of the scheme, which may jump from
interval to interval; lengths and speeds of the muscles are quintic splines.

All muscles and all intervals are integrated in one call, each interval from states of its own at its start: one by one
they would take ten times as long. No muscle knows of another, so their states in the order activation, force,
activation, … have a Jacobian of three diagonals, which LSODA finds with four evaluations; its error norm is the largest
error, not the mean over all muscles.

From the solution's own states this gives what every interval adds to the error. The integral over the whole is where
each interval starts as the one before ended: the starts are moved there by multiple shooting, with approximate
sensitivities, and what still parts them is measured, not assumed. Two calls are usual, and there is nothing to lose: an
interval that starts where the one before ended is settled, whatever the sensitivities.

Bock HG, Plitt KJ. A multiple shooting algorithm for direct solution of optimal control problems. IFAC Proceedings
Volumes 17(2), 1603-1608, 1984. doi:10.1016/S1474-6670(17)61205-9.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ..muscle.activation import activation_rate
from ..muscle.contraction import tendon_force_rate
from ..signals import MINIMUM_FRAMES, natural_cubic_spline, quintic_spline
from .nodes import Nodes
from .unknowns import Unknowns

Array = NDArray[np.float64]

#: Relative and absolute tolerance of a step, and what may part two intervals, in activation and normalised force. On
#: 80 walking muscles the whole then departs by 1e-6 to 1e-5 from an integration one by one at 1e-8.
RELATIVE, ABSOLUTE, SETTLED = 1e-5, 1e-6, 1e-5
#: Calls for the whole (2 are usual), and evaluations in each (100 to 200 are usual), after which it is given up.
MOST_CALLS, MOST_EVALUATIONS = 12, 5000
#: Step of finite differences.
STEP = 1e-6
#: Rates are those at states no smaller: below, velocity (without activation) or length (of a tendon that pushes) are
#: not defined.
LEAST_ACTIVATION, LEAST_FORCE = 1e-4, -0.19


class _StuckError(Exception):
    """Integration takes too long."""


def integrate(nodes: Nodes, unknowns: Unknowns) -> tuple[Array, Array]:
    """States by forward integration: activation and, with compliant tendons, normalised tendon force.

    Returns
    -------
    whole
        (N, M, 1 or 2) at the points of the mesh, from the solution's states at the first. NaN where integration failed.
    ends
        (n, M, 1 or 2) at the end of every interval, from the solution's states at its start.
    """
    states = np.stack([unknowns.activation] + ([] if nodes.fiber is None else [unknowns.force]), axis=2)
    muscles = _Muscles(nodes, unknowns)
    start = states[nodes.mesh.points[:, 0]]
    inside = muscles.integrate(start)
    ends = inside[-1]
    sensitivity = _sensitivity(muscles.slopes(states))
    for _ in range(1, MOST_CALLS):
        apart = inside[-1, :-1] - start[1:]
        if not (np.abs(apart) > SETTLED).any():  # nor where they are NaN
            break
        start = _moved(start, apart, sensitivity)
        inside = muscles.integrate(start)
    else:
        inside = np.full_like(inside, np.nan)
    per_point = inside[:-1].swapaxes(0, 1).reshape(-1, *start.shape[1:])
    return np.concatenate([per_point, inside[-1:, -1]]), ends


def _moved(start: Array, apart: Array, sensitivity: Array) -> Array:
    """Starts (n, M, S) such that intervals meet, to first order."""
    moved = start.copy()
    for interval, gap in enumerate(apart):
        by = moved[interval] - start[interval]
        moved[interval + 1] += gap + np.einsum("mij,mj->mi", sensitivity[interval], by)
    return moved


def _sensitivity(slopes: Array) -> Array:
    """∂(end)/∂(start) of an interval (n, M, S, S) with constant slopes, times its duration, ∂(rate)/∂(state).

    Activation does not depend on force, so the exponential of the matrix has a closed form.
    """
    own = np.exp(np.diagonal(slopes, axis1=2, axis2=3))
    sensitivity = own[..., None] * np.eye(slopes.shape[-1])
    if slopes.shape[-1] == 2:
        difference = slopes[..., 0, 0] - slopes[..., 1, 1]
        same = np.abs(difference) < STEP
        divided = (own[..., 0] - own[..., 1]) / np.where(same, 1.0, difference)
        sensitivity[..., 1, 0] = slopes[..., 1, 0] * np.where(same, own[..., 0], divided)
    return sensitivity


class _Muscles:
    """The muscles' equations, and what drives them."""

    def __init__(self, nodes: Nodes, unknowns: Unknowns) -> None:
        self._mesh, self._dynamics, self._fiber = nodes.mesh, nodes.dynamics, nodes.fiber
        self._excitation = unknowns.excitation
        self._drive = unknowns.excitation[nodes.mesh.collocation].swapaxes(0, 1).copy()
        if nodes.fiber is not None:
            geometry = nodes.problem.geometry
            both = np.hstack([np.asarray(geometry.length), np.asarray(geometry.lengthening_speed)])
            smooth = quintic_spline if len(both) >= MINIMUM_FRAMES else natural_cubic_spline
            self._geometry = smooth(nodes.mesh.time, both)

    def rates(self, excitation: Array, time: Array, states: Array) -> Array:
        """Rates of states (T, M, S) at times (T,)."""
        activation = states[..., 0]
        rates = np.empty_like(states)
        rates[..., 0] = activation_rate(excitation, activation, *self._dynamics)
        if self._fiber is not None:
            length, speed = np.hsplit(self._geometry(time), 2)
            force = np.maximum(states[..., 1], LEAST_FORCE)
            activation = np.maximum(activation, LEAST_ACTIVATION)
            rates[..., 1] = tendon_force_rate(activation, force, length, speed, self._fiber)
        return rates

    def slopes(self, states: Array) -> Array:
        """∂(rate)/∂(state) around states (N, M, S), (n, M, S, S), averaged over each interval, times its duration."""
        mesh, excitation = self._mesh, self._excitation
        rates = self.rates(excitation, mesh.time, states)
        steps = STEP * np.eye(states.shape[-1])
        columns = [(self.rates(excitation, mesh.time, states + step) - rates) / STEP for step in steps]
        weights = mesh.durations[:, None] * mesh.scheme.weights
        return np.asarray(np.einsum("nc,ncmij->nmij", weights, np.stack(columns, axis=-1)[mesh.collocation]))

    def integrate(self, start: Array) -> Array:
        """States (P, n, M, S) at the points of all intervals, from (n, M, S) at their starts, by share of the interval.

        NaN where integration failed.
        """
        from scipy.integrate import solve_ivp

        mesh, evaluations = self._mesh, 0

        def rate(share: float, flat: Array) -> Array:
            nonlocal evaluations
            evaluations += 1
            if evaluations > MOST_EVALUATIONS:
                raise _StuckError
            basis = np.array([polynomial(share) for polynomial in mesh.scheme.lagrange])
            excitation = np.tensordot(basis, self._drive, 1)
            rates = self.rates(excitation, mesh.edges[:-1] + share * mesh.durations, flat.reshape(start.shape))
            return np.asarray(mesh.durations[:, None, None] * rates).ravel()

        points, band = mesh.scheme.points, start.shape[-1] - 1
        states = np.full((len(points), start.size), np.nan)
        if not (start.size and np.isfinite(start).all()):
            return states.reshape(len(points), *start.shape)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", UserWarning)  # LSODA's, when it fails
            try:
                found = solve_ivp(
                    rate, (0.0, 1.0), start.ravel(), "LSODA", points, rtol=RELATIVE, atol=ABSOLUTE,
                    lband=band, uband=band,
                )  # fmt: skip
                states[: found.y.shape[1]] = found.y.T
            except _StuckError:
                pass
        return states.reshape(len(points), *start.shape)
