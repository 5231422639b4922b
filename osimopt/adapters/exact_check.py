"""Exact paths checked in a trial: against differences of their own lengths, and against OpenSim's paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..problem.arrays import Kinematics, MuscleGeometry
from .exact import ExactPaths
from .exact_sampling import paths_in
from .judgement import judged
from .messages import Difference
from .model import Model

#: rad or m; step of the differences of re-solved lengths.
STEP = 2e-4
#: Steps of five postures, and weights of their lengths in the slope: central, ahead, behind. Where a path snaps within
#: the steps, a side without a snap has the right slope.
STEPS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
WEIGHTS = np.array([[1.0, -8.0, 0.0, 8.0, -1.0], [0.0, 0.0, -18.0, 24.0, -6.0], [6.0, -24.0, 18.0, 0.0, 0.0]]) / 12.0


def check_exact(
    paths: ExactPaths, model: Model, motion: Kinematics, geometry: MuscleGeometry, muscles: Sequence[int]
) -> dict[str, Any]:
    """Compare exact paths of some muscles in the frames of a motion with two others; returns the differences.

    Moment arms with differences of re-solved lengths, and lengths of paths without wrap objects with OpenSim's.

    Raises
    ------
    ModelError
        They differ by more than rounding.
    """
    names = model.description.muscles.names
    apart = np.abs(np.asarray(geometry.length) - model.run("geometry:lengths_in", motion.value))
    differences = _slopes(paths, model, motion, geometry, muscles)
    for muscle in muscles:
        if not paths.path(names[muscle]).wraps:
            worst = int(apart[:, muscle].argmax())
            differences.append(Difference("straight lengths", float(apart[worst, muscle]), names[muscle], worst))
    return {"times_s": motion.time.tolist(), **judged(differences, model, motion.time)}


def _slopes(
    paths: ExactPaths, model: Model, motion: Kinematics, geometry: MuscleGeometry, muscles: Sequence[int]
) -> list[Difference]:
    """Moment arms (T, D, M) in each frame against -dl/dq by differences of lengths, dependent coordinates following."""
    names, free = model.description.muscles.names, list(model.description.free)
    arms, found = geometry.moment_arm, list[Difference]()
    for frame, posture in enumerate(motion.value):
        postures = np.tile(posture, (len(free), len(STEPS), 1))
        postures[np.arange(len(free)), :, free] += STEP * STEPS
        lengths = paths_in(paths, model, postures.reshape(-1, len(posture)))[0].reshape(len(free), len(STEPS), -1)
        slopes = np.einsum("ws,dsm->wdm", WEIGHTS, lengths) / STEP
        off = np.abs(arms[frame] + slopes).min(axis=0).max(axis=0)
        found += [Difference("slopes of lengths", float(off[muscle]), names[muscle], frame) for muscle in muscles]
    return found
