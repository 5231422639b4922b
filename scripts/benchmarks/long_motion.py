"""A long motion, files to forces on disk: frames per second, peak memory, and where the time of processors goes.

usage: python scripts/benchmarks/long_motion.py MODEL MOTION T0 T1 [--loads LOADS.xml] [--frames 20000 ...] [--jobs N]
       [--hz 100] [--geometry exact] [--stages]

The stride from T0 to T1 is repeated on a treadmill, smoothly and a little faster and slower in turn, loads with it (the
recording must begin before T0). Time is that of the whole call, files to files, the model described beforehand. With
--stages the time of the processor, in one process, one stage after the other: opening, problem, solve, writing.
"""

import json
import os
import shutil
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from common import parser, peak_memory

import osimopt
from osimopt.adapters.load import open_trial
from osimopt.adapters.options import ReadOptions
from osimopt.files.storage import write_table
from osimopt.isolation import count_jobs
from osimopt.signals import quintic_spline
from osimopt.solution.folder import write_pieces
from osimopt.static.solve import solve_static

#: s before the end of a stride in which loads fade over into those before its start.
FADE = 0.2


def on_treadmill(table: pd.DataFrame, span: tuple[float, float], speed: float) -> Any:
    """The columns as functions of time, seen from a treadmill that runs at ``speed`` (m/s)."""
    time = table.index.to_numpy(dtype=float)
    forward = np.array([label.endswith(("_tx", "px")) for label in table.columns])
    return quintic_spline(time, table.to_numpy() - forward * speed * (time - span[0])[:, None])


def repeated_motion(spline: Any, phase: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """Coordinates (T, C) of an endless walk: the stride, less a polynomial by which its end departs from its start."""
    period = span[1] - span[0]
    s = (phase % period / period)[:, None]
    off = [period**order * np.subtract(*spline.derivative(order)([span[1], span[0]])) for order in range(3)]
    smooth = (s**3 * (10 - 15 * s + 6 * s**2), s**3 * (-4 + 7 * s - 3 * s**2), 0.5 * s**3 * (1 - s) ** 2)
    departs = sum(part * size for part, size in zip(smooth, off, strict=True))
    return np.asarray(spline(span[0] + phase % period) - departs)


def repeated_loads(spline: Any, phase: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """Loads (T, C) of an endless walk, which fade over: points of feet in the air may be anywhere."""
    period = span[1] - span[0]
    now = span[0] + phase % period
    share = np.clip((now - span[1] + FADE) / FADE, 0.0, 1.0)[:, None]
    smooth = share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
    return np.asarray((1.0 - smooth) * spline(now) + smooth * spline(np.maximum(now - period, span[0] - FADE)))


def make(arguments: Any, frames: int, folder: Path) -> tuple[Path, Path | None]:
    """The long motion, and its loads at the same rate."""
    span, times = (arguments.start, arguments.end), np.arange(frames) / arguments.hz
    phase = times + 0.05 * np.sin(0.7 * times)  # no two strides have the same frames
    table = osimopt.read_table(arguments.motion)
    column = next(table[label] for label in table.columns if label.endswith("_tx"))
    speed = float(np.diff(np.interp(span, table.index, column))[0] / (span[1] - span[0]))

    def write(table: pd.DataFrame, repeated: Any, path: Path) -> None:
        values = repeated(on_treadmill(table, span, speed), phase, span)
        write_table(pd.DataFrame(values, times, table.columns), path, in_degrees=table.attrs["in_degrees"])

    write(table, repeated_motion, folder / "motion.mot")
    if arguments.loads is None:
        return folder / "motion.mot", None
    data = ElementTree.parse(arguments.loads).findtext(".//datafile", "").strip()
    write(osimopt.read_table(arguments.loads.parent / data), repeated_loads, folder / data)
    return folder / "motion.mot", Path(shutil.copy(arguments.loads, folder / "loads.xml"))


def whole_call(arguments: Any, motion: Path, loads: Path | None, folder: Path, frames: int) -> dict[str, Any]:
    """Frames per second and peak memory of one call."""
    begin = time.perf_counter()
    with peak_memory() as peak:
        summary, _ = osimopt.solve_to_folder(
            folder / "result", arguments.model, motion, loads, reserves=None, geometry=arguments.geometry,
            n_jobs=arguments.jobs, overwrite=True,
        )  # fmt: skip
    seconds = time.perf_counter() - begin
    return {
        "frames": frames,
        "solved": summary.solved,
        "certified": summary.certified,
        "seconds": round(seconds, 2),
        "frames_per_s": round(frames / seconds),
        "peak_GB": round(peak[0] / 1e9, 2),
        "MB_in": round(sum(path.stat().st_size for path in folder.glob("*.*")) / 1e6),
        "MB_out": round(sum(path.stat().st_size for path in (folder / "result").iterdir()) / 1e6),
    }


def stages(arguments: Any, motion: Path, loads: Path | None, folder: Path, frames: int) -> dict[str, Any]:
    """Processor time in µs per frame of each stage in this process."""
    spent: dict[str, float] = {}
    clock = [time.process_time()]

    def lap(name: str) -> None:
        now = time.process_time()
        spent[name] = spent.get(name, 0.0) + now - clock[0]
        clock[0] = now

    osimopt.read_table(motion)
    if loads is not None:
        osimopt.read_table(motion.parent / ElementTree.parse(loads).findtext(".//datafile", "").strip())
    lap("(reading the tables alone)")
    trial = open_trial(ReadOptions(arguments.model, motion, loads, reserves=None, geometry=arguments.geometry), 1)
    lap("open")

    def solutions() -> Any:
        for problem in trial.pieces():
            lap("problem")
            solution = solve_static(problem, on_failure="return")
            lap("solve")
            yield solution
            lap("write")

    write_pieces(solutions(), frames, folder / "stages", overwrite=True)
    lap("write")
    return {"frames": frames, **{name: round(1e6 * seconds / frames, 1) for name, seconds in spent.items()}}


def main() -> None:
    """Make the motions, solve them, print one JSON object a line."""
    given = parser(__doc__)
    given.add_argument("--loads", type=Path, default=None)
    given.add_argument("--frames", type=int, nargs="+", default=[20_000])
    given.add_argument("--hz", type=float, default=100.0)
    given.add_argument("--jobs", type=int, default=None)
    given.add_argument("--geometry", default="exact")
    given.add_argument("--stages", action="store_true")
    arguments = given.parse_args()
    warnings.simplefilter("ignore")
    measure = stages if arguments.stages else whole_call
    cores = count_jobs(None, os.cpu_count() or 1)
    for frames in arguments.frames:
        with tempfile.TemporaryDirectory() as name:
            motion, loads = make(arguments, 2_000, Path(name))
            osimopt.solve_to_folder(
                Path(name) / "first", arguments.model, motion, loads, reserves=None, geometry=arguments.geometry
            )  # the description is known afterwards
            with ProcessPoolExecutor(1, get_context("spawn")) as maker:  # its memory does not count
                motion, loads = maker.submit(make, arguments, frames, Path(name)).result()
            print(json.dumps({"cores": cores, **measure(arguments, motion, loads, Path(name), frames)}), flush=True)


if __name__ == "__main__":
    main()
