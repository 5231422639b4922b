"""Result folders of solutions, problems and muscle tables, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, explain
from ..files.folders import new_folder, write_json
from ..files.storage import append, table_head, write_table
from ..files.table import Table
from .contents import Part, part_of
from .quantities import DERIVED, Outputs
from .summary import Summary

if TYPE_CHECKING:
    import pandas as pd

    from ..problem.problem import RedundancyProblem
    from .solution import RedundancySolution

#: Files that a result folder may hold: those of write_pieces, figures and a report.
RESULT = (
    "solution.json", "activation.sto", "muscle_force.sto", "reserve_force.sto", "generalized_force.sto",
    "excitation.sto", *(f"{name}.sto" for name in DERIVED), "joint_reactions.sto", "actuator_force.sto", "reserves.xml",
    "coordinates.sto", "speeds.sto", "external_loads.xml", "external_loads.sto", "status.csv",
    "solution.png", "elbow_muscles.png", "elbow_sharing.png", "report.html",
)  # fmt: skip
#: Files of write_arrays.
ARRAYS = (
    "arrays.json", "moment_arm.sto", "max_force.sto", "generalized_force.sto", "muscle_tendon_length.sto",
    "lengthening_speed.sto", "coordinates.sto",
)  # fmt: skip
#: Files of write_muscle_table, and a figure.
TABLE = (
    "max_force_rigid.mot", "moment_arm.mot", "max_force.mot", "max_moment.mot", "max_force_active.mot",
    "muscle_tendon_length.mot", "fiber_length.mot", "table.csv", "table.png",
)  # fmt: skip


def write_result(
    solution: RedundancySolution,
    folder: str | os.PathLike[str],
    *,
    outputs: Outputs = (),
    overwrite: bool = False,
) -> Path:
    """Write a solution as a folder that appears whole or not at all.

    ``activation.sto``, ``muscle_force.sto`` (N), ``reserve_force.sto`` and ``generalized_force.sto`` (the joint moments
    that were to be met; N·m, N) open in OpenSim, and so do, of a dynamic solution, ``excitation.sto`` and, where there
    is a model behind it, ``normalized_fiber_length.sto`` (optimal fibre lengths) and ``normalized_fiber_velocity.sto``
    (maximum contraction velocities). ``outputs`` names further quantities of
    :meth:`osimopt.RedundancySolution.to_dataframe`, each a file of its name, or is ``"all"`` for all that the problem
    can have. ``status.csv`` has one row per frame (status, moment residual, objective and its terms, and where a model
    is known the number of muscles that are shorter than their tendons);
    ``solution.json`` holds versions, input hashes, options, statistics, checks and findings. Failed frames are NaN,
    never the last iterate.

    Where the problem carries joint reactions, ``joint_reactions.sto`` has them, with the labels of OpenSim's
    JointReaction (:meth:`osimopt.RedundancySolution.joint_reactions`).

    Where there is a model, OpenSim's tools (JointReaction) can continue from ``actuator_force.sto`` (all actuators of
    the model and those that were added, N and N·m), ``reserves.xml`` (the added ones, as a ForceSet),
    ``coordinates.sto`` and ``speeds.sto`` (the motion as it was used, every coordinate, in rad and m), and, of loads
    that were low-passed, ``external_loads.xml`` and ``external_loads.sto`` (as they were used).

    Raises
    ------
    InputError
        The folder exists and ``overwrite`` is False, or it is not a result folder, or it holds other files too. An
        output is unknown, or needs what the problem does not have.
    SolverError
        The solution is sealed: the solver failed or was stopped. Nothing is written.
    """
    frames = len(solution.time)  # a sealed solution raises here
    write_pieces([solution], frames, folder, outputs=outputs, overwrite=overwrite)
    return Path(folder).absolute()


def write_pieces(
    solutions: Iterable[RedundancySolution],
    frames: int,
    folder: str | os.PathLike[str],
    *,
    outputs: Outputs = (),
    overwrite: bool = False,
) -> tuple[Summary, dict[str, Any]]:
    """Write solutions of consecutive pieces of one motion as one result folder, holding one piece at a time.

    ``frames`` is their number in all. Work is counted from the first frame of the first piece. The folder appears whole
    or not at all. Returns the summary of all, and their provenance.
    """

    def parts(_: Path) -> Iterator[Part]:
        before: Part | None = None
        for solution in solutions:
            part = part_of(solution.to("cpu"), outputs, before)
            before = replace(part, rows={})
            yield part

    return write_parts(parts, frames, folder, overwrite=overwrite)


def write_parts(
    parts: Callable[[Path], Iterable[Part]],
    frames: int,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    closing: Callable[[], tuple[dict[str, Any], list[str]]] = lambda: ({}, []),
) -> tuple[Summary, dict[str, Any]]:
    """Write what consecutive pieces of one motion add to a result folder; see :func:`write_pieces`.

    ``parts`` is called with the folder that is being filled. ``closing`` is called after the last part: what is known
    of all pieces together, for the provenance, and warnings.
    """
    with new_folder(folder, RESULT, overwrite=overwrite) as temporary:
        return _fill_result(parts(temporary), frames, temporary, closing)


def write_arrays(problem: RedundancyProblem, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the arrays of a problem as .sto, in a folder that appears whole or not at all.

    ``moment_arm.sto`` (m; columns ``<muscle>/<coordinate>``), ``max_force.sto`` (N),
    ``generalized_force.sto`` (N·m, N) and, where the problem came from a model, ``muscle_tendon_length.sto``
    (m), ``lengthening_speed.sto`` (m/s) and ``coordinates.sto`` (rad, m); ``arrays.json`` holds provenance.
    """
    problem = problem.to("cpu")
    geometry = problem.geometry
    pairs = zip(geometry.pair_muscle, geometry.pair_coordinate, strict=True)
    arrays: dict[str, tuple[Any, Iterable[str]]] = {
        "moment_arm": (geometry.moment_arms, [f"{problem.muscles[m]}/{problem.coordinates[c]}" for m, c in pairs]),
        "max_force": (problem.max_force, problem.muscles),
        "generalized_force": (problem.generalized_force, problem.coordinates),
        "muscle_tendon_length": (geometry.length, problem.muscles),
        "lengthening_speed": (geometry.lengthening_speed, problem.muscles),
    }
    if problem.kinematics is not None:
        arrays["coordinates"] = (problem.kinematics.value, problem.kinematics.coordinates)
    with new_folder(folder, ARRAYS, overwrite=overwrite) as temporary:
        for name, (values, labels) in arrays.items():
            if values is not None:
                write_table(Table(values, problem.time, labels), temporary / f"{name}.sto", name=name)
        write_json({"frames": len(problem), **problem.provenance}, temporary / "arrays.json")
    return Path(folder).absolute()


