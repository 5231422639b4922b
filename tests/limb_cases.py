"""A limb of two joints and five muscles on elastic tendons, for tests of dynamic surrogates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from osimopt.muscle.contraction import Fiber, FiberState, active_multiplier, fiber_state, passive_multiplier
from osimopt.muscle.degroote import DEGROOTE
from osimopt.problem.arrays import MuscleGeometry, MuscleParameters
from osimopt.problem.problem import RedundancyProblem

Array = np.ndarray

NAMES = ("hip_flexor", "hip_extensor", "two_joint", "knee_flexor", "knee_extensor")
JOINTS = ("hip", "knee")
#: m; of each muscle about hip and knee.
ARMS = np.array([[0.05, -0.06, -0.05, 0.0, 0.0], [0.0, 0.0, -0.03, -0.04, 0.045]])
#: s of the whole motion, and between its frames.
DURATION, STEP = 2.4, 0.02


def parameters() -> MuscleParameters:
    count = len(NAMES)
    properties = {
        "activation_time_constant": 0.015,
        "deactivation_time_constant": 0.060,
        "activation_dynamics_smoothing": 0.1,
        "active_force_width_scale": 1.0,
        "fiber_damping": 0.01,
        "passive_fiber_strain_at_one_norm_force": 0.6,
        "tendon_strain_at_one_norm_force": 0.049,
        "ignore_passive_fiber_force": 0.0,
        "ignore_tendon_compliance": 0.0,
        "ignore_activation_dynamics": 0.0,
    }
    return MuscleParameters(
        names=NAMES,
        classes=(DEGROOTE.name,) * count,
        max_isometric_force=np.array([1500.0, 1800.0, 1200.0, 900.0, 2500.0]),
        optimal_fiber_length=np.array([0.1, 0.12, 0.08, 0.1, 0.09]),
        tendon_slack_length=np.array([0.1, 0.15, 0.3, 0.1, 0.2]),
        pennation_angle=np.array([0.1, 0.2, 0.0, 0.3, 0.15]),
        max_contraction_velocity=np.full(count, 10.0),
        min_control=np.full(count, 0.01),
        max_control=np.ones(count),
        properties={name: np.full(count, value) for name, value in properties.items()},
    )


def force(time: Array) -> Array:
    """(T, 5) normalised tendon forces that the limb's moments are made by."""
    phase = 2.0 * np.pi * time[:, None] / 1.2 + np.array([0.0, 2.6, 3.1, 1.7, 4.4])
    return np.asarray(0.25 + 0.10 * np.sin(phase) + 0.02 * np.sin(2.0 * phase + 1.0))


def limb(frames: int | None = None, reserves: float | None = 1.0, step: float = STEP) -> RedundancyProblem:
    """A swing to and fro."""
    muscles = parameters()
    time = step * np.arange(round(DURATION / step) + 1 if frames is None else frames)
    angle = 0.25 * np.stack([np.sin(2.0 * np.pi * time / 1.2), np.cos(2.0 * np.pi * time / 1.2)], axis=1)
    speed = np.gradient(angle, time, axis=0, edge_order=2)
    stretched = muscles.tendon_slack_length * 1.01 + muscles.optimal_fiber_length * np.cos(muscles.pennation_angle)
    geometry = MuscleGeometry.from_dense(np.repeat(ARMS[None], len(time), axis=0), NAMES, JOINTS)
    geometry = replace(geometry, length=stretched - angle @ ARMS, lengthening_speed=-speed @ ARMS)
    moment = (force(time) * muscles.max_isometric_force) @ ARMS.T
    plain = RedundancyProblem.from_arrays(
        geometry.moment_arm, muscles.max_isometric_force, moment, bounds=(0.01, 1.0), time=time, muscles=NAMES,
        coordinates=JOINTS, reserves=reserves,
    )  # fmt: skip
    return replace(plain, geometry=geometry, parameters=muscles)


def fibers(problem: RedundancyProblem, tension: Array, rate: Array) -> tuple[FiberState, Array, Array]:
    """Fibres in NumPy, and their active and passive multipliers along the tendon."""
    assert problem.parameters is not None
    fiber = Fiber.of(problem.parameters)
    length, speed = problem.geometry.length, problem.geometry.lengthening_speed
    state = fiber_state(length, speed, tension, rate, fiber)
    return state, active_multiplier(state, fiber) * state.cosine, passive_multiplier(state, fiber) * state.cosine
