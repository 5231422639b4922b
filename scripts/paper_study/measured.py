"""Sets from measured walking: gait, EMG, and a running-like one that is walking played faster.

All ask what will be 0.05 s after the last frame, so that the last value and the last slope are rivals to beat. One
minute of treadmill walking (``gait_9emg``) is cut into ten blocks of time; networks learn from the first six, are
chosen by the next two and judged on the last two, and no window reaches from one block into the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from osimopt.errors import InputError, explain, some
from osimopt.files.storage import read_table, sha256

from .windows import Sets, Windows

#: s between frames, s from the last frame to what is asked, frames of a window, blocks of a trial.
STEP, AHEAD, FRAMES, BLOCKS = 0.01, 0.05, 20, 10
#: Blocks to learn from, and with those to choose by; the rest is to judge by.
LEARN, CHOOSE = 6, 8
#: How much faster the running-like set is played than the walk was, and its unseen task.
FASTER, FASTEST = 1.6, 2.0

GAIT, TREADMILL = "gait_9emg", "walk_treadmill_emg"
JOINTS = ("hip_flexion", "knee_angle", "ankle_angle")
RUNNING_JOINTS = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")


@dataclass(frozen=True, eq=False)
class Recording:
    """A trial: columns by name over time in s, whose it is, and the files it is from."""

    table: pd.DataFrame
    subject: str
    task: str
    provenance: dict[str, Any]


def gait(data: Path) -> Sets:
    """Angles and speeds of a leg's hip, knee and ankle (6); asked are moments and angles.

    ``unseen``: the other leg, and another subject and model walking, whose knee counts flexion as positive.
    """
    own = _leg(data / GAIT, "ik.sto", "id.sto", "r", JOINTS)
    names = _names(JOINTS, "angle", "speed"), _names(JOINTS, "moment"), _names(JOINTS, "angle")
    parts = _cut("gait", own, *names, every=4)
    left = _leg(data / GAIT, "ik.sto", "id.sto", "l", JOINTS)
    unseen = {"leg": Windows.join(_cut("gait", left, *names, every=4)[CHOOSE:])}
    if (data / TREADMILL).is_dir():
        other = _leg(data / TREADMILL, "results_ik.sto", "results_id.sto", "r", JOINTS, knee=-1.0)
        unseen["subject and model"] = Windows.join(_cut("gait", other, *names, every=20))
    return _sets(parts, unseen)


def running(data: Path) -> Sets:
    """Five angles and five moments (10) of a walk played ``FASTER``; asked are the same, 0.05 s later.

    It is no running: moments are those of the walk, at its own pace. ``unseen`` is the last fifth of the walk, played
    still faster, as another task.
    """
    names = _names(RUNNING_JOINTS, "angle", "moment"), _names(RUNNING_JOINTS, "moment"), _names(RUNNING_JOINTS, "angle")

    def played(rate: float) -> list[Windows]:
        return _cut("running", _leg(data / GAIT, "ik.sto", "id.sto", "r", RUNNING_JOINTS, rate=rate), *names, every=2)

    return _sets(played(FASTER), {"task": Windows.join(played(FASTEST)[CHOOSE:])})


def emg(data: Path) -> Sets:
    """Nine EMG envelopes of a leg; asked are the same, 0.05 s later.

    The other public recordings have other channels, so that no other subject can be asked.
    """
    path = _existing(data / GAIT / "emgFilt.sto")
    table = _even(read_table(path).clip(lower=0.0), 1.0)
    channels = tuple(str(name) for name in table.columns)
    own = Recording(table, GAIT, "walking", _told([path], "negative values set to 0"))
    return _sets(_cut("emg", own, channels, channels, (), every=4), {})


def _leg(
    folder: Path, motion: str, moments: str, side: str, joints: Sequence[str], *, rate: float = 1.0, knee: float = 1.0
) -> Recording:
    """Angles (rad), backward differences of them (rad/s) and moments (N·m) of a leg, played ``rate`` times as fast."""
    files = [_existing(folder / name) for name in (motion, moments)]
    angle, moment = (_even(_columns(path, side, joints), rate) for path in files)
    angle, moment = angle.align(moment, join="inner", axis=0)
    sign = np.array([knee if joint == "knee_angle" else 1.0 for joint in joints])
    told = _told(files, f"{side} leg, played {rate:g} times as fast; speeds are backward differences")
    columns = {}
    for place, joint in enumerate(joints):
        value = angle.iloc[:, place].to_numpy() * sign[place]
        columns[f"{joint} angle"] = value
        columns[f"{joint} speed"] = np.gradient(value, STEP)
        columns[f"{joint} speed"][1:] = np.diff(value) / STEP  # what a device knows by then
        columns[f"{joint} moment"] = moment.iloc[:, place].to_numpy() * sign[place]
    task = "walking" if rate == 1.0 else f"walking, {rate:g} times as fast"
    return Recording(pd.DataFrame(columns, index=angle.index), folder.name, task, told)


def _columns(path: Path, side: str, joints: Sequence[str]) -> pd.DataFrame:
    table = read_table(path)
    found = [next((n for n in (f"{j}_{side}", f"{j}_{side}_moment") if n in table), "") for j in joints]
    if "" in found:
        lacking = [f"{joint}_{side}" for joint, name in zip(joints, found, strict=True) if not name]
        got = f"no {some(lacking)}"
        raise InputError(explain(f"columns of {some(joints)}", got, "Give the files of osimopt's public data.", path))
    chosen = table[found]
    return chosen * np.pi / 180.0 if table.attrs["in_degrees"] else chosen


def _even(table: pd.DataFrame, rate: float) -> pd.DataFrame:
    """At frames ``STEP`` apart, by cubic spline, played ``rate`` times as fast."""
    time = table.index.to_numpy(dtype=float)
    count = int((time[-1] - time[0]) / rate / STEP + 1e-6) + 1
    at = STEP * np.arange(count)
    values = CubicSpline(time, table.to_numpy(dtype=float))(np.minimum(time[0] + rate * at, time[-1]))
    return pd.DataFrame(values, index=pd.Index(np.round(at, 6), name="time"), columns=table.columns)


def _cut(
    name: str, recording: Recording, signals: tuple[str, ...], loads: tuple[str, ...], displacements: tuple[str, ...],
    *, every: int,
) -> list[Windows]:  # fmt: skip
    """Windows of each block, ``every`` frames."""
    table, later = recording.table, round(AHEAD / STEP)
    edges = np.linspace(0, len(table), BLOCKS + 1).astype(int)
    values = table[list(signals)].to_numpy()
    load, displacement = table[list(loads)].to_numpy(), table[list(displacements)].to_numpy()
    asked, time = np.hstack([load, displacement]), table.index.to_numpy(dtype=float)
    parts = []
    for number in range(BLOCKS):
        last = np.arange(edges[number] + FRAMES - 1, edges[number + 1] - later, every)
        count = len(last)
        parts.append(Windows(
            name=name, step=STEP, ahead=AHEAD, signals=signals, loads=loads, displacements=displacements,
            inputs=np.stack([values[end - FRAMES + 1 : end + 1] for end in last]), load=load[last + later],
            displacement=displacement[last + later], recent=np.stack([asked[last - 1], asked[last]], axis=1),
            start=time[last - FRAMES + 1], trial=np.full(count, f"{recording.subject} {number}"),
            subject=np.full(count, recording.subject), task=np.full(count, recording.task),
            units={column: _unit(column) for column in (*signals, *loads, *displacements)},
            provenance=recording.provenance,
        ))  # fmt: skip
    return parts


def _sets(parts: Sequence[Windows], unseen: Mapping[str, Windows]) -> Sets:
    learn, choose, judge = parts[:LEARN], parts[LEARN:CHOOSE], parts[CHOOSE:]
    return Sets(Windows.join(learn), Windows.join(choose), Windows.join(judge), dict(unseen))


def _names(joints: Sequence[str], *kinds: str) -> tuple[str, ...]:
    return tuple(f"{joint} {kind}" for kind in kinds for joint in joints)


def _unit(column: str) -> str:
    return {"angle": "rad", "speed": "rad/s", "moment": "N·m"}.get(column.rsplit(" ", 1)[-1], "share of maximum")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(explain("the public data", "no such file", "Say where they are with --data.", path))
    return path


def _told(files: Sequence[Path], how: str) -> dict[str, Any]:
    return {"files": {f"{path.parent.name}/{path.name}": sha256(path) for path in files}, "made": how}
