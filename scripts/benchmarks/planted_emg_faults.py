"""Faults planted in clean EMG: how many are caught by a flag of their kind, and how many flags clean channels get.

Then wrong clocks, of two recordings whose moments are known.

usage: python scripts/benchmarks/planted_emg_faults.py DATA

DATA holds what `osimopt fetch` brings. Three recordings: envelopes of gait_9emg and walk_treadmill_emg (60 s), raw EMG
of knee_implant (1.2 s at 1200 Hz, 16 channels). Faults that they have already are listed, and are no false alarms. "–":
the fault cannot be determined in this kind of recording (trials of a few seconds, envelopes): osimopt/emg/quality.py.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from emg_agreement import FILES
from emg_agreement import SETS as SETS_OF_MOTION

import osimopt
from osimopt.emg.mapping import recognise
from osimopt.emg.quality import flags

#: Recordings, and their amplitude.
SETS = {
    "gait_9emg": ("gait_9emg/emgFilt.sto", "mvc"),
    "walk_treadmill_emg": ("walk_treadmill_emg/EMG_allMuscles.sto", "mvc"),
    "knee_implant": ("knee_implant/PS_ngait_og_ss1.c3d", "raw"),
}
#: Faults that the recordings have: envelopes below 0; bursts of vastus lateralis that are three times as high from 53 s
#: on; mains of 60 Hz in two channels; a gluteus medius whose level never changes.
KNOWN = {
    ("walk_treadmill_emg", "negative"), ("gait_9emg", "negative"), ("gait_9emg", "gain step"), ("knee_implant", "hum"),
    ("knee_implant", "noise"),
}  # fmt: skip
Plant = Callable[[Any, int, Any], Any]


def sized(value: np.ndarray) -> float:
    return float(np.nanstd(value))


def plants() -> dict[str, tuple[str, Plant]]:
    """Kind of the flag, and the fault: (recording, channel, generator) to the channel's values."""

    def noisy(v: np.ndarray, share: float, random: Any) -> np.ndarray:
        return v + share * sized(v) * random.standard_normal(len(v))

    def spike(emg: Any, c: int, random: Any) -> np.ndarray:
        v = emg.value[:, c].copy()
        v[len(v) // 3] += 4.0 * np.abs(v).max()
        return v

    def clip(emg: Any, c: int, random: Any) -> np.ndarray:
        v = emg.value[:, c]
        top = 0.4 * np.abs(v).max()
        return noisy(np.clip(v, -top, top), 0.02, random)

    def hum(emg: Any, c: int, random: Any) -> np.ndarray:
        v = emg.value[:, c]
        return v + 0.2 * np.sqrt(2.0) * sized(v) * np.sin(2.0 * np.pi * 50.0 * emg.time + random.uniform(0.0, 6.0))

    def drift(emg: Any, c: int, random: Any) -> np.ndarray:
        v = emg.value[:, c]
        return v + np.linspace(0.0, 0.6 * np.ptp(np.quantile(v, [0.05, 0.95])), len(v))

    def step(emg: Any, c: int, random: Any) -> np.ndarray:
        v = emg.value[:, c]
        return np.where(np.arange(len(v)) > random.uniform(0.3, 0.7) * len(v), 2.0 * v, v)

    def noise(emg: Any, c: int, random: Any) -> np.ndarray:
        v = emg.value[:, c]
        white = random.standard_normal(len(v))
        return sized(v) * white if not emg.envelope else np.abs(np.mean(v) + 0.1 * np.mean(v) * white)

    return {
        "per cent as MVC": ("per cent", lambda emg, c, random: 100.0 * emg.value[:, c]),
        "inverted": ("inverted", lambda emg, c, random: emg.value[:, c].max() - emg.value[:, c]),
        "drift": ("drift", drift),
        "gain step": ("gain step", step),
        "one spike": ("spike", spike),
        "white noise": ("noise", noise),
        "clipping and noise": ("clipped", clip),
        "hum of 0.2 rms": ("hum", hum),
        "copy with 1 % noise": ("duplicate", lambda emg, c, random: noisy(emg.value[:, c - 1], 0.01, random)),
        "copy one sample late": ("duplicate", lambda emg, c, random: np.roll(emg.value[:, c - 1], 1)),
    }


#: What cannot be determined, by kind of recording.
UNTOLD = {
    True: {"hum of 0.2 rms", "clipping and noise"},
    False: {"per cent as MVC", "inverted", "drift", "gain step"},
}


#: Motions with EMG, by which clocks are judged: as in emg_agreement.py, and a walk with an implant of one stride.
CLOCKS = {"gait_9emg": ((0.5, 60.0), (20.0, 30.0)), "walk_treadmill_emg": ((0.5, 60.0), (20.0, 30.0))}
#: Rates and offsets (s) that are planted.
RATES, OFFSETS = (0.0, 0.01, -0.01, 0.04, -0.04), (0.0, 0.2, -0.3)


def clocks(data: Path) -> pd.DataFrame:
    """Planted rates and offsets: findings, and the largest error of what was estimated, by recording and length."""
    rows = []
    for name, spans in CLOCKS.items():
        own, place = SETS_OF_MOTION[name], data / name
        read = {key: place / value if key in FILES else value for key, value in own["read"].items()}
        emg = osimopt.read_emg(place / own["emg"], amplitude=own["amplitude"])
        mapping = osimopt.EmgMapping.preset(own["preset"], emg.channels, own["side"])
        for span in spans:
            problem = osimopt.load_problem(place / own["model"], place / own["motion"], **read, time_range=span)
            solution = osimopt.solve_static(problem, on_failure="return")
            part, middle = emg.between(*span), 0.5 * (span[0] + span[1])
            true = osimopt.compare_emg(solution, part, mapping).clock
            for rate in RATES:
                wrong = [(rate * middle / (1.0 + rate) - offset, -rate / (1.0 + rate)) for offset in OFFSETS]
                found = [
                    osimopt.compare_emg(solution, part.retimed(shift, slow), mapping).clock for shift, slow in wrong
                ]
                off = [abs(one.lag - true.lag - offset) for one, offset in zip(found, OFFSETS, strict=True)]
                rows.append({
                    "recording": name, "s": span[1] - span[0], "rate": rate,
                    "rate found off": f"{sum(one.rate_is_off for one in found)}/{len(found)}",
                    "error of rate": max(abs(one.rate - rate) for one in found),
                    "lag found off": f"{sum(one.lag_is_off for one in found[1:])}/{len(found) - 1}",
                    "error of lag, s": max(off),
                })  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    """Print the table, then what clean channels get, then clocks."""
    data, rows, clean = Path(sys.argv[1]), [], []
    warnings.simplefilter("ignore")
    for name, (path, amplitude) in SETS.items():
        emg = osimopt.read_emg(data / path, amplitude=amplitude)
        muscles = [c for c in emg.channels if recognise(c, emg.channels)[0] and c != "vasint_l_activation"]
        emg = emg.select(muscles)
        every = flags(emg)
        found = [flag for flag in every if (name, flag.kind) not in KNOWN]
        known = [flag for flag in every if (name, flag.kind) in KNOWN]
        clean.append({"recording": name, "channels": len(emg.channels), "false alarms": len(found),
                      "which": "; ".join(f"{flag.channel}: {flag.kind}" for flag in found),
                      "known": "; ".join(f"{flag.channel}: {flag.kind}" for flag in known)})  # fmt: skip
        for fault, (kind, plant) in plants().items():
            if fault in UNTOLD[emg.envelope]:
                rows.append({"fault": fault, "recording": name, "caught": "–"})
                continue
            caught = 0
            for column, channel in enumerate(emg.channels):
                value = emg.value.copy()
                value[:, column] = plant(emg, column, np.random.default_rng([column, 7]))
                hit = [flag for flag in flags(replace(emg, value=value)) if flag.kind == kind]
                named = {flag.channel for flag in hit}
                neighbour = emg.channels[column - 1]  # a copy is named by its later channel
                caught += channel in named or (kind == "duplicate" and neighbour in named)
            rows.append({"fault": fault, "recording": name, "caught": f"{caught}/{len(emg.channels)}"})
    table = pd.DataFrame(rows).set_index(["fault", "recording"])["caught"].unstack()  # noqa: PD010
    print(table.reindex(list(plants())).to_string())
    print(pd.DataFrame(clean).to_string(index=False))
    print(clocks(data).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
