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
    from ..emg.comparison import EmgComparison
    from ..problem.problem import RedundancyProblem
    from ..solution.solution import RedundancySolution

#: Files of a job that are arguments of load_problem by the same name.
READ = ("external_loads", "generalized_force", "speeds", "geometry")
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
    begin = time.perf_counter()
    problem = _problem(job)
    read = time.perf_counter() - begin
    solution = _solve(problem, job)
    row: dict[str, Any] = {"read_s": round(read, 3), "solve_s": round(time.perf_counter() - begin - read, 3)}
    strides = _strides(job, solution)
    row |= {"strides": json.dumps(strides)} if strides else {}
    compared = _compared(solution, job, strides)
    solution.write(folder, overwrite=True)
    return {**row, **_row(solution, compared)}


def _problem(job: Job) -> RedundancyProblem:
    """As the job's files and options say; read back from the last job where these are the same."""
    from ..adapters.load import load_problem

    files: dict[str, Any] = {what: path for what, path in job.files.items() if what in READ}
    files["force_sets"] = tuple(path for what, path in job.files.items() if what.startswith("force_set_"))
    read = dict(job.read)
    if read.get("reserves") == "none":
        read["reserves"] = None
    stamps = [(path, Path(path).stat().st_mtime_ns if Path(path).exists() else 0) for path in job.files.values()]
    key = repr((sorted(files.items()), job.files["model"], job.files["motion"], sorted(read.items()), stamps))
    if _last.get("key") != key:
        _last.clear()
        if "geometry" in files and Path(files["geometry"]).is_dir():
            from ..surrogate.geometry import GeometrySurrogate

            files["geometry"] = GeometrySurrogate.load(files["geometry"])
        problem = load_problem(job.files["model"], job.files["motion"], n_jobs=1, **files, **read)
        _last.update(key=key, problem=problem)
    loaded: RedundancyProblem = _last["problem"]
    return loaded


def _solve(problem: RedundancyProblem, job: Job) -> RedundancySolution:
    how = {name: value for name, value in job.solve.items() if name != "method"}
    if job.solve["method"] == "static":
        from ..static.solve import solve_static

        return solve_static(problem, on_failure="return", **how)
    if job.solve["method"] == "dynamic":
        from ..dynamic.solve import solve_dynamic

        solution: Any = solve_dynamic(problem, n_jobs=1, **how)
        return solution  # type: ignore[no-any-return]
    from ..pipeline.by_surrogate import read_surrogate, solve_by_surrogate

    return solve_by_surrogate(problem, read_surrogate(job.files["surrogate"]), how["fallback"], n_jobs=1)


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

    tally, summary = Summary.of(solution), summary_of(solution)
    evidence = tally.evidence
    worst = int(evidence.reserve_share.argmax())
    share = float(evidence.reserve_share[worst])
    failed = [gate.name for gate in (*tally.gates(), *(compared.gates if compared else ())) if gate.passes is False]
    lost = next(iter(solution.findings()), "") if tally.solved < tally.frames else ""
    return {
        "status": "solved" if tally.solved == tally.frames else "partly" if tally.solved else "failed", "reason": lost,
        "frames": tally.frames, "frames_solved": tally.solved, "start": evidence.start, "end": evidence.end,
        "moment_residual_max": summary["moment_residual_max"], "objective_mean": summary["objective_mean"],
        "reserve_share_max": share, "reserve_coordinate": evidence.coordinates[worst] if share else "",
        "residual_force_N": evidence.residual("N"), "residual_moment_Nm": evidence.residual("N·m"),
        "checks_failed": BETWEEN.join(dict.fromkeys(failed)), "findings": len(summary["findings"]),
        "peak_force_N": float(np.nanmax(tally.force)) if tally.solved else None,
        **(_agreement(compared) if compared else {}),
    }  # fmt: skip


def _agreement(compared: EmgComparison) -> dict[str, Any]:
    by_channel = {f"emg_r {channel}": round(float(r), 4) for channel, r in compared.table["r"].items()}
    return {"emg_r_median": round(float(compared.table["r"].median()), 4), "emg_flags": len(compared.flags),
            **by_channel}  # fmt: skip
