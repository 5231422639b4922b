"""One job: read, solve, compare, write. This is all that a job runs, independently of other jobs."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..adapters.load import read_problem
from ..adapters.options import FILES, ReadOptions
from ..dynamic.options import DynamicOptions
from ..errors import InputError, OsimoptError, SolverError, explain
from ..files.folders import clear_unfinished
from ..pipeline.options import read_solve_options
from ..pipeline.read import with_networks
from ..pipeline.solve import solve_trial
from ..problem.path_record import PathRecord
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..solution.summary import Summary
from .jobs import OF_METHODS, Job
from .journal import BETWEEN, CONTACT_BW, CONTACT_N

if TYPE_CHECKING:
    from ..dynamic.emg import EmgTracking
    from ..emg.comparison import EmgComparison
    from ..emg.mapping import EmgMapping
    from ..emg.recording import Emg

#: Of hashes in the manifest.
DIGITS = 12
#: The last problem that this process read, by what it was read from: methods of one trial come one after the other.
_last: dict[str, Any] = {}


def do(job: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Do a job (the fields of a :class:`Job`) and write its result folder; return its row of the manifest.

    Wrong input and failures of the solver are reported in the row and not raised.
    """
    begin = time.perf_counter()
    clear_unfinished(Path(folder))
    row: dict[str, Any] = {"status": "failed", "reason": ""}
    try:
        row |= _solved(Job(**job), Path(folder))
    except OsimoptError as error:
        row |= {"status": "failed" if isinstance(error, SolverError) else "wrong input", "reason": str(error)}
    except OSError as error:
        fix = "Free disk space, or check permissions."
        row["reason"] = explain("files that can be read and written", f"{error.strerror or error}", fix, folder)
    except MemoryError:
        row |= {"status": "memory", "reason": "Out of memory: solve fewer frames, or give the job more."}
    except Exception as error:  # a fault of osimopt: its traceback goes to the job's log
        traceback.print_exc()
        row["reason"] = f"{type(error).__name__}: {error} (a fault of osimopt: the job's log has the traceback)"
    return {**row, "seconds": round(time.perf_counter() - begin, 3)}


def _solved(job: Job, folder: Path) -> dict[str, Any]:
    times, solved = [time.perf_counter()], list[RedundancySolution]()

    def reader(read: ReadOptions) -> RedundancyProblem:
        problem = problem_of(job, read)
        times.append(time.perf_counter())
        return problem

    named = {key: job.files[what] for what, key in OF_METHODS.items() if what in job.files}
    read, how = reading_of(job), read_solve_options({**job.solve, **named})
    if isinstance(how, DynamicOptions) and isinstance(how.emg, Mapping):
        how = replace(how, emg=_tracked(job, how.emg))
    writing: dict[str, Any] = {"outputs": job.outputs, "overwrite": True, "n_jobs": 1}
    writing["checkpoint"] = folder.with_name(f".{folder.name}.windows")
    summary = solve_trial(read, how, folder, reader=reader, on_piece=solved.append, **writing).summary
    begin, between = times
    seconds = {"read_s": round(between - begin, 3), "solve_s": round(time.perf_counter() - between, 3)}
    (solution,) = solved
    strides = _strides(job, solution)
    written = {"strides": json.dumps(strides)} if strides else {}
    return {**seconds, **written, **_row(summary, solution.problem, _compared(solution, job, strides))}


def reading_of(job: Job) -> ReadOptions:
    """What the job reads, by its files and options."""
    options = {**job.read, **{what: path for what, path in job.files.items() if what in FILES}}
    if sets := tuple(path for what, path in job.files.items() if what.startswith("force_set_")):
        options["force_sets"] = sets
    if options.get("reserves") == "none":
        options["reserves"] = None
    return ReadOptions(job.files["model"], job.files["motion"], **options)


def problem_of(job: Job, read: ReadOptions) -> RedundancyProblem:
    """The job's problem; that of the last job where files and options are the same."""
    stamps = [(path, Path(path).stat().st_mtime_ns if Path(path).exists() else 0) for path in job.files.values()]
    reading = [name for name in job.files if name not in ("emg", "strides", "mapping", *OF_METHODS)]
    joints = read.joint_reactions  # a method with contact forces needs some
    key = repr(([(name, job.files[name]) for name in reading], sorted(job.read.items()), joints, stamps))
    if _last.get("key") != key:
        _last.clear()
        _last.update(key=key, problem=read_problem(with_networks(read), 1))
    loaded: RedundancyProblem = _last["problem"]
    return loaded


