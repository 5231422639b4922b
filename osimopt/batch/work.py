"""One job: read, solve, compare, write. The only code that a job runs; it knows nothing of other jobs."""

from __future__ import annotations

import glob
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import explain
from .jobs import Job
from .journal import BETWEEN

if TYPE_CHECKING:
    from ..adapters.options import ReadOptions
    from ..emg.comparison import EmgComparison
    from ..problem.problem import RedundancyProblem
    from ..solution.solution import RedundancySolution

#: The last problem that this process read, by what it was read from: methods of one trial come one after the other.
_last: dict[str, Any] = {}


def do(job: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Do a job (:meth:`Job.plain`) and write its result folder; return its row of the manifest.

    Whatever is wrong with its input, or fails while it is solved, is in the row and not raised.
    """
    from ..errors import OsimoptError, SolverError

    own, begin = Job(**job), time.perf_counter()
    clear_unfinished(Path(folder))
    row: dict[str, Any] = {"status": "failed", "reason": ""}
    try:
        row |= _solved(own, Path(folder))
    except SolverError as error:
        row["reason"] = str(error)
    except OsimoptError as error:
        row |= {"status": "wrong input", "reason": str(error)}
    except OSError as error:
        row["reason"] = explain(
            "to read and write files", f"{error.strerror or error}", "Make room, check permissions.", folder
        )
    except MemoryError:
        row |= {"status": "memory", "reason": "Out of memory: solve fewer frames, or give the job more."}
    except Exception as error:  # a fault of ours is one row too, and its traceback is in the job's log
        import traceback

        traceback.print_exc()
        row["reason"] = f"{type(error).__name__}: {error} (a fault of osimopt: the job's log has the traceback)"
    return {**row, "seconds": round(time.perf_counter() - begin, 3)}


def clear_unfinished(folder: Path) -> None:
    """Remove what a process that was killed while it wrote this result folder left beside it."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        shutil.rmtree(left, ignore_errors=True)


def _solved(job: Job, folder: Path) -> dict[str, Any]:
    from ..pipeline.methods import check_options
    from ..pipeline.options import read_solve_options
    from ..pipeline.solve import solve_trial

    begin = time.perf_counter()
    read, how = _reading(job), read_solve_options(_method(job))
    check_options(read, how)
    problem = _problem(job, read)
    between = time.perf_counter()
    solved: list[RedundancySolution] = []
    solve_trial(read, how, folder, problem=problem, overwrite=True, n_jobs=1, on_piece=solved.append)
    row: dict[str, Any] = {
        "read_s": round(between - begin, 3), "solve_s": round(time.perf_counter() - between, 3)
    }  # fmt: skip
    (solution,) = solved
    strides = _strides(job, solution)
    row |= {"strides": json.dumps(strides)} if strides else {}
    return {**row, **_row(solution, _compared(solution, job, strides))}


def _reading(job: Job) -> ReadOptions:
    """What the job reads, by its files and options."""
    from ..adapters.options import FILES, ReadOptions

    options = {**job.read, **{what: path for what, path in job.files.items() if what in FILES}}
    if sets := tuple(path for what, path in job.files.items() if what.startswith("force_set_")):
        options["force_sets"] = sets
    if options.get("reserves") == "none":
        options["reserves"] = None
    return ReadOptions(job.files["model"], job.files["motion"], **options)


def _method(job: Job) -> dict[str, Any]:
    """The options of the job's method; the folder of a surrogate is one of its files."""
    folder = {"folder": job.files["surrogate"]} if "surrogate" in job.files else {}
    return {**job.solve, **folder}


def _problem(job: Job, read: ReadOptions) -> RedundancyProblem:
    """The job's problem; that of the last job where files and options are the same."""
    from ..adapters.load import read_problem
    from ..pipeline.read import with_networks

    stamps = [(path, Path(path).stat().st_mtime_ns if Path(path).exists() else 0) for path in job.files.values()]
    reading = [name for name in job.files if name not in ("emg", "strides", "mapping", "surrogate")]
    key = repr(([(name, job.files[name]) for name in reading], sorted(job.read.items()), stamps))
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
    found = find_strides(job.files["strides"], job.emg.get("side"))
    return [own for own in found.times if first <= own[0] and own[1] <= last]


def _compared(solution: RedundancySolution, job: Job, strides: list[tuple[float, float]]) -> EmgComparison | None:
    """Agreement with EMG, if the job has any."""
    if not job.emg or "emg" not in job.files:
        return None
    from ..emg.compare import compare_emg
    from ..emg.mapping import EmgMapping
    from ..emg.read import read_emg

    recorded = read_emg(job.files["emg"], amplitude=job.emg["amplitude"])
    mapping = EmgMapping.of(job.files.get("mapping", job.emg["mapping"]), recorded.channels, job.emg.get("side"))
    return compare_emg(solution, recorded, mapping, strides=strides)


def _row(solution: RedundancySolution, compared: EmgComparison | None) -> dict[str, Any]:
    """Counts, residuals, reserves and checks of a solution, and its agreement with EMG."""
    from ..solution.folder import summary_of
    from ..solution.summary import Summary

    summary, written = Summary.of(solution), summary_of(solution)
    evidence = summary.evidence
    worst = int(evidence.reserve_share.argmax())
    share = float(evidence.reserve_share[worst])
    checks = (*summary.checks(), *(compared.gates if compared else ()))
    failed = [check.name for check in checks if check.passes is False]
    lost = next(iter(summary.findings()), "") if summary.solved < summary.frames else ""
    return {
        "status": "solved" if summary.solved == summary.frames else "partly" if summary.solved else "failed",
        "reason": lost,
        "frames": summary.frames, "frames_solved": summary.solved, "start": evidence.start, "end": evidence.end,
        "moment_residual_max": written["moment_residual_max"], "objective_mean": written["objective_mean"],
        "reserve_share_max": share, "reserve_coordinate": evidence.coordinates[worst] if share else "",
        "residual_force_N": evidence.residual("N"), "residual_moment_Nm": evidence.residual("N·m"),
        "checks_failed": BETWEEN.join(dict.fromkeys(failed)), "findings": len(written["findings"]),
        "peak_force_N": float(np.nanmax(summary.force)) if summary.solved else None,
        **(_agreement(compared) if compared else {}),
    }  # fmt: skip


def _agreement(compared: EmgComparison) -> dict[str, Any]:
    by_channel = {f"emg_r {channel}": round(float(r), 4) for channel, r in compared.table["r"].items()}
    return {"emg_r_median": round(float(compared.table["r"].median()), 4), "emg_flags": len(compared.flags),
            **by_channel}  # fmt: skip
