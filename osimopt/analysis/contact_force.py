"""Contact force of a joint in a solution, and the components of it that are compared with measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, check_names, did_you_mean, explain, shown, some
from ..options import check_word
from ..problem.arrays import Array
from ..problem.reactions import FRAMES, SIDES, Frame, On
from ..solution.reader import Result
from .compartments import Compartments, compartment_forces

if TYPE_CHECKING:
    import pandas as pd

    from ..solution.solution import RedundancySolution

#: What can be compared. Of the last three, the sign is that of the frame's axes.
PRESSED, SHEAR = ("axial", "medial", "lateral"), ("fx", "fy", "fz")
COMPONENTS = (*PRESSED, "norm", *SHEAR)


def contact_force(
    solution: RedundancySolution | Result, joint: str, on: On = "child", frame: Frame = "child", axes: bool = True
) -> tuple[Array, float | None]:
    """(T, 3) force in N of a joint on a body in its axes, and the body weight in N where it is known.

    Of a :class:`Result` in the axes that its table has, which must be those of ``frame`` where ``axes`` matter.
    """
    check_word("on", on, SIDES)
    check_word("frame", frame, FRAMES)
    if isinstance(solution, Result):
        table, known = solution.joint_reactions, solution.summary.get("joint_reactions", {})
        if table is None:
            fix = "Solve the motion again with joint_reactions= (--joint-reactions)."
            raise InputError(explain("a result with joint_reactions.sto", "one without", fix, solution.name))
        if joint not in (joints := known.get("joints", ())):
            fix = did_you_mean([joint], joints, f"Solve again with joint_reactions= (--joint-reactions) of {joint}.")
            raise InputError(explain(f"joints with reactions among {some(joints)}", joint, fix, solution.name))
        if axes and known["frame"] != frame:
            fix = f'Solve again with reactions_frame="{frame}" (--reactions-frame {frame}), or compare the "norm".'
            raise InputError(explain(f"reactions in the {frame}'s axes", f"the {known['frame']}'s", fix, solution.name))
        turned = 1.0 if known["on"] == on else -1.0
        names = [name for name in map(str, table.columns) if name.startswith(f"{joint}_on_")]
        own = [name for name in names if name.endswith(SHEAR)]
        return turned * table[own].to_numpy(dtype=float), _finite(table.attrs.get("body_weight_N"))
    found = solution.reaction_table([joint], on, frame)
    return found.to_numpy()[:, :3], _finite(found.attrs.get("body_weight_N"))


def _finite(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def components_of(columns: Any) -> dict[str, str]:
    """Component by measured column."""
    if isinstance(columns, str):
        return {columns: "axial"}
    if not isinstance(columns, Mapping) or not columns:
        fix = 'Write for example {"total": "axial"}.'
        raise InputError(explain("a measured column, or components by column", shown(columns), fix))
    wanted = {str(column): str(what) for column, what in columns.items()}
    if unclear := [column for column, what in wanted.items() if what == "total"]:
        fix = 'Write "axial" for the force along an axis (medial + lateral), "norm" for its size.'
        raise InputError(explain(f"the component of column {unclear[0]}", "'total'", fix))
    check_names("components", wanted.values(), COMPONENTS)
    if len(set(wanted.values())) < len(wanted):
        got = shown(dict(columns))
        raise InputError(explain("one measured column for each component", got, "Leave one out."))
    return wanted


def components(names: Sequence[str], force: Array, direction: str, divided: Mapping[str, Any] | pd.DataFrame) -> Array:
    """(T, C) the components of a force (T, 3); ``divided`` holds the medial and the lateral one (T,)."""
    check_word("direction", direction, tuple(f"{sign}{axis}" for axis in "xyz" for sign in ("", "-", "+")))
    along = (-1.0 if direction[0] == "-" else 1.0) * force[:, "xyz".index(direction[-1])]
    known = {"axial": along, "norm": np.linalg.norm(force, axis=1), **dict(zip(SHEAR, force.T, strict=True))}
    for name in set(names) - set(known):
        if name not in divided:
            fix = "Give compartments=osimopt.Compartments(joint, medial, lateral, body)."
            raise InputError(explain(f"the simulated {name} force, to compare", "none", fix))
        known[name] = np.asarray(divided[name], dtype=float)
        if known[name].shape != (len(force),):
            got = str(known[name].shape)
            raise InputError(explain(f"a {name} force in each of {len(force)} frames", got, "Give (T,) values."))
    return np.stack([known[name] for name in names], axis=1)


def divided_force(
    solution: RedundancySolution | Result, joint: str, compartments: Compartments | Mapping[str, Any] | pd.DataFrame
) -> Mapping[str, Any] | pd.DataFrame:
    """Medial and lateral force (T,) in N of a joint, as given or by the centres of its compartments."""
    if not isinstance(compartments, Compartments):
        if not hasattr(compartments, "keys"):
            fix = "Give osimopt.Compartments(joint, medial, lateral, body)."
            raise InputError(explain("centres of compartments, or their forces by name", shown(compartments), fix))
        return compartments
    if isinstance(solution, Result):
        fix = "Give compartments= the forces: osimopt.compartment_forces of the solution."
        raise InputError(explain("a solution in memory for its compartments", f"the folder {solution.name}", fix))
    if compartments.joint != joint:
        got = f"those of {compartments.joint}"
        raise InputError(explain(f"the compartments of {joint}", got, "Give one joint."))
    own = compartments
    return compartment_forces(solution, own.joint, own.medial, own.lateral, own.body, own.axis)
