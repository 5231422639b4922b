"""Medial and lateral force of a knee, by equilibrium in the frontal plane about the centres of its compartments.

What a joint transmits is replaced by two forces along an axis of a body, at two points of it. They have the joint's
axial force as their sum and its moment in the frontal plane; the shear force acts midway between the points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, ModelError, check_names, explain, shown
from ..files.table import Table
from ..namespace import plain
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..problem.reactions import SIDES, JointReactions, On, reactions_of
from ..solution.reactions import reaction_table
from ..solution.solution import RedundancySolution

if TYPE_CHECKING:
    import pandas as pd

#: The names of the two forces.
NAMES = ("medial", "lateral")
#: m; centres of compartments that are nearer in the frontal plane divide nothing: those of knees are 40 mm apart.
NEAREST = 1e-3
#: m; centres that are further apart than any knee is wide are in mm.
FURTHEST = 1.0
#: Share of force × distance of the centres below which a joint transmits no moment in the frontal plane.
MOMENT = 1e-6
#: Frames in which it is seen whether a joint is free to turn in the frontal plane.
FEW = 5


@dataclass(frozen=True)
class Compartments:
    """The centres of a knee's two compartments.

    Parameters
    ----------
    joint : str
        The joint that carries the load: see :func:`joints_between`.
    medial, lateral : (3,) sequence
        The centres in m, in the body's axes, from its origin.
    body : str
        One of the joint's two bodies, on which the forces act: the tibia.
    axis : (3,) sequence, default (0, 1, 0)
        Direction in the body's axes from the body towards the other one. The frontal plane is that of this axis and
        the two centres.

    Raises
    ------
    InputError
        Centres that differ by less than 1 mm across the axis or by more than 1 m, numbers or names that are none.

    Examples
    --------
    >>> import osimopt
    >>> osimopt.Compartments("walker_knee_l", (0.0, -0.03, 0.02), (0.0, -0.03, -0.02), "tibia_l").width
    0.04
    """

    joint: str
    medial: Sequence[float]
    lateral: Sequence[float]
    body: str
    axis: Sequence[float] = (0.0, 1.0, 0.0)

    def __post_init__(self) -> None:
        for name in ("joint", "body"):
            if not isinstance(given := getattr(self, name), str) or not given:
                raise InputError(explain(f"the name of a {name} for Compartments", shown(given), "Give its name."))
        for name, size in (("medial", 0.0), ("lateral", 0.0), ("axis", 1e-12)):
            value = numbers_or_nan(getattr(self, name))
            if value.shape != (3,) or not np.isfinite(value).all() or np.linalg.norm(value) < size:
                fix = "Give for example (0, 1, 0)." if name == "axis" else "Give x, y and z in m in the body's axes."
                what = f"three numbers as {name}" + (", not all 0" if size else "")
                raise InputError(explain(what, shown(getattr(self, name)), fix))
        if not NEAREST <= self.width <= FURTHEST:
            got = f"medial {tuple(self.medial)} and lateral {tuple(self.lateral)} along axis {tuple(self.axis)}"
            fix = "Give the centres in m in the body's axes."
            raise InputError(explain(f"centres that differ by {NEAREST} m to {FURTHEST:g} m across the axis", got, fix))

    @property
    def width(self) -> float:
        """Distance of the centres across the axis in m."""
        return float(np.linalg.norm(self.across))

    @property
    def up(self) -> Array:
        """The axis as a unit vector (3,)."""
        axis = np.asarray(self.axis, dtype=float)
        return np.asarray(axis / np.linalg.norm(axis))

    @property
    def across(self) -> Array:
        """From the medial to the lateral centre (3,), across the axis."""
        along, apart = self.up, np.asarray(self.lateral, dtype=float) - np.asarray(self.medial, dtype=float)
        return np.asarray(apart - (apart @ along) * along)

    def side(self, reactions: JointReactions) -> On:
        """Which body of the joint is the one on which the forces act."""
        bodies = reactions.bodies[reactions.number(self.joint)]
        check_names(f"bodies of joint '{self.joint}'", [self.body], bodies)
        return "child" if self.body == bodies[1] else "parent"

    def rows(self, reactions: JointReactions) -> Array:
        """(T, 2, 6) by which the joint's reaction on the body, in its axes, gives both forces in N."""
        number, side = reactions.number(self.joint), SIDES.index(self.side(reactions))
        away = plain(reactions.place[:, number, side] - reactions.origin[:, number, side])
        place = np.einsum("tij,ti->tj", plain(reactions.rotation[:, number, side]), away)
        middle = 0.5 * (np.asarray(self.medial, dtype=float) + np.asarray(self.lateral, dtype=float))
        normal = np.cross(self.across, self.up) / self.width**2
        about = np.concatenate([np.cross(normal, place - middle), np.tile(normal, (len(place), 1))], axis=1)
        half = np.append(-0.5 * self.up, np.zeros(3))
        return np.stack([half + about, half - about], axis=1)


