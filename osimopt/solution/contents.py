"""What a solution adds to a result folder: tables by frame, texts, summary and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..files.storage import cells, csv_rows, table_rows, table_text
from ..files.table import Table
from .opensim_inputs import added_actuators, filtered_loads, opensim_tables
from .quantities import DERIVED, Outputs, Work, outputs_of, quantity_of
from .reactions import about_reactions, written_reactions
from .summary import Summary

if TYPE_CHECKING:
    from ..problem.problem import RedundancyProblem
    from .solution import RedundancySolution


#: What follows a file's name, before the first time, where another process has written a piece's rows.
PIECE = ".from_"


@dataclass(frozen=True, eq=False)
class Part:
    """What a piece of a motion adds to a result folder.

    ``labels`` are those of the columns by name of a table, ``rows`` the text of its rows, or a file that holds it.
    ``texts`` are the files that the first piece writes. ``work``, where it is written, is what muscles have done so
    far.
    """

    start: float
    end: float
    labels: dict[str, list[str]]
    rows: dict[str, bytes | Path]
    texts: dict[str, bytes]
    summary: Summary
    provenance: dict[str, Any]
    work: Work | None = None

    def moved(self, folder: Path) -> Part:
        """The same with its rows in files, for another process, whose part is not the first."""
        rows: dict[str, bytes | Path] = {name: folder / f"{name}{PIECE}{self.start!r}" for name in self.rows}
        for name, text in self.rows.items():
            Path(str(rows[name])).write_bytes(bytes(text))
        return replace(self, rows=rows, texts={})


def part_of(solution: RedundancySolution, outputs: Outputs, before: Part | None = None) -> Part:
    """What a solution adds to a result folder; ``before`` is the part of the piece before it."""
    work = None if before is None else before.work
    problem = solution.problem
    more = outputs_of(solution, outputs)
    tables = {name: solution.table(name) for name in (*solution.quantities, *more)}
    if "muscle_work" in more:
        work = Work.of(solution.time, quantity_of(solution, "muscle_power"), work)
        tables["muscle_work"] = Table(work.done, solution.time, problem.muscles)
    tables["generalized_force"] = Table(problem.generalized_force, solution.time, problem.coordinates)
    if (reactions := written_reactions(solution)) is not None:
        tables["joint_reactions"] = reactions
    tables |= opensim_tables(solution)
    frames = frame_table(solution)
    time = cells(solution.time[:, None])
    text = {name: cells(table.to_numpy()) for name, table in tables.items() if name != "actuator_force"}
    rows: dict[str, bytes | Path] = {f"{name}.sto": table_rows(time, own) for name, own in text.items()}
    if "actuator_force" in tables:  # muscles and reserves again, and those that are idle
        idle = tables["actuator_force"].to_numpy()[:, len(problem.actuators) :]
        forces = text["muscle_force"], text["reserve_force"], idle
        rows["actuator_force.sto"] = table_rows(time, *forces)
    provenance = _provenance(solution)
    if more:
        provenance["outputs"] = {name: DERIVED[name].unit for name in more}
    return Part(
        float(solution.time[0]),
        float(solution.time[-1]),
        {**{f"{name}.sto": list(table.columns) for name, table in tables.items()}, "status.csv": list(frames)},
        {**rows, "status.csv": csv_rows(frames.values())},
        _texts(problem) if before is None else {},
        Summary.of(solution),
        provenance,
        work,
    )


def _texts(problem: RedundancyProblem) -> dict[str, bytes]:
    """Files by name, beside the tables of frames."""
    texts = {}
    if added := added_actuators(problem):
        texts["reserves.xml"] = added.encode()
    if (loads := filtered_loads(problem)) is not None:
        texts["external_loads.xml"] = loads[0].encode()
        texts["external_loads.sto"] = table_text(loads[1], "external_loads")
    return texts


def summary_of(solution: RedundancySolution) -> dict[str, Any]:
    """Content of ``solution.json``."""
    return {**Summary.of(solution).to_dict(), **_provenance(solution)}


def _provenance(solution: RedundancySolution) -> dict[str, Any]:
    """The solution's, and what else stands beside it in ``solution.json``."""
    problem, reactions = solution.problem, solution.problem.reactions
    least = {name: float(own) for name, own in zip(problem.muscles, problem.lower, strict=True) if own}
    known = {**solution.provenance, "pcsa_cm2": areas(solution)} | ({"lower_bound": least} if least else {})
    return known if reactions is None else {**known, "joint_reactions": about_reactions(reactions)}


def areas(solution: RedundancySolution) -> dict[str, float]:
    """Physiological cross-sectional area by muscle, cm²."""
    problem = solution.problem
    return {name: round(float(own), 4) for name, own in zip(problem.muscles, problem.pcsa, strict=True)}


def _words(status: NDArray[np.object_]) -> list[str]:
    """Names of statuses in small letters."""
    words = np.full(len(status), "", dtype=object)
    for one in {id(one): one for one in status.tolist()}.values():
        words[status == one] = one.name.lower()
    return words.tolist()


def frame_table(solution: RedundancySolution) -> dict[str, Sequence[Any]]:
    """Columns by frame: time, status, largest moment residual and where, objective, terms, uniqueness, detail."""
    residual = np.abs(solution.moment_residual)
    coordinates = np.array([*solution.problem.coordinates])
    where = coordinates[np.argmax(np.nan_to_num(residual), axis=1)]
    columns: dict[str, Any] = {
        "time": solution.time,
        "status": _words(solution.status),
        "moment_residual": residual.max(axis=1),
        "worst_coordinate": np.where(solution.solved, where, ""),
        "objective": solution.objective,
        **{f"objective_{name}": term for name, term in solution.objective_terms.items()},
        "gap": solution.gap,
        "activation_error": solution.activation_error,
        "unique": solution.unique,
        "iterations": solution.iterations,
        **solution.checks,
        "detail": [solution.detail.get(frame, "") for frame in range(len(solution.status))],
    }
    unknown = [None] * len(residual)
    return {
        name: unknown if values is None else np.asarray(values, object).tolist() for name, values in columns.items()
    }
