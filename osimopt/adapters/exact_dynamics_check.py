"""Inverse dynamics by arrays checked in a trial: by Lagrange's equations, and against OpenSim."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import some
from ..multibody.description import Multibody
from ..multibody.dynamics import mass_matrix
from ..multibody.kinematics import posture
from ..multibody.rates import to_coordinates, to_speeds
from ..problem.arrays import Array, Kinematics
from .arrays import extract
from .exact_dynamics import ExactDynamics
from .messages import Claims, Difference, Pairs, Wanted
from .model import Model
from .selfcheck import Missing, check_trial, judged, spread

#: s, and rad or m: step of the differences of momentum and energy.
STEP = 1e-4
#: Steps of the differences, and their weights.
STEPS, WEIGHTS = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12.0
#: N·m or N; largest difference of OpenSim's generalized forces that is not reported.
DIFFERS = 0.1


def check_dynamics(dynamics: ExactDynamics, model: Model, motion: Kinematics, n_jobs: int) -> dict[str, Any]:
    """Compare generalized forces in three frames with two others; returns the differences as plain data.

    Inertial forces with Lagrange's equations, from differences of momentum, kinetic energy and height; all forces with
    OpenSim's forward dynamics. In the latter the model is at rest where OpenSim's accelerations are wrong.

    Raises
    ------
    ModelError
        They differ by more than rounding.
    """
    frames = motion.frames(spread(len(motion.time)))
    ours, theirs = dynamics.inertial(frames), by_lagrange(dynamics.multibody, frames)
    off = np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours).max(axis=1, initial=0.0))[:, None]
    worst = off.argmax(axis=1)
    differences = [
        Difference("equations of motion", float(row[place]), motion.coordinates[place], frame)
        for frame, (row, place) in enumerate(zip(off, worst.tolist(), strict=True))
    ]
    found = judged(differences, model, frames.time)["largest_difference"]
    seen = replace(frames, speed=np.zeros_like(frames.speed)) if dynamics.mistaken else frames
    claims = Claims(None, None, None, dynamics.arrays(seen, True)["generalized_force"])
    checked = check_trial(model, seen, claims, n_jobs)
    return {**checked, "largest_difference": {**checked["largest_difference"], **found}}


def by_lagrange(multibody: Multibody, motion: Kinematics) -> Array:
    """Generalized forces (T, N) about coordinates beside gravity: d/dt ∂T/∂q̇ - ∂T/∂q + ∂V/∂q, by differences."""
    value, rate = motion.value, motion.speed

    def state(step: float) -> tuple[Array, Array]:
        return value + step * rate + 0.5 * step**2 * motion.acceleration, rate + step * motion.acceleration

    force = sum(w * _momentum(multibody, *state(STEP * s)) for s, w in zip(STEPS, WEIGHTS, strict=True)) / STEP
    for index in range(value.shape[1]):
        unit = np.eye(value.shape[1])[index]
        energy = sum(
            w * _lagrangian(multibody, value + STEP * s * unit, rate) for s, w in zip(STEPS, WEIGHTS, strict=True)
        )
        force[:, index] -= energy / STEP
    return np.asarray(force)


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


def moments_text(dynamics: ExactDynamics, off: Mapping[str, float]) -> list[str]:
    """Warning that names the coordinates about which OpenSim's generalized forces differ, in N·m or N."""
    if not off:
        return []
    listed = some([f"{name} ({off[name]:.2g})" for name in sorted(off, key=lambda name: -off[name])], 12)
    return [
        f"Generalized forces differ from OpenSim's by up to (N·m or N): {listed}. OpenSim's accelerations of "
        f"{some(dynamics.mistaken, 12)} are not the derivatives of its velocities; those of the arrays are."
    ]
