"""What the benchmarks share: their arguments, fresh processes, times in words, and memory."""

import argparse
import os
import statistics
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import osimopt
from osimopt import isolation
from osimopt.problem.problem import RedundancyProblem


def parser(doc: str | None, end: bool = True) -> argparse.ArgumentParser:
    """A parser of a model, a motion and the seconds from which (and to which) it is wanted."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0] if doc else None)
    made.add_argument("model")
    made.add_argument("motion")
    made.add_argument("start", type=float)
    if end:
        made.add_argument("end", type=float)
    return made


def read(model: Path | str, motion: Path | str, start: float, end: float, **options: Any) -> RedundancyProblem:
    """A problem, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return osimopt.load_problem(model, motion, time_range=(start, end), **options)


def start_processes(count: int) -> None:
    """Fresh processes with opensim imported and no model loaded."""
    isolation.close("opensim")
    isolation.prepare("opensim", "osimopt.adapters.worker.session:warnings_since", (), count)
    time.sleep(2.0)


def timing(seconds: list[float]) -> dict[str, float]:
    """Median, fastest, slowest."""
    return {
        "median": round(statistics.median(seconds), 3),
        "min": round(min(seconds), 3),
        "max": round(max(seconds), 3),
    }


def resident() -> int:
    """Bytes of this process and of all below it (Linux)."""
    below: dict[int, list[tuple[int, int]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended meanwhile
        below.setdefault(int(words[1]), []).append((int(stat.parent.name), int(words[21])))
    page, total, waiting = os.sysconf("SC_PAGE_SIZE"), 0, [os.getpid()]
    total += int(Path("/proc/self/statm").read_text().split()[1]) * page
    while waiting:
        for child, pages in below.get(waiting.pop(), []):
            total += pages * page
            waiting.append(child)
    return total


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Give a list whose only number is the most bytes that were resident so far, sampled twice a second."""
    peak, done = [resident()], threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
