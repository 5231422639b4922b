"""Reactions of joints in a solution: their columns by OpenSim's labels, and muscles that they are without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.table import Table
from ..notices import warn
from ..options import check_word
from ..problem.arrays import Array
from ..problem.reactions import COMPONENTS, FRAMES, SIDES, Frame, JointReactions, Joints, On, reactions_of
from .findings import reaction_findings

if TYPE_CHECKING:
    import pandas as pd

    from .solution import RedundancySolution

#: Where a reaction acts: columns after its components.
POINT = ("px", "py", "pz")


def joint_reactions(
    solution: RedundancySolution, joints: Joints | None = None, on: On = "child", frame: Frame = "ground"
) -> pd.DataFrame:
    """Force and moment that joints transmit; the index is time in s, ``attrs["body_weight_N"]`` the body weight.

    Nine columns for each joint, with the labels of OpenSim's JointReaction, as in
    ``walker_knee_l_on_tibia_l_in_ground_fx``: force ``fx``, ``fy``, ``fz`` in N, its moment ``mx``, ``my``, ``mz``
    in N·m about the origin of the joint's frame on that body, and where this is, ``px``, ``py``, ``pz`` in m from
    the origin of the axes.

    A reaction holds all that passes the joint: what the bodies beyond it need for their motion, less gravity, loads
    and other forces of the model, muscles, and what reserves and limit forces do on its own coordinates, as Simbody
    counts them. It is the motion's own: where forces miss the moments, OpenSim's JointReaction recomputes the
    accelerations and differs. Failed frames are NaN, but for the places.

    Parameters
    ----------
    joints : str | sequence of str, optional
        Names, patterns (``"*_l"``), sides (``"left"``) or ``"all"``; a text may hold several, separated by commas.
        By default those that the problem carries (``load_problem(joint_reactions=…)``), else all of the model.
    on : "child" | "parent", default "child"
        The body on which it acts, as the model defines the joint.
    frame : "ground" | "parent" | "child", default "ground"
        The axes: ground's, or those of one of the joint's bodies.

    Raises
    ------
    InputError
        Unknown joints or words; a problem that neither carries the reactions nor has a model at hand.
    ModelError
        A joint whose reaction the motion does not determine, as in loops of bodies with redundant constraints.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> problem = osimopt.load_problem(arm26().model, arm26().motion, time_range=(0.2, 0.4))
    >>> elbow = osimopt.solve_static(problem).joint_reactions("r_elbow", frame="child")
    >>> elbow.columns[1]
    'r_elbow_on_r_ulna_radius_hand_in_r_ulna_radius_hand_fy'
    >>> elbow.iloc[:, :3].loc[0.3].round(1).tolist()
    [-167.4, -189.8, 19.6]
    """
    return reaction_table(solution, joints, on, frame).to_dataframe()


def reaction_table(
    solution: RedundancySolution, joints: Joints | None = None, on: On = "child", frame: Frame = "ground"
) -> Table:
    """The same without pandas."""
    check_word("on", on, SIDES)
    check_word("frame", frame, FRAMES)
    if solution.device != "cpu":
        return reaction_table(solution.to("cpu"), joints, on, frame)
    known = reactions_of(solution.problem, joints)
    carried = solution.problem.reactions
    if carried is None or not set(known.joints) <= set(carried.joints):  # of which the findings tell
        for finding in reaction_findings(solution.problem, known):
            warn(finding.text)
    found = known.transmitted(solution.problem, solution.muscle_force, solution.reserve_control)
    wrench, place = known.seen(found, on, frame)
    failed = np.asarray(np.isnan(solution.activation).any(axis=1))
    wrench = np.where(failed[:, None, None], np.nan, wrench)
    values = np.concatenate([wrench, place], axis=2).reshape(len(solution.time), -1) + 0.0  # turns -0.0 into 0.0
    return Table(values, solution.time, reaction_labels(known, on, frame), {"body_weight_N": known.body_weight})


def written_reactions(solution: RedundancySolution) -> Table | None:
    """The reactions that a problem carries, as they are written to files; None where it carries none."""
    known = solution.problem.reactions
    return None if known is None else reaction_table(solution, None, known.on, known.frame)


def reaction_labels(known: JointReactions, on: On, frame: Frame) -> list[str]:
    """Labels of columns as OpenSim's JointReaction has them, nine of each joint."""
    labels = list[str]()
    for joint, bodies in zip(known.joints, known.bodies, strict=True):
        axes = "ground" if frame == "ground" else bodies[SIDES.index(frame)]
        labels += [f"{joint}_on_{bodies[SIDES.index(on)]}_in_{axes}_{name}" for name in (*COMPONENTS, *POINT)]
    return labels


def joint_forces(table: Table | pd.DataFrame, joints: Sequence[str]) -> dict[str, Array]:
    """Size (T,) in N of the force through each of the joints, whose columns follow each other in the table."""
    values = table.to_numpy(dtype=float).reshape(len(table), len(joints), -1)
    return dict(zip(joints, np.linalg.norm(values[:, :, :3], axis=2).T, strict=True))


def about_reactions(known: JointReactions) -> dict[str, Any]:
    """What a reader of ``joint_reactions.sto`` needs beside it: an entry of ``solution.json``."""
    return {"joints": list(known.joints), "on": known.on, "frame": known.frame, "body_weight_N": known.body_weight}
