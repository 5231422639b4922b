"""Peak memory of a long motion: a trial mirrored to an hour at its own rate, read, solved and written piece by piece.

usage: python scripts/benchmarks/memory.py MODEL MOTION T0 T1 [--loads LOADS.xml] [--frames 360000]

The frames from T0 to T1 run forwards and backwards in turn, so some may be infeasible; what counts is the memory of
this process and of opensim's together, sampled twice a second (Linux).
"""

import argparse
import json
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

import osimopt
from osimopt.tables import write_table


def mirrored(table: pd.DataFrame, times: np.ndarray, frames: int, path: Path) -> None:
    """Write a table at some of its times, forwards and backwards until there are enough frames."""
    values = np.column_stack([np.interp(times, table.index, table[name]) for name in table.columns])
    loop = np.concatenate([np.arange(len(times)), np.arange(len(times) - 2, 0, -1)])
    step = float(np.median(np.diff(times)))
    rows = values[loop[np.arange(frames) % len(loop)]]
    long = pd.DataFrame(rows, index=step * np.arange(frames), columns=table.columns)
    write_table(long, path, in_degrees=table.attrs["in_degrees"])


def resident() -> int:
    """Bytes of this process and of all below it."""
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


def main() -> None:
    """Make the motion, solve it, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("motion")
    parser.add_argument("start", type=float)
    parser.add_argument("end", type=float)
    parser.add_argument("--loads", type=Path, default=None)
    parser.add_argument("--frames", type=int, default=360_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, loads = Path(name), None
        table = osimopt.read_table(arguments.motion)
        times = table.index.to_numpy()
        times = times[(times >= arguments.start) & (times <= arguments.end)]
        mirrored(table, times, arguments.frames, folder / "motion.mot")
        if arguments.loads is not None:
            data = ElementTree.parse(arguments.loads).findtext(".//datafile", "").strip()
            mirrored(osimopt.read_table(arguments.loads.parent / data), times, arguments.frames, folder / data)
            loads = Path(shutil.copy(arguments.loads, folder / "loads.xml"))
        peak, done = [0], threading.Event()

        def watch() -> None:
            while not done.wait(0.5):
                peak[0] = max(peak[0], resident())

        del table
        threading.Thread(target=watch, daemon=True).start()
        begin = time.perf_counter()
        tally, _ = osimopt.solve_to_folder(
            folder / "result", arguments.model, folder / "motion.mot", loads, reserves=None
        )
        done.set()
        report = {
            "frames": tally.frames,
            "status": {status.name.lower(): count for status, count in tally.counts.items()},
            "seconds": round(time.perf_counter() - begin, 1),
            "peak_GB": round(peak[0] / 1e9, 2),
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