def numbers_or_nan(given: object) -> Array:
    """The numbers as an array; one NaN where they are none."""
    try:
        return np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        return np.full((), np.nan)


def compartment_forces(
    solution: RedundancySolution, joint: str, medial: Sequence[float], lateral: Sequence[float], body: str,
    axis: Sequence[float] = (0.0, 1.0, 0.0),
) -> pd.DataFrame:  # fmt: skip
    """Medial and lateral force in N that a knee transmits, by equilibrium in the frontal plane; compression positive.

    Parameters
    ----------
    solution : RedundancySolution
        Muscle forces of a problem with joint reactions, or with its model at hand.
    joint, medial, lateral, body, axis
        See :class:`Compartments`.

    Returns
    -------
    DataFrame
        ``medial``, ``lateral`` and ``total``, the axial force, which is their sum; the index is time in s. A negative
        force is a pull, which the compartment cannot carry: there the knee stands on the other one alone.

    Raises
    ------
    InputError
        An unknown joint or body, or centres that do not differ across the axis.
    ModelError
        The joint transmits no moment in the frontal plane: the model is planar, or leaves that rotation to muscles.

    References
    ----------
    Lerner et al. (2015), How tibiofemoral alignment and contact locations affect predictions of medial and lateral
    tibiofemoral contact forces, doi:10.1016/j.jbiomech.2014.12.049; there each compartment has a joint of its own.

    Examples
    --------
    A weight of 700 N on the medial side of a joint's centre, 20 mm from it:

    >>> import osimopt
    >>> from dataclasses import replace
    >>> from osimopt.problem.reactions import JointReactions
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05], [1000.0], 0.0)
    >>> knee = JointReactions.from_arrays("knee", [0.0, -700.0, 0.0, 14.0, 0.0, 0.0], [[0.0]] * 6, problem.muscles)
    >>> solution = osimopt.solve_static(replace(problem, reactions=knee))
    >>> osimopt.compartment_forces(solution, "knee", (0.0, 0.0, 0.02), (0.0, 0.0, -0.02), body="knee").round(1)
          medial  lateral  total
    time
    0.0    700.0      0.0  700.0
    """
    if not isinstance(solution, RedundancySolution):
        raise InputError(explain("a solution", shown(type(solution).__name__), "Solve the problem first."))
    split = Compartments(joint, medial, lateral, body, axis)
    known = reactions_of(solution.problem, [joint])
    side, rows = split.side(known), split.rows(known)
    wrench = reaction_table(solution, [joint], side, side).to_numpy()[:, :6]
    refuse_untold(split, solution.problem, known, wrench)
    values = np.column_stack([np.einsum("tnc,tc->tn", rows, wrench), -wrench[:, :3] @ split.up])
    return Table(values, solution.time, (*NAMES, "total")).to_dataframe()


