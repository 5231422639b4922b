"""Which muscles act, and along which paths: fitted ones, exact ones, or OpenSim's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import ModelError, explain, some
from ..muscle.forces import supported
from ..polynomial.muscle_paths import MusclePaths
from ..problem.arrays import Kinematics
from .arrays import find_pairs
from .exact import ExactPaths
from .messages import Pairs
from .model import Model
from .options import ReadOptions
from .part import acting_muscles


@dataclass(frozen=True, eq=False)
class PathChoice:
    """The path of each muscle: ``fitted`` before ``exact``, and these before OpenSim's.

    Which muscles may act is found in the ``postures`` of the whole motion, so that all its pieces have the same.
    """

    model: Model
    postures: Kinematics
    fitted: MusclePaths | None
    exact: ExactPaths | None
    options: ReadOptions

    @property
    def pairs(self) -> Pairs:
        """Pairs of the muscles that may act, along the model's own paths, in the whole motion."""
        return self._found.of(self.acting)

    @property
    def inconsistent(self) -> list[str]:
        """Warnings about the model's own paths of muscles that may act."""
        acting = set(np.array(self.model.description.muscles.names)[self.acting])
        acting -= set() if self.fitted is None else self.fitted.left.keys()
        return [f"{name}: {text}" for name, text in self._found.inconsistent.items() if name in acting]

    @cached_property
    def _found(self) -> Pairs:
        """The pairs of all muscles with OpenSim's paths."""
        names, given = self.model.description.muscles.names, self.given
        return find_pairs(self.model, self.postures, [i for i, name in enumerate(names) if name not in given])

    @cached_property
    def acting(self) -> list[int]:
        """Muscles that may act; nothing is computed for those that a part of the body leaves out."""
        return acting_muscles(self.options, self.model, self._found, self.given)

    @property
    def given(self) -> Sequence[str]:
        """Names of the muscles whose paths are not the model's own."""
        return [name for paths in (self.fitted, self.exact) if paths is not None for name in paths.muscles]

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each muscle's path by its name, as it is recorded."""
        kinds = dict.fromkeys(self.model.description.muscles.names, "opensim")
        for paths in (self.fitted, self.exact):
            if paths is not None:
                kinds |= dict.fromkeys(paths.muscles, paths.kind.removesuffix("s"))
        return kinds

    @property
    def by_model(self) -> list[int]:
        """Muscles that may act whose paths are the model's own."""
        return [i for i in self.acting if self.model.description.muscles.names[i] not in self.given]

    @property
    def gains(self) -> list[int]:
        """Muscles whose gain OpenSim has to compute."""
        muscles = self.model.description.muscles
        if self.options.gain == "isometric" and not self.options.passive_force:
            return []
        unknown = sorted(set(np.flatnonzero(~supported(muscles)).tolist()) & set(self.acting))
        if fitted := sorted(set(unknown) - set(self.by_model)):
            got = some(f"{muscles.classes[i]} '{muscles.names[i]}'" for i in fitted)
            fix = "Use geometry='opensim' for this model, or paths without these muscles."
            expected = "muscles whose curves osimopt has, for polynomial paths"
            raise ModelError(explain(expected, got, fix, self.model.path))
        return unknown
