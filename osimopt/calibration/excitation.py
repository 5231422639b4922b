"""Activations from EMG: gain, delay, activation dynamics and a nonlinear shape, with their derivatives.

An envelope u of a channel, divided by its largest value, gives the excitation γ u(t − d) with gain γ, the channel's
largest excitation, and delay d. Activation dynamics act on u itself: they are homogeneous, and do not know the time, so
that they commute with both. The activation is

    a = a₀ + (1 − a₀) (exp(A γ u) − 1) / (exp(A) − 1),

with the muscle's least activation a₀ and a shape A < 0 that makes small excitations count more (Lloyd and Besier 2003,
J Biomech 36, 765-776, doi:10.1016/S0021-9290(03)00010-1); A = 0 is the straight line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..emg.compare import through_dynamics
from ..emg.recording import Emg
from ..errors import InputError, explain
from ..problem.arrays import Array

#: Shapes nearer to 0 than this are taken as the straight line.
STRAIGHT = 1e-6
#: Rate in Hz at which activation dynamics are computed, above that of any envelope's content.
RATE = 500.0


class Levels(NamedTuple):
    """Shaped levels g (T, C) of channels, 0 to 1, and their derivatives by ln γ, A and d (s)."""

    value: Array
    by_gain: Array
    by_shape: Array
    by_delay: Array


@dataclass(frozen=True, eq=False)
class Envelopes:
    """Envelopes of C channels behind activation dynamics, as shares of their ``largest`` values (C,), at any time."""

    channels: tuple[str, ...]
    time: Array
    value: Array
    largest: Array
    top: Array

    @cached_property
    def splines(self) -> list[Any]:
        """Cubic splines through the envelopes, so that the derivative by the delay is exact."""
        from scipy.interpolate import CubicSpline

        return [CubicSpline(self.time, column) for column in self.value.T]

    @classmethod
    def of(cls, emg: Emg, largest: Mapping[str, float], shift: float = 0.0) -> Envelopes:
        """From envelopes; ``largest`` are the values by channel that they are divided by, ``shift`` (s) moves them.

        Raises
        ------
        InputError
            A channel with a gap, or without any activity.
        """
        count = int(np.ceil((emg.time[-1] - emg.time[0]) * RATE - 1e-9)) + 1
        time = emg.time[0] + np.arange(count) / RATE
        columns = []
        for channel in emg.channels:
            value = emg.of(channel)
            if not np.isfinite(value).all():
                got = f"{int((~np.isfinite(value)).sum())} samples missing in {channel}"
                fix = "Fill them, or leave the channel out of the mapping."
                raise InputError(explain("EMG without gaps for a calibration", got, fix))
            fine = np.interp(time, emg.time, np.maximum(value, 0.0))
            columns.append(through_dynamics(fine, RATE) / largest[channel])
        value = np.stack(columns, axis=1)
        scale = np.array([largest[channel] for channel in emg.channels])
        return cls(emg.channels, time + shift, value, scale, value.max(axis=0))

    def levels(self, time: Array, gain: Array, shape: Array, delay: Array) -> Levels:
        """Levels at ``time`` (T,), for the gain (C,), shape (C,) and delay (C,) of each channel."""
        u, rate = np.empty((len(time), len(self.channels))), np.empty((len(time), len(self.channels)))
        for column, spline in enumerate(self.splines):
            at = time - delay[column]
            inside = (at >= self.time[0]) & (at <= self.time[-1])
            at = np.clip(at, self.time[0], self.time[-1])
            u[:, column], rate[:, column] = spline(at), np.where(inside, spline(at, 1), 0.0)
        x = gain * u
        within = x < 1.0  # another trial may have a larger maximum: full excitation is the most
        x, rate = np.minimum(x, 1.0), np.where(within, rate, 0.0)
        straight = np.abs(shape) < STRAIGHT
        bend = np.where(straight, -1.0, shape)
        top = np.expm1(bend)
        g = np.where(straight, x, np.expm1(bend * x) / top)
        slope = np.where(straight, 1.0, bend * np.exp(bend * x) / top)
        by_shape = (x * np.exp(bend * x) - g * np.exp(bend)) / top
        by_shape = np.where(straight, 0.5 * x * (x - 1.0), by_shape)
        return Levels(g, np.where(within, slope * x, 0.0), by_shape, -slope * gain * rate)
