"""Result folders: writing them whole, piece by piece, with the files that OpenSim's tools continue from."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ..errors import InputError, explain, some
from ..files.storage import table_head, table_rows, time_table, write_table
from .summary import Summary

if TYPE_CHECKING:
    import pandas as pd

    from ..problem.problem import RedundancyProblem
    from .solution import RedundancySolution

#: By the file by which a folder of ours is known: all that is written into it, so that nothing else is ever
#: overwritten. A new file of results belongs here too.
OWN = {
    "solution.json": (
        "activation.sto", "muscle_force.sto", "reserve_force.sto", "generalized_force.sto", "excitation.sto",
        "fiber_length.sto", "fiber_velocity.sto", "actuator_force.sto", "reserves.xml", "coordinates.sto", "speeds.sto",
        "status.csv", "solution.png", "elbow_muscles.png", "elbow_sharing.png", "report.html",
    ),
    "arrays.json": (
        "moment_arm.sto", "max_force.sto", "generalized_force.sto", "muscle_tendon_length.sto",
        "lengthening_speed.sto", "coordinates.sto",
    ),
    "max_force_rigid.mot": (
        "moment_arm.mot", "max_force.mot", "max_moment.mot", "max_force_active.mot", "muscle_tendon_length.mot",
        "fiber_length.mot", "table.csv", "table.png",
    ),
    "emg.json": (
        "ranking.csv", "agreement.csv", "by_stride.csv", "co_contraction.csv", "coverage.csv", "flags.csv",
        "report.html",
    ),
    "comparison.json": ("muscles.csv", "forces.png", "activations.png"),
    "surrogate.json": ("weights.safetensors", "training.json", "training.png"),
}  # fmt: skip
#: Files that file managers leave in folders.
LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
#: The added actuators as OpenSim reads them.
FORCE_SET = """\
<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40600">
	<ForceSet name="osimopt_reserves">
		<objects>
{actuators}		</objects>
		<groups />
	</ForceSet>
</OpenSimDocument>
"""
ACTUATOR = """\
			<CoordinateActuator name={name}>
				<min_control>{lower:g}</min_control>
				<max_control>{upper:g}</max_control>
				<coordinate>{coordinate}</coordinate>
				<optimal_force>{force:.17g}</optimal_force>
			</CoordinateActuator>
"""


def write_result(solution: RedundancySolution, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a solution as a folder that appears whole or not at all.

    ``activation.sto``, ``muscle_force.sto`` (N), ``reserve_force.sto`` and ``generalized_force.sto`` (the joint moments
    that were to be met; N·m, N) open in OpenSim, and so do, of a dynamic solution, ``excitation.sto`` and, where there
    is a model behind it, ``fiber_length.sto`` (optimal fibre lengths) and ``fiber_velocity.sto`` (maximum contraction
    velocities). ``status.csv`` has one row per frame (status, moment residual, objective and its terms);
    ``solution.json`` holds versions, input hashes, options, statistics, checks and findings. Failed frames are NaN,
    never the last iterate.

    Where there is a model, OpenSim's tools (JointReaction) can go on from ``actuator_force.sto`` (all actuators of the
    model and those that were added, N and N·m), ``reserves.xml`` (the added ones, as a ForceSet), ``coordinates.sto``
    and ``speeds.sto`` (the motion as it was used, every coordinate, in rad and m).

    Raises
    ------
    InputError
        The folder exists and ``overwrite`` is False, or it is not a result folder, or it holds other files too.
    SolverError
        The solution is sealed: the solver failed or was stopped. Nothing is written.
    """
    frames = len(solution.time)  # a sealed solution raises here
    write_pieces([solution], frames, folder, overwrite=overwrite)
    return Path(folder).absolute()


