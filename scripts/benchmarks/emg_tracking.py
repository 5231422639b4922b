"""EMG in dynamic optimization: agreement of channels that are tracked, and of each channel if only the others are.

usage: python scripts/benchmarks/emg_tracking.py DATA [--sets walk_80muscles walk_treadmill_emg gait_9emg]
       [--tendon compliant] [--weights 1 10] [--width 0.1] [--leave-out-weight 10]

DATA holds what `osimopt fetch` brings. One stride of each set is solved by effort alone, with EMG tracked, and with EMG
as bounds. For each a line: how it ended, effort, tracking term, reserves, mean r of all channels, scale factors. Then
each channel is left out in turn and the others are tracked: its r by effort alone and with the others tracked. r
compares activations with EMG through activation dynamics at no lag. A channel that is tracked agrees because it is
tracked; only channels that are left out test the method. vasint of the treadmill data is a copy of vaslat.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from emg_agreement import AROUND, FILES, SETS

import osimopt

#: Sets with real EMG, one stride of each.
WALKS = ("walk_80muscles", "walk_treadmill_emg", "gait_9emg")
#: The stride that is solved, of those found, and s after its margin that are read for derivatives.
STRIDE, MORE = 2, 0.2


class Walk:
    """One stride of a set, its EMG and mapping."""

    def __init__(self, name: str, data: Path, tendon: Any) -> None:
        own, place = SETS[name], data / name
        read = {key: place / value if key in FILES else value for key, value in own["read"].items()}
        self.tendon, self.span, self.strides = tendon, None, []
        if own["strides"]:
            self.strides = [osimopt.find_strides(place / own["strides"], own["side"]).times[STRIDE]]
            self.span = self.strides[0][0] - AROUND, self.strides[0][1] + AROUND
            read["time_range"] = self.span[0] - MORE, self.span[1] + MORE
        self.problem = osimopt.load_problem(place / own["model"], place / own["motion"], **read)
        recorded = osimopt.read_emg(place / own["emg"], amplitude=own["amplitude"])
        self.mapping = osimopt.EmgMapping.preset(own["preset"], recorded.channels, own["side"])
        kept = recorded.select(list(self.mapping.muscles))
        self.emg = kept if kept.envelope else osimopt.process_emg(kept)

    def solve(self, left: str | None = None, mode: Any = None, **options: Any) -> osimopt.DynamicSolution:
        """Solve it, with the EMG of all channels but one, or without any."""
        emg = None
        if mode is not None:
            mapped = {channel: muscles for channel, muscles in self.mapping.muscles.items() if channel != left}
            emg = osimopt.EmgTracking.of(self.emg, mapped, mode, **options)
        return osimopt.solve_dynamic(
            self.problem, self.tendon, emg=emg, time_range=self.span, on_failure="return", max_iterations=1000
        )

    def r(self, solution: osimopt.DynamicSolution) -> pd.Series:
        """Correlation by channel."""
        found: pd.Series = osimopt.compare_emg(solution, self.emg, self.mapping, strides=self.strides).table["r"]
        return found


def line(walk: Walk, how: str, solution: osimopt.DynamicSolution, seconds: float) -> dict[str, Any]:
    """How it ended, and what it costs."""
    row: dict[str, Any] = {"how": how, "solved": solution.success, "s": round(seconds, 1)}
    if not solution.success:
        return row
    scales = np.array(list(solution.emg_scale.values()))
    return row | {
        "effort": solution.integrals["muscles"],
        "tracking": solution.integrals.get("emg_tracking", np.nan),
        "reserves": solution.integrals.get("reserves", np.nan),
        "r": walk.r(solution).mean(),
        "scale": f"{scales.min():.2f} to {scales.max():.2f}" if len(scales) and "effort" not in how else "",
    }


def compare(walk: Walk, weights: list[float], width: float) -> pd.Series:
    """Solve by effort alone and with EMG, and print both; return r of effort alone."""
    ways: dict[str, dict[str, Any]] = {"effort": {}}
    ways |= {f"track, weight {weight:g}": {"mode": "track", "weight": weight} for weight in weights}
    ways |= {f"bound, width {width:g}": {"mode": "bound", "width": width}}
    lines, r = [], {}
    for how, options in ways.items():
        begin = time.perf_counter()
        solution = walk.solve(**options)
        lines.append(line(walk, how, solution, time.perf_counter() - begin))
        if solution.success:
            r[how] = walk.r(solution)
        else:
            print(f"  {how}: {solution.findings()[0]}")
    print(pd.DataFrame(lines).to_string(index=False, float_format="{:.4g}".format), flush=True)
    print(pd.DataFrame(r).round(3).to_string(), flush=True)
    return r["effort"]


def leave_out(walk: Walk, alone: pd.Series, weight: float) -> None:
    """Print r of each channel that is not tracked while the others are."""
    rows = []
    for channel in walk.mapping.muscles:
        solution = walk.solve(channel, "track", weight=weight)
        held = float(walk.r(solution)[channel]) if solution.success else np.nan
        rows.append({"left out": channel, "effort": alone[channel], "others tracked": held})
    table = pd.DataFrame(rows)
    table["change"] = table["others tracked"] - table["effort"]
    print(table.round(3).to_string(index=False))
    change = table["change"].dropna()
    print(f"  change: mean {change.mean():+.3f}, up {(change > 0.0).sum()} of {len(change)}", flush=True)


def main() -> None:
    """All sets, one after the other."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("data", type=Path)
    given.add_argument("--sets", nargs="*", default=list(WALKS), choices=WALKS)
    given.add_argument("--tendon", default="compliant", choices=("rigid", "compliant"))
    given.add_argument("--weights", nargs="*", type=float, default=[1.0, 10.0])
    given.add_argument("--width", type=float, default=0.1)
    given.add_argument("--leave-out-weight", type=float, default=10.0)
    arguments = given.parse_args()
    warnings.simplefilter("ignore")
    for name in arguments.sets:
        print(f"{name}, {arguments.tendon}", flush=True)
        walk = Walk(name, arguments.data, arguments.tendon)
        alone = compare(walk, arguments.weights, arguments.width)
        leave_out(walk, alone, arguments.leave_out_weight)


if __name__ == "__main__":
    main()
