"""Peak memory of a long motion: a trial mirrored to an hour at its own rate, read, solved and written piece by piece.

usage: python scripts/benchmarks/memory.py MODEL MOTION T0 T1 [--loads LOADS.xml] [--frames 360000]

The frames from T0 to T1 run forwards and backwards in turn, so some may be infeasible; what counts is the memory of
this process and of opensim's together, sampled twice a second (Linux).
"""

import json
import shutil
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from common import parser, peak_memory

import osimopt
from osimopt.files.storage import write_table


def mirrored(table: pd.DataFrame, times: np.ndarray, frames: int, path: Path) -> None:
    """Write a table at some of its times, forwards and backwards until there are enough frames."""
    values = np.column_stack([np.interp(times, table.index, table[name]) for name in table.columns])
    loop = np.concatenate([np.arange(len(times)), np.arange(len(times) - 2, 0, -1)])
    step = float(np.median(np.diff(times)))
    rows = values[loop[np.arange(frames) % len(loop)]]
    long = pd.DataFrame(rows, index=step * np.arange(frames), columns=table.columns)
    write_table(long, path, in_degrees=table.attrs["in_degrees"])


def main() -> None:
    """Make the motion, solve it, print one JSON object."""
    given = parser(__doc__)
    given.add_argument("--loads", type=Path, default=None)
    given.add_argument("--frames", type=int, default=360_000)
    arguments = given.parse_args()
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
        del table
        begin = time.perf_counter()
        with peak_memory() as peak:
            summary, _ = osimopt.solve_to_folder(
                folder / "result", arguments.model, folder / "motion.mot", loads, reserves=None
            )
        report = {
            "frames": summary.frames,
            "status": {status.name.lower(): count for status, count in summary.counts.items()},
            "seconds": round(time.perf_counter() - begin, 1),
            "peak_GB": round(peak[0] / 1e9, 2),
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
