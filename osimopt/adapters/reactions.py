"""How joint reactions of a trial are computed: by arrays, or by OpenSim where these do not give paths or dynamics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..devices import Device
from ..multibody.reactions import TreeJoints
from ..namespace import plain
from ..problem.arrays import Array, Kinematics
from ..problem.reactions import JointReactions
from .arrays import refuse_lost
from .exact import ExactPaths
from .exact_chain import ExactChain, joined
from .exact_dynamics import ExactDynamics
from .exact_reactions import ReactionMap, reacting_joints
from .model import Model
from .opensim_reactions import reactions_by_opensim, with_pulls


@dataclass(frozen=True, eq=False)
class Transmission:
    """What joint reactions are computed of: the ``acting`` muscles along their ``exact`` paths, or else OpenSim's.

    Of fitted muscles the exact paths are those that they are fitted to. ``dynamics`` None are OpenSim's.
    """

    model: Model
    dynamics: ExactDynamics | None
    exact: ExactPaths | None
    acting: Sequence[int]
    n_jobs: int
    device: Device

    def of(self, model: Model, motion: Kinematics, names: str | Sequence[str] | None) -> JointReactions:
        """What joints transmit in a motion, by default all that it determines; ``model`` has its loads.

        Raises
        ------
        InputError
            An unknown joint.
        ModelError
            A joint whose reaction the motion does not determine, loops that arrays do not give, or a muscle whose path
            has no points.
        """
        if self.dynamics is None or self.exact is None:
            return reactions_by_opensim(model, motion, names, self.acting, self.exact, self.n_jobs)
        free = np.array(self.model.description.free, dtype=np.intp)
        determined = self.model.description.of_kind("coupled")
        joints = reacting_joints(self.dynamics.multibody, names, motion, determined)
        chain = transmitting(self.model, ExactChain(self.exact, self.dynamics, free), joints)
        every = slice(0, len(motion.time))
        arrays = joined([block.arrays for block in chain.blocks(motion, every, True, self.device)])
        refuse_lost(self.model, motion.time, self.exact.muscles, plain(arrays["length"]))
        return self.whole(chain, arrays, model, motion)

    def whole(self, chain: ExactChain, arrays: Mapping[str, Array], model: Model, motion: Kinematics) -> JointReactions:
        """The reactions that a chain has computed, with what muscles with OpenSim's paths transmit."""
        assert chain.reactions is not None
        found, names = chain.reactions.whole(arrays), self.model.description.muscles.names
        if others := [index for index in self.acting if names[index] not in chain.paths.muscles]:
            return with_pulls(found, model, chain.reactions, motion, others, self.n_jobs)
        return found


def transmitting(model: Model, chain: ExactChain, joints: TreeJoints) -> ExactChain:
    """The chain, which then computes in the same pass what joints transmit."""
    assert chain.dynamics is not None
    determined, weight = model.description.of_kind("coupled"), model.description.weight
    return replace(chain, reactions=ReactionMap(chain.paths, chain.dynamics, joints, determined, weight))
