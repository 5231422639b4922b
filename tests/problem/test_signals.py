"""Derivatives and the low-pass: closed forms, and OpenSim's own Storage and GCVSplineSet as oracle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from osimopt import signals
from osimopt.errors import InputError
from osimopt.files.storage import write_table
from osimopt.signals import differentiate, lowpass, quintic_spline

Array = NDArray[np.float64]

#: Interpolation of polynomials is exact but for rounding: condition of the spline system times 1e-16.
ROUNDING = 1e-8
#: OpenSim solves the same spline with another algorithm (GCVSPL, regularised at rounding level).
OPENSIM_SPEED, OPENSIM_ACCELERATION = 1e-9, 1e-7
#: OpenSim's filter has the same coefficients and start; only the order of additions differs.
OPENSIM_FILTER = 1e-10
#: What is left, mid-signal, of the filter's transients; they decay by half every 0.1 / cutoff seconds or so.
TRANSIENT = 1e-6
#: 1e-6 s lost in 1.3 s of printed times moves the rate, and so the relative cutoff, by as much.
PRINTED = 1e-6
#: s; a power of two, so that the times of a file are uniform to the last bit and OpenSim does not resample.
STEP = 1.0 / 128.0
CUTOFF = 6.0  # Hz

ORACLE = """
import sys
import numpy as np
import opensim as osim
osim.Logger.setLevelString("off")
osim.Logger.removeFileSink()
path, out, cutoff = sys.argv[1], sys.argv[2], float(sys.argv[3])

def columns(storage):
    found = []
    for i in range(storage.getSize()):
        row = storage.getStateVector(i)
        found.append([row.getTime(), *(row.getData().get(j) for j in range(row.getSize()))])
    return np.array(found)

def differentiate(storage, time):
    splines = osim.GCVSplineSet(5, storage)
    return np.array([[splines.evaluate(i, 1, t) for i in range(splines.getSize())] for t in time])

raw = osim.Storage(path)
table = columns(raw)
time = table[:, 0]
speed = differentiate(raw, time)
speeds = osim.Storage(path)
for i in range(speeds.getSize()):
    for j in range(speed.shape[1]):
        speeds.getStateVector(i).getData().set(j, speed[i, j])
