"""A trial: a model and a motion, read and checked, from which problems are made, whole or piece by piece.

Model, motion and loads give arrays, frame by frame; with muscle paths, forces and reserves they make a problem.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..devices import CPU, Device
from ..errors import some
from ..isolation import Progress
from ..multibody.reactions import TreeJoints
from ..notices import warn
from ..polynomial.muscle_paths import MusclePaths
from ..problem.arrays import Array, Coordinate, GeneralizedForce, Kinematics, MuscleGeometry
from ..problem.problem import RedundancyProblem
from ..problem.reactions import JointReactions
from ..problem.resampling import BALANCED, Fingerprint
from ..problem.reserves import ReserveActuators, choose_reserves
from ..signals import interpolate
from ..solution.solution import RedundancySolution
from .arrays import model_actuators
from .completion import follow
from .exact import ExactPaths
from .exact_dynamics import ExactDynamics
from .extraction import Extracted, Extraction
from .forces import check_size
from .loads import ExternalLoads
from .messages import Mask
from .model import Model
from .options import ReadOptions
from .part import part_of
from .selfcheck import Missing
from .trial_check import TrialCheck

#: Frames of a piece: 80 muscles take 60 MB.
PIECE = 5000


@dataclass(eq=False)
class Trial:
    """A model, its motion, and the options of the problem.

    ``model`` has the loads of the first PIECE frames. ``given`` are moments from a file, in place of inverse dynamics;
    ``paths`` are those in place of OpenSim's, and ``dynamics`` inverse dynamics in place of OpenSim's; muscles without
    one of the paths have ``exact`` ones, where these are given, or else OpenSim's; ``warnings`` were given while
    reading. In a part of the body, ``left`` are the coordinates that are not balanced, ``assumed`` those without a
    column in the motion. Problems are on the ``device``: what exact geometry gives is computed there, everything else
    is put there. Where ``checked``, the extracted arrays are compared with those of other ways of computing. Frames
    before ``first`` are those of the piece before.
    """

    model: Model
    motion: Kinematics
    loads: ExternalLoads | None
    given: GeneralizedForce | None
    paths: MusclePaths | None
    dynamics: ExactDynamics | None
    options: ReadOptions
    n_jobs: int
    warnings: list[str]
    provenance: dict[str, Any]
    left: Sequence[str] = ()
    assumed: Sequence[str] = ()
    exact: ExactPaths | None = None
    device: Device = CPU
    joints: TreeJoints | None = None
    fingerprint: Fingerprint | None = field(default=None, init=False)
    checked: bool = field(default=True, init=False)
    first: int = field(default=0, init=False)
    _added: ReserveActuators | None = field(default=None, init=False)
    _crossing: dict[str, Mask] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        own = self.paths if isinstance(self.paths, ExactPaths) else None
        fitted, exact = (self.paths, self.exact) if own is None else (None, own)
        moments = self.given is None
        self.extraction = Extraction(
            self.model, self.motion, fitted, exact, self.dynamics, moments, self.options, self.n_jobs, self.device,
            self.joints,
        )  # fmt: skip
        self.check = TrialCheck(self.extraction)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.motion.time)

    def problem(self, progress: Progress | None = None) -> RedundancyProblem:
        """All frames at once; the problem has this trial as its source."""
        whole = self._problem(slice(0, len(self)), progress)
        known, texts = self.noticed()
        self._note(texts)
        self.provenance |= known
        warnings = list(dict.fromkeys([*whole.provenance["warnings"], *texts]))
        return replace(whole, provenance={**whole.provenance, **known, "warnings": warnings})

    def pieces(
        self, frames: int = PIECE, progress: Progress | None = None, first: int = 0
    ) -> Iterator[RedundancyProblem]:
        """The same problem a number of frames at a time from one on, in bounded memory.

        What is noticed along the paths is not among their warnings: see :meth:`noticed`.
        """
        for start in range(first, len(self), frames):
            piece = slice(start, min(start + frames, len(self)))
            moved = None if progress is None else lambda done, _, start=start: progress(start + done, len(self))
            yield self._problem(piece, moved)
            if self.loads is not None and start:  # the model keeps the loads of the first frames
                self.loads.forget(self.motion.time[piece])

    def piece(self, keep: slice) -> Trial:
        """Give some frames as a trial of its own, in few bytes, for another process that has no OpenSim.

        It begins a frame earlier, unless with the first. Reserves and pairs are those that the pieces before have.
        """
        first = max(keep.start - 1, 0)
        other, frames = copy.copy(self), slice(first, keep.stop)
        other.motion = self.motion.frames(frames)
        if self.loads is not None:
            other.loads = self.loads.within(float(other.motion.time[0]), float(other.motion.time[-1]))
        if self.dynamics is not None:
            other.dynamics = replace(self.dynamics, loads=other.loads)
        if self.given is not None:
            other.given = replace(self.given, time=other.motion.time, value=self.given.value[frames])
        other.provenance = copy.deepcopy(self.provenance)
        other.extraction = self.extraction.piece(other.motion, other.dynamics)
        other.check = TrialCheck(other.extraction)
        other.fingerprint, other.first = None, keep.start - first
        return other

    def own_frames(self) -> RedundancyProblem:
        """The problem of a :meth:`piece`."""
        return self._problem(slice(self.first, len(self)), None)

    def noticed(self) -> tuple[dict[str, Any], list[str]]:
        """What is noticed along exact paths in all frames so far, for the provenance, and sentences about it."""
        found = self.extraction.findings
        return ({} if self.extraction.chain is None else found.plain()), found.texts()

    def at(self, times: Array) -> RedundancyProblem:
        """The problem of the whole body at other times (N,) s within the motion, by the model.

        The motion there is the spline through its frames (:meth:`Kinematics.at`), completed by the model; given moments
        are splined. Pairs and reserves are those of the motion's own frames.
        """
        other = copy.copy(self)
        other.checked = False  # the frames of the motion have been checked
        other.motion = self._followed(times)
        other.model = self.model_for(other.motion)
        other.provenance = copy.deepcopy(self.provenance)
        if self.given is not None:
            other.given = replace(self.given, time=times, value=interpolate(self.motion.time, self.given.value, times))
        if self._added is not None:
            other._added = self._added.at(self.motion.time, times)
        extracted = self.extraction.at(other.motion, lambda _: other.model)
        return replace(other._made(slice(0, len(other)), extracted).to("cpu"), source=self)

    def verify(self, solution: RedundancySolution, missing: Sequence[Missing] = ()) -> dict[str, Any]:
        """Put the forces of a solution back on the model, as :meth:`TrialCheck.solution` does.

        Raises
        ------
        ModelError
            They do not give the motion's accelerations.
        """
        read = None if missing or self.given is not None else self.fingerprint
        if read is not None and (why := read.changed(solution.problem, BALANCED)):
            return {"not_checked": why}
        return self.check.solution(solution, missing, self.model_for)

    def reactions(self, problem: RedundancyProblem, joints: Sequence[str] | None = None) -> JointReactions:
        """What joints transmit at the times of a problem of this model, by default all that the motion determines.

        Raises
        ------
        InputError
            An unknown joint, or moments from a file, which do not tell what loads act.
        ModelError
            A joint whose reaction the motion does not determine, or a muscle whose path has no points.
        """
        motion = self.motion
        if not np.array_equal(problem.time, motion.time):
            rows = np.minimum(np.searchsorted(motion.time, problem.time), len(motion.time) - 1)
            known = np.array_equal(motion.time[rows], problem.time)
            motion = motion.frames(rows) if known else self._followed(problem.time)
        found = self.extraction.reactions(motion, self.model_for(motion), joints)
        for text in self.extraction.pulled():
            warn(text)
        return self._written(found).moved(Device.of(problem.device).put)

    def _written(self, reactions: JointReactions) -> JointReactions:
        """On the body and in the axes in which the options have them written."""
        return replace(reactions, on=self.options.reactions_on, frame=self.options.reactions_frame)

    def _followed(self, times: Array) -> Kinematics:
        """The motion at other times (N,) s, completed by the model."""
        motion = self.motion.at(times)
        moving = motion.time, motion.value, motion.speed, motion.acceleration
        return follow(self.model_for(motion), *moving, self.n_jobs)

    def model_for(self, motion: Kinematics) -> Model:
        """The model with the loads of these frames."""
        first = not self.extraction.alone  # the model has the loads of the whole motion's first frames
        if self.loads is None or (first and np.isin(motion.time, self.motion.time[:PIECE]).all()):
            return self.model
        return replace(self.model, attach=partial(self.loads.attached, time=motion.time))

    def _problem(self, keep: slice, progress: Progress | None) -> RedundancyProblem:
        """Some frames, of the part of the body that the options name."""
        lost, motion = len(self.extraction.lost), self.motion.frames(keep)
        extracted = self.extraction.frames(keep, progress, self.model_for)
        self._note(self.extraction.choice.inconsistent)
        if self.joints is not None and keep.start == 0:
            self._note(self.extraction.pulled())
        if len(self.extraction.lost) > lost:
            left = some([f"{name} ({why})" for name, why in self.extraction.lost.items()], 12)
            self._note([f"Muscles that keep OpenSim's paths from {motion.time[0]:g} s on: {left}."])
        whole = self._made(keep, extracted)
        return part_of(whole, self.options, {name: self._crossing[name] for name in self.assumed})

    def _made(self, keep: slice, extracted: Extracted) -> RedundancyProblem:
        """The problem of extracted arrays: of all muscles and coordinates, or of those of the given moments."""
        motion, geometry = self.motion.frames(keep), extracted.geometry
        actuators = model_actuators(self.model, extracted.effect)
        target = extracted.generalized_force if self.given is None else self.given.value[keep]
        assert target is not None
        if self.checked:
            moments = target if self.given is None else None
            checks, texts = self.check.arrays(motion, geometry, extracted.gain, moments, self.model_for)
            self.provenance["self_check"] |= checks
            self._note(texts)
        self._crossing = dict(zip(geometry.coordinates, geometry.crosses, strict=True))
        if self.given is not None:
            rows = np.array([geometry.coordinates.index(name) for name in self.given.coordinates])
            geometry, actuators = geometry.select(rows), actuators.select(rows)
        self._check_size(motion.time, target, geometry, actuators)
        if self.checked and self.given is None and keep.start == 0:
            self._note(self.check.noise(GeneralizedForce(motion.time, geometry.coordinates, target), motion, self.left))
        added = self._reserves_beside(geometry, actuators).frames(keep)
        self.provenance["reserves_added"] = dict(zip(added.names, added.optimal_force.tolist(), strict=True))
        self._note(extracted.warnings)
        muscles = self.model.description.muscles
        self.provenance["geometry"] = self.extraction.choice.kinds
        put = self.device.put
        problem = RedundancyProblem(
            time=motion.time,
            geometry=geometry.moved(put),
            max_force=put(extracted.gain),
            generalized_force=put(target),
            lower=muscles.min_control,
            upper=muscles.max_control,
            pcsa=muscles.pcsa(),
            weights=np.ones(len(muscles.names)),
            reserves=(actuators + added).moved(put),
            passive_force=put(extracted.passive),
            parameters=muscles,
            kinematics=motion,
            provenance=copy.deepcopy(self.provenance),
            source=self,
            reactions=extracted.reactions and self._written(extracted.reactions).moved(put),
        )
        self.fingerprint = Fingerprint.of(problem)
        return problem

    def _check_size(self, time: Array, target: Array, geometry: MuscleGeometry, actuators: ReserveActuators) -> None:
        """Refuse balanced generalized forces that are too large for the model, its weight and its loads."""
        rows = np.flatnonzero(~np.isin(geometry.coordinates, list(self.left)))
        target, geometry, actuators = target[:, rows], geometry.select(rows), actuators.select(rows)
        description, loads = self.model.description, self.loads
        force, torque = (0.0, 0.0) if loads is None else (loads.largest("force"), loads.largest("torque"))
        source = self.provenance.get("inputs", {}).get("motion" if self.given is None else "generalized_force", {})
        self._note(check_size(
            time, target, self._described(geometry), geometry, description.muscles.max_isometric_force, actuators,
            description.weight, force, torque, source.get("file"),
        ))  # fmt: skip

    def _reserves_beside(self, geometry: MuscleGeometry, actuators: ReserveActuators) -> ReserveActuators:
        """Reserves added to the model's actuators: chosen once, so that all pieces have the same."""
        if self._added is None:
            rotational = [coordinate.rotational for coordinate in self._described(geometry)]
            acts, served = np.asarray(actuators.acts.any(axis=1)), geometry.served
            self._added = choose_reserves(self.options.reserves, geometry.coordinates, rotational, served, acts)
        return self._added

    def _described(self, geometry: MuscleGeometry) -> list[Coordinate]:
        """The model's description of the coordinates of a geometry."""
        by_name = {coordinate.name: coordinate for coordinate in self.model.description.coordinates}
        return [by_name[name] for name in geometry.coordinates]

    def _note(self, warnings: list[str]) -> None:
        known = self.provenance["warnings"]
        known += [line for line in dict.fromkeys(warnings) if line not in known]
