"""The arrays that describe a model compared with OpenSim, once per model, in random postures within its ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ModelError, explain
from ..paths.solve import contested, lengths
from ..problem.arrays import Array, Kinematics
from .arrays import extract, unknown_forces
from .exact import ExactPaths, described_paths
from .exact_differences import beyond
from .exact_dynamics import ExactDynamics, described_dynamics
from .judgement import assessed
from .messages import Difference, Pairs, Wanted
from .model import Model

#: Places of bodies are compared in one of this many postures.
PLACED = 5


def compare_arrays(model: Model, motion: Kinematics, theirs: Mapping[str, Array], n_jobs: int) -> dict[str, Any]:
    """Compare arrays with ``theirs``, extracted by OpenSim in the frames of a motion; returns plain data.

    Places of bodies, coordinates that constraints determine, generalized forces with those of springs, limits, bushings
    and ligaments, effects of actuators, and lengths of paths without wrap objects must be OpenSim's: ``refused`` says
    where they are not. Lengths of the others may differ (``lengths_off_mm``, by muscle). What is not described in
    arrays is not compared. ``unknown_in_opensim`` names forces for which OpenSim has no number.
    """
    paths, dynamics = described_paths(model), described_dynamics(model)
    at, solved = paths.solve(motion.value)
    differences = [*_places(model, paths, motion, at.rotations, at.positions), *_dependents(model, motion, n_jobs)]
    known: dict[str, Any] = {}
    if paths.muscles:
        columns = [model.description.muscles.names.index(name) for name in paths.muscles]
        off = np.abs(np.asarray(lengths(paths.arrangement, solved)) - theirs["length"][:, columns])
        straight = np.array([not paths.path(name).wraps for name in paths.muscles])
        differences.append(_worst("straight lengths in OpenSim", np.where(straight, off, 0.0), paths.muscles))
        off[contested(paths.arrangement, solved)] = np.nan
        largest = np.fmax.reduce(np.where(straight, 0.0, off), axis=0)
        known["lengths_off_mm"] = beyond(paths.muscles, np.nan_to_num(largest))
    if dynamics is not None:
        differences += _dynamics(model, dynamics, motion, theirs, n_jobs)
        if not np.isfinite(theirs["generalized_force"]).all():
            known["unknown_in_opensim"] = unknown_forces(model, motion)
    found, wrong = assessed(differences, motion.time)
    return {**found, **known, **({} if wrong is None else {"refused": list(wrong)})}


def refuse_wrong_arrays(model: Model, checked: Mapping[str, Any]) -> None:
    """Refuse exact geometry where the check of the model found that its arrays are not OpenSim's.

    Raises
    ------
    ModelError
        They are not.
    """
    if "refused" in checked["arrays"]:
        expected, got = checked["arrays"]["refused"]
        fix = "Results of geometry='exact' would be wrong: use geometry='opensim', and please report this model."
        raise ModelError(explain(expected, got, fix, model.path))


def _places(
    model: Model, paths: ExactPaths, motion: Kinematics, rotations: Array, positions: Array
) -> list[Difference]:
    theirs = model.run("selfcheck:poses", motion.time[::PLACED], motion.value[::PLACED])
    ours = np.concatenate([rotations, positions[:, :, None]], axis=2)[..., ::PLACED]  # (B, 3, 4, S)
    bodies = [
        (index, name)
        for index, name in enumerate(paths.multibody.tree.bodies)
        if name in theirs and index not in paths.unplaced
    ]
    off = [np.abs(ours[index].transpose(2, 0, 1) - theirs[name]).max(axis=(1, 2)) for index, name in bodies]
    if not bodies:
        return []
    worst = _worst("places in OpenSim", np.array(off).T, [name for _, name in bodies])
    return [replace(worst, frame=PLACED * worst.frame)]


def _dependents(model: Model, motion: Kinematics, n_jobs: int) -> list[Difference]:
    """Coordinates that constraints determine; in loops each posture by itself, since random ones are no motion."""
    coupling = motion.coupling
    if coupling is None:
        return []
    each = 1 if model.description.loops else len(motion.time)
    rows = (slice(row, row + each) for row in range(0, len(motion.time), each))
    calls = [(motion.time[row], motion.value[row], motion.speed[row], motion.acceleration[row]) for row in rows]
    parts = list(model.run_many("kinematics:couple", calls, n_jobs))
    pairs = [f"{motion.coordinates[d]} by {motion.coordinates[i]}" for d, i in zip(*parts[0][4], strict=True)]
    ours = motion.value, motion.speed, motion.acceleration, coupling.slope
    found = []
    for index, own in enumerate(ours):
        other = np.concatenate([part[index] for part in parts])
        off = np.abs(own - other) / np.maximum(1.0, np.abs(other).max(axis=1, initial=0.0))[:, None]
        names = pairs if index == len(ours) - 1 else motion.coordinates
        found.append(_worst("dependent coordinates in OpenSim", off, names))
    return found


def _dynamics(
    model: Model, dynamics: ExactDynamics, motion: Kinematics, theirs: Mapping[str, Array], n_jobs: int
) -> list[Difference]:
    if dynamics.mistaken:
        motion = _at_rest(dynamics, motion)
        theirs = {**theirs, **_moments(model, motion, n_jobs)}
    ours = dynamics.arrays(motion, True)
    force, names = theirs["generalized_force"], [motion.coordinates[index] for index in dynamics.free]
    off = np.abs(ours["generalized_force"] - force)
    off = off / np.maximum(1.0, np.abs(ours["generalized_force"]).max(axis=1, initial=0.0))[:, None]
    effect = np.abs(ours["effect"] - theirs["effect"]).max(axis=1, initial=0.0)
    effect = effect / np.maximum(1.0, np.abs(theirs["effect"]).max(initial=0.0))
    actuators = [actuator.name for actuator in model.description.actuators]
    return [_worst("inverse dynamics in OpenSim", off, names), _worst("actuators in OpenSim", effect, actuators)]


def _at_rest(dynamics: ExactDynamics, motion: Kinematics) -> Kinematics:
    """The motion with the joints at rest whose accelerations are wrong in OpenSim, and what these follow."""
    tree = dynamics.multibody.tree
    own = [tree.axis_coordinate[tree.joints.index(joint)] for joint in dynamics.mistaken]
    still = np.isin(np.arange(len(motion.coordinates)), np.concatenate(own))
    speed = motion.speed.copy()
    if motion.coupling is not None and still[motion.coupling.dependent].any():
        still[:] = True  # what they follow moves others too
    speed[:, still] = 0.0
    return replace(motion, speed=speed)


def _moments(model: Model, motion: Kinematics, n_jobs: int) -> dict[str, Array]:
    none = np.zeros(0, dtype=np.intp)
    shape = len(model.description.free), len(model.description.muscles.names)
    pairs = Pairs(none, none, none.astype(bool), np.zeros(shape, dtype=bool), none, {})
    return extract(model, motion, pairs, Wanted((), True, False), n_jobs).arrays


def _worst(kind: str, off: Array, names: tuple[str, ...] | list[str]) -> Difference:
    """The largest of differences (S, n) of things of some names; NaN where none is known."""
    known = np.where(np.isnan(off), -np.inf, off)
    if not known.size:
        return Difference(kind, 0.0)
    frame, place = np.unravel_index(int(known.argmax()), known.shape)
    return Difference(kind, float(off[frame, place]), names[place], int(frame))