def write_pieces(
    solutions: Iterable[RedundancySolution], frames: int, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> tuple[Summary, dict[str, Any]]:
    """Write solutions of consecutive pieces of one motion as one result folder, holding one piece at a time.

    ``frames`` is their number in all. The folder appears whole or not at all. Returns the summary of all, and their
    provenance.
    """
    closed: list[tuple[Summary, dict[str, Any]]] = []

    def fill(temporary: Path) -> None:
        writer = ResultWriter(temporary, frames)
        for solution in solutions:
            writer.add(solution)
        closed.append(writer.close())

    write_folder(Path(folder), overwrite, fill)
    return closed[0]


def write_arrays(problem: RedundancyProblem, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the arrays of a problem as .sto, in a folder that appears whole or not at all.

    ``moment_arm.sto`` (m; columns ``<muscle>/<coordinate>``), ``max_force.sto`` (N),
    ``generalized_force.sto`` (N·m, N) and, where the problem came from a model, ``muscle_tendon_length.sto``
    (m), ``lengthening_speed.sto`` (m/s) and ``coordinates.sto`` (rad, m); ``arrays.json`` holds provenance.
    """
    return write_folder(Path(folder), overwrite, lambda temporary: _fill_arrays(problem, temporary))


def write_muscle_table(table: pd.DataFrame, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a muscle table: one .mot per quantity (a column per muscle) and ``table.csv`` with everything.

    As in OpenSim's own plot exports the time column of the .mot counts rows.
    """
    return write_folder(Path(folder), overwrite, lambda temporary: _fill_muscle_table(table, temporary))


def write_folder(folder: Path, overwrite: bool, fill: Callable[[Path], None]) -> Path:
    """Fill a temporary folder and rename it, so that it appears whole or not at all."""
    folder = folder.absolute()
    check_target(folder, overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise InputError(explain("a folder that can be made", str(error), "Choose another place.", folder)) from error
    try:
        fill(temporary)
        temporary.chmod(0o755)
        _swap(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _swap(fresh: Path, folder: Path) -> None:
    """Put a folder in the place of another, or of none; if that fails the old one stays, or the error says where."""
    if not folder.exists():
        fresh.replace(folder)
        return
    retired = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.")) / "old"
    folder.replace(retired)
    try:
        fresh.replace(folder)
    except BaseException as error:
        try:
            retired.replace(folder)
        except OSError:
            fix = f"The earlier results now lie in {retired}: rename that folder to have them back, and try again."
            raise InputError(explain("the new results in the place of the old", str(error), fix, folder)) from error
        shutil.rmtree(retired.parent, ignore_errors=True)
        raise
    shutil.rmtree(retired.parent, ignore_errors=True)


def check_target(folder: Path, overwrite: bool) -> None:
    """Refuse a folder with files, unless ``overwrite`` is True and all of them are osimopt's."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not overwrite:
        fix = "Choose another folder, or give overwrite=True (--overwrite)."
        raise InputError(explain("a new or empty folder for the results", "one with files in it", fix, folder))
    found = [] if folder.is_file() else sorted(path.name for path in folder.iterdir())
    marked = [marker for marker in OWN if marker in found]
    if not marked:
        fix = "Choose another folder: this one holds something else."
        raise InputError(explain("a result folder to overwrite", f"none of {some(OWN)} in it", fix, folder))
    ours = {*marked, *LITTER, *(name for marker in marked for name in OWN[marker])}
    if others := [name for name in found if name not in ours]:
        fix = "Move what is not a result away, or choose another folder."
        got = f"{others[0]}" + (f" and {len(others) - 1} more" if others[1:] else "") + " that osimopt did not write"
        raise InputError(explain("nothing but results in the folder to overwrite", got, fix, folder))


def read_summary(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read ``solution.json`` of a result folder."""
    path = Path(folder) / "solution.json"
    if not path.is_file():
        raise InputError(explain("a result folder with solution.json", "none", "Check the path.", folder))
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


class ResultWriter:
    """Fills a result folder, piece after piece; ``close`` writes the summary of all."""

    def __init__(self, folder: Path, frames: int) -> None:
        self.folder, self.frames = folder, frames
        self.summary: Summary | None = None
        self._provenance: dict[str, Any] = {}

    def add(self, solution: RedundancySolution) -> None:
        """Append the frames of a solution."""
        first, problem = self.summary is None, solution.problem
        for quantity in solution.quantities:
            self._append(quantity, solution.to_dataframe(quantity))
        moments = time_table(solution.time, problem.generalized_force, problem.coordinates)
        for name, table in {"generalized_force": moments, **opensim_tables(solution)}.items():
            self._append(name, table)
        if first and (added := added_actuators(problem)):
            (self.folder / "reserves.xml").write_text(added, encoding="utf-8")
        frame_table(solution).to_csv(self.folder / "status.csv", mode="a", header=first, index=False)
        summary = Summary.of(solution)
        self.summary = summary if self.summary is None else self.summary + summary
        seconds = self._provenance.get("solve_seconds", 0.0) + solution.provenance.get("solve_seconds", 0.0)
        self._provenance = {**solution.provenance, "solve_seconds": seconds, "pcsa_cm2": areas(solution)}

    def _append(self, name: str, table: pd.DataFrame) -> None:
        path = self.folder / f"{name}.sto"
        head = "" if path.exists() else table_head(name, self.frames, list(table.columns))
        with path.open("a", encoding="utf-8") as file:
            file.write(head + table_rows(table.index.to_numpy(), table.to_numpy()))

    def close(self) -> tuple[Summary, dict[str, Any]]:
        """Write ``solution.json``; return the summary and the provenance of all."""
        if self.summary is None or self.summary.frames != self.frames:
            got = "none" if self.summary is None else str(self.summary.frames)
            raise InputError(explain(f"{self.frames} frames to write", got, "Add every piece.", self.folder))
        write_json({**self.summary.to_dict(), **self._provenance}, self.folder / "solution.json")
        return self.summary, self._provenance


def summary_of(solution: RedundancySolution) -> dict[str, Any]:
    """Content of ``solution.json``."""
    return {**Summary.of(solution).to_dict(), **solution.provenance, "pcsa_cm2": areas(solution)}


def areas(solution: RedundancySolution) -> dict[str, float]:
    """Physiological cross-sectional area by muscle, cm²."""
    problem = solution.problem
    return {name: round(float(own), 4) for name, own in zip(problem.muscles, problem.pcsa, strict=True)}


def _fill_arrays(problem: RedundancyProblem, folder: Path) -> None:
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
    for name, (values, labels) in arrays.items():
        if values is not None:
            write_table(time_table(problem.time, values, labels), folder / f"{name}.sto", name=name)
    write_json({"frames": len(problem), **problem.provenance}, folder / "arrays.json")


def _fill_muscle_table(table: pd.DataFrame, folder: Path) -> None:
    import pandas as pd

    muscles = list(dict.fromkeys(table.columns.get_level_values(0)))
    for quantity in dict.fromkeys(table.columns.get_level_values(1)):
        one = pd.DataFrame(
            {table.attrs["coordinate"]: table.index, **{m: table[m, quantity].to_numpy() for m in muscles}}
        )
        degrees = table.attrs["unit"] == "deg"
        write_table(one, folder / f"{quantity}.mot", name=quantity, in_degrees=degrees)
    table.to_csv(folder / "table.csv")


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write plain data as JSON: numpy's numbers and paths as their text, infinities as words."""
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, default=str, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain(content: Any) -> Any:
    """The same with infinities and NaN, which JSON does not have, as words."""
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_plain(value) for value in content]
    return str(content) if isinstance(content, float) and not np.isfinite(content) else content


def frame_table(solution: RedundancySolution) -> pd.DataFrame:
    """One row per frame: time, status, largest moment residual and where, objective, terms, uniqueness, detail."""
    import pandas as pd

    residual = np.abs(solution.moment_residual)
    coordinates = np.array([*solution.problem.coordinates])
    where = coordinates[np.argmax(np.nan_to_num(residual), axis=1)]
    return pd.DataFrame(
        {
            "time": solution.time,
            "status": [status.name.lower() for status in solution.status],
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
    )


def opensim_tables(solution: RedundancySolution) -> dict[str, pd.DataFrame]:
    """Tables by the name of their file; none where no model is known, or OpenSim would take them for something else.

    ``actuator_force``: a column for every actuator of the model and for those of :func:`added_actuators`, in N or N·m;
    muscles by their tendon force, actuators that the model switches off by 0. ``coordinates`` and ``speeds``: all of
    the model's, in rad, m and s.
    """
    problem = solution.problem
    motion = problem.kinematics
    if motion is None or not _understood(problem):
        return {}
    off = tuple(problem.provenance.get("switched_off", ()))
    idle = np.zeros((len(solution.time), len(off)))
    force = np.hstack([solution.muscle_force, solution.reserve_force, idle])
    columns = {
        "actuator_force": (force, (*problem.actuators, *off)),
        "coordinates": (motion.value, motion.coordinates),
        "speeds": (motion.speed, [f"{name}_u" for name in motion.coordinates]),
    }
    return {name: time_table(solution.time, values, labels) for name, (values, labels) in columns.items()}


def added_actuators(problem: RedundancyProblem) -> str:
    """The reserves and residual actuators that were added to the model, as a ForceSet (.xml); "" where none were."""
    if not _understood(problem):
        return ""
    actuators = "".join(_actuators(problem))
    return FORCE_SET.format(actuators=actuators) if actuators else ""


def _understood(problem: RedundancyProblem) -> bool:
    """Whether OpenSim's tools read rates and reserves as they are meant.

    In joints with speeds of their own they take rates of coordinates for speeds, and forces about coordinates for
    forces about speeds.
    """
    return problem.kinematics is not None and not problem.provenance.get("turning")


def _actuators(problem: RedundancyProblem) -> Iterator[str]:
    """Actuators on one coordinate with their optimal force there; OpenSim has no class for others."""
    reserves = problem.reserves
    for column, (name, origin) in enumerate(zip(reserves.names, reserves.origin, strict=True)):
        effect, force = reserves.effect[:, :, column], float(reserves.optimal_force[column])
        rows = np.flatnonzero(effect.any(axis=0))
        if origin != "model" and len(rows) == 1 and np.all(effect[:, rows] == force):
            yield ACTUATOR.format(
                name=quoteattr(name), coordinate=escape(problem.coordinates[rows[0]]), force=force,
                lower=reserves.lower[column], upper=reserves.upper[column],
            )  # fmt: skip
