"""A walk-like problem of six muscles about two joints, and recordings of what its muscles would show."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from osimopt import Emg, RedundancyProblem

RATE = 100.0
MUSCLES = ("soleus_r", "gas_r", "tibant_r", "vasti_r", "hams_r", "recfem_r")
STRIDES = tuple((float(a), float(b)) for a, b in pairwise(np.arange(0.0, 12.01, 1.0)))


def walk(seed: int = 0) -> RedundancyProblem:
    """Twelve strides of a second, each a little different; knee and ankle."""
    rng = np.random.default_rng(seed)
    time = np.arange(1201) / RATE
    swing = 2.0 * np.pi * time
    size = np.interp(time, np.arange(13.0), 1.0 + 0.1 * rng.standard_normal(13))
    ankle = -size * (40.0 * np.sin(swing) + 15.0 * np.sin(2.0 * swing + 0.5) + 10.0)
    knee = size * (30.0 * np.sin(swing + 2.0) + 12.0 * np.sin(3.0 * swing))
    sway = 1.0 + 0.1 * np.sin(swing)[:, None]
    arms = np.zeros((len(time), 2, 6))
    arms[:, 0] = [-0.05, -0.045, 0.04, 0.0, 0.0, 0.0]  # ankle
    arms[:, 1] = sway * [0.0, -0.02, 0.0, 0.045, -0.04, 0.04]  # knee
    return RedundancyProblem.from_arrays(
        arms, np.array([3000.0, 1500.0, 1200.0, 3500.0, 2500.0, 1200.0]), np.stack([ankle, knee], axis=1),
        time=time, muscles=MUSCLES, coordinates=("ankle_angle_r", "knee_angle_r"), reserves=1.0,
    )  # fmt: skip


def recorded(problem: RedundancyProblem, activation: np.ndarray, noise: float = 0.0, **changes: object) -> Emg:
    """Envelopes of all muscles but one, after their activations."""
    rng = np.random.default_rng(1)
    value = np.maximum(activation[:, :5] + noise * rng.standard_normal((len(problem), 5)), 0.0)
    emg = Emg(problem.time, value, tuple(name.removesuffix("_r") for name in MUSCLES[:5]), "mvc", envelope=True)
    return replace(emg, **changes)  # type: ignore[arg-type]


def mapping() -> dict[str, str]:
    return {name.removesuffix("_r"): name for name in MUSCLES[:5]}
