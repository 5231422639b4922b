"""What answers cost: networks of one window or many, finished exactly, and the solvers that they would stand in for."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from osimopt.datasets import arm26
from osimopt.dynamic.solve import solve_dynamic
from osimopt.files.storage import write_atomically
from osimopt.pipeline.read import load_problem
from osimopt.problem.problem import RedundancyProblem
from osimopt.static.solve import solve_static

from .finish import Asked
from .measures import latency
from .preprocessing import DENOISED, Cleaning, Pipeline
from .windows import Sets, Windows

#: Windows at once, and how often everything but one window is timed.
MANY, REPEAT = 1000, 5

OPENSIM = """
import sys, time, opensim
opensim.Logger.removeFileSink(); opensim.Logger.setLevelString("error")
tool = opensim.AnalyzeTool()
tool.setName("so"); tool.setModelFilename(sys.argv[1]); tool.setCoordinatesFileName(sys.argv[2])
start, end = float(sys.argv[3]), float(sys.argv[4])
tool.setResultsDir("out"); tool.setInitialTime(start); tool.setFinalTime(end); tool.setLowpassCutoffFrequency(-1)
analysis = opensim.StaticOptimization(); analysis.setStartTime(start); analysis.setEndTime(end)
tool.getAnalysisSet().cloneAndAppend(analysis); tool.printToXML("setup.xml")
begin = time.perf_counter(); opensim.AnalyzeTool("setup.xml").run(); print("seconds", time.perf_counter() - begin)
"""


def measure(path: Path, sets: Sets, problems: Path, networks: tuple[str, ...], weights: int) -> dict[str, Any]:
    """Milliseconds per frame, medians, or what an earlier call kept at ``path``; alone on the machine, please.

    Networks are untrained: what they say costs the same. The solvers are timed on the arm's own example motion.
    """
    if path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    told = {
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "networks": {name: _network(name, sets, weights) for name in networks},
        "dual": _dual(sets, problems),
        "finished": _finished(sets, problems),
        "solvers": _solvers(),
    }
    write_atomically(path, json.dumps(told) + "\n")
    return told


def _network(name: str, sets: Sets, weights: int) -> dict[str, float]:
    from .last_frame import untrained

    plain, denoised = (Pipeline.of(sets.training, cleaning) for cleaning in (Cleaning(), DENOISED))
    call = untrained(name, sets.test.inputs.shape[2], len(sets.test.targets), weights)
    one, many = sets.test.pick(slice(0, 1)), sets.test.pick(np.resize(np.arange(len(sets.test)), MANY))

    def answer(windows: Windows, pipeline: Pipeline) -> Any:
        return pipeline.scaling.untarget(call(pipeline.inputs(windows)))

    with threadpool_limits(1):
        with_filters = latency(lambda: answer(one, denoised))
        return {
            **latency(lambda: answer(one, plain)),
            "denoised_median_ms": with_filters["median_ms"],
            "denoised_p99_ms": with_filters["p99_ms"],
            "batch_ms": _median(lambda: answer(many, plain)) / MANY,
        }


def _dual(sets: Sets, problems: Path) -> dict[str, float]:
    """A network for the dual, hardly trained: one frame, and many at once."""
    from osimopt.surrogate.static_training import train_static
    from osimopt.surrogate.training import TrainingOptions

    problem = Asked.of(sets.test, problems).problem
    surrogate, _ = train_static([problem], [problem], options=TrainingOptions(epochs=1))
    one = problem.frames(np.array([0]))
    batch = _median(lambda: surrogate.predict(problem)) / len(problem)
    return {**latency(lambda: surrogate.predict(one), 50), "batch_ms": batch}


def _finished(sets: Sets, problems: Path) -> dict[str, float]:
    """Exact answers from a network's: many frames at once, and one."""
    asked, activation = Asked.of(sets.test, problems), sets.test.load
    one = Asked(asked.problem.frames(np.array([0])))
    return {
        "batch_ms": _median(lambda: asked.finished(activation)) / len(activation),
        **latency(lambda: one.finished(activation[:1]), 50),
    }


def _solvers() -> dict[str, Any]:
    example = arm26()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = load_problem(example.model, example.motion)
        first = problem.frames(np.array([0]))
        found = {
            "frames": len(problem),
            "batched": _median(lambda: _static(problem, "newton")) / len(problem),
            "batched, one frame": latency(lambda: _static(first, "newton"), 50)["median_ms"],
            "scipy": _median(lambda: _static(problem, "slsqp")) / len(problem),
            "osimopt, files to solution": _median(
                lambda: _static(load_problem(example.model, example.motion), "newton")
            ) / len(problem),
            "collocation": _median(lambda: solve_dynamic(problem), 1) / len(problem),
        }  # fmt: skip
        found["opensim, files to solution"] = _opensim(problem) / len(problem)
    return found


def _static(problem: RedundancyProblem, solver: Any) -> Any:
    return solve_static(problem, solver=solver, on_failure="return")


def _opensim(problem: RedundancyProblem) -> float:
    """Milliseconds of OpenSim's own StaticOptimization over the motion, in a process and a folder of its own."""
    example, ends = arm26(), [str(problem.time[place]) for place in (0, -1)]
    command = [sys.executable, "-c", OPENSIM, str(example.model), str(example.motion), *ends]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "LD_LIBRARY_PATH": ""}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return 1e3 * float(next(line for line in done.stdout.splitlines() if line.startswith("seconds")).split()[1])


def _median(call: Callable[[], Any], repeat: int = REPEAT) -> float:
    """Milliseconds, after one call that warms up."""
    call()
    taken = []
    for _ in range(repeat):
        begin = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(taken)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
