"""Clocks of EMG: planted offsets and rates are found by two algorithms, and right clocks are left in peace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import osimopt
from osimopt import InputError
from osimopt.emg.clock import FEWEST, Clock, estimate_clock, period_of

STRIDE = 1.1


def walk(seconds: float, rate: float = 0.0, shift: float = 0.0, noise: float = 0.3, seed: int = 0) -> tuple[Any, ...]:
    """Strides of varying duration: activities of six channels, EMG of a wrong clock with noise, and moments."""
    random = np.random.default_rng(seed)
    time = np.arange(round(100.0 * seconds) + 1) / 100.0
    middle = 0.5 * (time[0] + time[-1])
    count = int(seconds / STRIDE) + 6
    starts = np.cumsum(np.concatenate([[-3.0 * STRIDE], STRIDE * (1.0 + 0.02 * random.standard_normal(count))]))
    centres = np.linspace(0.05, 0.9, 6)

    def at(times: Any) -> Any:
        phase = np.interp(times, starts, np.arange(len(starts)))[:, None] - centres
        return np.exp(8.0 * (np.cos(2.0 * np.pi * phase) - 1.0))

    simulated = at(time)
    true = time + shift + rate * (time - middle)  # the recorder's seconds are too short by rate
    wobble = np.stack([np.convolve(n, np.ones(9) / 9.0, "same") for n in random.standard_normal((6, len(time)))], 1)
    measured = at(true) * np.exp(noise * wobble) + 0.05 * np.abs(wobble)
    return time, simulated, measured, simulated @ random.standard_normal((6, 3))


@pytest.mark.parametrize("seconds", [10.0, 30.0])
@pytest.mark.parametrize("rate", [-0.04, -0.01, 0.0, 0.01, 0.04])
@pytest.mark.parametrize("shift", [0.0, 0.2, -0.3])
def test_planted_clocks(seconds: float, rate: float, shift: float) -> None:
    found = estimate_clock(*walk(seconds, rate, shift))
    assert found.stride == pytest.approx(STRIDE, rel=0.03)
    assert found.lag == pytest.approx(shift, abs=0.02)
    assert found.rate == pytest.approx(rate, abs=0.003)
    assert found.rate_by_period == pytest.approx(rate, abs=0.004)  # knows no simulation
    assert found.rate_is_off is (rate != 0.0)
    assert found.lag_is_off is (shift != 0.0)
    assert bool(found.findings()) is (rate != 0.0 or shift != 0.0)


def test_errors_cover_the_truth() -> None:
    found = [estimate_clock(*walk(15.0, 0.01, 0.05, 0.5, seed)) for seed in range(40)]
    assert np.mean([abs(one.rate - 0.01) <= one.rate_error for one in found]) >= 0.85
    assert np.mean([abs(one.lag - 0.05) <= one.lag_error for one in found]) >= 0.85


def test_an_offset_is_known_modulo_a_stride() -> None:
    found = estimate_clock(*walk(20.0, 0.0, 0.2 + STRIDE))
    assert found.lag == pytest.approx(0.2, abs=0.05)
    assert "known modulo a stride of 1.09 s" in found.findings()[0]


def test_a_short_trial_tells_no_rate() -> None:
    found = estimate_clock(*walk(STRIDE * (FEWEST - 1.5), 0.04))
    assert np.isnan([found.rate, found.rate_error, found.rate_by_period]).all()
    assert not found.rate_is_off
    assert any("cannot be determined" in note for note in found.notes())


def test_noise_judges_no_clock() -> None:
    time, simulated, measured, moments = walk(20.0)
    random = np.random.default_rng(1)
    found = estimate_clock(time, simulated, random.uniform(size=measured.shape), moments)
    assert found.findings() == []
    assert "too little" in found.notes()[1]


def test_corrected_emg_is_right() -> None:
    time, simulated, measured, moments = walk(20.0, 0.01, 0.25)
    emg = osimopt.Emg(time, measured, tuple("abcdef"), envelope=True)
    again = estimate_clock(time, simulated, measured, moments).corrected(emg)
    assert again.chain[-1]["step"] == "clock"
    back = np.stack([np.interp(time, again.time, column) for column in again.value.T], axis=1)
    found = estimate_clock(time, simulated, back, moments)
    assert abs(found.rate) < 0.001
    assert abs(found.lag) < 0.01
    assert found.findings() == []


def test_moments_without_a_period() -> None:
    assert np.isnan(period_of(np.arange(500.0)[:, None], 0.01))
    assert np.isnan(period_of(np.ones((500, 1)), 0.01))


def test_retimed() -> None:
    emg = osimopt.Emg(np.arange(5.0), np.ones((5, 1)), ("a",))
    np.testing.assert_allclose(emg.retimed(1.0, 0.01).time, [1.0, 2.01, 3.02, 4.03, 5.04])
    assert emg.retimed() is emg
    with pytest.raises(InputError, match="got shift nan s"):
        emg.retimed(float("nan"))


CLOCK = Clock(0.05, 0.01, 0.0, 0.001, 0.0, 1.1, 5.0, 0.8, 0.8)


@pytest.mark.parametrize(("lag", "questioned"), [(-0.02, False), (-0.04, True), (0.08, False), (0.15, True)])
def test_lags_beyond_the_delay_are_questioned(lag: float, questioned: bool) -> None:
    assert bool(replace(CLOCK, lag=lag, r_delay=0.5).findings()) is questioned


@pytest.mark.parametrize(
    ("rate", "error", "period", "off"),
    [(0.01, 0.002, 0.01, True), (0.01, 0.02, 0.01, False), (0.01, 0.002, -0.01, False), (0.01, 0.002, 0.03, False)],
)
def test_a_rate_needs_both_algorithms(rate: float, error: float, period: float, off: bool) -> None:
    assert replace(CLOCK, rate=rate, rate_error=error, rate_by_period=period).rate_is_off is off


def test_rankings_turn_with_the_clock() -> None:
    """The cost that made the EMG is first at its own clock; by_offset has what compare_emg finds with that shift."""
    time = np.arange(501) / 100.0
    moment = 12.0 + 8.0 * np.sin(2.0 * np.pi * time)
    arms = np.stack([0.05 + 0.02 * np.sin(3.0 * time), 0.03 - 0.01 * np.cos(5.0 * time)], axis=1)[:, None]
    problem = osimopt.RedundancyProblem.from_arrays(arms, [900.0, 600.0], moment, time=time)
    activation = osimopt.solve_static(problem, exponent=3).activation
    emg = osimopt.Emg(time, activation, ("a", "b"), envelope=True)
    mapping, costs = {"a": "muscle_0", "b": "muscle_1"}, ["min_max", "activation_power:3"]
    ranking = osimopt.rank_costs(problem, emg, mapping, costs)
    assert ranking.by_offset.loc[0.0].idxmax() == "activation_power:3"
    moved = osimopt.compare_emg(ranking.solutions["min_max"], emg, mapping, shift=0.04)
    assert ranking.by_offset.loc[0.04, "min_max"] == pytest.approx(moved.table["r"].mean(), abs=2e-3)
    later = osimopt.rank_costs(problem, emg.retimed(-0.06), mapping, costs, shift=0.06)
    np.testing.assert_allclose(later.table["chosen_r"], ranking.table["chosen_r"], atol=3e-3)  # 60 ms fewer
