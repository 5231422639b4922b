"""Derivatives of what a joint transmits, through those of muscle forces and reserves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, check_names, explain
from ..problem.arrays import Array
from ..problem.reactions import COMPONENTS, Affine

if TYPE_CHECKING:
    from .sensitivity import Gradient, Sensitivity

Parameter = Literal["generalized_force", "max_force", "moment_arm", "weights"]


@dataclass(frozen=True, eq=False)
class ReactionSensitivity:
    """Derivatives of the force (N) and moment (N·m) that a joint transmits, c = c₀ + C (forces).

    c₀ and C stay: a change of a generalized force is one of what the muscles and reserves must produce, not of the
    motion, inertia or loads behind it, and a change of a moment arm moves no muscle's line of action.

    Attributes
    ----------
    solution
        Derivatives of activations, reserves and muscle forces.
    affine
        c₀ (T, 6) and C (T, 6, M + K).

    Examples
    --------
    A joint that two muscles press together, with their whole force and half of it:

    >>> import osimopt
    >>> from osimopt.problem.reactions import JointReactions
    >>> from dataclasses import replace
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> knee = JointReactions.from_arrays("knee", [0.0, 0.0, 0.0], [[0, 0], [-1.0, -0.5], [0, 0]], problem.muscles)
    >>> solution = osimopt.solve_static(replace(problem, reactions=knee))
    >>> by_moment = osimopt.sensitivity(solution).reaction("knee").jacobian("generalized_force", ["fy"])
    >>> by_moment[0, 0].round(2)
    array([-19.61])
    """

    solution: Sensitivity
    affine: Affine

    def jvp(
        self,
        d_generalized_force: ArrayLike | None = None,
        d_max_force: ArrayLike | None = None,
        d_moment_arm: ArrayLike | None = None,
        d_weights: ArrayLike | None = None,
    ) -> Array:
        """First-order change (T, 6) for a joint change of the parameters, given as to :meth:`Sensitivity.jvp`."""
        change = self.solution.jvp(d_generalized_force, d_max_force, d_moment_arm, d_weights)
        forces = np.hstack([change.muscle_force, change.reserve_control])
        return np.asarray(np.einsum("tcu,tu->tc", self.affine.effect, forces))

    def vjp(self, reaction: ArrayLike) -> Gradient:
        """Gradient of a scalar by the parameters, from its gradient (6,) or (T, 6) by the reaction."""
        frames, muscles = len(self.affine.constant), self.affine.muscles
        try:
            by = np.broadcast_to(np.asarray(reaction, dtype=float), (frames, 6))
        except ValueError:
            expected, fix = f"a gradient of shape {(frames, 6)} or (6,)", "The force comes first, then the moment."
            raise InputError(explain(expected, f"{np.shape(reaction)}", fix)) from None
        by_force = np.einsum("tc,tcu->tu", by, self.affine.effect)
        return self.solution.vjp(muscle_force=by_force[:, :muscles], reserve_control=by_force[:, muscles:])

    def jacobian(self, wrt: Parameter, components: Sequence[str] = COMPONENTS) -> Array:
        """Derivative of components by all parameters of one kind in their frame.

        Its shape is (T, 6, D) for ``generalized_force``, (T, 6, M) for ``max_force`` and ``weights``, (T, 6, P) for
        ``moment_arm``; ``components`` selects fewer, as ``["fy"]``.
        """
        check_names("wrt", [wrt], get_args(Parameter))
        components = (components,) if isinstance(components, str) else components
        check_names("components", components, COMPONENTS)
        unit = np.eye(len(COMPONENTS))
        rows = [getattr(self.vjp(unit[COMPONENTS.index(name)]), wrt) for name in components]
        return np.stack(rows, axis=1)
