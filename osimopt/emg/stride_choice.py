"""Which contacts of a foot make a stride: checked against the motion, the other foot and the spread of durations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array
from .clock import period_of

#: Largest relative deviation of a stride's duration from its neighbours' median, and from the period of the motion.
USUAL = 0.15
#: Strides whose median is that of a stride's neighbourhood: speed may change slowly.
NEIGHBOURS = 7
#: Share of a stride within which the other foot lands.
OTHER = (0.2, 0.8)
#: Feet take turns on a plate if postures at every other contact are this many times as alike as at neighbouring ones.
TURNS = 2.0
#: Step in s at which postures are compared.
STEP = 0.01
#: s before and after a time in which its period is sought: speed may change.
AROUND = 2.0


@dataclass(frozen=True, eq=False)
class Postures:
    """Coordinates (T, n) of a motion at even times (T,), in standard deviations, and which foot is ahead (T,).

    ``ahead`` is positive where the foot of the side is in front; None where the coordinates do not tell.
    """

    time: Array
    value: Array
    ahead: Array | None

    @classmethod
    def of(cls, time: Array, value: Array, names: Sequence[str], side: str | None) -> Postures:
        """From coordinates (T, n) at increasing times."""
        even = np.arange(time[0], time[-1] + 0.5 * STEP, STEP)
        value = np.stack([np.interp(even, time, own) for own in value.T], axis=1)
        value = np.where(np.isfinite(value), value, 0.0)
        spread = value.std(axis=0)
        moving = spread > 1e-6 * max(float(spread.max(initial=0.0)), 1e-9)
        turning = [index for index in np.flatnonzero(moving).tolist() if not _is_place(names[index])]
        kept = turning or np.flatnonzero(moving).tolist()
        z = (value[:, kept] - value[:, kept].mean(axis=0)) / spread[kept]
        return cls(even, z, _ahead(even, value, names, side))

    def period(self, time: float) -> float:
        """Period in s of the motion around a time; NaN without one."""
        near = (self.time >= time - AROUND) & (self.time <= time + AROUND)
        return period_of(self.value[near], STEP) if near.sum() * STEP >= AROUND else float("nan")

    def at(self, times: Array) -> Array:
        """(n, m) postures at times."""
        return np.stack([np.interp(times, self.time, column) for column in self.value.T], axis=1)

    def covers(self, times: Array) -> bool:
        """Whether the motion covers any two of the times."""
        return bool(np.sum((times >= self.time[0]) & (times <= self.time[-1])) >= 2)


@dataclass(frozen=True)
class Choice:
    """Strides, those left out each with its reason, and remarks."""

    times: tuple[tuple[float, float], ...]
    left_out: tuple[tuple[float, float], ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]


def choose(begins: Array, other: Array | None, postures: Postures | None) -> Choice:
    """Strides from contacts (n,) in s of a foot; ``other`` are those of the other one where it has its own column."""
    notes, side_known = [], other is not None and len(other) > 0
    if postures is not None and not postures.covers(begins):
        notes.append("The motion does not cover the contacts: strides are not checked by it.")
        postures = None
    if postures is not None:
        keep, text = _own_foot(begins, postures)
        begins, notes = begins[keep], [*notes, *text]
    elif not side_known:
        notes.append("Neither a motion nor the other foot's force is known: contacts are taken as those of one foot.")
    periods = np.full(len(begins), np.nan)
    if postures is not None:
        periods = np.array([postures.period(begin) for begin in begins])
    begins, periods, merged = _merged(begins, periods)
    if merged:
        notes.append(f"{merged} contacts shortly after another one are taken as the same: the foot landed twice.")
    found = list(pairwise(begins.tolist()))
    durations = np.diff(begins)
    kept, lost, reasons = [], [], []
    for number, stride in enumerate(found):
        reason = _fault(number, stride, durations, float(periods[number]), other if side_known else None)
        if reason:
            lost.append(stride)
            reasons.append(reason)
        else:
            kept.append(stride)
    return Choice(tuple(kept), tuple(lost), tuple(reasons), tuple(notes))


def _own_foot(begins: Array, postures: Postures) -> tuple[NDArray[np.bool_], list[str]]:
    """Contacts of the side's own foot, where both feet meet one plate."""
    every = np.ones(len(begins), dtype=bool)
    inside = (begins >= postures.time[0]) & (begins <= postures.time[-1])
    if inside.sum() < 3:
        return every, []
    at = postures.at(begins[inside])
    near = np.median(np.sqrt(np.mean((at[1:] - at[:-1]) ** 2, axis=1)))
    far = np.median(np.sqrt(np.mean((at[2:] - at[:-2]) ** 2, axis=1)))
    periods = np.array([postures.period(begin) for begin in begins[inside][:-1]])
    shares = np.diff(begins[inside]) / periods
    short = float(np.median(shares[np.isfinite(shares)])) < 0.7 if np.isfinite(shares).any() else False
    if not (near > TURNS * far or short):
        return every, []
    if postures.ahead is None:
        keep = np.arange(len(begins)) % 2 == 0
        text = "which of them is the side's cannot be determined from the motion: the first contact is taken."
    else:
        ahead = np.interp(begins, postures.time, postures.ahead)
        keep = ahead > 0.0
        text = "contacts with the side's hip flexed more than the other one are taken."
    return keep, [f"Both feet meet this plate, {len(begins)} contacts ({int((~keep).sum())} of the other foot): {text}"]