def write_muscle_table(table: pd.DataFrame, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a muscle table: one .mot per quantity (a column per muscle) and ``table.csv`` with everything.

    As in OpenSim's own plot exports the time column of the .mot counts rows.
    """
    import pandas as pd

    muscles, quantities = (dict.fromkeys(table.columns.get_level_values(level)) for level in (0, 1))
    coordinate, degrees = {table.attrs["coordinate"]: table.index}, table.attrs["unit"] == "deg"
    with new_folder(folder, TABLE, overwrite=overwrite) as temporary:
        for quantity in quantities:
            one = pd.DataFrame(coordinate | {muscle: table[muscle, quantity].to_numpy() for muscle in muscles})
            write_table(one, temporary / f"{quantity}.mot", name=quantity, in_degrees=degrees)
        table.to_csv(temporary / "table.csv")
    return Path(folder).absolute()


def read_summary(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read ``solution.json`` of a result folder."""
    path = Path(folder) / "solution.json"
    if not path.is_file():
        raise InputError(explain("a result folder with solution.json", "none", "Check the path.", folder))
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _fill_result(
    parts: Iterable[Part], frames: int, folder: Path, closing: Callable[[], tuple[dict[str, Any], list[str]]]
) -> tuple[Summary, dict[str, Any]]:
    """Append each part to the tables of a folder, then write ``solution.json``."""
    total: Summary | None = None
    seconds, provenance = 0.0, {}
    for part in parts:
        if total is None:
            for name, text in part.texts.items():
                (folder / name).write_bytes(text)
            for name, labels in part.labels.items():
                table = name.endswith(".sto")
                head = table_head(name.removesuffix(".sto"), frames, labels) if table else ",".join(labels) + "\n"
                (folder / name).write_text(head, encoding="utf-8")
        elif not part.start > total.evidence.end:
            got = f"{part.start:g} s after {total.evidence.end:g} s"
            raise InputError(explain("pieces that follow each other", got, "Add each piece once, in order.", folder))
        for name, rows in part.rows.items():
            append(rows, folder / name)
        total = part.summary if total is None else total + part.summary
        seconds += part.provenance.get("solve_seconds", 0.0)
        provenance = {**part.provenance, "solve_seconds": seconds}
        if total.evidence.self_check:
            provenance["self_check"] = dict(total.evidence.self_check)
    if total is None or total.frames != frames:
        got = "none" if total is None else str(total.frames)
        raise InputError(explain(f"{frames} frames to write", got, "Add every piece.", folder))
    known, warnings = closing()
    total = replace(total, warnings=tuple(dict.fromkeys([*total.warnings, *warnings])))
    if total.warnings:
        provenance["warnings"] = list(total.warnings)
    provenance |= known
    write_json({**total.to_dict(), **provenance}, folder / "solution.json")
    return total, provenance
