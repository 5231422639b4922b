"""Faults planted in clean EMG: how many are caught by a flag of their kind, and how many flags clean channels get.

usage: python scripts/benchmarks/planted_emg_faults.py DATA

DATA holds what `osimopt fetch` brings. Three recordings: envelopes of gait_9emg and walk_treadmill_emg (60 s), raw EMG
of knee_implant (1.2 s at 1200 Hz, 16 channels). Faults that they have already are listed, and are no false alarms. "–":
the fault cannot be told in this kind of recording (trials of a few seconds, envelopes), as osimopt/emg/quality.py says.
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


#: What cannot be told, by kind of recording.
UNTOLD = {
    True: {"hum of 0.2 rms", "clipping and noise"},
    False: {"per cent as MVC", "inverted", "drift", "gain step"},
}


def main() -> None:
    """Print the table, then what clean channels get."""
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


if __name__ == "__main__":
    main()
