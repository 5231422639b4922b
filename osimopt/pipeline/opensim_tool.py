"""run_setup: OpenSim's StaticOptimization and JointReaction from a setup file, computed here, in OpenSim's files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from ..adapters.arrays import read_force_records
from ..adapters.completion import turning_and_moved
from ..adapters.load import open_trial
from ..adapters.motion import read_motion_table
from ..adapters.options import ReadOptions, Source
from ..adapters.setup import Setup, read_setup
from ..adapters.trial import Trial
from ..errors import ConfigError, InputError, explain, some
from ..files.folders import made
from ..files.series import frame_times
from ..polynomial.muscle_paths import MusclePaths
from ..problem.arrays import Array, Index, Kinematics
from ..problem.costs import get_cost
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..static.options import StaticOptions
from .exact_forces import compare_with_exact
from .methods import solve_problem
from .opensim_files import write_opensim_files
from .opensim_reactions import GivenForces, Recorded, read_reactions, write_reactions
from .read import with_networks

Progress = Callable[[int, int], None]


def run_setup(
    path: str | os.PathLike[str],
    results: str | os.PathLike[str] | None = None,
    gain: Literal["opensim", "corrected"] = "opensim",
    *,
    exponent: float | None = None,
    geometry: Source | MusclePaths = "opensim",
    compare: bool = True,
    progress: Progress | None = None,
) -> RedundancySolution | GivenForces:
    """Run a setup file of OpenSim's AnalyzeTool and write the files that OpenSim writes.

    A StaticOptimization is solved; each JointReaction gets the forces that were solved for, or those of its
    <forces_file>. Other analyses are skipped, with a warning.

    Parameters
    ----------
    path : str | os.PathLike[str]
        Setup file of an AnalyzeTool (.xml) with one StaticOptimization, JointReactions, or both.
    results : str | os.PathLike[str] | None, default None
        Folder to write to in place of the setup file's <results_directory>; it is made if it does not exist. Files of
        the same names are replaced, as OpenSim does.
    gain : "opensim" | "corrected", default "opensim"
        As in :func:`osimopt.load_problem`. With <use_muscle_physiology> false the maximum force is
        max_isometric_force in either case.
    exponent : float | None, default None
        In place of the setup file's <activation_exponent>.
    geometry : str | os.PathLike[str] | MusclePaths, default "opensim"
        Muscle paths, as in :func:`osimopt.load_problem`: by default those that OpenSim's tool has.
    compare : bool, default True
        Solve with exact paths, too, and name the muscles whose forces these change by more than 1 N and 1 % of their
        peak: a finding, and ``provenance["exact_paths"]``, in N at the time in s. Only where ``geometry`` is
        ``"opensim"``; the files are the same without it.
    progress : callable, optional
        Called with (frames done, number of frames), once for reading and once for solving, and again to compare.

    Returns
    -------
    RedundancySolution
        Failed frames are NaN, in the files too. ``provenance["files"]`` lists the files:
        ``<name>_StaticOptimization_activation.sto``, ``_force.sto``, ``_controls.xml`` and ``_status.sto`` with a
        status, residual and error bound per frame; ``<name>_JointReaction_ReactionLoads.sto``.
    GivenForces
        Where nothing was solved: the forces of the <forces_file>, in the frames of the motion.

    Raises
    ------
    InputError, ModelError
        Wrong setup, or wrong files in it, before anything is solved.

    Notes
    -----
    As in OpenSim only the model's actuators and those of the force sets act, and frames are the motion's own, from the
    last one at or before <initial_time>. Unlike OpenSim, which continues with a warning, a motion without a
    column for a free coordinate is refused, and so is a model without an actuator on a loaded coordinate.

    Of a JointReaction, <joint_names>, <apply_on_bodies> (child, parent), <express_in_frame> (ground, parent, child, a
    body, or any frame by its path) and <step_interval> mean what they mean in OpenSim 4.6, where <start_time>,
    <end_time> and <in_degrees> have no effect either. A <forces_file> has tendon forces and actuators in N or N·m, by
    name; frames beside rows of NaN are NaN, where OpenSim misreads all rows from there on. Reactions are those of the
    motion. OpenSim's are those of the accelerations that the forces give, which are the motion's where the forces meet
    the moments; ``findings()`` say by how much they do not. Unlike OpenSim, which goes on with the muscle forces of the
    model's default states, a JointReaction without forces and a file without one of the actuators are refused, and
    beside a StaticOptimization it gets the forces of that. Where a joint's parent is farther from ground than its
    child, OpenSim's file has another joint's reaction.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> files = f"<model_file>{arm.model}</model_file><coordinates_file>{arm.motion}</coordinates_file>"
    >>> analysis = "<AnalysisSet><objects><StaticOptimization name='StaticOptimization'/></objects></AnalysisSet>"
    >>> times = "<initial_time>0.2</initial_time><final_time>0.4</final_time>"
    >>> tool = f"<AnalyzeTool name='arm'>{files}{times}{analysis}</AnalyzeTool>"
    >>> with open("setup.xml", "w") as file:
    ...     _ = file.write(f"<OpenSimDocument>{tool}</OpenSimDocument>")
    >>> osimopt.run_setup("setup.xml", results="results").success
    True
    """
    setup = read_setup(path)
    power = setup.exponent if exponent is None else exponent
    get_cost("activation_power", power)
    trial, problem = _load(setup, gain, geometry, progress)
    reacting = read_reactions(setup, trial, problem, _recorded(setup, problem))
    base = (setup.results if results is None else Path(results).resolve()) / setup.name
    with made(base.parent):
        base.parent.mkdir(parents=True, exist_ok=True)
    if setup.analysis is None:
        return _with_forces(setup, problem, reacting, base)
    records = read_force_records(trial.model_for(trial.motion), cast(Kinematics, problem.kinematics))
    how = StaticOptions(exponent=power)
    solution = solve_problem(problem, how, progress=progress)
    if compare and geometry == "opensim":
        found, text = compare_with_exact(
            solution, lambda: solve_problem(_load(setup, gain, "exact", progress)[1], how, progress=progress)
        )
        solution = _with_note(solution, found, text)
    files = write_opensim_files(solution, records, base.with_name(f"{base.name}_{setup.analysis}"), setup.precision)
    forces = solution.muscle_force, solution.reserve_control
    files += write_reactions(reacting, problem, forces, base, setup.precision)
    solution.provenance["files"] = [str(file) for file in files]
    return solution


def _with_forces(setup: Setup, problem: RedundancyProblem, reacting: Sequence[Recorded], base: Path) -> GivenForces:
    """The forces of a file, and the files of their reactions."""
    forces = next(one.given for one in reacting if one.given is not None)
    files = write_reactions(reacting, problem, None, base, setup.precision)
    return GivenForces(problem, *forces, {**problem.provenance, "files": [str(file) for file in files]})


def _with_note(solution: RedundancySolution, found: dict[str, Any], text: str) -> RedundancySolution:
    """The solution with what exact paths change."""
    kept = {"exact_paths": found, "warnings": [*solution.provenance["warnings"], text]}
    problem = replace(solution.problem, provenance={**solution.problem.provenance, **kept})
    return replace(solution, problem=problem, provenance={**solution.provenance, **kept})


def _load(
    setup: Setup, gain: str, geometry: Source | MusclePaths, progress: Progress | None
) -> tuple[Trial, RedundancyProblem]:
    """The trial of the setup, and the problem of its frames."""
    time = frame_times(read_motion_table(setup.motion))
    frames = _frames(setup, time)
    options = ReadOptions(
        setup.model,
        setup.motion,
        setup.external_loads,
        time_range=(time[frames[0]], time[frames[-1]]),
        lowpass_hz=setup.lowpass_hz,
        reserves=None,
        gain=cast(Any, gain if setup.muscle_physiology else "isometric"),
        speeds=setup.speeds,
        force_sets=setup.force_sets,
        geometry=geometry,
        replace_force_set=setup.replace_force_set,
        contact="on",  # as in OpenSim; a warning names what acts beside external loads
    )
    trial = open_trial(with_networks(options))
    if setup.speeds is None and (turning := turning_and_moved(trial.model, trial.motion)):
        got = f"a motion of {some(turning)}, whose joint's speeds are not rates of its coordinates"
        fix = (
            "OpenSim's StaticOptimization takes the rates of such coordinates for its speeds, and its accelerations "
            "are wrong: give a <states_file>, or use 'osimopt solve'."
        )
        raise ConfigError(explain("coordinates whose rates are OpenSim's speeds", got, fix, setup.path))
    problem = trial.problem(progress)
    if len(frames) < len(problem):
        problem = problem.frames(frames - frames[0])
    if setup.analysis is not None:
        _check_actuators(problem, setup)
    warnings = [*problem.provenance["warnings"], *setup.skipped]
    if setup.start < time[0] or setup.end > time[-1]:
        warnings.append(
            f"The setup file requests {setup.start:g} to {setup.end:g} s; the motion has "
            f"{time[0]:g} to {time[-1]:g} s, and {time[frames[0]]:g} to {time[frames[-1]]:g} s was run."
        )
    source = {"file": setup.path.name, "unused": setup.unused}
    return trial, replace(problem, provenance={**problem.provenance, "warnings": warnings, "setup": source})


def _frames(setup: Setup, time: Array) -> Index:
    """Rows of the motion, (T,) s, that are needed: those of the StaticOptimization, else of all JointReactions."""
    if setup.analysis is not None:
        return choose_rows(setup, time, setup.step_interval)
    return np.unique(np.concatenate([choose_rows(setup, time, one.step_interval) for one in setup.reactions]))


def _recorded(setup: Setup, problem: RedundancyProblem) -> list[Index]:
    """The frames of a problem that each JointReaction records.

    Raises
    ------
    ConfigError
        A StaticOptimization skips some of them.
    """
    time, found = frame_times(read_motion_table(setup.motion)), []
    for analysis in setup.reactions:
        wanted = time[choose_rows(setup, time, analysis.step_interval)]
        rows = np.flatnonzero(np.isin(problem.time, wanted))
        if len(rows) < len(wanted):
            fix = f"Give the JointReaction '{analysis.name}' a multiple of it."
            got = f"{analysis.step_interval}"
            expected = f"a multiple of the StaticOptimization's {setup.step_interval}"
            raise ConfigError(explain(expected, got, fix, f"{setup.path}, <step_interval>"))
        found.append(rows)
    return found


def choose_rows(setup: Setup, time: Array, step_interval: int) -> Index:
    """Rows of the motion, (T,) s, that OpenSim analyses.

    From the last row at or before the initial time to the last at or before the final time; of those the first, the
    last and every ``step_interval``-th of the whole motion. Where the motion is filtered OpenSim counts from
    the start of its padding, half as long as the motion.
    """
    if setup.end < setup.start or setup.start > time[-1] or setup.end < time[0]:
        got = f"<initial_time> {setup.start:g} and <final_time> {setup.end:g}"
        fix = "Correct the times in the setup file."
        raise ConfigError(explain(f"times within the motion's {time[0]:g} to {time[-1]:g} s", got, fix, setup.path))
    first, last = (max(int(np.searchsorted(time, limit, side="right")) - 1, 0) for limit in (setup.start, setup.end))
    rows = np.arange(first, last + 1)
    padding = 0 if setup.lowpass_hz is None else len(time) // 2
    chosen: Index = rows[((rows + padding) % step_interval == 0) | (rows == first) | (rows == last)]
    return chosen


def _check_actuators(problem: RedundancyProblem, setup: Setup) -> None:
    """Refuse what OpenSim calls over-constrained, by name."""
    acted = np.isin(np.arange(len(problem.coordinates)), problem.geometry.pair_coordinate)
    acted |= problem.reserves.acts.any(axis=1)
    idle = [name for name, any_acts in zip(problem.coordinates, acted, strict=True) if not any_acts]
    fix = "Add residual and reserve actuators with <force_set_files>, or lock the coordinates."
    if idle:
        raise InputError(explain("an actuator on every free coordinate", f"none on {some(idle, 12)}", fix, setup.path))
    count, needed = len(problem.actuators), len(problem.coordinates)
    if count < needed:
        raise InputError(explain(f"at least {needed} actuators, as many as coordinates", f"{count}", fix, setup.path))