def _merged(begins: Array, periods: Array) -> tuple[Array, Array, int]:
    """Contacts, and the motion's periods at them, without those that come shortly after another one."""
    if len(begins) < 3:
        return begins, periods, 0
    usual, keep = np.where(np.isfinite(periods), periods, np.median(np.diff(begins))), [0]
    for number in range(1, len(begins)):
        own = float(usual[keep[-1]])
        gap = begins[number] - begins[keep[-1]]
        whole = begins[number + 1] - begins[keep[-1]] if number + 1 < len(begins) else np.inf
        if not (gap < 0.5 * own and abs(whole - own) <= USUAL * own):
            keep.append(number)
    return begins[keep], periods[keep], len(begins) - len(keep)


def _fault(number: int, stride: tuple[float, float], durations: Array, period: float, other: Array | None) -> str:
    """Why this is no stride; "" if it is one."""
    duration = stride[1] - stride[0]
    near = durations[max(0, number - NEIGHBOURS // 2) : number + NEIGHBOURS // 2 + 1]
    usual, what = float(np.median(near)), "the median of its neighbours"
    if np.isfinite(period):
        usual, what = period, "the period of the motion"
    off = duration / usual - 1.0
    if abs(off) > USUAL:
        if abs(off - 1.0) < 2.0 * USUAL:
            return f"about two strides ({what} is {usual:.2f} s): a contact is missing"
        return f"its duration is {off:+.0%} from {what}, {usual:.2f} s"
    if other is not None and other[0] < stride[0] and other[-1] > stride[1]:
        phase = (other[(other > stride[0]) & (other < stride[1])] - stride[0]) / duration
        if not len(phase):
            return "the other foot does not land within it"
        if not ((phase > OTHER[0]) & (phase < OTHER[1])).any():
            return f"the other foot lands at {phase[0]:.0%} of it"
    return ""


def _is_place(name: str) -> bool:
    """Whether a coordinate is a translation of the body, by its name: it may drift."""
    return bool(re.search(r"_t[xyz]$", name.lower()))


def _ahead(time: Array, value: Array, names: Sequence[str], side: str | None) -> Array | None:
    """How far the side's hip is flexed more than the other one."""
    if side is None:
        return None
    hips = {
        own: [i for i, name in enumerate(names) if re.fullmatch(rf"hip_flexion_{own}", name.lower())] for own in "rl"
    }
    other = "l" if side == "r" else "r"
    if hips[side] and hips[other]:
        return np.asarray(value[:, hips[side][0]] - value[:, hips[other][0]])
    if hips[side]:
        own = value[:, hips[side][0]]
        return np.asarray(own - np.median(own))
    return None
