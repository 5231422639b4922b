"""From a motion to the arrays of a problem in one pass: postures, muscle paths, moment arms, dynamics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..devices import CPU, Device
from ..multibody.kinematics import Posture
from ..multibody.loads import MeasuredLoads
from ..namespace import frames_last, namespace
from ..paths.solve import SolvedPaths
from ..problem.arrays import Array, Index, Kinematics
from .exact import BLOCK, ExactPaths
from .exact_dynamics import ExactDynamics
from .exact_reactions import ReactionMap
from .following import Following, following

#: Numbers of a frame, by the pairs of muscles and coordinates, in the widest arrays on a device: 80 muscles take 66 kB.
WIDTH = 2


@dataclass(frozen=True, eq=False)
class ExactBlock:
    """What is computed of consecutive frames T of a motion, with NumPy or torch, as the arrays of the motion are.

    ``length`` and ``lengthening_speed`` (T, M) of the muscles in m and m/s; ``moment_arms`` (T, P) in m of the pairs
    of :attr:`ExactChain.pairs`. ``generalized_force`` (T, D) is what actuators must produce, None where it was not
    wanted; ``effect`` (T, D, K), or (1, D, K) where it is the same in all postures, what each of the model's own
    actuators does per unit control. Both are None where OpenSim computes the dynamics.

    ``at`` are the postures, ``solved`` the paths in them, bundle by bundle, and ``arms`` (R, T) the moment arms about
    all coordinates, of the pairs of :attr:`ExactPaths.pairs`. ``reactions`` are the arrays of :class:`ReactionMap`, if
    they were wanted. The first frames are those ``before``: they are in the block before, too.
    """

    motion: Kinematics
    length: Array
    lengthening_speed: Array
    moment_arms: Array
    generalized_force: Array | None
    effect: Array | None
    at: Posture
    solved: list[SolvedPaths]
    arms: Array
    reactions: Mapping[str, Array] = field(default_factory=dict)
    before: int = 0

    @property
    def arrays(self) -> dict[str, Array]:
        """By name, the arrays of the frames that are not in the block before; ``arms`` (T, R) with time first."""
        names = ("length", "lengthening_speed", "moment_arms", "generalized_force", "effect")
        known = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        own = {
            name: array if name == "effect" and len(array) == 1 else array[self.before :]
            for name, array in known.items()
        }
        reactions = {name: array[self.before :] for name, array in self.reactions.items()}
        return {**own, **reactions, "arms": self.arms.T[self.before :]}


@dataclass(frozen=True, eq=False)
class ExactChain:
    """Exact muscle paths and inverse dynamics of a model, about its free coordinates (D,).

    ``dynamics`` is None where OpenSim computes the generalized forces; ``reactions`` are computed where wanted.
    """

    paths: ExactPaths
    dynamics: ExactDynamics | None
    free: Index
    reactions: ReactionMap | None = None

    def following(self, motion: Kinematics) -> Following:
        """The pairs (P,) of free coordinates and muscles in a motion, and what of others is added to them."""
        return following(*self.paths.pairs, self.free, len(motion.coordinates), motion.coupling)

    def block(self, motion: Kinematics, loads: MeasuredLoads | None, moments: bool = True) -> ExactBlock:
        """All arrays of a motion (T frames, of which all are held), with the measured loads at its frames.

        The arrays of the motion and of the loads may be torch's; all of what is returned then is, too, on the same
        device. ``moments`` are wanted or not.

        Raises
        ------
        ModelError
            Gimbal lock.
        """
        at, solved = self.paths.solve(motion.value)
        length, arms = self.paths.measured(at, solved)
        coupled = None if motion.coupling is None else frames_last(motion.coupling.slope)
        about = self.following(motion).apply(arms, coupled)
        lengthening = self.paths.lengthening(arms, frames_last(motion.speed))
        force = effect = None
        transmitted: Mapping[str, Array] = {}
        if self.dynamics is not None:
            others = self.dynamics.along_others(at)
            effect = self.dynamics.effects(motion, at, others)
            if moments:
                needed = self.dynamics.needed(motion, at, others, loads)
                force = self.dynamics.about_free(motion, at, needed)
                if self.reactions is not None:
                    transmitted = self.reactions.block(at, solved, needed, others)
        return ExactBlock(motion, length, lengthening, about.T, force, effect, at, solved, arms, transmitted)

    def blocks(self, motion: Kinematics, keep: slice, moments: bool, device: Device = CPU) -> Iterator[ExactBlock]:
        """Blocks of some frames of a motion, with the loads of the model.

        Each begins a frame earlier, but for that of the motion's first frame, so that no two frames are in no block.
        Motion and loads are put on a device; ``ExactBlock.motion`` is as it was given.
        """
        size = BLOCK if device.name is None else device.together(WIDTH * len(self.paths.pairs[0]))
        for start in range(keep.start, keep.stop, size):
            before = int(start > 0)
            own = motion.frames(slice(start - before, min(start + size, keep.stop)))
            loads = None if self.dynamics is None or not moments else self.dynamics.measured(own.time)
            there = own.moved(own.time, device.put), None if loads is None else loads.moved(device.put)
            yield replace(self.block(*there, moments), motion=own, before=before)


def joined(blocks: list[dict[str, Array]]) -> dict[str, Array]:
    """Arrays of frames by name from those of blocks that follow each other."""
    return {
        name: first if len(blocks) == 1 or (name == "effect" and len(first) == 1)
        else namespace(first).concat([one[name] for one in blocks])
        for name, first in blocks[0].items()
    }  # fmt: skip
