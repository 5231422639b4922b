"""sensitivity: exact derivatives of activations, forces and joint reactions, from the solution alone.

Every activation is a function of the generalized forces, maximum forces, moment arms and weights of its frame. Its
derivative takes one small linear system per frame (``implicit``), for single directions (:meth:`Sensitivity.jvp`),
gradients of a function of the solution (:meth:`Sensitivity.vjp`) or whole Jacobians. The theory is that of Fiacco
(1976), Math Program 10, 287-311, doi:10.1007/BF01580677. Contact forces in the cost are unknowns with rows of their own
(``problem.contact.extended``), so that they are linearised like reserves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, check_names, explain
from ..problem.arrays import Array
from ..problem.costs import Cost, get_cost
from ..problem.extension import contact_controls, extended
from ..problem.problem import RedundancyProblem
from ..problem.reactions import Frame, On, reactions_of
from ..solution.solution import RedundancySolution
from ..static.compliant import refuse_compliant
from ..static.implicit import Linearisation, ScaleSlope, linearise
from .reaction_sensitivity import Parameter, ReactionSensitivity

Output = Literal["activation", "muscle_force"]


@dataclass(frozen=True, eq=False)
class Change:
    """First-order change of activation (T, M), reserve_control (T, K) and muscle_force (T, M, N)."""

    activation: Array
    reserve_control: Array
    muscle_force: Array


@dataclass(frozen=True, eq=False)
class Gradient:
    """Gradient by the frame's generalized_force (T, D), max_force (T, M), moment_arm (T, P) and weights (T, M).

    Pairs p are those of ``problem.geometry``; sum the weights over time for weights that hold in all frames.
    """

    generalized_force: Array
    max_force: Array
    moment_arm: Array
    weights: Array


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Derivatives of the optimum, where muscles on their bounds stay there.

    They are total derivatives: the dependence of the cost on max_force (Σ F², Σ (F/pcsa)²) or on moment arms
    (Σ (F/Mmax)³) is included, also that of the reserves' and contact forces' weight. pcsa, passive_force and bounds are
    fixed, and so is what joints transmit per N of a muscle and without muscles, whatever changes: see :meth:`reaction`.

    Attributes
    ----------
    problem, cost
        Problem and cost of the solution.
    activation, reserve_control : (T, M) and (T, K) array
        The optimum.
    nondifferentiable : (T,) array of bool
        Frames in which the derivative is one-sided or depends on the direction: an unknown rests on a bound with
        multiplier 0, the cost has no curvature (p > 2 at 0, no gain in a cost of forces) or two equal largest moment
        arms (Σ (F/Mmax)³), or the unknowns inside their bounds cannot follow every change of the moments (the
        derivative is that of those they can follow). Also frames without a solution, where derivatives are NaN.
    response, scale
        The linear system, and the derivative of the cost's scale.
    balance
        The problem with a row and an unknown for each contact force that was part of the cost or limited.
    """

    problem: RedundancyProblem
    cost: Cost
    activation: Array
    reserve_control: Array
    nondifferentiable: NDArray[np.bool_]
    response: Linearisation
    scale: ScaleSlope
    balance: RedundancyProblem

    @property
    def price(self) -> Array:
        """(T, D) derivative of the frame's objective by its generalized forces, in the cost's unit per N·m (N).

        It is 0 for coordinates on which nothing acts.
        """
        price = self.cost.exponent * self.response.multipliers[:, : len(self.problem.coordinates)]
        return np.where(np.isnan(self.activation).any(axis=1, keepdims=True), np.nan, price)

    def jvp(
        self,
        d_generalized_force: ArrayLike | None = None,
        d_max_force: ArrayLike | None = None,
        d_moment_arm: ArrayLike | None = None,
        d_weights: ArrayLike | None = None,
    ) -> Change:
        """First-order change of the optimum for a joint change of the parameters.

        Arguments are (T, D) N·m, (T, M) N, (T, P) or (T, D, M) m, and (T, M), or what broadcasts to them.
        """
        problem, response, geometry = self.problem, self.response, self.balance.geometry
        shape = problem.max_force.shape
        d_force = _stretched(d_max_force, shape, "d_max_force")
        own_arm = self._pairs(d_moment_arm)
        d_arm = _wider(own_arm, geometry.moment_arms)  # contact's pairs come last, and stay
        moment = _stretched(d_generalized_force, problem.generalized_force.shape, "d_generalized_force")
        e = _wider(moment, self.balance.generalized_force)
        q = np.zeros_like(response.slope)
        for pair, (row, muscle) in enumerate(zip(geometry.pair_coordinate, geometry.pair_muscle, strict=True)):
            by_force = geometry.moment_arms[:, pair] * d_force[:, muscle]
            e[:, row] -= by_force * self._active[:, muscle] + d_arm[:, pair] * self._force[:, muscle]
            by_arm = d_arm[:, pair] * problem.max_force[:, muscle]
            q[:, muscle] += (by_force + by_arm) * response.multipliers[:, row]
        relative = self.scale.push(d_force, own_arm)
        weights = _stretched(d_weights, shape, "d_weights") / problem.weights
        q[:, : shape[1]] -= response.slope[:, : shape[1]] * (relative + weights)
        q[:, shape[1] :] -= response.slope[:, shape[1] :] * np.sum(self.scale.share * relative, axis=1, keepdims=True)
        dx = np.where(np.isnan(self.activation).any(axis=1, keepdims=True), np.nan, response.push(e, q))
        moved, control = dx[:, : shape[1]], dx[:, shape[1] : len(problem.actuators)]
        return Change(moved, control, problem.max_force * moved + self._active * d_force)

    def vjp(
        self,
        activation: ArrayLike | None = None,
        reserve_control: ArrayLike | None = None,
        muscle_force: ArrayLike | None = None,
    ) -> Gradient:
        """Gradient of a scalar by the parameters, from its gradient by the optimum.

        Arguments are the scalar's derivatives by activation (T, M), reserve_control (T, K) and muscle_force (T, M),
        or what broadcasts to them.
        """
        problem, response, geometry = self.problem, self.response, self.balance.geometry
        muscles = problem.max_force.shape[1]
        by_force = _stretched(muscle_force, problem.max_force.shape, "muscle_force")
        by_a = _stretched(activation, problem.max_force.shape, "activation") + by_force * problem.max_force
        by_control = _stretched(reserve_control, self.reserve_control.shape, "reserve_control")
        by_e, by_q = response.pull(_wider(np.hstack([by_a, by_control]), response.slope))
        rows, columns = geometry.pair_coordinate, geometry.pair_muscle
        d_force = by_force * self._active
        for pair, (row, muscle) in enumerate(zip(rows, columns, strict=True)):
            through = by_q[:, muscle] * response.multipliers[:, row] - by_e[:, row] * self._active[:, muscle]
            d_force[:, muscle] += geometry.moment_arms[:, pair] * through
        own = problem.geometry.moment_arms.shape[1]
        rows, columns = rows[:own], columns[:own]
        d_arm = by_q[:, columns] * response.multipliers[:, rows] * problem.max_force[:, columns]
        d_arm -= by_e[:, rows] * self._force[:, columns]
        by_log = -by_q * response.slope
        weights = by_log[:, :muscles] / problem.weights
        relative = by_log[:, :muscles] + self.scale.share * by_log[:, muscles:].sum(axis=1, keepdims=True)
        self.scale.pull(relative, d_force, d_arm)
        failed = np.isnan(self.activation).any(axis=1, keepdims=True)
        moment = by_e[:, : len(problem.coordinates)]
        return Gradient(*(np.where(failed, np.nan, part) for part in (moment, d_force, d_arm, weights)))

    def jacobian(self, wrt: Parameter, of: Output = "activation", muscles: Sequence[str] | None = None) -> Array:
        """Derivative of each muscle's activation or force by all parameters of one kind in its frame.

        Its shape is (T, M, D) for ``generalized_force``, (T, M, M) for ``max_force`` and ``weights``, (T, M, P) for
        ``moment_arm``; ``muscles`` selects fewer than M rows, which large problems require.
        """
        names = self.problem.muscles
        wanted = names if muscles is None else tuple(muscles)
        check_names("wrt", [wrt], get_args(Parameter))
        check_names("of", [of], get_args(Output))
        check_names("muscles", wanted, names)
        unit = np.eye(len(names))
        rows = [getattr(self.vjp(**{of: unit[names.index(name)]}), wrt) for name in wanted]
        return np.stack(rows, axis=1)

    def reaction(self, joint: str, on: On = "child", frame: Frame = "ground") -> ReactionSensitivity:
        """Derivatives of the force and moment that a joint transmits, by the same parameters.

        Parameters
        ----------
        joint
            Its name.
        on, frame
            Body on which they act, and axes, as of :meth:`RedundancySolution.joint_reactions`.

        Raises
        ------
        InputError
            An unknown joint, or no model at hand.
        """
        affine = reactions_of(self.problem, [joint]).affine(self.problem, joint, on, frame)
        return ReactionSensitivity(self, affine)

    @property
    def _active(self) -> Array:
        return np.nan_to_num(self.activation)

    @property
    def _force(self) -> Array:
        return self.problem.max_force * self._active + self.problem.passive_force

    def _pairs(self, d_moment_arm: ArrayLike | None) -> Array:
        geometry = self.problem.geometry
        given = None if d_moment_arm is None else np.asarray(d_moment_arm, dtype=float)
        if given is None or given.ndim < 3:
            return _stretched(given, geometry.moment_arms.shape, "d_moment_arm")
        dense = (len(self.problem), len(geometry.coordinates), len(geometry.muscles))
        return _stretched(given, dense, "d_moment_arm")[:, geometry.pair_coordinate, geometry.pair_muscle]


