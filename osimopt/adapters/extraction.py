"""The arrays of a trial's frames, each by what its options ask for: exact paths and dynamics, fitted paths, OpenSim."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..devices import CPU, Device
from ..errors import InputError, explain
from ..isolation import Progress
from ..multibody.reactions import TreeJoints
from ..namespace import namespace, plain
from ..polynomial.muscle_paths import MusclePaths
from ..problem.arrays import Array, Kinematics, MuscleGeometry, acts
from ..problem.reactions import JointReactions
from .arrays import (
    along_motion,
    extract,
    join_muscles,
    model_geometry,
    muscle_forces,
    refuse_lost,
    refuse_unknown,
    rows_of_postures,
)
from .exact import ExactPaths
from .exact_chain import ExactChain, joined
from .exact_differences import PathFindings
from .exact_dynamics import ExactDynamics
from .messages import FrameArrays, Mask, Wanted
from .model import Model
from .options import ReadOptions
from .path_choice import PathChoice
from .polynomials import pulled_along
from .reactions import Transmission, transmitting

#: The model with the loads of some frames.
ModelFor = Callable[[Kinematics], Model]


@dataclass(frozen=True, eq=False)
class Extracted:
    """Arrays of frames: the muscles' geometry, gain and passive force (T, M) in N, and what the dynamics need.

    ``generalized_force`` (T, D) is None where moments are given; ``effect`` (T, D, K) is of the model's own actuators.
    ``reactions`` are what joints transmit, where they are wanted.
    """

    geometry: MuscleGeometry
    gain: Array
    passive: Array
    generalized_force: Array | None
    effect: Array
    warnings: list[str]
    reactions: JointReactions | None = None


class NeedsOpenSimError(Exception):
    """A piece of a motion cannot be computed from arrays alone."""


@dataclass(eq=False)
class Extraction:
    """How the arrays of a trial are computed.

    ``model`` and ``motion`` are the trial's; ``fitted`` paths of some muscles are used before ``exact`` ones, and these
    before OpenSim's (``choice``); ``dynamics`` are used in place of OpenSim's. ``moments`` is whether any are wanted,
    ``joints`` are those whose reactions are. Through joints muscles pull along the ``pulling`` paths: the exact ones,
    also where fitted ones are used. ``lost`` says by name why muscles have lost their exact path in the motion,
    ``findings`` what was noticed along the exact paths. Where it is ``alone``, in another process, OpenSim is not
    asked: a :class:`NeedsOpenSimError`.
    """

    model: Model
    motion: Kinematics
    fitted: MusclePaths | None
    exact: ExactPaths | None
    dynamics: ExactDynamics | None
    moments: bool
    options: ReadOptions
    n_jobs: int
    device: Device = CPU
    joints: TreeJoints | None = None
    lost: dict[str, str] = field(default_factory=dict)
    findings: PathFindings = field(default_factory=PathFindings)
    pulling: ExactPaths | None = field(default=None, init=False)
    choice: PathChoice = field(init=False)
    crossing: Mask | None = field(default=None, init=False)
    chain: ExactChain | None = field(default=None, init=False)
    alone: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        fitted = () if self.fitted is None else self.fitted.muscles
        self.pulling = self.exact
        self._use(None if self.exact is None else self.exact.without(fitted))

    def _use(self, exact: ExactPaths | None) -> None:
        """Compute these exact paths, if any, with the dynamics."""
        self.exact = exact if exact is not None and exact.muscles else None
        postures = self.motion.frames(rows_of_postures(len(self.motion.time)))
        self.choice = PathChoice(self.model, postures, self.fitted, self.exact, self.options)
        free = np.array(self.model.description.free, dtype=np.intp)
        self.chain = None if self.exact is None else ExactChain(self.exact, self.dynamics, free)
        if self.chain is not None and self.dynamics is not None and self.joints is not None and self.fitted is None:
            self.chain = transmitting(self.model, self.chain, self.joints)

    def frames(self, keep: slice, progress: Progress | None, model_for: ModelFor) -> Extracted:
        """Arrays of some frames of the motion; ``model_for`` gives the model with the loads of some.

        Muscles whose exact path does not settle in one of them get OpenSim's, there and from there on.
        """
        motion = self.motion.frames(keep)
        while self.chain is not None:
            found, lost = self._pass(self.chain, keep)
            if not lost:
                if progress is not None and self.dynamics is not None and not self.choice.by_model:
                    progress(len(motion.time), len(motion.time))  # OpenSim counts what it is asked for
                return self._with(motion, progress, model_for, found)
            if self.alone:
                raise NeedsOpenSimError
            self.lost |= lost
            self._use(None if self.exact is None else self.exact.without(lost))
            self.crossing = None
        return self._with(motion, progress, model_for, self._dynamics(motion))

    def at(self, motion: Kinematics, model_for: ModelFor) -> Extracted:
        """Arrays of a motion at other times.

        Raises
        ------
        ModelError
            A path that does not settle.
        """
        if self.chain is None:
            found = self._dynamics(motion)
        else:
            whole = slice(0, len(motion.time))
            blocks = self.chain.blocks(motion, whole, self.moments, self.device)
            found = joined([block.arrays for block in blocks])
            refuse_lost(self.model, motion.time, self.chain.paths.muscles, plain(found["length"]))
        return self._with(motion, None, model_for, found)

    def reactions(self, motion: Kinematics, model: Model, joints: str | Sequence[str] | None) -> JointReactions:
        """What joints transmit in a motion, as :meth:`Transmission.of` gives it."""
        if not self.moments:
            fix = "Give external_loads in place of generalized_force."
            raise InputError(explain("loads, for joint reactions", "generalized_force, moments from a file", fix))
        return self._transmission.of(model, motion, joints)

    @property
    def _transmission(self) -> Transmission:
        pulling = None if self.pulling is None else self.pulling.without(self.lost)
        return Transmission(self.model, self.dynamics, pulling, self.choice.acting, self.n_jobs, self.device)

    def pulled(self) -> list[str]:
        """A sentence on the paths along which muscles with fitted ones pull, for joint reactions."""
        return [] if self.fitted is None else [pulled_along(self.fitted, self.pulling, self.model, self.motion)]

    @property
    def by_arrays(self) -> bool:
        """Whether OpenSim computes nothing of a motion."""
        known = self.chain is not None and (self.chain.dynamics is not None or not self.moments)
        return known and not self.choice.by_model and not self.choice.gains

    def piece(self, motion: Kinematics, dynamics: ExactDynamics | None) -> Extraction:
        """The same for some frames of the motion, by arrays alone; what is noticed is that of these frames."""
        other = copy.copy(self)
        other.motion, other.dynamics, other.findings, other.alone = motion, dynamics, PathFindings(), True
        if self.chain is not None:
            reactions = self.chain.reactions
            if reactions is not None and dynamics is not None:
                reactions = replace(reactions, dynamics=dynamics)  # with the loads of these frames alone
            other.chain = replace(self.chain, dynamics=dynamics, reactions=reactions)
        return other

    def _pass(self, chain: ExactChain, keep: slice) -> tuple[dict[str, Array], dict[str, str]]:
        """Arrays of some frames by exact paths, and why muscles have lost theirs."""
        blocks, findings = [], copy.deepcopy(self.findings)
        for block in chain.blocks(self.motion, keep, self.moments, self.device):
            findings.add(chain.paths, block)
            blocks.append(block.arrays)
        found, time = joined(blocks), self.motion.time[keep]
        length, lost = found["length"], dict[str, str]()
        for column in np.flatnonzero(plain(namespace(length).isnan(length).any(axis=0))).tolist():
            missing = np.isnan(plain(length[:, column]))
            lost[chain.paths.muscles[column]] = (
                f"its path does not settle in {missing.sum()} of {len(time)} frames, first at "
                f"{time[missing.argmax()]:g} s"
            )
        if not lost:
            self.findings = findings
        return found, lost

    def _dynamics(self, motion: Kinematics) -> dict[str, Array]:
        """Arrays of a motion without exact paths."""
        return {} if self.dynamics is None else self.dynamics.arrays(motion, self.moments)

    def _with(
        self, motion: Kinematics, progress: Progress | None, model_for: ModelFor, exact: dict[str, Array]
    ) -> Extracted:
        """Everything of a motion, with the arrays that are computed already."""
        extracted = self._by_opensim(motion, progress, model_for, exact)
        geometry = self._geometry(extracted.arrays, motion, exact)
        gain, passive = muscle_forces(
            self.model.description.muscles, geometry, extracted.arrays, self.choice.acting, self.choice.gains,
            self.options.gain, self.options.passive_force,
        )  # fmt: skip
        reactions = self._reactions(motion, model_for, exact)
        arrays, force = extracted.arrays, extracted.arrays.get("generalized_force")
        return Extracted(geometry, gain, passive, force, arrays["effect"], extracted.warnings, reactions)

    def _reactions(self, motion: Kinematics, model_for: ModelFor, exact: dict[str, Array]) -> JointReactions | None:
        """What the joints transmit that are wanted: computed already with exact paths, or here."""
        if self.joints is None:
            return None
        if self.chain is not None and self.chain.reactions is not None:
            return self._transmission.whole(self.chain, exact, model_for(motion), motion)
        return self._transmission.of(model_for(motion), motion, self.joints.names)

    def _by_opensim(
        self, motion: Kinematics, progress: Progress | None, model_for: ModelFor, exact: dict[str, Array]
    ) -> FrameArrays:
        """What OpenSim has to compute, beside the dynamics that are computed already."""
        by_model, gains = tuple(self.choice.by_model), tuple(self.choice.gains)
        dynamics = {name: array for name, array in exact.items() if name in ("generalized_force", "effect")}
        if dynamics and not (by_model or gains):
            none = np.zeros((len(motion.time), 0))
            return FrameArrays({**dynamics, "max_force": none, "passive_force": none}, (), [])
        moments = self.moments and not dynamics
        wanted = Wanted(by_model, moments, self.options.passive_force, gains)
        model = model_for(motion)
        model = model.with_rigid_tendons() if self.options.passive_force and gains else model
        found = extract(model, motion, self.choice.pairs, wanted, self.n_jobs, progress)
        if moments:
            refuse_unknown(model, motion, found.arrays["generalized_force"])
        return replace(found, arrays={**found.arrays, **dynamics})

    def _geometry(self, arrays: dict[str, Array], motion: Kinematics, exact: dict[str, Array]) -> MuscleGeometry:
        """Moment arms by the paths given, and those of the other muscles by OpenSim."""
        parts = []
        if by_model := self.choice.by_model:
            parts.append(model_geometry(self.model, self.choice.pairs, by_model, arrays))
        if self.chain is not None:
            parts.append(self._along(self.chain, motion, exact))
        if self.fitted is not None:
            parts.append(along_motion(self.fitted, self.model, motion))
            refuse_lost(self.model, motion.time, parts[-1].muscles, np.asarray(parts[-1].length))
        return join_muscles(parts, self.model.description.muscles.names)

    def _along(self, chain: ExactChain, motion: Kinematics, exact: dict[str, Array]) -> MuscleGeometry:
        """The geometry of the muscles with exact paths."""
        followed = chain.following(motion)
        crossing = followed.any(self._acts(chain, motion, exact["arms"]))
        served = np.isin(np.arange(len(chain.free)), followed.coordinate[crossing])
        return MuscleGeometry(
            chain.paths.muscles, tuple(motion.coordinates[index] for index in chain.free), followed.coordinate,
            followed.acting, exact["moment_arms"], exact["length"], exact["lengthening_speed"], served, crossing,
        )  # fmt: skip

    def _acts(self, chain: ExactChain, motion: Kinematics, arms: Array) -> Mask:
        """(R,) which pairs of the exact paths act in postures of the motion: the same for all its pieces."""
        if self.crossing is None:
            rows = rows_of_postures(len(self.motion.time))
            if np.array_equal(motion.time, self.motion.time):
                arms = arms[rows]
            else:
                arms = chain.block(self.motion.frames(rows), None, moments=False).arms.T
            self.crossing = plain(acts(arms, axis=0))
        return self.crossing
