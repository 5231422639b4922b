"""A trial: a model and a motion, read and checked, from which problems are taken, whole or piece by piece."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import isolation
from ..errors import ModelError, explain, some
from ..muscle import rigid_tendon_gain, rigid_tendon_passive, supported
from ..polynomial.paths import MusclePaths
from ..problem.arrays import GeneralizedForce, Kinematics, MuscleGeometry
from ..problem.problem import RedundancyProblem
from ..problem.resampling import Fingerprint
from ..problem.reserves import ReserveActuators, choose_reserves
from ..signals import interpolate
from ..solution.solution import RedundancySolution
from .arrays import Extracted, Progress, extract, find_pairs
from .completion import follow
from .loads import ExternalLoads
from .messages import Claims, Pairs, Wanted
from .model import Model
from .plausibility import check_size
from .polynomials import along_motion, compare_paths, join_muscles
from .put_back import put_back
from .selfcheck import check_trial, spread

Array = NDArray[np.float64]

#: Frames of a motion that are worth another process: 0.2 s of work; and the most that are started unasked.
FRAMES_PER_JOB, MOST_JOBS = 100, 8
#: Arrays that a balance of moments is made of, as ``Fingerprint`` calls them.
BALANCED = ("moment arms", "generalized_force")
#: Frames of a piece: 80 muscles take 60 MB.
PIECE = 5000


@dataclass(eq=False)
class Trial:
    """A model, its motion, and what is wanted of them.

    ``model`` has the loads of the first frames. ``given`` are moments from a file, in place of inverse dynamics;
    ``polynomials`` paths of muscles in place of the model's own, which those without one keep; ``heard`` the warnings
    given while reading. OpenSim is asked a second time about what is extracted where it is ``checked``.
    """

    model: Model
    motion: Kinematics
    loads: ExternalLoads | None
    given: GeneralizedForce | None
    polynomials: MusclePaths | None
    gain: str
    passive_force: bool
    reserves: Any
    n_jobs: int
    heard: list[str]
    provenance: dict[str, Any]
    _pairs: Pairs | None = field(default=None, init=False)
    _added: ReserveActuators | None = field(default=None, init=False)
    fingerprint: Fingerprint | None = field(default=None, init=False)
    checked: bool = field(default=True, init=False)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.motion.time)

    def problem(self, progress: Progress | None = None) -> RedundancyProblem:
        """All frames at once; the problem has this trial as its source."""
        return self._known(self._problem(slice(0, len(self)), progress))

    def _known(self, problem: RedundancyProblem) -> RedundancyProblem:
        self.fingerprint = Fingerprint.of(problem)
        return replace(problem, source=self)

    def verify(self, solution: RedundancySolution) -> dict[str, Any]:
        """Put the forces of a solution back into OpenSim: what was checked, or why not.

        Raises
        ------
        ModelError
            They do not give the motion's accelerations.
        """
        if self.given is not None:
            return {"not_checked": "moments from a file"}
        if self.fingerprint is not None and (why := self.fingerprint.changed(solution.problem, BALANCED)):
            return {"not_checked": why}
        own = np.isin(solution.time, self.motion.time)
        if solution.problem.source is None and not own.any():
            return {"not_checked": "splines between the frames of the motion"}
        fitted = () if self.polynomials is None else self.polynomials.muscles
        fitted = (*fitted, *self.model.description.within)
        return put_back(solution, own if own.any() else ~own, self._model_at, fitted)

    def _model_at(self, motion: Kinematics) -> Model:
        """The model that is loaded, where its loads are known at these frames, or one that knows them."""
        known = np.isin(motion.time, self.motion.time[:PIECE]).all()
        return self.model if known else self.model_for(motion)

    def pieces(self, frames: int = PIECE, progress: Progress | None = None) -> Iterator[RedundancyProblem]:
        """The same problem a number of frames at a time, in bounded memory."""
        for start in range(0, len(self), frames):
            stop = min(start + frames, len(self))
            moved = None if progress is None else lambda done, _, start=start: progress(start + done, len(self))
            yield self._known(self._problem(slice(start, stop), moved))
            if self.loads is not None and len(self) > frames:
                self.loads.forget(self.motion.frames(slice(start, stop)).time)

    def at(self, times: Array) -> RedundancyProblem:
        """The same problem at other times (N,) s within the motion, by the model.

        The motion there is the spline through its frames (:meth:`Kinematics.at`), and what the model itself decides
        follows from that; given moments are splined. Pairs and reserves are those of the motion's own frames.
        """
        self._find_pairs()
        other = copy.copy(self)
        other.checked = False  # its own frames were
        motion = self.motion.at(times)
        moving = motion.time, motion.value, motion.speed, motion.acceleration
        other.motion = follow(self.model_for(motion), *moving, self.n_jobs)
        other.provenance = copy.deepcopy(self.provenance)
        if self.given is not None:
            other.given = replace(self.given, time=times, value=interpolate(self.motion.time, self.given.value, times))
        if self._added is not None:
            other._added = self._added.at(self.motion.time, times)
        return replace(other.problem(), source=self)

    def model_for(self, motion: Kinematics) -> Model:
        """The model with the loads of these frames of the motion."""
        return self.model if self.loads is None else self.model.with_loads(self.loads.at(motion.time))

    def _problem(self, keep: slice, progress: Progress | None) -> RedundancyProblem:
        motion = self.motion.frames(keep)
        extracted = self._extract(motion, progress)
        geometry = self._geometry(extracted, motion)
        gain, passive = self._forces(geometry, extracted)
        target, actuators = extracted.generalized_force, extracted.actuators
        self._check(motion, geometry, gain, target)
        if self.given is not None:
            target = self.given.value[keep]
            rows = np.array([geometry.coordinates.index(name) for name in self.given.coordinates])
            geometry, actuators = geometry.select(rows), actuators.select(rows)
        self._check_size(motion.time, np.asarray(target), geometry, actuators)
        added = self._reserves_beside(geometry, actuators).frames(keep)
        self.provenance["reserves_added"] = dict(zip(added.names, added.optimal_force.tolist(), strict=True))
        self._note(extracted.warnings)
        muscles = self.model.description.muscles
        return RedundancyProblem(
            time=motion.time,
            geometry=geometry,
            max_force=gain,
            generalized_force=np.asarray(target),
            lower=muscles.min_control,
            upper=muscles.max_control,
            pcsa=muscles.pcsa(),
            weights=np.ones(len(muscles.names)),
            reserves=actuators + added,
            passive_force=passive,
            parameters=muscles,
            kinematics=motion,
            provenance=copy.deepcopy(self.provenance),
        )

    def _check_size(self, time: Array, target: Array, geometry: MuscleGeometry, actuators: ReserveActuators) -> None:
        """Refuse generalized forces of a size that nothing in the model or on it explains."""
        description, loads = self.model.description, self.loads
        by_name = {coordinate.name: coordinate for coordinate in description.coordinates}
        force, torque = (0.0, 0.0) if loads is None else (loads.largest("force"), loads.largest("torque"))
        source = self.provenance.get("inputs", {}).get("motion" if self.given is None else "generalized_force", {})
        found = check_size(
            time, target, [by_name[name] for name in geometry.coordinates], geometry,
            description.muscles.max_isometric_force, actuators, description.weight, force, torque, source.get("file"),
        )  # fmt: skip
        self._note(found)

    def _check(self, motion: Kinematics, geometry: MuscleGeometry, gain: Array, target: Array | None) -> None:
        """Ask OpenSim a second time about three frames."""
        if not self.checked:
            return
        few = spread(len(motion.time))
        own = self.polynomials is None
        claims = Claims(
            self._find_pairs() if own else None,
            geometry.moment_arms[few] if own else None,
            gain[few] if own and self.gain == "opensim" else None,
            None if target is None else target[few],
        )
        frames = motion.frames(few)
        model = self._model_at(frames)
        self.provenance["self_check"]["trial"] = check_trial(model, frames, claims, self.n_jobs)
        if not own:
            fitted = sorted(set(range(len(gain[0]))) - set(self._own_paths()))
            self._note(compare_paths(model, frames, geometry.frames(few).moment_arm, fitted))

    def _extract(self, motion: Kinematics, progress: Progress | None) -> Extracted:
        pairs = self._find_pairs()
        asked = self._asked()
        wanted = Wanted(self._own_paths(), self.given is None, self.passive_force, asked)
        model = self.model_for(motion)
        model = model.with_rigid_tendons() if self.passive_force and asked else model
        return extract(model, motion, pairs, wanted, self.n_jobs, progress)

    def _geometry(self, extracted: Extracted, motion: Kinematics) -> MuscleGeometry:
        """By the polynomials, and of the other muscles as the model has it."""
        parts = [] if extracted.geometry is None else [extracted.geometry]
        if self.polynomials is not None:
            parts.append(along_motion(self.polynomials, self.model, motion))
        return join_muscles(parts, self.model.description.muscles.names)

    def _own_paths(self) -> tuple[int, ...]:
        """Muscles whose paths are the model's own."""
        given = () if self.polynomials is None else self.polynomials.muscles
        return tuple(i for i, name in enumerate(self.model.description.muscles.names) if name not in given)

    def _find_pairs(self) -> Pairs:
        """Which muscles act where: found once, in postures of the whole motion."""
        if self._pairs is None:
            size = len(self.model.description.free), len(self.model.description.muscles.names)
            own = self._own_paths()
            self._pairs = find_pairs(self.model, self.motion, own) if own else Pairs.none(*size)
            named = () if self.polynomials is None else self.polynomials.left
            self._note([line for line in self._pairs.warnings if line.partition(":")[0] not in named])
        return self._pairs

    def _asked(self) -> tuple[int, ...]:
        """Muscles whose gain only OpenSim knows."""
        muscles = self.model.description.muscles
        if self.gain == "isometric" and not self.passive_force:
            return ()
        unknown = np.flatnonzero(~supported(muscles))
        if fitted := sorted(set(unknown.tolist()) - set(self._own_paths())):
            got = some(f"{muscles.classes[i]} '{muscles.names[i]}'" for i in fitted)
            fix = "Use geometry='opensim' for this model, or paths without these muscles."
            expected = "muscles whose curves osimopt has, for polynomial paths"
            raise ModelError(explain(expected, got, fix, self.model.path))
        return tuple(unknown.tolist())

    def _forces(self, geometry: MuscleGeometry, extracted: Extracted) -> tuple[Array, Array]:
        """Gain and passive force (T, M) in N."""
        muscles = self.model.description.muscles
        length, speed = np.asarray(geometry.length), np.asarray(geometry.lengthening_speed)
        asked = list(self._asked())
        own = np.setdiff1d(np.arange(len(muscles.names)), asked)
        gain, passive = np.empty(length.shape), np.zeros(length.shape)
        gain[:, asked] = extracted.max_force
        if self.gain == "isometric":
            gain[:] = muscles.max_isometric_force
        else:
            pennation: Any = self.gain
            gain[:, own] = rigid_tendon_gain(muscles.select(own), length[:, own], speed[:, own], pennation)
        if self.passive_force:
            passive[:, asked] = extracted.passive_force
            passive[:, own] = rigid_tendon_passive(muscles.select(own), length[:, own])
        return gain, passive

    def _reserves_beside(self, geometry: MuscleGeometry, actuators: ReserveActuators) -> ReserveActuators:
        """What is added to the model's actuators: chosen once, so that all pieces have the same."""
        if self._added is None:
            by_name = {coordinate.name: coordinate for coordinate in self.model.description.coordinates}
            self._added = choose_reserves(
                self.reserves,
                geometry.coordinates,
                [by_name[name].rotational for name in geometry.coordinates],
                geometry.served,
                np.asarray(actuators.acts.any(axis=1)),
            )
        return self._added

    def _note(self, warnings: list[str]) -> None:
        known = self.provenance["warnings"]
        known += [line for line in dict.fromkeys(warnings) if line not in known]


def count_jobs(n_jobs: int | None, frames: int) -> int:
    """Processes that share the frames: as asked, else as many as there are cores and work for."""
    return isolation.count_jobs(n_jobs, min(MOST_JOBS, 1 + frames // FRAMES_PER_JOB))