def sensitivity(solution: RedundancySolution, frames: slice | None = None) -> Sensitivity:
    """Linearise a solution: derivatives of activations and forces by moments, strengths, moment arms and weights.

    Contact forces that cost or are limited in the solution are part of what is linearised.

    Parameters
    ----------
    solution : RedundancySolution
        From :func:`osimopt.solve_static`, with a separable cost of exponent 1 < p < ∞.
    frames : slice, optional
        Fewer frames; memory grows as T (D M).

    Returns
    -------
    Sensitivity
        Derivatives by ``jacobian``, ``jvp`` and ``vjp``; those of what a joint transmits by ``reaction(joint)``.

    Raises
    ------
    InputError
        A solution with a linear cost (its optimum jumps), with compliant tendons, or of another method.

    References
    ----------
    Fiacco AV (1976). Sensitivity analysis for nonlinear programming using penalty methods. Math Program 10, 287-311.
    doi:10.1007/BF01580677

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> by_moment = osimopt.sensitivity(osimopt.solve_static(problem)).jacobian("generalized_force")
    >>> by_moment[0, :, 0].round(4)
    array([0.0354, 0.0127])
    """
    recorded, method = solution.provenance.get("cost", {}), solution.provenance.get("method")
    if method != "static" or "name" not in recorded:
        got = f"method {method!r} and cost {recorded.get('name')!r}"
        raise InputError(explain("a static solution with a named cost", got, "Solve with osimopt.solve_static."))
    refuse_compliant(solution, "sensitivity")
    cost = get_cost(recorded["name"], recorded["exponent"] if recorded["name"] == "activation_power" else 2.0)
    if cost.linear:
        fix = "Its optimum jumps from vertex to vertex: use osimopt.feasible_ranges, or choose another cost."
        raise InputError(explain("a cost with 1 < p < ∞", f"'{cost.name}' with p = {cost.exponent:g}", fix))
    keep = slice(None) if frames is None else frames
    problem = balance = solution.problem.frames(keep)
    activation, control = solution.activation[keep], solution.reserve_control[keep]
    x = np.hstack([activation, control])
    if solution.contact:
        balance = extended(problem, solution.contact)
        force = problem.max_force * activation + problem.passive_force
        x = np.hstack([x, contact_controls(balance, force, control)])
    response, scale = linearise(problem, x, cost, balance), ScaleSlope.of(problem, cost)
    kinked = response.kinked | scale.tied
    return Sensitivity(problem, cost, activation, control, kinked, response, scale, balance)


def _stretched(values: ArrayLike | None, shape: tuple[int, ...], name: str) -> Array:
    array = np.zeros(1) if values is None else np.asarray(values, dtype=float)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise InputError(explain(f"{name} of shape {shape}", f"{array.shape}", "Axes start with time.")) from None


def _wider(array: Array, like: Array) -> Array:
    """An array (T, N) with zeros in the further columns of another."""
    wide = np.zeros(like.shape)
    wide[:, : array.shape[1]] = array
    return wide
