"""Exact paths checked in a trial: against differences of their own lengths, and against OpenSim's paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import some
from ..problem.arrays import Kinematics, MuscleGeometry
from .exact import ExactPaths
from .exact_sampling import paths_in
from .messages import Difference
from .model import Model
from .selfcheck import judged, spread

#: rad or m; step of the differences of re-solved lengths.
STEP = 2e-4
#: Steps of five postures, and weights of their lengths in the slope: central, ahead, behind. Where a path snaps within
#: the steps, a side without a snap has the right slope.
STEPS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
WEIGHTS = np.array([[1.0, -8.0, 0.0, 8.0, -1.0], [0.0, 0.0, -18.0, 24.0, -6.0], [6.0, -24.0, 18.0, 0.0, 0.0]]) / 12.0
#: Frames in which lengths are compared with OpenSim's.
COMPARED = 24
#: m; largest difference of OpenSim's length and the exact one without a warning: a tenth of what OpenSim's lengths over
#: two objects are off, ten times what its tangent points are.
DIFFERS = 1e-4


def check_exact(
    paths: ExactPaths, model: Model, motion: Kinematics, geometry: MuscleGeometry, muscles: Sequence[int]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Compare exact paths of some muscles along a motion with two others.

    In three frames moment arms with differences of re-solved lengths, in up to 24 lengths with OpenSim's.

    Returns
    -------
    dict, dict
        The differences as plain data; by muscle the largest difference of the lengths in mm, of those above DIFFERS.

    Raises
    ------
    ModelError
        A moment arm is not the slope of the length, or the length of a path without wrap objects is not OpenSim's.
    """
    names, few = model.description.muscles.names, spread(len(motion.time))
    rows = np.unique(np.linspace(0, len(motion.time) - 1, COMPARED).round().astype(np.intp))
    by_opensim = model.run("geometry:lengths_in", motion.value[rows])
    apart = np.abs(np.asarray(geometry.length)[rows] - by_opensim)
    differences = _slopes(paths, model, motion.frames(few), geometry.frames(few), muscles)
    for muscle in muscles:
        if not paths.path(names[muscle]).wraps:
            worst = int(apart[:, muscle].argmax())
            differences.append(Difference("straight lengths", float(apart[worst, muscle]), names[muscle], worst))
    size = 1e3 * apart.max(axis=0, initial=0.0)
    off = {names[muscle]: round(float(size[muscle]), 2) for muscle in muscles if size[muscle] > 1e3 * DIFFERS}
    times = np.concatenate([motion.time[few], motion.time[rows]])
    return {"times_s": motion.time[few].tolist(), **judged(differences, model, times)}, off


def lengths_text(off: Mapping[str, float]) -> list[str]:
    """Warning that names the muscles whose lengths differ from OpenSim's, in mm."""
    if not off:
        return []
    listed = some([f"{name} ({off[name]:g} mm)" for name in sorted(off, key=lambda name: -off[name])], 12)
    return [
        f"Lengths of exact paths differ from OpenSim's by more than {1e3 * DIFFERS:g} mm in this motion: {listed}. "
        "Fibre lengths and maximum forces are those of the exact paths."
    ]


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