def refuse_untold(split: Compartments, problem: RedundancyProblem, known: JointReactions, wrench: Array) -> None:
    """Raise where the moment in the frontal plane cannot tell the two forces apart.

    That is where reactions (T, 6) on the body have none, or where the balance of the coordinates' moments gives it
    whatever the muscles do: the joint is free to turn in this plane, and passes its force through its own centre. (Of a
    joint about which no muscle acts that cannot be seen.)
    """
    normal, side = np.cross(split.across, split.up) / split.width, split.side(known)
    moment, force = np.abs(wrench[:, 3:] @ normal), np.linalg.norm(wrench[:, :3], axis=1)
    most, largest = (float(np.nanmax(values, initial=0.0)) for values in (moment, force))
    got = f"joint '{split.joint}' with at most {most:.2g} N·m beside {largest:.0f} N"
    if most > MOMENT * largest * split.width:
        effect = plain(known.affine(problem, split.joint, side, side).effect)
        if not _balanced(problem, np.einsum("c,tcm->tm", normal, effect[:, 3:, : len(problem.muscles)])):
            return
        got = f"joint '{split.joint}', whose moment there is what actuators and springs of its own coordinates give"
    fix = "A planar model, or one that leaves this rotation to its muscles, cannot divide the force: use another."
    raise ModelError(explain("a joint that transmits a moment in the frontal plane", got, fix))


def _balanced(problem: RedundancyProblem, effect: Array) -> bool:
    """Whether an effect (T, M) of muscle forces is a sum of their moments about coordinates, in all of some frames."""
    for frame in np.unique(np.linspace(0, len(problem) - 1, FEW).astype(int)).tolist():
        arm, own = plain(problem.moment_arm[frame]), effect[frame]
        share, _, rank, _ = np.linalg.lstsq(arm.T, own, rcond=None)
        apart, size = float(np.linalg.norm(own - share @ arm)), float(np.linalg.norm(own))
        idle = size <= MOMENT * float(np.linalg.norm(arm))
        if idle or rank >= np.count_nonzero(arm.any(axis=0)) or apart > MOMENT * size:
            return False
    return True


def joints_between(problem: RedundancyProblem, one: str, other: str) -> tuple[str, ...]:
    """Names of the joints in the chain from one body to another, as from femur to tibia: these carry the load.

    In a model whose tibial tray is a body of its own the chain has two joints, which transmit the same force but for
    the weight and inertia of the bodies between them. Which joint is defined from which side does not matter.

    Parameters
    ----------
    problem : RedundancyProblem
        A problem with its model at hand, or one that carries the reactions of all joints.
    one, other : str
        Names of bodies.

    Raises
    ------
    InputError
        An unknown body, or the same one twice.
    ModelError
        Bodies that no chain of joints connects, or two do: parts of a closed loop share the load.

    Examples
    --------
    >>> import osimopt
    >>> from dataclasses import replace
    >>> from osimopt.problem.reactions import JointReactions
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05], [1000.0], 0.0)
    >>> knee = JointReactions.from_arrays("knee", [0.0, -700.0, 0.0], [[0.0]] * 3, problem.muscles)
    >>> problem = replace(problem, reactions=replace(knee, bodies=(("femur", "tibia"),)))
    >>> osimopt.joints_between(problem, "tibia", "femur")
    ('knee',)
    """
    if not isinstance(problem, RedundancyProblem):
        fix = "Give solution.problem." if isinstance(problem, RedundancySolution) else "Load one with load_problem."
        raise InputError(explain("a problem", shown(type(problem).__name__), fix))
    known = reactions_of(problem, "all")
    check_names("bodies", (one, other), [body for bodies in known.bodies for body in bodies])
    if one == other:
        raise InputError(explain("two bodies", f"'{one}' twice", "Name the bodies on both sides of the joint."))
    chains: list[tuple[tuple[str, ...], tuple[str, ...]]] = [((one,), ())]
    found = list[tuple[str, ...]]()
    while chains:
        bodies, joints = chains.pop()
        if bodies[-1] == other:
            found.append(joints)
            continue
        for joint, ends in zip(known.joints, known.bodies, strict=True):
            if bodies[-1] in ends:
                beyond = ends[1 - ends.index(bodies[-1])]
                if beyond not in bodies:
                    chains.append(((*bodies, beyond), (*joints, joint)))
    if len(found) != 1:
        got = " and ".join(", ".join(joints) for joints in found) or "none"
        fix = "Name the joint that carries the load." if found else "Check the bodies."
        raise ModelError(explain(f"one chain of joints from {one} to {other}", got, fix))
    return found[0]
