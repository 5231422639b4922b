"""Inverse dynamics by arrays checked in a trial: by Lagrange's equations, and against OpenSim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..multibody.description import Multibody
from ..multibody.dynamics import mass_matrix
from ..multibody.kinematics import posture
from ..multibody.rates import to_coordinates, to_speeds
from ..problem.arrays import Array, Kinematics
from .arrays import extract
from .exact_dynamics import ExactDynamics
from .judgement import judged
from .messages import Claims, Difference, Pairs, Wanted
from .model import Model
from .selfcheck import Missing, check_trial

#: s, and rad or m: step of the differences of momentum and energy.
STEP = 1e-4
#: Steps of the differences, and their weights.
STEPS, WEIGHTS = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12.0


def check_dynamics(dynamics: ExactDynamics, model: Model, motion: Kinematics, n_jobs: int) -> dict[str, Any]:
    """Compare generalized forces in frames of a motion with two others; returns the differences as plain data.

    Inertial forces with Lagrange's equations, from differences of momentum, kinetic energy and height; all forces with
    OpenSim's forward dynamics. In the latter the model is at rest where OpenSim's accelerations are wrong.

    Raises
    ------
    ModelError
        They differ by more than rounding.
    """
    ours, theirs = dynamics.inertial(motion), by_lagrange(dynamics.multibody, motion)
    off = np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours).max(axis=1, initial=0.0))[:, None]
    worst = off.argmax(axis=1)
    differences = [
        Difference("equations of motion", float(row[place]), motion.coordinates[place], frame)
        for frame, (row, place) in enumerate(zip(off, worst.tolist(), strict=True))
    ]
    found = judged(differences, model, motion.time)["largest_difference"]
    seen = replace(motion, speed=np.zeros_like(motion.speed)) if dynamics.mistaken else motion
    claims = Claims(None, None, None, dynamics.arrays(seen, True)["generalized_force"])
    checked = check_trial(model, seen, claims, n_jobs)
    return {**checked, "largest_difference": {**checked["largest_difference"], **found}}


def by_lagrange(multibody: Multibody, motion: Kinematics) -> Array:
    """Generalized forces (T, N) about coordinates beside gravity: d/dt ∂T/∂q̇ - ∂T/∂q + ∂V/∂q, by differences."""
    value, rate, size = motion.value, motion.speed, motion.value.shape[1]
    step = (STEP * STEPS)[:, None, None]
    later = value + step * rate + 0.5 * step**2 * motion.acceleration, rate + step * motion.acceleration
    momentum = _momentum(multibody, *(part.reshape(-1, size) for part in later)).reshape(len(STEPS), *value.shape)
    moved = value + step[..., None] * np.eye(size)[:, None]  # (steps, N, T, N)
    still = np.broadcast_to(rate, moved.shape)
    energy = _lagrangian(multibody, *(part.reshape(-1, size) for part in (moved, still))).reshape(moved.shape[:3])
    change, slope = np.einsum("s,stn->tn", WEIGHTS, momentum), np.einsum("s,snt->tn", WEIGHTS, energy)
    return np.asarray(change - slope) / STEP


def _momentum(multibody: Multibody, value: Array, rate: Array) -> Array:
    """Generalized momenta (T, N) about coordinates."""
    speed = to_speeds(multibody, value, rate)
    about = np.einsum("tij,tj->ti", mass_matrix(posture(multibody, value)), speed)
    return np.asarray(to_coordinates(multibody, value, about))


def _lagrangian(multibody: Multibody, value: Array, rate: Array) -> Array:
    """Kinetic less potential energy (T,) in J."""
    at, speed, tree = posture(multibody, value), to_speeds(multibody, value, rate), multibody.tree
    centers = at.positions + np.einsum("bijt,bj->bit", at.rotations, tree.center)
    kinetic = 0.5 * np.einsum("ti,tij,tj->t", speed, mass_matrix(at), speed)
    return np.asarray(kinetic + np.einsum("b,i,bit->t", tree.mass, multibody.gravity, centers))


def moments_off(dynamics: ExactDynamics, model: Model, motion: Kinematics) -> Array:
    """OpenSim's generalized forces (T, D) less those by arrays, for joints that OpenSim is mistaken about."""
    none = np.zeros(0, dtype=np.intp)
    free, muscles = len(model.description.free), len(model.description.muscles.names)
    pairs = Pairs(none, none, none.astype(bool), np.zeros((free, muscles), dtype=bool), none, {})
    theirs = extract(model, motion, pairs, Wanted((), True, False), 1).arrays["generalized_force"]
    return np.asarray(theirs - dynamics.arrays(motion, True)["generalized_force"])


def mistakes(dynamics: ExactDynamics, model_for: Callable[[Kinematics], Model], motion: Kinematics | None) -> Missing:
    """What OpenSim's generalized forces have too much in frames of a motion, as it takes forces put back into it."""

    def missing(time: Array, *_: Any) -> dict[str, Array]:
        if motion is None:
            return {}
        frames = motion.frames(np.searchsorted(motion.time, time))
        off = moments_off(dynamics, model_for(frames), frames)
        return {motion.coordinates[index]: column for index, column in zip(dynamics.free, off.T, strict=True)}

    return missing