acceleration = differentiate(speeds, time)
filtered = osim.Storage(path)
filtered.pad(filtered.getSize() // 2)
filtered.lowpassIIR(cutoff)
smooth = columns(filtered)
first = int(np.argmin(np.abs(smooth[:, 0] - time[0])))
np.savez(out, speed=speed, acceleration=acceleration, lowpass=smooth[first : first + len(time), 1:])
"""


@pytest.fixture(scope="module")
def samples() -> tuple[Array, Array]:
    """A noisy walk of two signals, 90 and so an even number of frames."""
    time = 0.25 + STEP * np.arange(90)
    noise = 0.01 * np.random.default_rng(0).standard_normal((90, 2))
    return time, np.column_stack([np.sin(7.0 * time), 1.0 + time**2]) + noise


def ask_opensim(samples: tuple[Array, Array], folder: Path) -> dict[str, Array]:
    time, value = samples
    table = pd.DataFrame(value, index=pd.Index(time, name="time"), columns=["a", "b"])
    write_table(table, folder / "in.sto")
    command = [sys.executable, "-c", ORACLE, str(folder / "in.sto"), str(folder / "out.npz"), str(CUTOFF)]
    environment = {**os.environ, "LD_LIBRARY_PATH": ""}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def opensim(samples: tuple[Array, Array], tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Array]]:
    """OpenSim's answers for an even and an odd number of frames."""
    time, value = samples
    return {count: ask_opensim((time[:count], value[:count]), tmp_path_factory.mktemp("oracle")) for count in (90, 61)}


# --------------------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize("count", [90, 61])
def test_derivatives_are_opensims(samples, opensim, count: int) -> None:
    time, value = samples
    speed, acceleration = differentiate(time[:count], value[:count])
    theirs = opensim[count]
    assert np.abs(speed - theirs["speed"]).max() < OPENSIM_SPEED * np.abs(speed).max()
    limit = OPENSIM_ACCELERATION * np.abs(acceleration).max()
    assert np.abs(acceleration - theirs["acceleration"]).max() < limit


@given(
    coefficients=st.tuples(*[st.floats(-10.0, 10.0)] * 3),
    steps=st.lists(st.floats(0.005, 0.02), min_size=5, max_size=30),
    start=st.floats(-2.0, 2.0),
)
def test_parabolas_are_exact_at_any_times(coefficients, steps: list[float], start: float) -> None:
    time = start + np.cumsum([0.0, *steps])
    parabola = np.polynomial.Polynomial(coefficients)
    speed, acceleration = differentiate(time, parabola(time)[:, None])
    assert np.abs(speed[:, 0] - parabola.deriv()(time)).max() < ROUNDING
    assert np.abs(acceleration[:, 0] - parabola.deriv(2)(time)).max() < ROUNDING / min(steps)


@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize("order", [3, 4])
def test_ends_are_natural(samples, end: int, order: int) -> None:
    time, value = samples
    derivative = quintic_spline(time, value, derivative=order)(time)
    assert np.abs(derivative[end]).max() < ROUNDING * np.abs(derivative).max()


def test_spline_passes_through_the_samples(samples) -> None:
    time, value = samples
    assert quintic_spline(time, value)(time) == pytest.approx(value, abs=ROUNDING)


def test_error_on_a_sine_falls_with_the_fifth_power_of_the_step() -> None:
    worst = []
    for count in (41, 81):
        time = np.linspace(0.0, 2.0 * np.pi, count)
        speed, acceleration = differentiate(time, np.sin(time)[:, None])
        middle = slice(count // 4, -count // 4)  # the natural ends are wrong by design
        worst.append(
            [
                np.abs(speed[middle, 0] - np.cos(time[middle])).max(),
                np.abs(acceleration[middle, 0] + np.sin(time[middle])).max(),
            ]
        )
    assert max(worst[1]) < 1e-6
    assert np.divide(*worst).min() > 2**4.5


def test_columns_do_not_touch_each_other(samples) -> None:
    time, value = samples
    together = [*differentiate(time, value), lowpass(time, value, CUTOFF)]
    alone = [*differentiate(time, value[:, 1:]), lowpass(time, value[:, 1:], CUTOFF)]
    for both, one in zip(together, alone, strict=True):
        assert both[:, 1:] == pytest.approx(one, rel=1e-12)


@pytest.mark.parametrize("count", range(1, 6))
def test_few_frames_are_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"at least 6 frames, got {count}"):
        differentiate(np.arange(count, dtype=float), np.zeros((count, 1)))


def test_six_frames_are_enough() -> None:
    speed, acceleration = differentiate(np.arange(6.0), np.arange(6.0)[:, None])
    assert speed == pytest.approx(np.ones((6, 1)), abs=ROUNDING)
    assert acceleration == pytest.approx(np.zeros((6, 1)), abs=ROUNDING)


# ------------------------------------------------------------------------------------------------ low-pass


@pytest.mark.parametrize("count", [90, 61])
def test_filter_is_opensims(samples, opensim, count: int) -> None:
    time, value = samples
    ours = lowpass(time[:count], value[:count], CUTOFF)
    assert np.abs(ours - opensim[count]["lowpass"]).max() < OPENSIM_FILTER


@pytest.mark.parametrize("cutoff", [2.0, 6.0, 20.0])
def test_a_constant_passes(cutoff: float) -> None:
    time = STEP * np.arange(300)
    value = np.full((300, 1), 3.0)
    assert lowpass(time, value, cutoff) == pytest.approx(value, abs=ROUNDING)


def test_a_straight_line_passes() -> None:
    time = STEP * np.arange(600)
    line = (4.0 - 2.5 * time)[:, None]
    assert np.abs(lowpass(time, line, CUTOFF) - line).max() < TRANSIENT


@pytest.mark.parametrize("frequency", [1.0, CUTOFF, 15.0, 40.0])
def test_gain_and_phase_mid_signal(frequency: float) -> None:
    """Two Butterworth passes, bilinear: 1/2 at the cutoff; sine and cosine are scaled alike, so nothing is delayed."""
    time = STEP * np.arange(1024)
    bent = np.tan(np.pi * frequency * STEP) / np.tan(np.pi * CUTOFF * STEP)
    gain = 1.0 / (1.0 + bent**6)
    wave = 2.0 * np.pi * frequency * time
    value = np.column_stack([np.sin(wave), np.cos(wave)])
    filtered = lowpass(time, value, CUTOFF)
    assert np.abs(filtered - gain * value)[400:-400].max() < TRANSIENT
    if frequency == CUTOFF:
        assert gain == pytest.approx(0.5)


def test_time_may_run_backwards() -> None:
    """Zero phase: filtering the reversed signal reverses the answer (mid-signal, where no transient is left)."""
    time = STEP * np.arange(512)
    value = np.random.default_rng(1).standard_normal((512, 1))
    forwards, backwards = lowpass(time, value, CUTOFF), lowpass(time, value[::-1], CUTOFF)[::-1]
    assert np.abs(forwards - backwards)[200:-200].max() < TRANSIENT


def test_samples_that_are_not_uniform() -> None:
    """A slow wave sampled unevenly comes out as it does from even samples."""
    even = np.linspace(0.0, 4.0, 401)
    uneven = even + 0.003 * np.sin(40.0 * even)  # steps between 8.8 and 11.2 ms
    cutoff, middle = 8.0, slice(100, -100)
    expected = lowpass(even, np.sin(2.0 * np.pi * even)[:, None], cutoff)
    found = lowpass(uneven, np.sin(2.0 * np.pi * uneven)[:, None], cutoff)
    gain = np.abs(expected[middle]).max()
    assert found[middle, 0] == pytest.approx(gain * np.sin(2.0 * np.pi * uneven[middle]), abs=1e-4)


def test_printed_times_count_as_uniform() -> None:
    """Times rounded to 6 digits give what exact times give, without resampling."""
    time = np.arange(200) / 150.0
    value = np.sin(5.0 * time)[:, None]
    assert lowpass(np.round(time, 6), value, CUTOFF) == pytest.approx(lowpass(time, value, CUTOFF), abs=PRINTED)


def test_the_input_is_left_alone(samples) -> None:
    time, value = samples
    before = value.copy()
    lowpass(time, value, CUTOFF)
    assert np.array_equal(value, before)


@pytest.mark.parametrize("cutoff", [0.0, -6.0, 64.0, 1000.0, np.nan, np.inf])
def test_impossible_cutoffs_are_refused(samples, cutoff: float) -> None:
    time, value = samples
    with pytest.raises(InputError, match=r"between 0 and 64 Hz \(half the rate\).*lowpass_hz"):
        lowpass(time, value, cutoff)


@pytest.mark.parametrize("time", [[0.5], [0.0, 0.1, 0.2, 0.4]], ids=["one frame", "four uneven ones"])
def test_too_few_frames_to_filter_are_refused(time: list[float]) -> None:
    with pytest.raises(InputError, match=f"frames, got {len(time)}"):
        lowpass(np.array(time), np.zeros((len(time), 1)), 1.0)


def test_columns_of_long_motions_are_differentiated_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few columns at a time, which takes less memory, give what all of them give at once."""
    time = np.linspace(0.0, 2.0, 201)
    value = np.sin(time[:, None] * np.arange(1.0, 20.0))
    whole = differentiate(time, value)
    monkeypatch.setattr(signals, "MANY", 10)
    for one, other in zip(whole, differentiate(time, value), strict=True):
        assert np.abs(one - other).max() <= 1e-12 * np.abs(one).max()