def _strides(job: Job, solution: RedundancySolution) -> list[tuple[float, float]]:
    """Strides that the solution has whole, if the job has loads to find them by."""
    if "strides" not in job.files:
        return []
    from ..emg.strides import find_strides

    first, last = float(solution.time[0]), float(solution.time[-1])
    found = find_strides(job.files["strides"], job.emg.get("side"), motion=job.files["motion"])
    return [own for own in found.times if first <= own[0] and own[1] <= last]


def _compared(solution: RedundancySolution, job: Job, strides: list[tuple[float, float]]) -> EmgComparison | None:
    """Agreement with EMG, if the job has any."""
    if not job.emg or "emg" not in job.files:
        return None
    from ..emg.compare import compare_emg

    return compare_emg(solution, *recorded(job), strides=strides)


def recorded(job: Job) -> tuple[Emg, EmgMapping]:
    """The job's EMG, and which muscles its channels measure."""
    from ..emg.mapping import EmgMapping
    from ..emg.read import read_emg

    found = read_emg(job.files["emg"], amplitude=job.emg["amplitude"])
    found = found.retimed(job.emg.get("shift", 0.0), job.emg.get("clock_rate", 0.0))
    return found, EmgMapping.of(job.files.get("mapping", job.emg["mapping"]), found.channels, job.emg.get("side"))


def _tracked(job: Job, options: Mapping[str, Any]) -> EmgTracking:
    """The job's EMG as excitations follow it."""
    from ..dynamic.emg import EmgTracking

    if "emg" not in job.files or not job.emg:
        fix = "Give the subject or trial emg, and [emg] a mapping."
        raise InputError(explain("EMG of the trial with emg of a method", "none", fix))
    return EmgTracking.of(*recorded(job), **options)


def _row(summary: Summary, problem: RedundancyProblem, compared: EmgComparison | None) -> dict[str, Any]:
    """Counts, residuals, reserves and checks of a solution, and its agreement with EMG."""
    evidence, written = summary.evidence, summary.to_dict()
    worst = int(evidence.reserve_share.argmax())
    share = float(evidence.reserve_share[worst])
    checks = (*summary.checks(), *(compared.checks if compared else ()))
    failed = [check.name for check in checks if check.passes is False]
    lost = next(iter(summary.findings()), "") if summary.solved < summary.frames else ""
    agreement: dict[str, Any] = {}
    if compared:
        r = compared.table["r"]
        by_channel = {f"emg_r {channel}": round(float(value), 4) for channel, value in r.items()}
        agreement = {"emg_r_median": round(float(r.median()), 4), "emg_flags": len(compared.flags), **by_channel}
    joints = summary.joints.rows() if summary.joints is not None and summary.solved else []
    return {
        "status": "solved" if summary.solved == summary.frames else "partly" if summary.solved else "failed",
        "reason": lost,
        "frames": summary.frames, "frames_solved": summary.solved, "start": evidence.start, "end": evidence.end,
        "moment_residual_max": written["moment_residual_max"], "objective_mean": written["objective_mean"],
        "reserve_share_max": share, "reserve_coordinate": evidence.coordinates[worst] if share else "",
        "residual_force_N": evidence.residual("N"), "residual_moment_Nm": evidence.residual("N·m"),
        "checks_failed": BETWEEN.join(dict.fromkeys(failed)), "findings": len(written["findings"]),
        "peak_force_N": float(np.nanmax(summary.force)) if summary.solved else None,
        "geometry": PathRecord.of_problem(problem).counted(),
        "description": str(problem.provenance.get("description", ""))[:DIGITS],
        **agreement,
        **{f"{CONTACT_N}{joint}": round(peak, 3) for joint, peak, _, _ in joints},
        **{f"{CONTACT_BW}{joint}": round(weights, 5) for joint, _, weights, _ in joints},
    }  # fmt: skip
