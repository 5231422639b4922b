"""The JointReaction analyses of a setup file: reactions of forces that were solved for or read, in OpenSim's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..adapters.arrays import frames_in_ground, joint_names
from ..adapters.setup import Setup
from ..adapters.setup_reactions import ReactionAnalysis
from ..adapters.trial import Trial
from ..errors import InputError, check_names, did_you_mean, explain, some
from ..files.series import TIME_SLACK
from ..files.storage import read_columns, write_atomically
from ..problem.arrays import Array, Index
from ..problem.problem import RedundancyProblem
from ..problem.reactions import COMPONENTS, SIDES, Frame, JointReactions
from ..solution.checks import FORCES_MISS
from ..solution.summary import carried
from .opensim_files import storage_text

#: Where a reaction acts: columns after its components.
POINT = ("px", "py", "pz")
ABOUT = """\

This file contains the reaction forces and moments
applied to the specified body of a joint pair and expressed  in the specified reference frame.

Units are S.I. units (seconds, meters, Newtons, ...)
"""


@dataclass(frozen=True, eq=False)
class GivenForces:
    """Forces of a file in the frames of a motion: what a setup file with JointReactions alone comes to.

    Attributes
    ----------
    problem
        The frames, with what their motion needs of the forces.
    muscle_force
        (T, M) tendon force in N; NaN in frames in which the file has no number.
    reserve_control
        (T, K) controls of the model's actuators.
    provenance
        Files, versions and warnings; ``provenance["files"]`` are those that were written.
    """

    problem: RedundancyProblem
    muscle_force: Array
    reserve_control: Array
    provenance: dict[str, Any]

    @property
    def time(self) -> Array:
        """(T,) s."""
        return self.problem.time

    @property
    def success(self) -> bool:
        """Whether every frame has forces."""
        return bool(np.isfinite(self.muscle_force).all() and np.isfinite(self.reserve_control).all())

    @property
    def moment_residual(self) -> Array:
        """(T, D) what the forces miss of the moments that the motion needs, in N·m (N for translations)."""
        problem = self.problem
        produced = problem.geometry.moments(self.muscle_force) + carried(problem, self.reserve_control)
        return np.asarray(produced - problem.generalized_force)

    def findings(self) -> list[str]:
        """Warnings: frames without forces, moments that the forces miss, and what was noticed while reading."""
        return [*self._missing(), *self._missed(), *self.provenance["warnings"]]

    def _missing(self) -> list[str]:
        known = np.isfinite(np.hstack([self.muscle_force, self.reserve_control]))
        lost = np.asarray(~known.all(axis=1))
        if not lost.any():
            return []
        first = self.time[lost][0]
        return [
            f"{lost.sum()} of {len(lost)} frames have no reactions, as the file has no forces: first at {first:g} s."
        ]

    def _missed(self) -> list[str]:
        missed = np.nan_to_num(np.abs(self.moment_residual))
        largest = np.abs(self.problem.generalized_force).max(initial=0.0)
        if missed.max(initial=0.0) <= FORCES_MISS * max(1.0, largest):
            return []
        frame, row = np.unravel_index(int(missed.argmax()), missed.shape)
        name = self.problem.coordinates[row]
        return [
            f"The forces miss the moments by up to {missed.max():.3g} N·m ({name} at {self.time[frame]:g} s; N for "
            "translations). The reactions are those of the motion, as if what is missing acted on the coordinates; "
            "OpenSim's JointReaction has those of the accelerations that the forces give."
        ]


def read_forces(path: Path, problem: RedundancyProblem) -> tuple[Array, Array]:
    """Tendon forces (T, M) in N and controls (T, K) of the actuators at a problem's frames, linear between rows.

    A frame is NaN next to rows without numbers.

    Raises
    ------
    InputError
        No column for a muscle or an actuator, or no rows at some of the frames.
    """
    table = read_columns(path)
    labels = [str(label).split("/")[-1] for label in table.columns]
    if absent := [name for name in problem.actuators if name not in labels]:
        fix = did_you_mean(absent, labels, "OpenSim takes all forces from the model's states then: complete the file.")
        expected = "a column for every muscle and actuator that applies force"
        raise InputError(explain(expected, f"none for {some(absent, 12)}", fix, path))
    if twice := [name for name in problem.actuators if labels.count(name) > 1]:
        raise InputError(explain("one column per actuator", f"two for {some(twice)}", "Remove one.", path))
    time, wanted = table.index.to_numpy(dtype=float), problem.time
    if not len(time) or not (np.diff(time) > 0.0).all():
        raise InputError(explain("times that increase", "some that repeat or go back", "Correct the file.", path))
    if wanted[0] < time[0] - TIME_SLACK or wanted[-1] > time[-1] + TIME_SLACK:
        fix = "Compute the forces of the whole interval, or shorten it (<initial_time>, <final_time>)."
        expected = f"forces from {wanted[0]:g} to {wanted[-1]:g} s"
        raise InputError(explain(expected, f"{time[0]:g} to {time[-1]:g} s", fix, path))
    force = _between(time, table.to_numpy()[:, [labels.index(name) for name in problem.actuators]], wanted)
    count, strength = len(problem.muscles), problem.reserves.optimal_force
    return force[:, :count], force[:, count:] / np.where(strength == 0.0, 1.0, strength)


@dataclass(frozen=True, eq=False)
class Recorded:
    """What a JointReaction needs beside forces: the joints in its order, poses of frames by name, frames to record.

    ``given`` are tendon forces and controls of its own, from a file.
    """

    analysis: ReactionAnalysis
    known: JointReactions
    frames: dict[str, tuple[str, Array]]
    rows: Index
    given: tuple[Array, Array] | None

    def columns(self, reaction: Array) -> tuple[list[str], Array]:
        """Labels and values (T, 9 J) of reactions (T, J, 6), on the bodies and in the frames asked for."""
        known, labels, values = self.known, list[str](), list[Array]()
        for number, (joint, bodies) in enumerate(zip(known.joints, known.bodies, strict=True)):
            on, frame = self.analysis.on_of(number), self.analysis.frame_of(number)
            axes = cast(Frame, "ground" if frame in self.frames else frame)
            wrench, place = known.select([joint]).seen(reaction[:, number : number + 1], on, axes)
            both = np.concatenate([wrench, place], axis=2)[:, 0]
            name = bodies[SIDES.index(frame)] if frame in SIDES else frame
            if frame in self.frames:
                name, pose = self.frames[frame]
                both = _seen_from(pose, both)
            labels += [f"{joint}_on_{bodies[SIDES.index(on)]}_in_{name}_{part}" for part in (*COMPONENTS, *POINT)]
            values.append(both)
        return labels, np.concatenate(values, axis=1) + 0.0  # turns -0.0 into 0.0


def read_reactions(setup: Setup, trial: Trial, problem: RedundancyProblem, rows: Sequence[Index]) -> list[Recorded]:
    """What the JointReactions of a setup file need, each with the frames of the problem that it records.

    Raises
    ------
    InputError, ModelError, ConfigError
        Unknown joints or frames, joints whose reactions the motion does not determine, lists that do not fit, a file
        without the forces.
    """
    found = []
    for analysis, own in zip(setup.reactions, rows, strict=True):
        if analysis.joints is None:
            known = trial.reactions(problem)
            known = known.select([name for name in joint_names(trial.model) if name in known.joints])
            analysis.check_lengths(len(known.joints), setup.path)
        else:
            check_names("joints", analysis.joints, joint_names(trial.model), f"{setup.path}, <joint_names>")
            known = trial.reactions(problem, list(dict.fromkeys(analysis.joints))).select(analysis.joints)
        named = sorted({frame for frame in analysis.frames if frame not in ("ground", *SIDES)})
        assert problem.kinematics is not None
        try:
            frames = frames_in_ground(trial.model, problem.kinematics, named) if named else {}
        except InputError as error:
            raise InputError(f"{setup.path}, <express_in_frame>: {error}") from None
        given = None if analysis.forces is None else read_forces(analysis.forces, problem)
        found.append(Recorded(analysis, known, frames, own, given))
    return found


def write_reactions(
    reacting: Sequence[Recorded], problem: RedundancyProblem, forces: tuple[Array, Array] | None, base: Path,
    precision: int,
) -> list[Path]:  # fmt: skip
    """Write ``<base>_<analysis>_ReactionLoads.sto`` for each JointReaction, whole or not at all; returns the paths.

    ``forces`` are tendon forces (T, M) in N and controls (T, K) for those without a file of forces.
    """
    texts = {}
    for one in reacting:
        own = forces if one.given is None else one.given
        assert own is not None
        labels, values = one.columns(one.known.transmitted(problem, *own))
        path = base.with_name(f"{base.name}_{one.analysis.name}_ReactionLoads.sto")
        time, rows = problem.time[one.rows], values[one.rows]
        texts[path] = storage_text("Joint Reaction Loads", ABOUT, time, labels, rows, precision)
    for path, text in texts.items():
        write_atomically(path, text)
    return list(texts)


def _seen_from(pose: Array, values: Array) -> Array:
    """Force, moment and place (T, 9) in ground, as they are in frames with these axes and origins (T, 3, 4)."""
    parts = np.stack([values[:, :3], values[:, 3:6], values[:, 6:] - pose[:, :, 3]], axis=1)
    return np.asarray(np.einsum("tpi,tij->tpj", parts, pose[:, :, :3]).reshape(len(values), 9))


def _between(time: Array, values: Array, wanted: Array) -> Array:
    """Values (T, C) at other times, linear between rows; rows at the times themselves are taken alone."""
    last = np.clip(np.searchsorted(time, wanted), 1, max(len(time) - 1, 1))
    if len(time) == 1:
        return np.repeat(values, len(wanted), axis=0)
    share = (wanted - time[last - 1]) / (time[last] - time[last - 1])
    near = np.where(np.abs(wanted - time[last - 1]) <= TIME_SLACK, 0.0, share)
    near = np.where(np.abs(wanted - time[last]) <= TIME_SLACK, 1.0, near)[:, None]
    mixed = (1.0 - near) * values[last - 1] + near * values[last]
    return np.where(near == 0.0, values[last - 1], np.where(near == 1.0, values[last], mixed))
