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
from ..namespace import plain
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
from .bandwidth import moments_above
from .completion import follow
from .exact import ExactPaths
from .exact_bench import Bench, set_up
from .exact_check import check_dynamics, check_paths
from .exact_dynamics import ExactDynamics
from .exact_solution import check_exact_solution
from .extraction import Extracted, Extraction
from .forces import check_size
from .loads import ExternalLoads
from .messages import Claims, Mask, Pairs
from .model import Model
from .options import ReadOptions
from .part import refuse_assumed
from .polynomials import compare_paths, pulled_along
from .selfcheck import Missing, check_solution, check_trial, spread

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
    _kept_bench: Bench | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        own = self.paths if isinstance(self.paths, ExactPaths) else None
        fitted, exact = (self.paths, self.exact) if own is None else (None, own)
        moments = self.given is None
        self.extraction = Extraction(
            self.model, self.motion, fitted, exact, self.dynamics, moments, self.options, self.n_jobs, self.device,
            self.joints,
        )  # fmt: skip

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.motion.time)

    def problem(self, progress: Progress | None = None) -> RedundancyProblem:
        """All frames at once; the problem has this trial as its source."""
        whole = self._part(self._problem(slice(0, len(self)), progress))
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
            yield self._part(self._problem(piece, moved))
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
        other.fingerprint, other._kept_bench, other.first = None, None, keep.start - first
        return other

    def own_frames(self) -> RedundancyProblem:
        """The problem of a :meth:`piece`."""
        return self._part(self._problem(slice(self.first, len(self)), None))

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
        """Put the forces of a solution back on the model; returns the differences, or why nothing was checked.

        By arrays where these give the dynamics, else by OpenSim.
        ``missing`` functions give the generalized forces on coordinates that a part of the body leaves out.

        Raises
        ------
        ModelError
            They do not give the motion's accelerations.
        """
        if self.given is not None:
            return {"not_checked": "moments from a file"}
        read, problem = self.fingerprint, solution.problem
        if read is not None and not missing and (why := read.changed(problem, BALANCED)):
            return {"not_checked": why}
        known = np.isin(solution.time, self.motion.time)
        if problem.source is None and not known.any():
            return {"not_checked": "splines between the frames of the motion"}
        among = known if known.any() else ~known
        if self.dynamics is not None:
            return check_exact_solution(solution, among, self.model, self._bench, missing)
        fitted = (*self.extraction.given, *self.model.description.within)
        return check_solution(solution, among, self.model_for, fitted, missing, self.extraction.exact)

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
        for text in self._pulling():
            warn(text)
        return self._written(found).moved(Device.of(problem.device).put)

    def _written(self, reactions: JointReactions) -> JointReactions:
        """On the body and in the axes in which the options have them written."""
        return replace(reactions, on=self.options.reactions_on, frame=self.options.reactions_frame)

    def _pulling(self) -> list[str]:
        """A sentence on the paths along which muscles with fitted ones pull, for joint reactions."""
        fitted, exact = self.extraction.fitted, self.extraction.pulling
        return [] if fitted is None else [pulled_along(fitted, exact, self.model, self.motion)]

    def _followed(self, times: Array) -> Kinematics:
        """The motion at other times (N,) s, completed by the model."""
        motion = self.motion.at(times)
        moving = motion.time, motion.value, motion.speed, motion.acceleration
        return follow(self.model_for(motion), *moving, self.n_jobs)

    @property
    def pairs(self) -> Pairs:
        """Pairs of the muscles that may act, along the model's own paths, in the whole motion."""
        return self.extraction.pairs

    def model_for(self, motion: Kinematics) -> Model:
        """The model with the loads of these frames."""
        first = not self.extraction.alone  # the model has the loads of the whole motion's first frames
        if self.loads is None or (first and np.isin(motion.time, self.motion.time[:PIECE]).all()):
            return self.model
        return replace(self.model, attach=partial(self.loads.attached, time=motion.time))

    def _part(self, whole: RedundancyProblem) -> RedundancyProblem:
        """The part of the body that the options name."""
        read = self.options
        part = whole.part(read.coordinates, read.muscles, left_out=read.left_out)
        kept = np.isin(whole.muscles, part.muscles)
        refuse_assumed({name: np.array(whole.muscles)[kept & self._crossing[name]] for name in self.assumed}, read)
        if part is whole:
            return whole
        actuators = zip(part.reserves.names, part.reserves.origin, part.reserves.optimal_force.tolist(), strict=True)
        added = {name: force for name, origin, force in actuators if origin != "model"}
        return replace(part, provenance={**part.provenance, "reserves_added": added})

    def _problem(self, keep: slice, progress: Progress | None) -> RedundancyProblem:
        """All muscles and coordinates, or those of the given moments."""
        lost, motion = len(self.extraction.lost), self.motion.frames(keep)
        extracted = self.extraction.frames(keep, progress, self.model_for)
        self._note(self.extraction.inconsistent)
        if self.joints is not None and keep.start == 0:
            self._note(self._pulling())
        if len(self.extraction.lost) > lost:
            left = some([f"{name} ({why})" for name, why in self.extraction.lost.items()], 12)
            self._note([f"Muscles that keep OpenSim's paths from {motion.time[0]:g} s on: {left}."])
        return self._made(keep, extracted)

    def _made(self, keep: slice, extracted: Extracted) -> RedundancyProblem:
        """The problem of the extracted arrays of some frames."""
        motion, geometry = self.motion.frames(keep), extracted.geometry
        actuators = model_actuators(self.model, extracted.effect)
        target = extracted.generalized_force if self.given is None else self.given.value[keep]
        assert target is not None
        if self.checked:
            self._check(motion, geometry, extracted.gain, target if self.given is None else None)
        self._crossing = dict(zip(geometry.coordinates, geometry.crosses, strict=True))
        if self.given is not None:
            rows = np.array([geometry.coordinates.index(name) for name in self.given.coordinates])
            geometry, actuators = geometry.select(rows), actuators.select(rows)
        self._check_size(motion.time, target, geometry, actuators)
        if self.checked and self.given is None and keep.start == 0:
            own = [row for row, name in enumerate(geometry.coordinates) if name not in self.left]
            balanced = tuple(geometry.coordinates[row] for row in own)
            filtered = self.options.lowpass_hz is not None  # then nothing of their values is asked for
            moments = GeneralizedForce(motion.time, balanced, target[:, own] if filtered else plain(target[:, own]))
            self._note(moments_above(self.options, motion, self.model, moments, given=False))
        added = self._reserves_beside(geometry, actuators).frames(keep)
        self.provenance["reserves_added"] = dict(zip(added.names, added.optimal_force.tolist(), strict=True))
        self._note(extracted.warnings)
        muscles = self.model.description.muscles
        self.provenance["geometry"] = self.extraction.kinds
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

    def _check(self, motion: Kinematics, geometry: MuscleGeometry, gain: Array, target: Array | None) -> None:
        """Compare three frames with what other ways give: exact paths and dynamics by arrays, all else by OpenSim."""
        few, checks, found = spread(len(motion.time)), self.provenance["self_check"], self.extraction
        frames, moments = motion.frames(few), None if target is None else plain(target[few])
        names, along = self.model.description.muscles.names, geometry.frames(few).moved(plain)
        if found.exact is not None:
            own = [i for i in found.acting if names[i] in found.exact.muscles]
            if own:
                checks["paths"] = check_paths(self._bench(frames), self.model, along, own)
        if self.dynamics is not None and moments is not None:
            checks["dynamics"] = check_dynamics(self._bench(frames), self.model, moments)
        if self.dynamics is not None and not found.by_model:
            return
        moments = None if self.dynamics is not None else moments
        model, claims = self.model_for(frames), Claims(None, None, None, moments)
        if not found.given:
            gain_by_opensim = plain(gain[few]) if self.options.gain == "opensim" else None
            claims = Claims(found.pairs, along.moment_arms, gain_by_opensim, moments)
        checks["trial"] = check_trial(model, frames, claims, self.n_jobs, found.acting)
        if found.fitted is not None and self.exact is None:
            others = [i for i in found.acting if names[i] in found.fitted.muscles]
            self._note(compare_paths(model, frames, along.moment_arm, others))

    def _bench(self, motion: Kinematics) -> Bench:
        """Frames in which exact paths and dynamics are compared; the last ones are kept."""
        kept, paths = self._kept_bench, self.extraction.exact
        if paths is None:
            assert self.dynamics is not None
            paths = ExactPaths(self.dynamics.multibody, self.dynamics.paths, (), {})
        if kept is None or kept.paths.muscles != paths.muscles or not kept.motion.same(motion):
            free = np.array(self.model.description.free, dtype=np.intp)
            self._kept_bench = kept = set_up(paths, self.dynamics, motion, free)
        return kept

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
